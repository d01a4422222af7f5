//! Certificates: what is wrong with one is found, and with its sound twin nothing is.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair};
use vedette_protocol::finding::{FindingType, Outcome};

use crate::{
    Audited, audit,
    by_hand::ByHand,
    openssl::{Keys, Server},
};

/// What a server that shows a certificate is accused of, beside its lack of TLS 1.3.
fn accused(params: CertificateParams) -> (BTreeSet<FindingType>, Audited) {
    let der = params
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .to_vec();
    let audited = audit(ByHand::of(0x0303, &[0xc02f]).showing(der).serve());
    assert_eq!(audited.report.outcome(), Outcome::Complete);
    let mut found = audited.weaknesses();
    assert!(found.remove(&FindingType::TlsNoTls13));
    (found, audited)
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

#[test]
fn a_wildcard_below_a_top_level_domain_is_found_and_one_of_a_host_is_not() {
    let (found, _) = accused(named("*.example"));
    assert_eq!(found, BTreeSet::from([FindingType::TlsWideWildcard]));
    let (found, _) = accused(named("*.host.example"));
    assert_eq!(found, BTreeSet::new());
}

#[test]
fn timestamps_of_logs_are_counted_in_the_certificate() {
    // Version 1, a log's id, a time, no extensions, ECDSA with SHA-256, a signature.
    let body = [&[0][..], &[7; 32], &[0; 8], &[0, 0], &[4, 3, 0, 4], b"sign"].concat();
    let one = [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat();
    let two = one.repeat(2);
    let list = [&u16::try_from(two.len()).unwrap().to_be_bytes()[..], &two].concat();
    let octets = [&[0x04, u8::try_from(list.len()).unwrap()][..], &list].concat();
    let mut params = named("host.example");
    params.custom_extensions = vec![CustomExtension::from_oid_content(
        &[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2],
        octets,
    )];
    for (params, count) in [(params, 2), (named("host.example"), 0)] {
        let (found, audited) = accused(params);
        assert_eq!(found, BTreeSet::new());
        let told = format!("certificate timestamps in the certificate: {count}");
        assert!(audited.features().contains(&told), "{:?}", audited.features());
    }
}

/// A CA and a certificate that it issued, as files `ca.*` and `leaf.*` in a folder.
fn issue(folder: &Path, leaf: CertificateParams) {
    let (ca_key, leaf_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut ca = named("ca.example");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(rcgen::DnType::CommonName, "Test CA of this run");
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(ca, &ca_key);
    let certificate = leaf.signed_by(&leaf_key, &issuer).unwrap();
    for (name, text) in [
        ("ca.crt", ca_certificate.pem()),
        ("ca.key", ca_key.serialize_pem()),
        ("leaf.crt", certificate.pem()),
        ("leaf.key", leaf_key.serialize_pem()),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// What a server of TLS 1.2 is accused of that shows `leaf.crt` of a folder.
fn serve(folder: &Path, settings: &[&str]) -> BTreeSet<FindingType> {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("leaf.crt"), path("leaf.key"));
    let own = ["-cert", &certificate, "-key", &key, "-tls1_2"];
    let cipher = ["-cipher", "ECDHE+AESGCM"];
    let server = Server::start(Keys::Ecdsa, &[&own[..], &cipher, settings].concat());
    let audited = audit(server.endpoint);
    assert_eq!(audited.report.outcome(), Outcome::Complete);
    let mut found = audited.weaknesses();
    assert!(found.remove(&FindingType::TlsNoTls13));
    found
}

#[test]
fn a_chain_that_does_not_belong_together_is_found_and_a_whole_one_is_not() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    issue(folder.path(), named("host.example"));
    issue(other.path(), named("host.example"));
    let chain = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (issuer, itself) = (chain("ca.crt"), chain("leaf.crt"));
    assert_eq!(
        serve(folder.path(), &["-cert_chain", &itself]),
        BTreeSet::from([FindingType::TlsBrokenChain]),
        "its own certificate did not issue it"
    );
    assert_eq!(serve(folder.path(), &["-cert_chain", &issuer]), BTreeSet::new());
}

#[test]
fn a_staple_that_is_demanded_and_missing_is_found_and_one_that_is_sent_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut leaf = named("host.example");
    leaf.serial_number = Some(rcgen::SerialNumber::from(0x4711_u64));
    leaf.custom_extensions = vec![CustomExtension::from_oid_content(
        &[1, 3, 6, 1, 5, 5, 7, 1, 24],
        vec![0x30, 0x03, 0x02, 0x01, 0x05],
    )];
    issue(folder.path(), leaf);
    fs::write(
        folder.path().join("index.txt"),
        "V\t491231235959Z\t\t4711\tunknown\t/CN=host.example\n",
    )
    .unwrap();
    let openssl = |words: &str| {
        let output = Command::new("openssl")
            .args(words.split_whitespace())
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{words}: {output:?}");
    };
    openssl("ocsp -issuer ca.crt -cert leaf.crt -no_nonce -reqout request.der");
    openssl(
        "ocsp -index index.txt -rsigner ca.crt -rkey ca.key -CA ca.crt -reqin request.der -respout response.der -ndays 7",
    );
    assert_eq!(
        serve(folder.path(), &[]),
        BTreeSet::from([FindingType::TlsStapleMissing])
    );
    let response = folder.path().join("response.der");
    assert_eq!(
        serve(folder.path(), &["-status_file", response.to_str().unwrap()]),
        BTreeSet::new()
    );
}

#[test]
fn a_short_curve_is_found_and_a_sound_one_is_not() {
    // A key on a curve would take that curve into every offer.
    for (groups, weak) in [("P-256:secp192k1", true), ("P-256:X25519", false)] {
        let settings = [
            "-tls1_2",
            "-cipher",
            "ECDHE+AESGCM:@SECLEVEL=0",
            "-groups",
            groups,
        ];
        let audited = audit(Server::start(Keys::Rsa, &settings).endpoint);
        assert_eq!(audited.report.outcome(), Outcome::Complete);
        assert_eq!(
            audited.weaknesses().contains(&FindingType::TlsWeakGroup),
            weak,
            "{groups}: {:?}",
            audited.groups()
        );
    }
}
