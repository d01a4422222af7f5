//! The published test vectors of a finding's id, made by another implementation of the formula.
#![cfg(test)]

use serde::Deserialize;
use vedette_protocol::{
    Digest,
    finding::{FindingPlace, FindingType, Host, Label, Transport, UrlPath},
};

#[derive(Deserialize)]
struct Vector {
    #[serde(rename = "type")]
    type_: FindingType,
    target: Host,
    port: Option<u16>,
    #[serde(default)]
    transport: Transport,
    method: Option<Label>,
    url: Option<UrlPath>,
    parameter: Option<Label>,
    id: Digest,
}

#[test]
fn ids_are_those_that_were_published() {
    let text = include_str!("../../docs/vectors/finding-ids.json");
    let vectors: Vec<Vector> = serde_json::from_str(text).unwrap();
    assert!(vectors.len() >= 5);
    for Vector {
        type_,
        target,
        port,
        transport,
        method,
        url,
        parameter,
        id,
    } in vectors
    {
        let place = FindingPlace {
            target,
            port,
            transport,
            url,
            method,
            parameter,
        };
        assert_eq!(place.id(type_), id, "{type_} at {place:?}");
    }
}
