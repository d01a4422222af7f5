//! Certificates as a scanner reads them (RFC 5280): a stranger's bytes, believed in nothing but what they say.

use num_bigint::BigUint;
use vedette_protocol::{
    Digest, Timestamp,
    finding::{Evidence, Label},
};
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
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
    /// Whether it demands a stapled OCSP response (RFC 7633).
    pub must_be_stapled: bool,
    /// How many transparency logs have promised in it to list it (RFC 6962, section 3.3).
    pub timestamps: usize,
    /// Whether its key is one of RSA from a generator whose keys can be found.
    pub is_guessable: bool,
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
        must_be_stapled: must_be_stapled(&certificate),
        timestamps: timestamps(&certificate),
        is_guessable: rsa_key(der).is_some_and(|key| key.is_roca()),
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

/// The public half of an RSA key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsaKey {
    modulus: BigUint,
    exponent: BigUint,
}

/// The key of a certificate in DER, if it is one of RSA of a usual size.
pub fn rsa_key(der: &[u8]) -> Option<RsaKey> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let PublicKey::RSA(key) = certificate.public_key().parsed().ok()? else {
        return None;
    };
    // A stranger's number: a huge one would cost more than its answer is worth.
    (key.modulus.len() <= MODULUS_LIMIT && key.exponent.len() <= EXPONENT_LIMIT).then(|| RsaKey {
        modulus: BigUint::from_bytes_be(key.modulus),
        exponent: BigUint::from_bytes_be(key.exponent),
    })
}

impl RsaKey {
    /// Whether it comes from a broken generator.
    pub fn is_roca(&self) -> bool {
        is_roca(&self.modulus.to_bytes_be())
    }

    /// Length of its modulus in bytes.
    pub fn length(&self) -> usize {
        usize::try_from(self.modulus.bits().div_ceil(8)).unwrap_or(MODULUS_LIMIT)
    }

    /// Raises a block, with whatever padding it has, to the key's exponent (RFC 8017, section 5.1.1); none
    /// when it is no number below the modulus.
    pub fn encrypt(&self, block: &[u8]) -> Option<Vec<u8>> {
        let number = BigUint::from_bytes_be(block);
        if number >= self.modulus {
            return None;
        }
        let digits = number.modpow(&self.exponent, &self.modulus).to_bytes_be();
        let zeros = vec![0; self.length().checked_sub(digits.len())?];
        Some([zeros, digits].concat())
    }
}

/// Whether an RSA modulus was made by the generator of Infineon's chips whose primes can be found
/// (CVE-2017-15361; Nemec et al.: "The Return of Coppersmith's Attack", 2017, section 2.3): modulo each of
/// these primes it is a power of 65537, which one other modulus in 2^27 is by chance.
pub fn is_roca(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101,
        103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    if modulus.len() < 64 || modulus.len() > MODULUS_LIMIT {
        return false;
    }
    PRIMES.into_iter().all(|prime| {
        let rest = modulus
            .iter()
            .fold(0, |rest, digit| (rest * 256 + u32::from(*digit)) % prime);
        let mut power = 1;
        (0..prime).any(|_| {
            let is_it = power == rest;
            power = power * (65_537 % prime) % prime;
            is_it
        })
    })
}

/// Whether the first of two certificates in DER names the second as its issuer; none when one is unreadable.
pub fn names_as_issuer(issued: &[u8], issuer: &[u8]) -> Option<bool> {
    let (_, issued) = X509Certificate::from_der(issued).ok()?;
    let (_, issuer) = X509Certificate::from_der(issuer).ok()?;
    Some(issued.issuer() == issuer.subject())
}

/// The feature `status_request` (RFC 7633, section 6).
fn must_be_stapled(certificate: &X509Certificate<'_>) -> bool {
    const STATUS_REQUEST: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x05];
    let extension = certificate.get_extension_unique(&TLS_FEATURE);
    matches!(extension, Ok(Some(extension)) if extension.value == STATUS_REQUEST)
}

fn timestamps(certificate: &X509Certificate<'_>) -> usize {
    let lists = certificate
        .extensions()
        .iter()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SCT(list) => Some(list.len()),
            _ => None,
        });
    lists.sum()
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
/// In bytes: 16,384 bits, and what a 64-bit machine takes in one step.
const MODULUS_LIMIT: usize = 2048;
const EXPONENT_LIMIT: usize = 8;
const TLS_FEATURE: Oid<'static> = oid!(1.3.6.1.5.5.7.1.24);
/// RFC 3279, section 2.2.3.
const ECDSA_WITH_SHA1: Oid<'static> = oid!(1.2.840.10045.4.1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modulus_of_the_broken_generator_is_told_from_others() {
        // Powers of 65537 are what its moduli look like to small primes.
        let made_so = BigUint::from(65_537_u32).pow(63).to_bytes_be();
        assert!(is_roca(&made_so));
        let other = (BigUint::from(65_537_u32).pow(63) + 2_u32).to_bytes_be();
        assert!(!is_roca(&other) && !is_roca(&[0xff; 256]) && !is_roca(&[]));
    }

    #[test]
    fn raw_encryption_is_the_power_that_it_says() {
        let key = RsaKey {
            modulus: BigUint::from(3233_u32),
            exponent: BigUint::from(17_u32),
        };
        // The textbook's example: 65^17 mod 3233.
        assert_eq!(key.encrypt(&[65]), Some(2790_u16.to_be_bytes().to_vec()));
        assert_eq!(key.encrypt(&[0xff, 0xff]), None);
        assert_eq!(key.length(), 2);
    }
}
