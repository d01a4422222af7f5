//! Private keys that log somebody in elsewhere: of SSH (RFC 4252) and of TLS clients (RFC 8446).
//!
//! They sign with ring; `ssh-key` only reads OpenSSH's own format. The key is behind a box of its own, and what the
//! readers copy on their way is freed memory: both are wiped by the allocator of the programs that read secrets.

use std::fmt;

use num_bigint::BigUint;
use ring::{
    rand::SystemRandom,
    rsa::{KeyPairComponents, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use rustls::SignatureScheme;
use ssh_key::{
    Kdf, PrivateKey,
    private::{KeypairData, RsaKeypair},
};
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

/// A private key that logs in.
pub struct LoginKey(Box<Pair>);

enum Pair {
    Ed25519(Ed25519KeyPair),
    Ecdsa(Curve, EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
}

/// Why text is no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginKeyError {
    /// It is encrypted, and opens under no passphrase that was given.
    #[error("the private key does not open under its passphrase")]
    Passphrase,
    /// It is malformed, of another type or size, or in another form.
    #[error(
        "not a private key that is signed with here: Ed25519, ECDSA on P-256 or P-384, or RSA of 2048 to 4096 bits, \
         in OpenSSH's form or unencrypted PKCS #8"
    )]
    Unfit,
}

impl LoginKey {
    /// Reads a key in PEM: OpenSSH's form (PROTOCOL.key), encrypted or not, or PKCS #8 (RFC 5958) in clear.
    ///
    /// # Errors
    /// When it is none, or does not open.
    pub fn read(pem: &str, passphrase: Option<&str>) -> Result<Self, LoginKeyError> {
        if pem.contains("-----BEGIN OPENSSH PRIVATE KEY-----") {
            Self::from_openssh(pem, passphrase)
        } else if passphrase.is_some() {
            Err(LoginKeyError::Unfit)
        } else {
            Self::from_pkcs8(pem)
        }
    }

    fn from_openssh(pem: &str, passphrase: Option<&str>) -> Result<Self, LoginKeyError> {
        let key = PrivateKey::from_openssh(pem.trim()).map_err(|_| LoginKeyError::Unfit)?;
        let key = match (key.kdf(), passphrase) {
            (Kdf::None, None) => key,
            (Kdf::Bcrypt { rounds, .. }, _) if *rounds > ROUNDS => return Err(LoginKeyError::Unfit),
            (Kdf::Bcrypt { .. }, Some(passphrase)) => {
                key.decrypt(passphrase).map_err(|_| LoginKeyError::Passphrase)?
            }
            // An open key with a passphrase is not what its owner thinks it is.
            _ => return Err(LoginKeyError::Passphrase),
        };
        let pair = match key.key_data() {
            KeypairData::Ed25519(pair) => {
                Ed25519KeyPair::from_seed_and_public_key(pair.private.as_ref(), &pair.public.0)
                    .ok()
                    .map(Pair::Ed25519)
            }
            KeypairData::Ecdsa(pair) => Curve::of(pair.curve().as_str()).and_then(|curve| {
                let (private, public) = (pair.private_key_bytes(), pair.public_key_bytes());
                let random = SystemRandom::new();
                EcdsaKeyPair::from_private_key_and_public_key(curve.signing(), private, public, &random)
                    .ok()
                    .map(|pair| Pair::Ecdsa(curve, pair))
            }),
            KeypairData::Rsa(pair) => rsa(pair).map(Pair::Rsa),
            _ => None,
        };
        pair.map(|pair| Self(Box::new(pair))).ok_or(LoginKeyError::Unfit)
    }

    fn from_pkcs8(pem: &str) -> Result<Self, LoginKeyError> {
        let document = pem::parse(pem).map_err(|_| LoginKeyError::Unfit)?;
        if document.tag() != "PRIVATE KEY" {
            return Err(LoginKeyError::Unfit);
        }
        let der = Zeroizing::new(document.into_contents());
        let on = |curve: Curve| {
            let pair = EcdsaKeyPair::from_pkcs8(curve.signing(), &der, &SystemRandom::new()).ok()?;
            Some(Pair::Ecdsa(curve, pair))
        };
        // openssl writes Ed25519 keys without their public half.
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
            .ok()
            .map(Pair::Ed25519)
            .or_else(|| on(Curve::P256))
            .or_else(|| on(Curve::P384))
            .or_else(|| RsaKeyPair::from_pkcs8(&der).ok().map(Pair::Rsa))
            .map(|pair| Self(Box::new(pair)))
            .ok_or(LoginKeyError::Unfit)
    }

