//! Guests that take their time, or come in crowds: the listener with short limits, in this process, and real
//! connections over loopback.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use vedette_platform::{
    directory::Directory,
    limits::Limits,
    listener,
    platform::{Policy, TestImages},
    serve::{self, Opened},
};
use vedette_protocol::link;

use super::house::House;

/// A platform whose limits are the test's own.
struct Strict {
    house: House,
    port: u16,
    // Without it the platform is told to stop.
    _opened: vedette_platform::platform::Shared,
}

/// A limit that is passed soon, and the time in which it has been passed on a busy machine too.
const SHORT: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(20);

/// Limits that no test comes near.
const LONG: Limits = Limits {
    connections: 100,
    connections_of_origin: 100,
    handshake: Duration::from_secs(60),
    head: Duration::from_secs(60),
    body: Duration::from_secs(60),
};

impl Strict {
    async fn open(limits: Limits) -> Self {
        let mut house = House::open();
        house.stop();
        let policy = Policy {
            test_images: TestImages::Refused,
            keystore_backups: Duration::ZERO,
        };
        let directory = Directory::open(&house.data()).unwrap();
        let Opened {
            platform,
            house: guests,
            ..
        } = serve::open(directory, policy).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stopping = platform.stopping.subscribe();
        tokio::spawn(listener::listen(listener, guests, limits, stopping));
        Self {
            house,
            port,
            _opened: platform,
        }
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    async fn tls(&self) -> TlsStream<TcpStream> {
        self.tls_with(vec![]).await
    }

    async fn tls_with(&self, protocols: Vec<Vec<u8>>) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.house.root()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols;
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, self.tcp().await).await.unwrap()
    }

    /// What one more guest is answered.
    async fn health(&self) -> String {
        let mut stream = self.tls().await;
        stream.write_all(HEALTH).await.unwrap();
        rest(&mut stream).await
    }
}

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// All that comes until the other side ends the connection, in whatever way.
async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let mut part = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut part).await {
        all.extend_from_slice(&part[..length]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Sends a byte at a time, each well within the limit, until the other side has had enough: what it said.
async fn drip(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite, bytes: &[u8]) -> String {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let drops = async {
        for byte in bytes {
            if writing.write_all(&[*byte]).await.is_err() || writing.flush().await.is_err() {
                break;
            }
            sleep(SHORT / 10).await;
        }
        // Nothing more, and no end either.
        std::future::pending::<String>().await
    };
    let begun = Instant::now();
    let said = timeout(PATIENCE, async {
        tokio::select! {
            said = rest(&mut reading) => said,
            said = drops => said,
        }
    });
    let said = said.await.expect("a slow guest is shown the door");
    assert!(begun.elapsed() >= SHORT / 2, "{:?}", begun.elapsed());
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_within_tls_ends_the_connection_and_not_the_platform() {
    let strict = Strict::open(LONG).await;
    let long_head = [b"GET / HTTP/1.1\r\nX: ", &[b'x'; 1 << 20][..]].concat();
    let many_heads = [b"GET / HTTP/1.1\r\n".to_vec(), b"X: y\r\n".repeat(1000)].concat();
    for protocols in [vec![], vec![link::ALPN.to_vec()]] {
        for noise in [
            &b"nonsense\r\n\r\n"[..],
            &[0; 512],
            &[0xff; 512],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /\r\nHost\r\n\r\n",
            b"POST /link/v1/time HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"POST /link/v1/time HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            &long_head,
            &many_heads,
        ] {
            let stream = strict.tls_with(protocols.clone()).await;
            let (mut reading, mut writing) = tokio::io::split(stream);
            // It may be closed before all of it is said.
            let _ = writing.write_all(noise).await;
            let _ = writing.flush().await;
            let said = timeout(PATIENCE, rest(&mut reading)).await.unwrap();
            assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
        }
    }
    assert!(strict.health().await.ends_with("ok\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_does_not_come_to_its_end_is_ended() {
    let strict = Strict::open(Limits {
        handshake: SHORT,
        ..LONG
    })
    .await;
    // Silence; the beginning of a record of 512 bytes, a byte at a time.
    let mut hello = vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    hello.extend([7; 400]);
    let (silent, slow, health) = tokio::join!(
        async { drip(strict.tcp().await, &[]).await },
        async { drip(strict.tcp().await, &hello).await },
        strict.health()
    );
    assert_eq!((silent.as_str(), slow.as_str()), ("", ""));
    assert!(health.ends_with("ok\n"), "{health}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_come_to_its_end_is_ended() {
    let strict = Strict::open(Limits { head: SHORT, ..LONG }).await;
    let mut head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n".to_vec();
    head.extend(b"X-Slow: 1\r\n".repeat(40));
    let (silent, slow, appliance, health) = tokio::join!(
        async { drip(strict.tls().await, &[]).await },
        async { drip(strict.tls().await, &head).await },
        async { drip(strict.tls_with(vec![link::ALPN.to_vec()]).await, &head).await },
        strict.health()
    );
    for said in [silent, slow, appliance] {
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
    assert!(health.ends_with("ok\n"), "{health}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_to_its_end_is_refused_with_the_reason() {
    let strict = Strict::open(Limits { body: SHORT, ..LONG }).await;
    let request = |path: &str, kind: &str| {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 4000\r\n\r\n"
        )
        .into_bytes();
        let head = request.len();
        request.extend([b' '; 400]);
        (request, head)
    };
    // The head at once, the body a byte at a time.
    let slow = async |protocols, path: &str, kind: &str| {
        let (request, head) = request(path, kind);
        let mut stream = strict.tls_with(protocols).await;
        stream.write_all(&request[..head]).await.unwrap();
        drip(stream, &request[head..]).await
    };
    let link = || vec![link::ALPN.to_vec()];
    let (api, form, time, activate, health) = tokio::join!(
        slow(vec![], "/api/v1/sessions", "application/json"),
        slow(vec![], "/login", "application/x-www-form-urlencoded"),
        slow(link(), "/link/v1/time", "application/octet-stream"),
        slow(link(), "/link/v1/activate", "application/octet-stream"),
        strict.health()
    );
    assert!(
        api.starts_with("HTTP/1.1 408") && api.contains("/problems/too-slow"),
        "{api}"
    );
    assert!(api.contains("send it again"), "{api}");
    assert!(
        form.starts_with("HTTP/1.1 408") && form.contains("<h1>"),
        "{form}"
    );
    for link in [time, activate] {
        assert!(
            link.starts_with("HTTP/1.1 408") && link.ends_with("too slow\n"),
            "{link}"
        );
    }
    assert!(health.ends_with("ok\n"), "{health}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_too_many_connections_is_told_so_until_one_ends() {
    let strict = Strict::open(Limits {
        connections_of_origin: 3,
        ..LONG
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = strict.tls().await;
        // It is served, and kept alive.
        let request = HEALTH.strip_suffix(b"Connection: close\r\n\r\n").unwrap();
        stream.write_all(&[request, b"\r\n"].concat()).await.unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        held.push(stream);
    }
    let refused = strict.health().await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    for part in ["retry-after: 10", "/problems/too-many-connections", "close some"] {
        assert!(refused.contains(part), "{refused}");
    }
    drop(held.pop());
    let begun = Instant::now();
    while !strict.health().await.ends_with("ok\n") {
        assert!(begun.elapsed() < PATIENCE, "the seat is not free again");
        sleep(SHORT / 10).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_when_all_seats_are_taken_waits_for_one() {
    let strict = Strict::open(Limits {
        connections: 2,
        ..LONG
    })
    .await;
    let held = [strict.tls().await, strict.tls().await];
    let waiting = strict.health();
    tokio::pin!(waiting);
    assert!(timeout(SHORT, waiting.as_mut()).await.is_err());
    drop(held);
    let health = timeout(PATIENCE, waiting).await.unwrap();
    assert!(health.ends_with("ok\n"), "{health}");
}
