//! The TLS client certificate, whose key the keeper holds.

use std::sync::Arc;

use rustls::{
    SignatureAlgorithm, SignatureScheme,
    client::ResolvesClientCert,
    pki_types::CertificateDer,
    sign::{CertifiedKey, Signer, SigningKey},
};
use tracing::warn;

use super::House;
use crate::journal::chain;

/// The certificate, shown whenever the platform asks.
#[derive(Debug)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// The identity of an enrolled appliance.
    pub fn new(house: Arc<House>, certificate: Vec<u8>) -> Arc<Self> {
        let key = Arc::new(KeptKey(house));
        Arc::new(Self(Arc::new(CertifiedKey::new(
            vec![CertificateDer::from(certificate)],
            key,
        ))))
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        schemes
            .contains(&SignatureScheme::ED25519)
            .then(|| self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A key in the keeper.
#[derive(Debug)]
struct KeptKey(Arc<House>);

impl SigningKey for KeptKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ED25519)
            .then(|| Box::new(KeptSigner(self.0.clone())) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

#[derive(Debug)]
struct KeptSigner(Arc<House>);

impl Signer for KeptSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.0.keeper.sign_tls(message).map_err(|error| {
            warn!(error = chain(&error), "the keeper did not sign the TLS handshake");
            rustls::Error::General("the keeper did not sign the handshake".to_owned())
        })
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
