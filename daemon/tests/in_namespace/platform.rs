//! The platform's side of the link, over real TLS, that can be told to misbehave.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{Response, StatusCode, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    version::TLS13,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use vedette_crypto::{
    Signer, SigningKey, VerifyingKey,
    roots::{PinnedRoot, PinnedRoots},
};
use vedette_protocol::{
    ApplianceId, Assignment, BootId, Digest, ImageConfig, Job, Message, OrgId, Signed, Timestamp,
    image::{ImageKind, PlatformPins},
    keeper::Enrolled,
    link::{
        ALPN, ActivateOutcome, ActivateRefusal, ActivateRequest, Activation, Answer, BootOutcome,
        BootRefusal, BootRequest, ConfirmOutcome, ConfirmRequest, Enrolment, EventsOutcome, EventsRequest,
        PollOutcome, PollRequest, Request, Ticket, TimeOutcome, TimeRequest, share_context,
    },
    owner::OwnerWord,
};

use crate::wire::enter;

/// Where it is in the network.
pub(crate) const ADDRESS: &str = "198.51.100.13:8443";
pub(crate) const NAME: &str = "platform.vedette.test";
pub(crate) const CODE: &str = "BCDF-GHJK";
/// What follows it when it has expired.
pub(crate) const NEXT_CODE: &str = "LMNP-QRST";

pub(crate) const APPLIANCE: ApplianceId = ApplianceId([7; 16]);
pub(crate) const ORG: OrgId = OrgId([8; 16]);

/// What it does wrong, or says no to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    OtherRoot,
    OtherSigningKey,
    Replay,
    Late,
    Error,
    Endless,
    Garbage,
    OtherAppliancesShare,
    /// Nobody approves the code in time.
    ExpiringCode,
    Activation(ActivateRefusal),
    Boot(BootRefusal),
}

/// A platform.
#[derive(Clone)]
pub(crate) struct Platform {
    inner: Arc<Inner>,
}

struct Inner {
    fault: Fault,
    key: SigningKey,
    pinned: Authority,
    serving: Authority,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    paths: Vec<String>,
    identity: Option<VerifyingKey>,
    boot: Option<Vec<u8>>,
    earlier: Option<Vec<u8>>,
    by: Option<Activation>,
    activations: usize,
    bodies: Vec<(String, Vec<u8>)>,
    jobs: Vec<Signed<Job>>,
    words: Vec<OwnerWord>,
}

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }
}

/// An appliance's identity key, as rcgen takes it.
struct IdentityKey(VerifyingKey);

impl PublicKeyData for IdentityKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl Platform {
    pub(crate) fn honest() -> Self {
        Self::with(Fault::None)
    }

