//! Whom TLS trusts: the root CAs that were pinned when the image was made, and nothing else.
//!
//! [`PinnedRoots`] is data (it stands in the image's configuration); [`PinnedRoots::client_config`]
//! is the one way from it to a TLS client of the platform: TLS 1.3 alone, by ring, named explicitly.
//! [`PinnedRoots::foreign_client_config`] is the one for an operator's own server.

use std::{sync::Arc, time::Duration};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        ResolvesClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, Der, ServerName, TrustAnchor, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

/// One root CA: what path validation needs of it (RFC 5280, section 6.1.1 d), and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedRoot {
    /// The common name, for people.
    pub name: String,
    #[serde(with = "der")]
    subject: Vec<u8>,
    #[serde(with = "der")]
    public_key: Vec<u8>,
    #[serde(with = "der")]
    name_constraints: Vec<u8>,
    /// Seconds since the epoch after which the root is not trusted; none for a root that was chosen by
    /// name, since that list holds no dates.
    not_after: Option<u64>,
}

/// The roots of one image. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<PinnedRoot>", into = "Vec<PinnedRoot>")]
pub struct PinnedRoots(Vec<PinnedRoot>);

/// A root could not be pinned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// The list of Mozilla's roots has no CA of this common name.
    #[error(
        "no root CA named {0:?} among the public roots; give its exact common name, or its certificate as PEM"
    )]
    UnknownName(String),
    /// The text holds no certificate.
    #[error("no PEM certificate in the text: it must hold -----BEGIN CERTIFICATE-----")]
    NotPem,
    /// The certificate is not one of a CA.
    #[error("the certificate of {0:?} is not a root CA's: basic constraints do not say CA")]
    NotCa(String),
    /// No root was given.
    #[error("no root CA given: an image must pin at least one")]
    Empty,
}

/// Which dates a certificate is judged at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// The clock's: the rule.
    Clock,
    /// The later of the clock and the latest notBefore in the chain: for the one exchange that
    /// fetches the time, in which nothing but a nonce is sent.
    FirstExchange,
}

impl PinnedRoot {
    /// Picks a root out of Mozilla's list by its subject's common name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn named(name: &str) -> Result<Self, PinError> {
        webpki_roots::TLS_SERVER_ROOTS
            .iter()
            .map(|anchor| Self::from_anchor(anchor, None))
            .find(|root| root.name == name)
            .ok_or_else(|| PinError::UnknownName(name.to_owned()))
    }

    /// Takes the first certificate of a PEM text.
    ///
    /// # Errors
    /// When there is none, or it is not a CA's.
    pub fn from_pem(text: &str) -> Result<Self, PinError> {
        let der = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| PinError::NotPem)?;
        Self::from_der(&der)
    }

    /// Takes every certificate of a PEM text.
    ///
    /// # Errors
    /// When there is none, or one is not a CA's.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, PinError> {
        let roots = CertificateDer::pem_slice_iter(text.as_bytes())
            .map(|der| Self::from_der(&der.map_err(|_| PinError::NotPem)?))
            .collect::<Result<Vec<_>, _>>()?;
        if roots.is_empty() {
            Err(PinError::NotPem)
        } else {
            Ok(roots)
        }
    }

    fn from_der(der: &CertificateDer<'_>) -> Result<Self, PinError> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| PinError::NotPem)?;
        let anchor = webpki::anchor_from_trusted_cert(der).map_err(|_| PinError::NotPem)?;
        let end = certificate.validity().not_after.timestamp();
        let root = Self::from_anchor(&anchor, Some(u64::try_from(end).unwrap_or_default()));
        if certificate.is_ca() {
            Ok(root)
        } else {
            Err(PinError::NotCa(root.name))
        }
    }

    fn from_anchor(anchor: &TrustAnchor<'_>, not_after: Option<u64>) -> Self {
        Self {
            name: common_name(&anchor.subject).unwrap_or_default(),
            subject: anchor.subject.to_vec(),
            public_key: anchor.subject_public_key_info.to_vec(),
            name_constraints: anchor.name_constraints.as_deref().unwrap_or_default().to_vec(),
            not_after,
        }
    }

    fn anchor(&self) -> TrustAnchor<'static> {
        TrustAnchor {
            subject: Der::from(self.subject.clone()),
            subject_public_key_info: Der::from(self.public_key.clone()),
            name_constraints: (!self.name_constraints.is_empty())
                .then(|| Der::from(self.name_constraints.clone())),
        }
    }

    fn trusted_at(&self, now: UnixTime) -> bool {
        self.not_after.is_none_or(|end| now.as_secs() <= end)
    }
}

impl PinnedRoots {
    /// The roots, if there is at least one.
    ///
    /// # Errors
    /// [`PinError::Empty`].
    pub fn new(roots: Vec<PinnedRoot>) -> Result<Self, PinError> {
        if roots.is_empty() {
            Err(PinError::Empty)
        } else {
            Ok(Self(roots))
        }
    }

