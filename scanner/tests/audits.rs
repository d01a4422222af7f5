//! Each audit with a target that it must find out and a sound twin that it must leave in peace. No network:
//! the replies are values.
#![cfg(test)]

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use vedette_protocol::{
    Finding, Timestamp,
    finding::{Evidence, FindingType, Kind, TlsVersion},
    job::Checks,
};
use vedette_scanner::{
    interpret::interpret,
    known::Known,
    plan,
    probe::{Probe, Until, Versions, Wrap},
    reply::{End, Reply, Session, TlsFailure},
};

/// 2026-12-01T09:00:00Z.
const NOW: Timestamp = Timestamp(1_796_115_600);

/// Plays a target to the plan until nothing more is asked, and says what it is accused of.
fn accusations(endpoint: &str, name: Option<&str>, target: impl Fn(&Probe) -> Reply) -> Vec<Finding> {
    let mut known = Known::open(endpoint.parse().unwrap(), name.map(|name| name.parse().unwrap()));
    loop {
        let probes = plan::next(&known, &Checks::of_endpoints());
        if probes.is_empty() {
            break;
        }
        for probe in probes {
            let reply = target(&probe);
            known.learn(probe, reply);
        }
    }
    let findings = interpret(&known, &Checks::of_endpoints(), NOW);
    findings
        .into_iter()
        .filter(|finding| finding.kind == Kind::Weakness)
        .collect()
}

fn types(findings: &[Finding]) -> Vec<FindingType> {
    findings.iter().map(|finding| finding.type_).collect()
}

fn said(heard: impl Into<Vec<u8>>) -> Reply {
    Reply {
        session: None,
        heard: heard.into(),
        end: End::Enough,
    }
}

/// A TLS server on port 993 of which nothing but its certificate and versions is known.
fn tls_server(name: Option<&str>, certificate: &[u8], versions: &[TlsVersion]) -> Vec<Finding> {
    accusations("192.0.2.7:993", name, |probe| {
        let Wrap::Tls(hello) = &probe.wrap else {
            return Reply::silent(End::Closed);
        };
        let offered: &[TlsVersion] = match hello.versions {
            Versions::Both => &[TlsVersion::Tls12, TlsVersion::Tls13],
            Versions::Only12 => &[TlsVersion::Tls12],
            Versions::Only13 => &[TlsVersion::Tls13],
        };
        match offered.iter().filter(|version| versions.contains(version)).max() {
            Some(version) => {
                let session = Session {
                    version: Some(*version),
                    chain: vec![certificate.to_vec()],
                };
                let end = if probe.until == Until::Handshake {
                    End::Enough
                } else {
                    End::Closed
                };
                Reply {
                    session: Some(session),
                    heard: Vec::new(),
                    end,
                }
            }
            None => Reply::silent(End::NoTls(TlsFailure::Alert(70))),
        }
    })
}

