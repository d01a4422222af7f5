//! The server's side of TLS: version 1.3 alone, by ring, named explicitly.
//!
//! Two configurations share one port. Who speaks `vedette/1` is asked for a client certificate of the
//! appliance CA (it may have none yet); everybody else is not asked.

use std::sync::{Arc, RwLock};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use vedette_protocol::link;
use zeroize::Zeroizing;

use crate::directory::{self, Directory, DirectoryError};

/// The server's certificate chain, as PEM: the operator may put another in its place.
pub const CHAIN: &str = "chain.pem";
/// Its private key, as PEM (PKCS #8, SEC 1 or PKCS #1).
pub const KEY: &str = "key.pem";
/// The root that images pin, as PEM.
pub const ROOT: &str = "root.pem";
/// The certificate of the appliance CA, as PEM.
pub const APPLIANCE_CA: &str = "appliance-ca.pem";

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] DirectoryError),
    /// The file holds no certificate.
    #[error("{0} holds no certificate: it must be PEM, the server's own certificate first")]
    NoCertificate(std::path::PathBuf),
    /// The file holds no key.
    #[error("{0} holds no private key: it must be PEM")]
    NoKey(std::path::PathBuf),
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("using {chain} with {key}")]
    Pair {
        /// The chain.
        chain: std::path::PathBuf,
        /// The key.
        key: std::path::PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// The appliance CA cannot be trusted.
    #[error("trusting the appliance CA")]
    Ca(#[source] rustls::Error),
    /// As above.
    #[error("asking for certificates of the appliance CA")]
    Verifier(#[from] VerifierBuilderError),
    /// The provider lacks TLS 1.3.
    #[error("setting up TLS 1.3")]
    Version(#[source] rustls::Error),
}

/// The two configurations.
#[derive(Clone)]
pub struct Tls {
    /// For appliances.
    pub link: Arc<ServerConfig>,
    /// For people and their tools.
    pub web: Arc<ServerConfig>,
}

/// The certificate that the server shows now; it can be renewed under way.
#[derive(Debug)]
pub struct Shown(RwLock<Arc<CertifiedKey>>);

impl Tls {
    /// Builds both configurations.
    ///
    /// # Errors
    /// When the CA's certificate is damaged.
    pub fn new(shown: Arc<Shown>, appliance_ca: CertificateDer<'static>) -> Result<Self, TlsError> {
        let provider = provider();
        let mut roots = RootCertStore::empty();
        roots.add(appliance_ca).map_err(TlsError::Ca)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            .allow_unauthenticated()
            .build()?;
        let builder = || {
            ServerConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .map_err(TlsError::Version)
        };
        let mut link = builder()?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(shown.clone());
        link.alpn_protocols = vec![link::ALPN.to_vec()];
        // A resumed session would not show the client's certificate again.
        link.send_tls13_tickets = 0;
        let mut web = builder()?.with_no_client_auth().with_cert_resolver(shown);
        web.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            link: Arc::new(link),
            web: Arc::new(web),
        })
    }
}

impl Shown {
    /// Reads chain and key of a directory.
    ///
    /// # Errors
    /// When they are missing, damaged, or do not fit each other.
    pub fn read(directory: &Directory) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(pair(directory)?)))
    }

    /// Reads them again; those in use stay when that fails.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn reread(&self, directory: &Directory) -> Result<(), TlsError> {
        let pair = pair(directory)?;
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = pair;
        Ok(())
    }

    /// The chain.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.current().cert.clone()
    }

    fn current(&self) -> Arc<CertifiedKey> {
        self.0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

/// The one cryptographic provider.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Reads the first certificate of a PEM file of the directory.
///
/// # Errors
/// When there is none.
pub fn certificate(directory: &Directory, name: &str) -> Result<CertificateDer<'static>, TlsError> {
    let path = directory.tls().join(name);
    let pem = directory::read(&path)?;
    CertificateDer::from_pem_slice(&pem).map_err(|_| TlsError::NoCertificate(path))
}

fn pair(directory: &Directory) -> Result<Arc<CertifiedKey>, TlsError> {
    let (chain, key) = (directory.tls().join(CHAIN), directory.tls().join(KEY));
    let chain_pem = directory::read(&chain)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&chain_pem)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::NoCertificate(chain.clone()))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(chain));
    }
    let key_pem = Zeroizing::new(directory::read(&key)?);
    let private = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| TlsError::NoKey(key.clone()))?;
    CertifiedKey::from_der(certificates, private, &provider())
        .map(Arc::new)
        .map_err(|source| TlsError::Pair { chain, key, source })
}
