use std::time::Duration;

use super::*;
use crate::web::response::Whole;

fn site() -> Site {
    Site::parse("https://192.0.2.7/").unwrap()
}

fn url(path: &str) -> Url {
    site().start().join(path).unwrap()
}

fn response(status: u16, fields: &[(&str, &str)], body: &str) -> Response {
    let mut headers: Vec<(String, String)> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    headers.push(("Content-Type".to_owned(), "text/html".to_owned()));
    Response {
        status,
        headers,
        body: body.as_bytes().to_vec(),
        whole: Whole::Yes,
        took: Duration::ZERO,
    }
}

fn door(kind: CredentialKind, response: &Response) -> Option<Door> {
    Door::of(kind, &site(), &url("/a"), None, response)
}

const LOGIN: &str = r#"<form method="post" action="/in"><input type="hidden" name="csrf" value="t">
    <input name="who"><input type="password" name="word"><button>go</button></form>"#;

#[test]
fn a_door_is_only_where_its_kind_of_key_fits() {
    use CredentialKind::{Bearer, ClientCertificate, Cookie, Form, HttpBasic};
    let basic = response(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], "");
    let bearer = response(401, &[("WWW-Authenticate", "Bearer")], "");
    let (bare, denied) = (response(401, &[], ""), response(403, &[], ""));
    let uncertified = response(400, &[], "No required SSL certificate was sent");
    let (open, form) = (response(200, &[], "hello"), response(200, &[], LOGIN));
    for (response, kinds) in [
        (&basic, &[HttpBasic][..]),
        (&bearer, &[Bearer]),
        (&bare, &[Bearer, Cookie, ClientCertificate]),
        (&denied, &[Bearer, Cookie, ClientCertificate]),
        (&uncertified, &[ClientCertificate]),
        (&open, &[]),
        (&form, &[Form, Cookie]),
    ] {
        for kind in CredentialKind::ALL {
            assert_eq!(
                door(kind, response).is_some(),
                kinds.contains(&kind),
                "{kind} {response:?}"
            );
        }
    }
    let from = url("/private");
    let led = Door::of(Cookie, &site(), &url("/login"), Some(&from), &form);
    assert_eq!(led, Some(Door::Field(from)));
}

#[test]
fn a_form_is_filled_in_with_what_stood_in_it() {
    let Some(Door::Form(form)) = door(CredentialKind::Form, &response(200, &[], LOGIN)) else {
        panic!("it asks for a password");
    };
    let request = form.filled_in("me", "secret");
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/in"));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        request.body,
        Body::Form(vec![pair("csrf", "t"), pair("who", "me"), pair("word", "secret")])
    );
}

#[test]
fn no_password_goes_into_an_address_a_registration_or_another_server() {
    for page in [
        r#"<form action="/in"><input name="who"><input type="password" name="word"></form>"#,
        r#"<form method="post"><input name="who"><input type="password" name="a"><input type="password" name="b"></form>"#,
        r#"<form method="post" action="https://192.0.2.8/in"><input name="who"><input type="password" name="w"></form>"#,
        r#"<form method="post"><input type="password" name="word"></form>"#,
        r#"<input name="who"><input type="password" name="word">"#,
    ] {
        assert_eq!(
            door(CredentialKind::Form, &response(200, &[], page)),
            None,
            "{page}"
        );
    }
}

#[test]
fn what_a_server_answers_is_judged_by_whether_it_opened() {
    use LoginOutcome::{Accepted, NoAnswer, WrongCredential};
    let field = |kind, response: &Response| judge_field(kind, &site(), &url("/a"), response);
    let redirect = response(302, &[("Location", "/login")], "");
    for (status, outcome) in [
        (200, Accepted),
        (404, Accepted),
        (401, WrongCredential),
        (403, WrongCredential),
        (502, NoAnswer),
    ] {
        assert_eq!(field(CredentialKind::Bearer, &response(status, &[], "")), outcome);
    }
    assert_eq!(judge_certificate(&response(200, &[], "")), Accepted);
    assert_eq!(judge_certificate(&response(400, &[], "")), WrongCredential);
    assert_eq!(judge_certificate(&response(503, &[], "")), NoAnswer);
    assert_eq!(field(CredentialKind::HttpBasic, &redirect), Accepted);
    assert_eq!(field(CredentialKind::Cookie, &redirect), WrongCredential);
    assert_eq!(
        field(CredentialKind::Cookie, &response(200, &[], LOGIN)),
        WrongCredential
    );
    assert_eq!(
        field(CredentialKind::Cookie, &response(200, &[], "hello")),
        Accepted
    );
    let form =
        |answer: &Response, session, end: &Response| judge_form(&site(), answer, session, &url("/b"), end);
    let (home, again) = (response(200, &[], "hello"), response(200, &[], LOGIN));
    assert_eq!(form(&redirect, Session::Same, &home), Accepted);
    assert_eq!(form(&home, Session::Changed, &home), Accepted);
    assert_eq!(form(&redirect, Session::Changed, &again), WrongCredential);
    // A page that says no, without the form.
    assert_eq!(form(&home, Session::Same, &home), WrongCredential);
    assert_eq!(
        form(&home, Session::Changed, &response(403, &[], "")),
        WrongCredential
    );
    assert_eq!(form(&home, Session::Changed, &response(500, &[], "")), NoAnswer);
}
