//! TLS as a scanner speaks it: any certificate will do, because it is what we came to look at.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, InvalidMessage, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use vedette_protocol::finding::TlsVersion;

use crate::{
    probe::{Hello, Versions},
    reply::{Session, TlsFailure},
};

/// Shakes hands, and brings what was shown even when the handshake fails after it.
pub(super) async fn shake_hands(
    stream: TcpStream,
    hello: &Hello,
) -> (Session, Result<TlsStream<TcpStream>, TlsFailure>) {
    let witness = Arc::new(Witness::default());
    let shaken = match (
        danger_look_at_any_certificate(hello.versions, witness.clone()),
        server_name(&stream, hello),
    ) {
        (Ok(config), Some(name)) => TlsConnector::from(Arc::new(config)).connect(name, stream).await,
        (Err(error), _) => Err(io::Error::other(error)),
        (_, None) => Err(io::Error::from(io::ErrorKind::NotConnected)),
    };
    let chain = witness
        .seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let version = shaken
        .as_ref()
        .ok()
        .and_then(|stream| stream.get_ref().1.protocol_version());
    let version = version.and_then(|version| match version {
        rustls::ProtocolVersion::TLSv1_2 => Some(TlsVersion::Tls12),
        rustls::ProtocolVersion::TLSv1_3 => Some(TlsVersion::Tls13),
        _ => None,
    });
    (
        Session { version, chain },
        shaken.map_err(|error| failure(&error)),
    )
}

fn server_name(stream: &TcpStream, hello: &Hello) -> Option<ServerName<'static>> {
    let address = || {
        stream
            .peer_addr()
            .ok()
            .map(|peer| ServerName::IpAddress(peer.ip().into()))
    };
    let name = hello
        .name
        .as_ref()
        .and_then(|name| ServerName::try_from(name.as_str().to_owned()).ok());
    // rustls sends no server name for an address (RFC 6066, section 3).
    name.or_else(address)
}

fn danger_look_at_any_certificate(
    versions: Versions,
    witness: Arc<Witness>,
) -> Result<ClientConfig, rustls::Error> {
    let versions: &[_] = match versions {
        Versions::Both => &[&TLS13, &TLS12],
        Versions::Only12 => &[&TLS12],
        Versions::Only13 => &[&TLS13],
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(witness)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn failure(error: &io::Error) -> TlsFailure {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::AlertReceived(alert)) => TlsFailure::Alert(alert_number(*alert)),
        Some(rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge,
        )) => TlsFailure::NotTls,
        // Who answers a hello with a hello repeats what is said.
        Some(
            rustls::Error::InappropriateHandshakeMessage { .. } | rustls::Error::InappropriateMessage { .. },
        ) => TlsFailure::NotTls,
        // Whatever else displeases the library came in records of TLS.
        Some(_) => TlsFailure::Incompatible,
        None => TlsFailure::HungUp,
    }
}

fn alert_number(alert: AlertDescription) -> u8 {
    alert.into()
}

/// Keeps what the server shows, and objects to nothing.
#[derive(Debug, Default)]
struct Witness {
    seen: Mutex<Vec<Vec<u8>>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).take(CHAIN_LIMIT);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = chain.map(|der| der.to_vec()).collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::ED448,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::ECDSA_SHA1_Legacy,
            SignatureScheme::RSA_PKCS1_SHA1,
        ]
    }
}

/// No server needs more; the rest of a longer chain is not kept.
const CHAIN_LIMIT: usize = 8;
