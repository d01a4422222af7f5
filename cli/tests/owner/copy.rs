//! `vedette copy`.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use vedette_cli::Item;
use vedette_crypto::Signer;
use vedette_protocol::copy::{CopyOrder, Delivery};
use vedette_protocol::owner::{Epoch, OwnerWord};

use crate::desk::Desk;

fn ca(name: &str) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

/// The orders of a delivery, verified by the owner key.
fn orders(desk: &Desk, name: &str) -> Vec<CopyOrder> {
    let key = desk.key();
    let order = |item: &Item| match item {
        Item::Word(OwnerWord::Copy(order)) => Some(order.verify(&key).unwrap()),
        _ => None,
    };
    desk.items(name).iter().filter_map(order).collect()
}

fn set(desk: &Desk, more: &[&str], out: &str) -> CopyOrder {
    let file = desk.path("ca.pem");
    let given = [
        "copy",
        "set",
        "--appliance",
        "lab",
        "--collector",
        "logs.example.com",
        "--ca",
        &file,
    ];
    desk.run(&[&given[..], more, &["--out", &desk.path(out)]].concat());
    orders(desk, out).pop().unwrap()
}

#[test]
fn an_order_names_the_appliance_the_collector_and_its_cas() {
    let (desk, appliance) = Desk::with_appliance();
    desk.write("ca.pem", &(ca("One") + &ca("Two")));
    let order = set(&desk, &[], "first");
    assert_eq!(
        (order.org, order.appliance, order.identity),
        (appliance.org, appliance.id, appliance.fingerprint())
    );
    let collector = order.collector.unwrap();
    assert_eq!(collector.at.to_string(), "logs.example.com:6514");
    assert_eq!(collector.delivery, Delivery::Required);
    let roots: Vec<&str> = collector.roots.iter().map(|root| root.name.as_str()).collect();
    assert_eq!(roots, ["One", "Two"]);

    let second = set(&desk, &["--best-effort", "--name", "other.example.com"], "second");
    assert!(second.number > order.number);
    let collector = second.collector.unwrap();
    assert_eq!(collector.delivery, Delivery::BestEffort);
    assert_eq!(collector.name.unwrap().as_str(), "other.example.com");

    desk.run(&["copy", "off", "--appliance", "lab", "--out", &desk.path("off")]);
    let off = orders(&desk, "off").pop().unwrap();
    assert!(off.number > second.number && off.collector.is_none());
    let shown = desk.shown(&["copy", "show"]);
    assert!(shown.contains("lab") && shown.contains("none"), "{shown}");
}

#[test]
fn a_new_epoch_and_a_new_key_sign_the_order_anew() {
    let (desk, _) = Desk::with_appliance();
    desk.write("ca.pem", &ca("One"));
    let first = set(&desk, &[], "first");
    desk.run(&[
        "grant",
        "sign",
        "--appliance",
        "lab",
        "--targets",
        "192.0.2.0/24",
        "--ports",
        "80",
        "--checks",
        "ports",
        "--out",
        &desk.path("grant"),
    ]);
    let grant = desk.grants("grant").pop().unwrap().id.to_string();
    desk.run(&["grant", "revoke", &grant, "--out", &desk.path("revoked")]);
    let again = orders(&desk, "revoked").pop().unwrap();
    assert_eq!((again.epoch, &again.collector), (Epoch(2), &first.collector));
    assert!(again.number > first.number);
    desk.write("new", "another passphrase of some length\n");
    desk.run(&[
        "owner",
        "rotate",
        "--new-passphrase-file",
        &desk.path("new"),
        "--out",
        &desk.path("rotated"),
    ]);
    let rotated = orders(&desk, "rotated").pop().unwrap();
    assert_eq!((rotated.epoch, &rotated.collector), (Epoch(3), &first.collector));
    assert!(rotated.number > again.number);
}

#[test]
fn an_appliance_is_given_a_certificate_that_the_owners_ca_signed() {
    let (desk, appliance) = Desk::with_appliance();
    desk.write("server-ca.pem", &ca("One"));
    desk.write("ca.pem", &ca("One"));
    let file = desk.path("client-ca.pem");
    let order = set(&desk, &["--client-ca", &file], "first");
    let certificate = CertificateDer::from(order.collector.unwrap().certificate.unwrap().0);
    let trusting = |name: &str| {
        let authority = CertificateDer::from_pem_file(desk.path(name)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap()
    };
    let now = UnixTime::now();
    trusting("client-ca.pem")
        .verify_client_cert(&certificate, &[], now)
        .unwrap();
    assert!(
        trusting("server-ca.pem")
            .verify_client_cert(&certificate, &[], now)
            .is_err()
    );
    let identity = appliance.identity.verifying_key();
    assert!(
        certificate
            .windows(32)
            .any(|window| window == identity.as_bytes())
    );

    // The same CA for every appliance and each order, in a file of its own.
    let again = desk.path("again.pem");
    set(&desk, &["--client-ca", &again], "second");
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&file), read(&again));
    let (server_ca, out) = (desk.path("ca.pem"), desk.path("third"));
    let set = [
        "copy",
        "set",
        "--appliance",
        "lab",
        "--collector",
        "logs.example.com",
        "--ca",
        &server_ca,
    ];
    desk.refused(
        &[&set[..], &["--client-ca", &file, "--out", &out]].concat(),
        "exists already",
    );
    assert!(!std::path::Path::new(&out).exists());
}

#[test]
fn what_would_not_work_is_refused_before_it_is_signed() {
    let (desk, _) = Desk::with_appliance();
    let file = desk.write("ca.pem", "hello");
    let set = |appliance: &str, collector: &str| {
        let words = [
            "copy",
            "set",
            "--appliance",
            appliance,
            "--collector",
            collector,
            "--ca",
            &file,
            "--out",
        ];
        [&words[..], &[&desk.path("out")]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let refused = |words: Vec<String>, part: &str| {
        desk.refused(&words.iter().map(String::as_str).collect::<Vec<_>>(), part);
    };
    refused(set("lab", "logs.example.com"), "no PEM certificate");
    let leaf = CertificateParams::new(vec!["logs.example.com".to_owned()]).unwrap();
    let leaf = leaf.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    desk.write("ca.pem", &leaf);
    refused(set("lab", "logs.example.com"), "not a root CA's");
    let many: String = (0..100).map(|number| ca(&format!("CA {number}"))).collect();
    desk.write("ca.pem", &many);
    refused(set("lab", "logs.example.com"), "give the one alone");
    desk.write("ca.pem", &ca("One"));
    refused(set("elsewhere", "logs.example.com"), "vedette appliance confirm");
    let words = set("lab", "https://logs");
    desk.misused(
        &words.iter().map(String::as_str).collect::<Vec<_>>(),
        "is no collector",
    );

    let nobody = Desk::new();
    let file = nobody.write("ca.pem", &ca("One"));
    nobody.refused(
        &[
            "copy",
            "set",
            "--appliance",
            "lab",
            "--collector",
            "logs.example.com",
            "--ca",
            &file,
            "--out",
            &nobody.path("out"),
        ],
        "vedette owner init",
    );
}
