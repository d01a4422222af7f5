//! What vedetted says of a platform that is not the pinned one, against real TLS servers.
#![cfg(test)]

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    version::{TLS12, TLS13},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use vedette_crypto::{
    Signer, SigningKey,
    roots::{Dates, PinnedRoot, PinnedRoots},
};
use vedette_daemon::link::{
    line::{LineError, secure},
    refusal::TlsRefusal,
};
use vedette_protocol::{image::PlatformPins, link::ALPN};

const HOST: &str = "platform.vedette.test";

/// A certification authority.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(name: &str, years: (i32, i32)) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority {
        pem,
        issuer: Issuer::new(params, key),
    }
}

/// A server's certificate: issuer, host, years.
struct Leaf<'a>(&'a Authority, &'a str, (i32, i32));

impl Leaf<'_> {
    fn config(&self, versions: &[&'static rustls::SupportedProtocolVersion], alpn: &[&[u8]]) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![self.1.to_owned()]).unwrap();
        params.not_before = date_time_ymd(self.2.0, 1, 1);
        params.not_after = date_time_ymd(self.2.1, 1, 1);
        let certificate = params.signed_by(&key, &self.0.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.to_vec()).collect();
        config
    }
}

/// Connects to such a server with one root pinned.
async fn connect(server: ServerConfig, root: &Authority, dates: Dates) -> Result<(), LineError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let accepted = TlsAcceptor::from(Arc::new(server)).accept(socket).await;
        drop(accepted);
    });
    let pins = PlatformPins {
        url: format!("https://{HOST}:{}", address.port()).parse().unwrap(),
        key: SigningKey::generate().verifying_key(),
        roots: PinnedRoots::new(vec![PinnedRoot::from_pem(&root.pem).unwrap()]).unwrap(),
    };
    let socket = TcpStream::connect(address).await.unwrap();
    let connected = secure(&pins, dates, None, socket).await.map(drop);
    serving.await.unwrap();
    connected
}

fn refusal(connected: Result<(), LineError>) -> TlsRefusal {
    match connected {
        Err(LineError::Tls(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

const GOOD: (i32, i32) = (2020, 2090);

#[tokio::test]
async fn the_pinned_platform_is_accepted() {
    let root = authority("Pinned", GOOD);
    let server = Leaf(&root, HOST, GOOD).config(&[&TLS13], &[ALPN]);
    connect(server, &root, Dates::Clock).await.unwrap();
}

#[tokio::test]
async fn another_root_is_refused() {
    let (root, other) = (authority("Pinned", GOOD), authority("Another", GOOD));
    let server = Leaf(&other, HOST, GOOD).config(&[&TLS13], &[ALPN]);
    let refusal = refusal(connect(server, &root, Dates::Clock).await);
    assert_eq!(
        refusal.to_string(),
        "the platform's certificate is not from a pinned root"
    );
}

#[tokio::test]
async fn a_rogue_root_of_the_right_name_is_refused() {
    let (root, rogue) = (authority("Pinned", GOOD), authority("Pinned", GOOD));
    let server = Leaf(&rogue, HOST, GOOD).config(&[&TLS13], &[ALPN]);
    assert_eq!(
        refusal(connect(server, &root, Dates::Clock).await),
        TlsRefusal::FalseRoot
    );
}

#[tokio::test]
async fn an_expired_certificate_is_refused_in_the_first_exchange_as_well_if_the_clock_is_later() {
    let root = authority("Pinned", GOOD);
    for dates in [Dates::Clock, Dates::FirstExchange] {
        let server = Leaf(&root, HOST, (2020, 2021)).config(&[&TLS13], &[ALPN]);
        assert_eq!(refusal(connect(server, &root, dates).await), TlsRefusal::Expired);
    }
}

#[tokio::test]
async fn an_expired_root_is_refused() {
    let root = authority("Pinned", (2020, 2021));
    let server = Leaf(&root, HOST, GOOD).config(&[&TLS13], &[ALPN]);
    assert_eq!(
        refusal(connect(server, &root, Dates::Clock).await),
        TlsRefusal::Expired
    );
}

#[tokio::test]
async fn a_certificate_of_the_future_serves_the_first_exchange_only() {
    let root = authority("Pinned", GOOD);
    let server = || Leaf(&root, HOST, (2080, 2090)).config(&[&TLS13], &[ALPN]);
    assert_eq!(
        refusal(connect(server(), &root, Dates::Clock).await),
        TlsRefusal::NotYetValid
    );
    connect(server(), &root, Dates::FirstExchange).await.unwrap();
}

#[tokio::test]
async fn another_name_is_refused() {
    let root = authority("Pinned", GOOD);
    let server = Leaf(&root, "other.vedette.test", GOOD).config(&[&TLS13], &[ALPN]);
    assert_eq!(
        refusal(connect(server, &root, Dates::Clock).await),
        TlsRefusal::OtherName
    );
}

#[tokio::test]
async fn a_server_of_tls_1_2_only_is_refused() {
    let root = authority("Pinned", GOOD);
    let server = Leaf(&root, HOST, GOOD).config(&[&TLS12], &[ALPN]);
    let refusal = refusal(connect(server, &root, Dates::Clock).await);
    assert_eq!(refusal.to_string(), "the platform does not offer TLS 1.3");
}

#[tokio::test]
async fn a_port_that_speaks_something_else_is_refused() {
    let root = authority("Pinned", GOOD);
    for alpn in [&[b"h2".as_slice()][..], &[]] {
        let server = Leaf(&root, HOST, GOOD).config(&[&TLS13], alpn);
        assert_eq!(
            refusal(connect(server, &root, Dates::Clock).await),
            TlsRefusal::OtherProtocol
        );
    }
}

#[tokio::test]
async fn what_speaks_no_tls_is_refused() {
    use tokio::io::AsyncWriteExt;
    let root = authority("Pinned", GOOD);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    });
    let pins = PlatformPins {
        url: format!("https://{HOST}:{}", address.port()).parse().unwrap(),
        key: SigningKey::generate().verifying_key(),
        roots: PinnedRoots::new(vec![PinnedRoot::from_pem(&root.pem).unwrap()]).unwrap(),
    };
    let socket = TcpStream::connect(address).await.unwrap();
    let refused = secure(&pins, Dates::Clock, None, socket).await.map(drop);
    assert_eq!(refusal(refused), TlsRefusal::NotTls);
    serving.await.unwrap();
}