    /// The roots one by one.
    pub fn iter(&self) -> impl Iterator<Item = &PinnedRoot> {
        self.0.iter()
    }

    /// A TLS client that trusts these roots, judges at `dates`, and shows `identity` when asked.
    ///
    /// # Errors
    /// rustls', as when the provider lacks TLS 1.3.
    pub fn client_config(
        &self,
        clock: Arc<dyn TimeProvider>,
        dates: Dates,
        protocol: &[u8],
        identity: Option<Arc<dyn ResolvesClientCert>>,
    ) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = PinnedVerifier {
            roots: self.clone(),
            dates,
            provider: provider.clone(),
        };
        let builder = ClientConfig::builder_with_details(provider, clock)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous() // Narrows: the verifier hands every decision to webpki, with fewer roots.
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match identity {
            Some(identity) => builder.with_client_cert_resolver(identity),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }

    /// A TLS client for a server that is not ours to choose, as an operator's collector of logs (RFC 5425): it trusts
    /// these roots, and speaks TLS 1.2 where 1.3 is not offered. With an `identity` to show it speaks 1.3 alone:
    /// what a client signs in 1.2 cannot be told from other things (RFC 5246, section 7.4.8).
    ///
    /// # Errors
    /// rustls', as when the provider lacks a version.
    pub fn foreign_client_config(
        &self,
        clock: Arc<dyn TimeProvider>,
        identity: Option<Arc<dyn ResolvesClientCert>>,
    ) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = PinnedVerifier {
            roots: self.clone(),
            dates: Dates::Clock,
            provider: provider.clone(),
        };
        let versions: &[_] = match identity {
            Some(_) => &[&rustls::version::TLS13],
            None => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let builder = ClientConfig::builder_with_details(provider, clock)
            .with_protocol_versions(versions)?
            .dangerous() // Narrows, as above.
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match identity {
            Some(identity) => builder.with_client_cert_resolver(identity),
            None => builder.with_no_client_auth(),
        };
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }
}

impl TryFrom<Vec<PinnedRoot>> for PinnedRoots {
    type Error = PinError;

    fn try_from(roots: Vec<PinnedRoot>) -> Result<Self, PinError> {
        Self::new(roots)
    }
}

impl From<PinnedRoots> for Vec<PinnedRoot> {
    fn from(roots: PinnedRoots) -> Self {
        roots.0
    }
}

/// webpki's verifier, with the roots that have not expired and at the time that the rule says.
#[derive(Debug)]
struct PinnedVerifier {
    roots: PinnedRoots,
    dates: Dates,
    provider: Arc<CryptoProvider>,
}

impl PinnedVerifier {
    fn judged_at(&self, chain: &[&CertificateDer<'_>], now: UnixTime) -> UnixTime {
        match self.dates {
            Dates::Clock => now,
            Dates::FirstExchange => {
                let latest = chain
                    .iter()
                    .filter_map(|certificate| not_before(certificate))
                    .max();
                UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs().max(latest.unwrap_or_default())))
            }
        }
    }
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
        let at = self.judged_at(&chain, now);
        let mut store = RootCertStore::empty();
        store.extend(
            self.roots
                .iter()
                .filter(|root| root.trusted_at(at))
                .map(PinnedRoot::anchor),
        );
        if store.is_empty() {
            return Err(CertificateError::Expired.into());
        }
        WebPkiServerVerifier::builder_with_provider(store.into(), self.provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // Reached by a client alone that offers TLS 1.2.
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn not_before(certificate: &CertificateDer<'_>) -> Option<u64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    u64::try_from(certificate.validity().not_before.timestamp()).ok()
}

/// The common name in a trust anchor's subject, which stands there without its outer SEQUENCE.
fn common_name(subject: &[u8]) -> Option<String> {
    let length = u16::try_from(subject.len()).ok()?.to_be_bytes();
    let sequence = [&[0x30, 0x82], &length[..], subject].concat();
    let (_, name) = X509Name::from_der(&sequence).ok()?;
    let common = name.iter_common_name().next()?.as_str().ok()?;
    Some(common.to_owned())
}

/// DER as base64 in text formats.
mod der {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(der: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(der))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(from)?)
            .map_err(|_| D::Error::custom("not base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_root_is_found_by_its_name() {
        let root = PinnedRoot::named("ISRG Root X1").unwrap();
        assert_eq!(root.name, "ISRG Root X1");
        assert!(matches!(
            PinnedRoot::named("No such CA"),
            Err(PinError::UnknownName(_))
        ));
    }

    #[test]
    fn an_empty_list_of_roots_is_refused() {
        assert_eq!(PinnedRoots::new(vec![]), Err(PinError::Empty));
    }

    #[test]
    fn text_without_a_certificate_is_refused() {
        assert_eq!(PinnedRoot::from_pem("hello").unwrap_err(), PinError::NotPem);
        assert_eq!(PinnedRoot::all_from_pem("hello").unwrap_err(), PinError::NotPem);
    }
}
