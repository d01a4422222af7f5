//! With a client certificate whose key stays in the vault, at a real nginx.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm,
};
use vedette_protocol::{
    Digest,
    credential::{Login, Trust},
    finding::{FindingType, LoginOutcome, Outcome},
    job::Check,
};
use vedette_tests::logins::{Nginx, clients_of};

use super::{
    outcome, secret, visit, visit_and,
    web::{pinned, start_with},
};

/// Somebody who certifies clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, name);
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let certificate = ca.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(ca, key),
            certificate,
        }
    }

    fn certifies(&self, key: &KeyPair) -> Login {
        let mut client = CertificateParams::default();
        client.distinguished_name.push(DnType::CommonName, "scanner");
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = client.signed_by(key, &self.issuer).unwrap();
        Login::ClientCertificate {
            certificate: certificate.pem(),
            key: secret(&key.serialize_pem()),
        }
    }

    fn asked_for(&self, more: &str) -> Nginx {
        start_with(&[("clients.pem", &self.certificate)], &clients_of(more))
    }
}

/// The certificate of an authority, and a client that it certifies.
pub(super) fn certified() -> (String, Login) {
    let authority = Authority::new("Clients");
    let login = authority.certifies(&key(&PKCS_ED25519));
    (authority.certificate, login)
}

fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

#[test]
fn certificates_of_each_type_let_in_by_one_signature() {
    let authority = Authority::new("Clients");
    let rsa = std::process::Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output()
        .unwrap();
    let rsa = KeyPair::from_pem(&String::from_utf8(rsa.stdout).unwrap()).unwrap();
    let keys = [
        key(&PKCS_ED25519),
        key(&PKCS_ECDSA_P256_SHA256),
        key(&PKCS_ECDSA_P384_SHA384),
        rsa,
    ];
    for version in ["TLSv1.3", "TLSv1.2"] {
        let nginx = authority.asked_for(&format!("ssl_protocols {version};"));
        for (count, key) in (1..).zip(&keys) {
            let (findings, ended) = visit(nginx.port, &authority.certifies(key), pinned(&nginx));
            let log = nginx.log();
            assert_eq!(
                outcome(&findings),
                LoginOutcome::Accepted,
                "{version} {key:?}\n{log}"
            );
            assert_eq!(findings[0].type_, FindingType::LoggedIn);
            assert_eq!(ended, Outcome::Complete);
            assert_eq!(log.matches("certificate=SUCCESS").count(), count, "{log}");
        }
    }
}

#[test]
fn the_checks_see_what_a_certificate_opens() {
    let authority = Authority::new("Clients");
    let nginx = authority.asked_for("");
    let login = authority.certifies(&key(&PKCS_ED25519));
    let checks = [Check::Http, Check::Inventory];
    let (findings, _) = visit_and(&checks, nginx.port, &login, pinned(&nginx));
    let listed = |finding: &vedette_protocol::Finding| finding.type_ == FindingType::HttpDirectoryListing;
    assert!(findings.iter().any(listed), "{findings:?}\n{}", nginx.log());
}

#[test]
fn a_certificate_that_the_server_does_not_know_is_presented_once() {
    let nginx = Authority::new("Clients").asked_for("");
    let stranger = Authority::new("Somebody else").certifies(&key(&PKCS_ED25519));
    let (findings, ended) = visit(nginx.port, &stranger, pinned(&nginx));
    assert_eq!(findings[0].type_, FindingType::LoginFailed);
    assert_eq!(outcome(&findings), LoginOutcome::WrongCredential);
    assert_eq!(ended, Outcome::Partial);
    let log = nginx.log();
    assert_eq!(log.matches("certificate=FAILED").count(), 1, "{log}");
}

#[test]
fn a_server_with_another_key_is_presented_nothing() {
    let authority = Authority::new("Clients");
    let nginx = authority.asked_for("");
    let login = authority.certifies(&key(&PKCS_ED25519));
    let (findings, _) = visit(nginx.port, &login, Trust::TlsSpki(Digest([9; 32])));
    assert_eq!(outcome(&findings), LoginOutcome::WrongHostKey);
    assert_eq!(nginx.log(), "");
}

#[test]
fn a_key_that_is_not_the_certificates_is_a_clear_refusal() {
    let authority = Authority::new("Clients");
    let nginx = authority.asked_for("");
    let Login::ClientCertificate { certificate, .. } = authority.certifies(&key(&PKCS_ED25519)) else {
        panic!("a client certificate");
    };
    let mixed = Login::ClientCertificate {
        certificate,
        key: secret(&key(&PKCS_ED25519).serialize_pem()),
    };
    let (findings, _) = visit(nginx.port, &mixed, pinned(&nginx));
    assert_eq!(outcome(&findings), LoginOutcome::UnfitKey);
    assert!(!nginx.log().contains("certificate=SUCCESS"));
}
