//! A proxy between a browser and a house that ends TLS with the house's own key, and keeps every byte that the browser
//! sends.

use std::sync::{Arc, Mutex};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::TLS13,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::house::House;

/// The proxy.
pub(crate) struct Recorder {
    pub(crate) port: u16,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    /// Begins to record.
    pub(crate) async fn start(house: &House) -> Self {
        let tls = house.data().join("tls");
        let chain = CertificateDer::pem_file_iter(tls.join("chain.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(tls.join("key.pem")).unwrap();
        let provider = Arc::new(default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(house.root()).unwrap())
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (acceptor, connector) = (
            TlsAcceptor::from(Arc::new(server)),
            TlsConnector::from(Arc::new(client)),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (kept, upstream) = (sent.clone(), house.port());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, connector, kept) = (acceptor.clone(), connector.clone(), kept.clone());
                // A browser opens connections that it never uses: their ends are nobody's concern.
                tokio::spawn(async move { pass(stream, acceptor, connector, upstream, kept).await.ok() });
            }
        });
        Self { port, sent }
    }

    /// Whether these bytes were sent.
    pub(crate) fn heard(&self, bytes: &[u8]) -> bool {
        let sent = self.sent.lock().unwrap();
        sent.windows(bytes.len()).any(|window| window == bytes)
    }
}

async fn pass(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    upstream: u16,
    kept: Arc<Mutex<Vec<u8>>>,
) -> std::io::Result<()> {
    let browser = acceptor.accept(stream).await?;
    let house = TcpStream::connect(("127.0.0.1", upstream)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let house = connector.connect(name, house).await?;
    let (mut from_browser, mut to_browser) = tokio::io::split(browser);
    let (mut from_house, mut to_house) = tokio::io::split(house);
    let up = async {
        let mut buffer = vec![0; 16_384];
        loop {
            let length = from_browser.read(&mut buffer).await?;
            if length == 0 {
                return to_house.shutdown().await;
            }
            // Before it goes on: what the house has, was recorded.
            kept.lock().unwrap().extend_from_slice(&buffer[..length]);
            to_house.write_all(&buffer[..length]).await?;
        }
    };
    let down = async {
        tokio::io::copy(&mut from_house, &mut to_browser).await?;
        to_browser.shutdown().await
    };
    tokio::try_join!(up, down).map(drop)
}