    /// The public half as SSH writes it (RFC 4253, section 6.6; RFC 5656, section 3.1; RFC 8709, section 4).
    pub fn ssh_public(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        match &*self.0 {
            Pair::Ed25519(pair) => {
                string(&mut blob, b"ssh-ed25519");
                string(&mut blob, pair.public_key().as_ref());
            }
            Pair::Ecdsa(curve, pair) => {
                string(&mut blob, curve.ssh_algorithm().as_bytes());
                string(&mut blob, curve.name().as_bytes());
                string(&mut blob, pair.public_key().as_ref());
            }
            Pair::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                string(&mut blob, b"ssh-rsa");
                string(&mut blob, &integer(&public.e));
                string(&mut blob, &integer(&public.n));
            }
        }
        blob
    }

    /// Signs for SSH: the signature with the algorithm's name before it (RFC 4253, section 6.6); none if this key does
    /// not sign by that algorithm.
    pub fn sign_ssh(&self, algorithm: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        let signature = match (&*self.0, algorithm) {
            (Pair::Ed25519(pair), "ssh-ed25519") => pair.sign(bytes).as_ref().to_vec(),
            (Pair::Ecdsa(curve, pair), algorithm) if algorithm == curve.ssh_algorithm() => {
                let (r, s) = halves(pair, bytes)?;
                let mut both = Vec::new();
                string(&mut both, &r);
                string(&mut both, &s);
                both
            }
            (Pair::Rsa(pair), "rsa-sha2-256") => rsa_signature(pair, &RSA_PKCS1_SHA256, bytes)?,
            (Pair::Rsa(pair), "rsa-sha2-512") => rsa_signature(pair, &RSA_PKCS1_SHA512, bytes)?,
            _ => return None,
        };
        let mut blob = Vec::new();
        string(&mut blob, algorithm.as_bytes());
        string(&mut blob, &signature);
        Some(blob)
    }
}

impl LoginKey {
    /// The schemes by which it signs in TLS (RFC 8446, section 4.2.3), best first. The last ones of RSA are for TLS 1.2.
    pub fn tls_schemes(&self) -> &'static [SignatureScheme] {
        match &*self.0 {
            Pair::Ed25519(_) => &[SignatureScheme::ED25519],
            Pair::Ecdsa(Curve::P256, _) => &[SignatureScheme::ECDSA_NISTP256_SHA256],
            Pair::Ecdsa(Curve::P384, _) => &[SignatureScheme::ECDSA_NISTP384_SHA384],
            Pair::Rsa(_) => &[
                SignatureScheme::RSA_PSS_SHA256,
                SignatureScheme::RSA_PSS_SHA384,
                SignatureScheme::RSA_PSS_SHA512,
                SignatureScheme::RSA_PKCS1_SHA256,
                SignatureScheme::RSA_PKCS1_SHA384,
                SignatureScheme::RSA_PKCS1_SHA512,
            ],
        }
    }

    /// Signs for TLS; none if this key does not sign by that scheme.
    pub fn sign_tls(&self, scheme: SignatureScheme, bytes: &[u8]) -> Option<Vec<u8>> {
        if !self.tls_schemes().contains(&scheme) {
            return None;
        }
        match &*self.0 {
            Pair::Ed25519(pair) => Some(pair.sign(bytes).as_ref().to_vec()),
            Pair::Ecdsa(_, pair) => {
                let (r, s) = halves(pair, bytes)?;
                let both = [der(INTEGER, &r)?, der(INTEGER, &s)?].concat();
                der(SEQUENCE, &both)
            }
            Pair::Rsa(pair) => {
                let encoding: &dyn RsaEncoding = match scheme {
                    SignatureScheme::RSA_PSS_SHA256 => &RSA_PSS_SHA256,
                    SignatureScheme::RSA_PSS_SHA384 => &RSA_PSS_SHA384,
                    SignatureScheme::RSA_PSS_SHA512 => &RSA_PSS_SHA512,
                    SignatureScheme::RSA_PKCS1_SHA256 => &RSA_PKCS1_SHA256,
                    SignatureScheme::RSA_PKCS1_SHA384 => &RSA_PKCS1_SHA384,
                    SignatureScheme::RSA_PKCS1_SHA512 => &RSA_PKCS1_SHA512,
                    _ => return None,
                };
                rsa_signature(pair, encoding, bytes)
            }
        }
    }

    /// Whether it is the key of a certificate in DER.
    pub fn is_of(&self, certificate: &[u8]) -> bool {
        let public = match &*self.0 {
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
            Pair::Ecdsa(_, pair) => pair.public_key().as_ref(),
            Pair::Rsa(pair) => pair.public_key().as_ref(),
        };
        parse_x509_certificate(certificate)
            .is_ok_and(|(_, certificate)| *certificate.public_key().subject_public_key.data == *public)
    }
}

