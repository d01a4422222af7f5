//! TLS to a host that is about to be told a secret.
//!
//! No authority is trusted: the host is known by its key, and proves in the handshake that it holds it.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use vedette_protocol::{Digest, credential::Trust, finding::LoginOutcome, target::HostName};
use x509_parser::parse_x509_certificate;

use super::PATIENCE;

/// By what a host is known.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// By nothing.
    Clear,
    /// By its key; before the first connection there may be none demanded.
    Tls(Option<Digest>),
}

impl Way {
    /// As the operator said.
    ///
    /// # Errors
    /// When this is not how a host is known that speaks TLS or nothing.
    pub(super) fn of(trust: Trust) -> Result<Self, LoginOutcome> {
        match trust {
            Trust::TlsSpki(demanded) => Ok(Self::Tls(Some(demanded))),
            Trust::FirstSeen => Ok(Self::Tls(None)),
            Trust::Cleartext => Ok(Self::Clear),
            Trust::SshHostKey(_) => Err(LoginOutcome::WrongHostKey),
        }
    }
}

/// Shakes hands with whoever is there, if the pin lets it come to that; whom it met, the pin knows.
pub(super) async fn shake(
    pin: &Arc<Pin>,
    name: ServerName<'static>,
    stream: TcpStream,
) -> Option<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(config(pin.clone()).ok()?));
    timeout(PATIENCE, connector.connect(name, stream))
        .await
        .ok()?
        .ok()
}

/// The name that a server is asked for by.
pub(super) fn server_name(name: Option<&HostName>, address: IpAddr) -> ServerName<'static> {
    let name = name.and_then(|name| ServerName::try_from(name.as_str().to_owned()).ok());
    name.unwrap_or_else(|| ServerName::IpAddress(address.into()))
}

/// How to open TLS to a host that is known by this pin.
pub(super) fn config(pin: Arc<Pin>) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(pin)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Takes the host with the demanded key, or notes the key of whoever is there.
#[derive(Debug)]
pub(super) struct Pin {
    demanded: Option<Digest>,
    shown: Mutex<Option<Digest>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pin {
    /// By the SHA-256 of the certificate's SubjectPublicKeyInfo, if one is demanded.
    pub(super) fn new(demanded: Option<Digest>) -> Self {
        Self {
            demanded,
            shown: Mutex::default(),
            algorithms: ring::default_provider().signature_verification_algorithms,
        }
    }

    /// What the host showed; proven only once the handshake is done.
    fn shown(&self) -> Option<Digest> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of the host, if it is the demanded one.
    ///
    /// # Errors
    /// When it is another, or none was shown.
    pub(super) fn judged(&self) -> Result<Digest, LoginOutcome> {
        let shown = self.shown().ok_or(LoginOutcome::NoAnswer)?;
        if self.takes(shown) {
            Ok(shown)
        } else {
            Err(LoginOutcome::WrongHostKey)
        }
    }

    fn takes(&self, shown: Digest) -> bool {
        self.demanded.is_none_or(|demanded| demanded == shown)
    }
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let (_, certificate) = parse_x509_certificate(end_entity)
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let shown = Digest::of(certificate.public_key().raw);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        if self.takes(shown) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PublicKeyData};
    use rustls::{
        ServerConfig,
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    };
    use rustls_pki_types::PrivatePkcs8KeyDer;
    use tokio::io::duplex;
    use tokio_rustls::TlsAcceptor;

    /// Shows one key's certificate and signs with another key, as whoever has copied a certificate must.
    #[derive(Debug)]
    struct Shows(Arc<CertifiedKey>);

    impl ResolvesServerCert for Shows {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(self.0.clone())
        }
    }

    fn digest(key: &KeyPair) -> Digest {
        Digest::of(&key.subject_public_key_info())
    }

    /// Whether a handshake with that pin comes to its end.
    async fn shaken(
        pin: Arc<Pin>,
        shown: &KeyPair,
        signs: &KeyPair,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> bool {
        let certificate = CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
        let certificate = certificate.self_signed(shown).unwrap();
        let key = PrivatePkcs8KeyDer::from(signs.serialize_der()).into();
        let key = ring::sign::any_supported_type(&key).unwrap();
        let shows = Shows(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)));
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shows));
        let (here, there) = duplex(64 * 1024);
        let serving = tokio::spawn(TlsAcceptor::from(Arc::new(server)).accept(there));
        let client = TlsConnector::from(Arc::new(config(pin).unwrap()));
        let name = ServerName::try_from("other.example").unwrap();
        let shaken = client.connect(name, here).await.is_ok();
        let _ = serving.await;
        shaken
    }

    #[tokio::test]
    async fn a_host_is_known_by_a_key_that_it_holds() {
        let (ours, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let pin = |demanded| Arc::new(Pin::new(demanded));
            let (right, first) = (pin(Some(digest(&ours))), pin(None));
            assert!(shaken(right.clone(), &ours, &ours, version).await);
            assert!(shaken(first.clone(), &ours, &ours, version).await);
            assert_eq!(first.shown(), Some(digest(&ours)));
            assert_eq!(right.judged(), first.judged());
            let wrong = pin(Some(digest(&other)));
            assert!(!shaken(wrong.clone(), &ours, &ours, version).await);
            assert_eq!(wrong.judged(), Err(LoginOutcome::WrongHostKey));
            // A copy of the right certificate, in the hands of somebody without its key.
            assert!(!shaken(right, &ours, &other, version).await);
            assert!(!shaken(first, &ours, &other, version).await);
        }
    }
}
