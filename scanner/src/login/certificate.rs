//! A client certificate whose private key is in the vault: rustls asks for a signature while it shakes hands, and
//! somebody else fetches it there.

use std::{
    sync::{Arc, mpsc as reply},
    time::Duration,
};

use rustls::{
    SignatureAlgorithm, SignatureScheme,
    client::ResolvesClientCert,
    sign::{CertifiedKey, Signer, SigningKey},
};
use rustls_pki_types::CertificateDer;
use tokio::sync::mpsc;

/// What is known of the certificate outside the vault.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    /// The certificates in DER, the client's own first.
    pub(super) chain: Vec<Vec<u8>>,
    /// The schemes by which its key signs, best first.
    pub(super) schemes: Vec<u16>,
}

/// A signature that is waited for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) scheme: u16,
    pub(super) message: Vec<u8>,
    signature: reply::Sender<Vec<u8>>,
}

impl Wanted {
    /// Hands it over.
    pub(super) fn signed(self, signature: Vec<u8>) {
        // Who has stopped waiting has hung up on the host.
        let _ = self.signature.send(signature);
    }
}

/// Whatever is wanted while hands are shaken.
pub(super) type Wants = mpsc::UnboundedReceiver<Wanted>;

impl Certificate {
    /// What rustls is told; what it wants signed comes out of the other end. Signing blocks the thread on which hands
    /// are shaken.
    pub(super) fn presented(self) -> (Arc<dyn ResolvesClientCert>, Wants) {
        let (ask, wants) = mpsc::unbounded_channel();
        let key = Key {
            schemes: self.schemes.into_iter().map(SignatureScheme::from).collect(),
            ask,
        };
        let chain = self.chain.into_iter().map(CertificateDer::from).collect();
        let presented = Presented(Arc::new(CertifiedKey::new(chain, Arc::new(key))));
        (Arc::new(presented), wants)
    }
}

#[derive(Debug)]
struct Presented(Arc<CertifiedKey>);

impl ResolvesClientCert for Presented {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Debug, Clone)]
struct Key {
    schemes: Vec<SignatureScheme>,
    ask: mpsc::UnboundedSender<Wanted>,
}

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = *self.schemes.iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(Signature {
            scheme,
            ask: self.ask.clone(),
        }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.schemes.first() {
            Some(SignatureScheme::ED25519) => SignatureAlgorithm::ED25519,
            Some(SignatureScheme::ECDSA_NISTP256_SHA256 | SignatureScheme::ECDSA_NISTP384_SHA384) => {
                SignatureAlgorithm::ECDSA
            }
            _ => SignatureAlgorithm::RSA,
        }
    }
}

#[derive(Debug)]
struct Signature {
    scheme: SignatureScheme,
    ask: mpsc::UnboundedSender<Wanted>,
}

impl Signer for Signature {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let (signature, signed) = reply::channel();
        let wanted = Wanted {
            scheme: self.scheme.into(),
            message: message.to_vec(),
            signature,
        };
        let refused = || rustls::Error::General("the vault does not sign".to_owned());
        self.ask.send(wanted).map_err(|_| refused())?;
        signed.recv_timeout(PATIENCE).map_err(|_| refused())
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
