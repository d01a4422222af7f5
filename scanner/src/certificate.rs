//! Certificates as a scanner reads them (RFC 5280): a stranger's bytes, believed in nothing but what they say.

use vedette_protocol::{
    Digest, Timestamp,
    finding::{Evidence, Label},
};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    oid_registry::{
        OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_SHA1WITHRSA,
        asn1_rs::{Oid, oid},
    },
    prelude::FromDer,
    public_key::PublicKey,
    x509::X509Name,
};

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Common name of the subject.
    pub subject: Option<Label>,
    /// Common name of the issuer.
    pub issuer: Option<Label>,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// SHA-256 of its DER.
    pub sha256: Digest,
    /// Whether it is signed with its own key.
    pub self_signed: bool,
    /// The DNS names in it, in lower case.
    pub names: Vec<String>,
    /// Algorithm and size of its key.
    pub key: Option<(Label, u32)>,
    /// The algorithm it is signed with, if that is a broken one.
    pub broken_signature: Option<Label>,
}

/// Reads a certificate in DER.
pub fn parse_certificate(der: &[u8]) -> Option<Certificate> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let seconds = |time: i64| Timestamp(u64::try_from(time).unwrap_or_default()).min(Timestamp::LAST);
    let issued_by_itself = certificate.subject() == certificate.issuer();
    Some(Certificate {
        subject: common_name(certificate.subject()),
        issuer: common_name(certificate.issuer()),
        not_before: seconds(certificate.validity().not_before.timestamp()),
        not_after: seconds(certificate.validity().not_after.timestamp()),
        sha256: Digest::of(der),
        self_signed: issued_by_itself && certificate.verify_signature(None).is_ok(),
        names: names(&certificate),
        key: key(&certificate),
        broken_signature: broken_signature(&certificate),
    })
}

impl Certificate {
    /// Whether it is for a host of this name (RFC 9525, section 6.3).
    pub fn covers(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.names.iter().any(|covered| match covered.strip_prefix("*.") {
            Some(domain) => name
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest == domain),
            None => *covered == name,
        })
    }

    /// What is said of it in findings.
    pub fn evidence(&self) -> Evidence {
        Evidence::Certificate {
            subject: self.subject.clone(),
            issuer: self.issuer.clone(),
            not_before: self.not_before,
            not_after: self.not_after,
            sha256: self.sha256,
        }
    }
}

fn common_name(name: &X509Name<'_>) -> Option<Label> {
    name.iter_common_name()
        .next()
        .and_then(|common| common.as_str().ok())
        .and_then(Label::cut)
}

/// The subject's alternative names; clients stopped reading the common name long ago.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let dns = extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
    dns.take(NAMES_LIMIT).collect()
}

fn key(certificate: &X509Certificate<'_>) -> Option<(Label, u32)> {
    let (algorithm, bits) = match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) => ("RSA", key.key_size()),
        PublicKey::EC(key) => ("EC", key.key_size()),
        PublicKey::DSA(key) => ("DSA", 8 * key.len()),
        PublicKey::GostR3410(_) | PublicKey::GostR3410_2012(_) | PublicKey::Unknown(_) => return None,
    };
    Some((Label::cut(algorithm)?, u32::try_from(bits).ok()?))
}

fn broken_signature(certificate: &X509Certificate<'_>) -> Option<Label> {
    let broken = [
        (OID_PKCS1_MD5WITHRSAENC, "md5WithRSAEncryption"),
        (OID_PKCS1_SHA1WITHRSA, "sha1WithRSAEncryption"),
        (ECDSA_WITH_SHA1, "ecdsa-with-SHA1"),
    ];
    let used = &certificate.signature_algorithm.algorithm;
    broken
        .iter()
        .find(|(oid, _)| oid == used)
        .and_then(|(_, name)| Label::cut(name))
}

const NAMES_LIMIT: usize = 256;
/// RFC 3279, section 2.2.3.
const ECDSA_WITH_SHA1: Oid<'static> = oid!(1.2.840.10045.4.1);