/// The certificates in a PEM file, in DER and in their order.
pub fn certificates(pem: &str) -> Vec<Vec<u8>> {
    let documents = pem::parse_many(pem).unwrap_or_default().into_iter();
    documents
        .filter(|document| document.tag() == "CERTIFICATE")
        .take(CHAIN_LIMIT)
        .map(pem::Pem::into_contents)
        .collect()
}

impl fmt::Debug for LoginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginKey")
    }
}

impl Curve {
    fn of(name: &str) -> Option<Self> {
        [Self::P256, Self::P384]
            .into_iter()
            .find(|curve| curve.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "nistp256",
            Self::P384 => "nistp384",
        }
    }

    fn ssh_algorithm(self) -> &'static str {
        match self {
            Self::P256 => "ecdsa-sha2-nistp256",
            Self::P384 => "ecdsa-sha2-nistp384",
        }
    }

    fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        }
    }
}

/// OpenSSH keeps no exponents of the two primes; ring wants them (RFC 8017, section 3.2), and checks that all belongs
/// together.
fn rsa(pair: &RsaKeypair) -> Option<RsaKeyPair> {
    let (public, private) = (pair.public(), pair.private());
    let d = private.d().as_positive_bytes()?;
    let (p, q) = (private.p().as_positive_bytes()?, private.q().as_positive_bytes()?);
    let exponent = |prime: &[u8]| {
        let below = BigUint::from_bytes_be(prime);
        let below = (below > BigUint::from(1_u8)).then(|| below - 1_u8)?;
        Some(Zeroizing::new((BigUint::from_bytes_be(d) % below).to_bytes_be()))
    };
    let (d_p, d_q) = (exponent(p)?, exponent(q)?);
    RsaKeyPair::from_components(&KeyPairComponents {
        public_key: PublicKeyComponents {
            n: public.n().as_positive_bytes()?,
            e: public.e().as_positive_bytes()?,
        },
        d,
        p,
        q,
        dP: &d_p,
        dQ: &d_q,
        qInv: private.iqmp().as_positive_bytes()?,
    })
    .ok()
}

fn rsa_signature(pair: &RsaKeyPair, encoding: &'static dyn RsaEncoding, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), bytes, &mut signature)
        .ok()?;
    Some(signature)
}

/// The two integers of an ECDSA signature, each as [`integer`] writes it.
fn halves(pair: &EcdsaKeyPair, bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let signature = pair.sign(&SystemRandom::new(), bytes).ok()?;
    let (r, s) = signature.as_ref().split_at(signature.as_ref().len() / 2);
    Some((integer(r), integer(s)))
}

/// The shortest two's complement of a positive number: the content of an `mpint` (RFC 4251, section 5) and of an
/// INTEGER in DER.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let (_, digits) = bytes.split_at(zeros);
    let sign = digits.first().is_some_and(|first| first & 0x80 != 0);
    [if sign { &[0][..] } else { &[] }, digits].concat()
}

/// A short value in DER (X.690); none if it is longer than that.
fn der(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(content.len()).ok().filter(|length| *length < 0x80)?;
    Some([&[tag, length], content].concat())
}

/// RFC 4251, section 5.
fn string(into: &mut Vec<u8>, content: &[u8]) {
    let length = u32::try_from(content.len()).expect("a key or a signature is shorter than 4 GiB");
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(content);
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;

/// No server needs more.
const CHAIN_LIMIT: usize = 8;

/// `ssh-keygen` makes 16 or 24 rounds unless told; a second or so of work is what one key may cost.
const ROUNDS: u32 = 512;

#[cfg(test)]
mod tests;