    pub(crate) fn with(fault: Fault) -> Self {
        let inner = Inner {
            fault,
            key: SigningKey::generate(),
            pinned: Authority::new("Pinned"),
            serving: Authority::new("Another"),
            seen: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// What an image would know of it.
    pub(crate) fn config(&self) -> ImageConfig {
        self.config_at(ADDRESS)
    }

    /// The same, by its name.
    pub(crate) fn config_by_name(&self) -> ImageConfig {
        self.config_at(&ADDRESS.replace("198.51.100.13", NAME))
    }

    fn config_at(&self, authority: &str) -> ImageConfig {
        ImageConfig {
            version: 1,
            kind: ImageKind::Test,
            release: "test".to_owned(),
            built: Timestamp(1_700_000_000),
            parameters: Vec::new(),
            platform: PlatformPins {
                url: format!("https://{authority}").parse().unwrap(),
                key: self.inner.key.verifying_key(),
                roots: PinnedRoots::new(vec![PinnedRoot::from_pem(&self.inner.pinned.pem).unwrap()]).unwrap(),
            },
        }
    }

    /// Signs a job.
    pub(crate) fn job(&self, job: &Job) -> Signed<Job> {
        let Ok(signed) = Signed::seal(job, &self.inner.key);
        signed
    }

    /// What an appliance of this key is told at its activation.
    pub(crate) fn enrolled(&self, identity: VerifyingKey) -> Enrolled {
        let Enrolment {
            appliance,
            org,
            certificate,
            ..
        } = self.enrolment(identity);
        Enrolled {
            appliance,
            org,
            certificate,
        }
    }

    /// Gives a job away with the next answer to a poll.
    pub(crate) fn give(&self, job: Signed<Job>) {
        self.inner.seen.lock().unwrap().jobs.push(job);
    }

    /// Says this word of an owner with each answer to a poll, in the place of the one before.
    pub(crate) fn say(&self, word: OwnerWord) {
        self.inner.seen.lock().unwrap().words = vec![word];
    }

    /// What it was sent: path and body, in order.
    pub(crate) fn bodies(&self) -> Vec<(String, Vec<u8>)> {
        self.inner.seen.lock().unwrap().bodies.clone()
    }

    /// The paths that were asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.inner.seen.lock().unwrap().paths.clone()
    }

    /// By what right an appliance asked to be activated.
    pub(crate) fn activated_by(&self) -> Option<Activation> {
        self.inner.seen.lock().unwrap().by.clone()
    }

    /// Serves in a namespace, for as long as the test runs.
    pub(crate) fn serve(&self, space: &str) {
        let (space, platform) = (space.to_owned(), self.clone());
        let (ready, listening) = std::sync::mpsc::channel();
        thread::spawn(move || {
            enter(&space);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind(ADDRESS).await.unwrap();
                ready.send(()).unwrap();
                let acceptor = TlsAcceptor::from(Arc::new(platform.tls()));
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    let (acceptor, platform) = (acceptor.clone(), platform.clone());
                    tokio::spawn(async move {
                        let Ok(stream) = acceptor.accept(socket).await else {
                            return;
                        };
                        let known = stream.get_ref().1.peer_certificates().is_some();
                        let answer = service_fn(|request| platform.clone().answer(request, known));
                        let _ = http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), answer)
                            .await;
                    });
                }
            });
        });
        listening.recv().unwrap();
    }

    fn tls(&self) -> ServerConfig {
        let authority = match self.inner.fault {
            Fault::OtherRoot => &self.inner.serving,
            _ => &self.inner.pinned,
        };
        let key = KeyPair::generate().unwrap();
        let address: SocketAddr = ADDRESS.parse().unwrap();
        let params = CertificateParams::new(vec![address.ip().to_string(), NAME.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(OnlyPossession))
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config
    }

    async fn answer(
        self,
        request: hyper::Request<Incoming>,
        known: bool,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let path = request.uri().path().trim_start_matches("/link/v1/").to_owned();
        let body = request.into_body().collect().await?.to_bytes();
        self.note(&path, &body);
        // Whoever has a certificate shows it; nobody else gets further than these two.
        assert_eq!(known, !matches!(path.as_str(), "time" | "activate"), "{path}");
        let answer = match (self.inner.fault, path.as_str()) {
            (Fault::Error, _) => {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return Ok(response);
            }
            (Fault::Garbage, _) => vec![0xff; 300],
            (Fault::Endless, _) => vec![0; 2 << 20],
            (_, "time") => self.time(&body).await,
            (_, "activate") => self.activate(&body),
            (_, "boot") => self.boot(&body),
            (_, "confirm") => self.confirm(&body),
            (_, "poll") => self.poll(&body),
            (_, "events") => self.events(&body),
            (_, other) => panic!("asked for {other}"),
        };
        Ok(Response::new(Full::new(Bytes::from(answer))))
    }

    fn note(&self, path: &str, body: &[u8]) {
        let mut seen = self.inner.seen.lock().unwrap();
        seen.paths.push(path.to_owned());
        seen.bodies.push((path.to_owned(), body.to_vec()));
    }

    async fn time(&self, body: &[u8]) -> Vec<u8> {
        if self.inner.fault == Fault::Late {
            tokio::time::sleep(Duration::from_secs(11)).await;
        }
        let answer = self.signed::<TimeRequest>(body, TimeOutcome);
        if self.inner.fault != Fault::Replay {
            return answer;
        }
        let mut seen = self.inner.seen.lock().unwrap();
        seen.earlier
            .replace(answer)
            .unwrap_or_else(|| self.signed::<TimeRequest>(b"recorded long ago", TimeOutcome))
    }

    fn activate(&self, body: &[u8]) -> Vec<u8> {
        let request = Signed::<ActivateRequest>::from_bytes(body)
            .unwrap()
            .verify_self_signed(|request| request.identity)
            .unwrap();
        let mut seen = self.inner.seen.lock().unwrap();
        let first = seen.by.replace(request.by.clone()).is_none();
        seen.activations += 1;
        let number = seen.activations;
        seen.identity = Some(request.identity);
        drop(seen);
        let outcome = match self.inner.fault {
            Fault::Activation(why) => ActivateOutcome::Refused(why),
            Fault::ExpiringCode if number < 4 => ActivateOutcome::Pending {
                code: if number < 3 { CODE } else { NEXT_CODE }.to_owned(),
                expires: Timestamp::now().after(Duration::from_secs(2)),
                interval: 1,
            },
            _ if request.by == Activation::DeviceCode && first => ActivateOutcome::Pending {
                code: CODE.to_owned(),
                expires: Timestamp::now().after(Duration::from_secs(600)),
                interval: 1,
            },
            _ => ActivateOutcome::Enrolled(self.enrolment(request.identity)),
        };
        self.signed::<ActivateRequest>(body, outcome)
    }

    fn enrolment(&self, identity: VerifyingKey) -> Enrolment {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, APPLIANCE.to_string());
        let certificate = params
            .signed_by(&IdentityKey(identity), &self.inner.pinned.issuer)
            .unwrap();
        Enrolment {
            appliance: APPLIANCE,
            org: ORG,
            certificate: certificate.der().to_vec(),
            ticket: self.ticket(1),
        }
    }

    fn boot(&self, body: &[u8]) -> Vec<u8> {
        let mut seen = self.inner.seen.lock().unwrap();
        let request = Signed::<BootRequest>::from_bytes(body)
            .unwrap()
            .verify(&seen.identity.unwrap())
            .unwrap();
        seen.boot = Some(body.to_vec());
        drop(seen);
        let number = request
            .ticket
            .verify(&self.inner.key.verifying_key())
            .unwrap()
            .number;
        let outcome = match self.inner.fault {
            Fault::Boot(why) => BootOutcome::Refused(why),
            _ => BootOutcome::Proceed {
                next: self.ticket(number + 1),
            },
        };
        self.signed::<BootRequest>(body, outcome)
    }

    fn confirm(&self, body: &[u8]) -> Vec<u8> {
        let seen = self.inner.seen.lock().unwrap();
        let identity = seen.identity.unwrap();
        let confirm = Signed::<ConfirmRequest>::from_bytes(body)
            .unwrap()
            .verify(&identity)
            .unwrap();
        let boot = seen.boot.clone().unwrap();
        drop(seen);
        let request = Signed::<BootRequest>::from_bytes(&boot)
            .unwrap()
            .verify(&identity)
            .unwrap();
        let number = confirm
            .ticket
            .verify(&self.inner.key.verifying_key())
            .unwrap()
            .number;
        let whose = match self.inner.fault {
            Fault::OtherAppliancesShare => ApplianceId([9; 16]),
            _ => APPLIANCE,
        };
        let context = share_context(whose, BootId(Digest::of(&boot).0), number);
        let share = request.sealing_key.seal(&context, &[5; 32]).unwrap();
        self.signed::<ConfirmRequest>(body, ConfirmOutcome::Share(share))
    }

    fn poll(&self, body: &[u8]) -> Vec<u8> {
        let mut seen = self.inner.seen.lock().unwrap();
        let outcome = PollOutcome::Serve {
            jobs: seen.jobs.drain(..).map(Assignment::from).collect(),
            words: seen.words.clone(),
            stop: vec![],
            interval: 1,
        };
        self.signed::<PollRequest>(body, outcome)
    }

    fn events(&self, body: &[u8]) -> Vec<u8> {
        let request = Signed::<EventsRequest>::from_bytes(body)
            .unwrap()
            .danger_read_unverified()
            .unwrap();
        let count = u64::try_from(request.events.len()).unwrap();
        let next = request.first + count;
        self.signed::<EventsRequest>(body, EventsOutcome::Kept { next })
    }

    fn ticket(&self, number: u64) -> Signed<Ticket> {
        let ticket = Ticket {
            appliance: APPLIANCE,
            number,
        };
        let Ok(ticket) = Signed::seal(&ticket, &self.inner.key);
        ticket
    }

    fn signed<R: Request>(&self, body: &[u8], outcome: R::Outcome) -> Vec<u8>
    where
        Answer<R::Outcome>: Message,
    {
        let answer = Answer {
            request: Digest::of(body),
            now: Timestamp::now(),
            outcome,
        };
        let other = SigningKey::generate();
        let key = match self.inner.fault {
            Fault::OtherSigningKey => &other,
            _ => &self.inner.key,
        };
        let Ok(signed) = Signed::seal(&answer, key);
        signed.to_bytes()
    }
}

/// Takes a client's certificate for what it is: the handshake proves its key, the body's signature who.
#[derive(Debug)]
struct OnlyPossession;

impl ClientCertVerifier for OnlyPossession {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