fn params(from: i32, until: i32) -> CertificateParams {
    let mut params = CertificateParams::new(["www.example".to_owned(), "*.wild.example".to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

/// A certificate from a CA.
fn issued(from: i32, until: i32) -> Vec<u8> {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(ca, KeyPair::generate().unwrap());
    params(from, until)
        .signed_by(&KeyPair::generate().unwrap(), &issuer)
        .unwrap()
        .der()
        .to_vec()
}

#[test]
fn a_sound_tls_server_is_accused_of_nothing() {
    let versions = [TlsVersion::Tls12, TlsVersion::Tls13];
    for name in [None, Some("www.example"), Some("a.wild.example")] {
        assert_eq!(types(&tls_server(name, &issued(2020, 2100), &versions)), []);
    }
    assert_eq!(
        types(&tls_server(None, &issued(2020, 2100), &[TlsVersion::Tls13])),
        []
    );
}

#[test]
fn certificates_out_of_date_are_found_out() {
    let versions = [TlsVersion::Tls13];
    assert_eq!(
        types(&tls_server(None, &issued(2020, 2026), &versions)),
        [FindingType::TlsCertificateExpired]
    );
    let early = tls_server(None, &issued(2027, 2030), &versions);
    assert_eq!(types(&early), [FindingType::TlsCertificateNotYetValid]);
}

#[test]
fn a_certificate_that_vouches_for_itself_is_found_out() {
    let own = params(2020, 2100)
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap();
    let found = tls_server(None, own.der(), &[TlsVersion::Tls13]);
    assert_eq!(types(&found), [FindingType::TlsCertificateSelfSigned]);
}

#[test]
fn a_certificate_for_another_name_is_found_out() {
    for name in ["other.example", "wild.example", "a.b.wild.example"] {
        let found = tls_server(Some(name), &issued(2020, 2100), &[TlsVersion::Tls13]);
        assert_eq!(types(&found), [FindingType::TlsCertificateWrongName], "{name}");
        assert!(
            found[0]
                .evidence
                .iter()
                .any(|fact| matches!(fact, Evidence::NameMismatch { .. }))
        );
    }
}

#[test]
fn a_short_key_and_a_broken_signature_are_found_out() {
    let weak = include_bytes!("certificates/weak.der");
    let found = tls_server(Some("www.example"), weak, &[TlsVersion::Tls13]);
    assert_eq!(
        types(&found),
        [FindingType::TlsWeakKey, FindingType::TlsWeakSignature]
    );
}

/// A web server on port 80 that knows these paths: each with the headers and the body of its answer.
fn web_server(pages: &[(&str, &str, &str)]) -> Vec<Finding> {
    accusations("192.0.2.7:80", None, |probe| {
        let request = String::from_utf8(probe.say.clone()).unwrap_or_default();
        let Some(path) = request
            .strip_prefix("GET ")
            .and_then(|rest| rest.split(' ').next())
        else {
            return Reply::silent(End::Closed);
        };
        match pages.iter().find(|(known, ..)| *known == path) {
            Some((_, head, body)) => said(format!("HTTP/1.1 {head}\r\n\r\n{body}")),
            None => said("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\nnothing"),
        }
    })
}

const SOUND: &str = "200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nX-Content-Type-Options: nosniff\r\n\
    Content-Security-Policy: default-src 'self'; frame-ancestors 'none'\r\nReferrer-Policy: no-referrer";

#[test]
fn a_sound_site_is_accused_of_nothing() {
    assert_eq!(types(&web_server(&[("/", SOUND, "<h1>Hello</h1>")])), []);
    // What is no page needs no protection, nor does what is only a way to a page elsewhere.
    assert_eq!(
        types(&web_server(&[(
            "/",
            "200 OK\r\nContent-Type: application/json",
            "{}"
        )])),
        []
    );
    let elsewhere = "301 Moved\r\nLocation: https://www.example/\r\nContent-Type: text/html";
    assert_eq!(types(&web_server(&[("/", elsewhere, "moved")])), []);
}

#[test]
fn missing_headers_are_named_one_by_one() {
    let found = web_server(&[("/", "200 OK\r\nContent-Type: text/html; charset=utf-8", "<p>")]);
    let names: Vec<_> = found
        .iter()
        .filter_map(|finding| finding.parameter.as_ref())
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        names,
        [
            "Content-Security-Policy",
            "X-Content-Type-Options",
            "X-Frame-Options",
            "Referrer-Policy"
        ]
    );
    assert!(
        found
            .iter()
            .all(|finding| finding.type_ == FindingType::HttpHeaderMissing)
    );
}

#[test]
fn the_page_behind_a_redirect_on_the_same_site_is_looked_at() {
    let found = web_server(&[
        ("/", "302 Found\r\nLocation: http://192.0.2.7/login?next=/", ""),
        ("/login", "200 OK\r\nContent-Type: text/html", "<form>"),
    ]);
    assert!(
        !found.is_empty()
            && found
                .iter()
                .all(|finding| finding.url.as_ref().unwrap().as_str() == "/login")
    );
}

#[test]
fn a_version_in_a_header_is_found_out_and_a_product_alone_is_not() {
    let shown = SOUND.replace("nginx", "Apache/2.4.57 (Debian)\r\nX-Powered-By: PHP/8.2.7");
    let found = web_server(&[("/", &shown, "")]);
    let facts: Vec<_> = found
        .iter()
        .map(|finding| (finding.product.clone(), finding.version.clone()))
        .collect();
    let text = format!("{facts:?}");
    assert_eq!(types(&found), [FindingType::HttpServerVersion; 2]);
    assert!(
        text.contains("Apache") && text.contains("2.4.57") && text.contains("PHP") && text.contains("8.2.7")
    );
    assert!(!text.contains("Debian"));
}

#[test]
fn exposed_files_are_found_by_what_is_in_them() {
    let plain = "200 OK\r\nContent-Type: text/plain";
    let found = web_server(&[
        ("/", SOUND, ""),
        ("/.git/HEAD", plain, "ref: refs/heads/main\n"),
        ("/.svn/wc.db", plain, "SQLite format 3\0do-not-tell"),
        ("/.env", plain, "SECRET_KEY=do-not-tell\n"),
        ("/.htpasswd", plain, "ada:$apr1$do-not-tell\n"),
        ("/.DS_Store", plain, "\0\0\0\u{1}Bud1do-not-tell"),
    ]);
    assert_eq!(
        types(&found),
        [
            FindingType::HttpExposedGit,
            FindingType::HttpExposedSvn,
            FindingType::HttpExposedEnv,
            FindingType::HttpExposedHtpasswd,
            FindingType::HttpExposedDsStore,
        ]
    );
    assert!(
        !serde_json::to_string(&found).unwrap().contains("do-not-tell"),
        "what stands in them stays here"
    );
    // The same paths with something else in them.
    let page = "<!doctype html><title>Not here</title>";
    assert_eq!(
        types(&web_server(&[
            ("/", SOUND, ""),
            ("/.git/HEAD", SOUND, page),
            ("/.svn/wc.db", SOUND, page),
            ("/.env", SOUND, page),
            ("/.htpasswd", SOUND, page),
            ("/.DS_Store", SOUND, page),
        ])),
        []
    );
}

#[test]
fn listings_are_found_where_the_page_leads() {
    let listing = "<html><head><title>Index of /media/</title></head><body><a href=\"../\">../</a></body>";
    let page = "<img src='/media/logo.png'><a href=\"https://elsewhere.example/x/\">";
    let found = web_server(&[("/", SOUND, page), ("/media/", SOUND, listing)]);
    assert_eq!(types(&found), [FindingType::HttpDirectoryListing]);
    assert_eq!(found[0].url.as_ref().unwrap().as_str(), "/media/");
    // A page that only speaks of an index.
    let book = "<title>Index of /media/ and other tales</title><a href=\"../\">../</a>";
    assert_eq!(
        types(&web_server(&[("/", SOUND, page), ("/media/", SOUND, book)])),
        []
    );
}

#[test]
fn redis_that_obeys_strangers_is_found_out_and_one_that_asks_for_a_password_is_not() {
    let redis = |answer: &'static str| accusations("192.0.2.7:6379", None, |_| said(answer));
    let open = redis("$40\r\n# Server\r\nredis_version:7.0.15\r\n\r\n");
    assert_eq!(types(&open), [FindingType::RedisNoAuthentication]);
    assert_eq!(open[0].version.as_ref().unwrap().as_str(), "7.0.15");
    assert_eq!(types(&redis("-NOAUTH Authentication required.\r\n")), []);
    assert_eq!(
        types(&redis("-DENIED Redis is running in protected mode because\r\n")),
        []
    );
}
