//! An appliance that speaks the link as a real one does: its own key, TLS with the platform's pins, every
//! answer verified. What a keeper keeps on its state partition is kept in the struct.

use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request as HttpRequest, StatusCode, header::CONTENT_TYPE, header::HOST};
use rustls::{
    client::ResolvesClientCert,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
    time_provider::DefaultTimeProvider,
};
use vedette_crypto::{
    Signer, SigningKey, VerifyingKey, credential::CredentialPublicKey, hpke::OpeningKey, roots::Dates,
    sign::Pkcs8,
};
use vedette_protocol::{
    Assignment, BootId, ImageId, Job, Message, Nonce, Signed,
    copy::CopyStanding,
    image::ImageKind,
    link::{
        self, ActivateOutcome, ActivateRequest, Activation, ActivationToken, Answer, BootOutcome,
        BootRefusal, BootRequest, ConfirmOutcome, ConfirmRequest, Enrolment, Event, EventsOutcome,
        EventsRequest, KeysOutcome, KeysRequest, PollOutcome, PollRequest, Request, Ticket, share_context,
    },
    owner::{ApplianceKeys, OwnerWord},
};

use super::house::{House, Pins, exchange};

/// An appliance.
pub(crate) struct Appliance {
    document: Pkcs8,
    pub(crate) key: SigningKey,
    pub(crate) enrolment: Option<Enrolment>,
    pub(crate) ticket: Option<Signed<Ticket>>,
    pub(crate) kind: ImageKind,
    /// What it says of the operator's copy.
    pub(crate) copying: CopyStanding,
}

/// A boot that has its share.
#[derive(Debug, Clone)]
pub(crate) struct Boot {
    pub(crate) id: BootId,
    pub(crate) share: Vec<u8>,
}

/// What the platform said that was no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Status(StatusCode),
    Transport(String),
}

impl Appliance {
    pub(crate) fn new() -> Self {
        let document = Pkcs8::generate();
        Self {
            key: SigningKey::from_pkcs8(&document).unwrap(),
            document,
            enrolment: None,
            ticket: None,
            kind: ImageKind::Release,
            copying: CopyStanding::NONE,
        }
    }

    /// A copy of its disk.
    pub(crate) fn copy(&self) -> Self {
        let document = self
            .document
            .with(|bytes| Pkcs8::from_bytes(bytes.to_vec().into()));
        Self {
            key: SigningKey::from_pkcs8(&document).unwrap(),
            document,
            enrolment: self.enrolment.clone(),
            ticket: self.ticket.clone(),
            kind: self.kind,
            copying: self.copying,
        }
    }

    /// An appliance that is activated by a token.
    pub(crate) async fn activated(house: &House) -> Self {
        let token = house.operator().await.activation_token().await;
        let mut appliance = Self::new();
        let outcome = appliance.activate(house, &token).await.unwrap();
        assert!(matches!(outcome, ActivateOutcome::Enrolled(_)), "{outcome:?}");
        appliance
    }

    pub(crate) fn id(&self) -> vedette_protocol::ApplianceId {
        self.enrolment.as_ref().unwrap().appliance
    }

    pub(crate) async fn activate(&mut self, house: &House, token: &str) -> Result<ActivateOutcome, Failure> {
        self.activate_by(house, Activation::Token(ActivationToken::parse(token).unwrap()))
            .await
    }

    pub(crate) async fn activate_by(
        &mut self,
        house: &House,
        by: Activation,
    ) -> Result<ActivateOutcome, Failure> {
        let request = ActivateRequest {
            nonce: Nonce::random(),
            identity: self.key.verifying_key(),
            image: ImageId([1; 32]),
            kind: self.kind,
            by,
        };
        let outcome = self.ask(house, &request, None).await?;
        if let ActivateOutcome::Enrolled(enrolment) = &outcome {
            self.ticket = Some(enrolment.ticket.clone());
            self.enrolment = Some(enrolment.clone());
        }
        Ok(outcome)
    }

    /// The first half of a boot: gives its id and the key that the share will be sealed to.
    pub(crate) async fn present(&mut self, house: &House) -> Result<(BootId, OpeningKey), BootRefusal> {
        let (opening_key, sealing_key) = OpeningKey::generate();
        let request = BootRequest {
            nonce: Nonce::random(),
            appliance: self.id(),
            image: ImageId([1; 32]),
            kind: self.kind,
            sealing_key,
            ticket: self.ticket.clone().unwrap(),
        };
        let Ok(signed) = Signed::seal(&request, &self.key);
        match self
            .ask_signed::<BootRequest>(house, signed.to_bytes(), self.identity())
            .await
            .unwrap()
        {
            BootOutcome::Proceed { next } => {
                self.ticket = Some(next);
                Ok((BootId(signed.digest().0), opening_key))
            }
            BootOutcome::Refused(refusal) => Err(refusal),
        }
    }

    /// The second half.
    pub(crate) async fn confirm(
        &self,
        house: &House,
        id: BootId,
        key: OpeningKey,
    ) -> Result<Boot, BootRefusal> {
        let ticket = self.ticket.clone().unwrap();
        let request = ConfirmRequest {
            nonce: Nonce::random(),
            appliance: self.id(),
            boot: id,
            ticket: ticket.clone(),
        };
        match self.ask(house, &request, self.identity()).await.unwrap() {
            ConfirmOutcome::Share(sealed) => {
                let number = ticket.verify(&house.pins().key).unwrap().number;
                let share = key.open(&share_context(self.id(), id, number), &sealed).unwrap();
                Ok(Boot {
                    id,
                    share: share.to_vec(),
                })
            }
            ConfirmOutcome::Refused(refusal) => Err(refusal),
        }
    }

    /// The code that its console shows.
    pub(crate) async fn code(&mut self, house: &House) -> String {
        match self.activate_by(house, Activation::DeviceCode).await.unwrap() {
            ActivateOutcome::Pending { code, .. } => code,
            outcome @ (ActivateOutcome::Enrolled(_) | ActivateOutcome::Refused(_)) => panic!("{outcome:?}"),
        }
    }

    pub(crate) async fn boot(&mut self, house: &House) -> Result<Boot, BootRefusal> {
        let (id, key) = self.present(house).await?;
        self.confirm(house, id, key).await
    }

    pub(crate) async fn poll(
        &self,
        house: &House,
        boot: &Boot,
        free: u32,
        running: &[&Job],
        wait: u32,
    ) -> PollOutcome {
        let request = PollRequest {
            nonce: Nonce::random(),
            appliance: self.id(),
            boot: boot.id,
            wait,
            free,
            running: running.iter().map(|job| job.id).collect(),
            copy: self.copying,
        };
        self.ask(house, &request, self.identity()).await.unwrap()
    }

    /// Polls for jobs, and verifies them.
    pub(crate) async fn jobs(&self, house: &House, boot: &Boot, free: u32) -> Vec<Job> {
        match self.poll(house, boot, free, &[], 0).await {
            PollOutcome::Serve { jobs, .. } => {
                let key = house.pins().key;
                jobs.iter().map(|job| job.job.verify(&key).unwrap()).collect()
            }
            PollOutcome::Refused(refusal) => panic!("{refusal}"),
        }
    }

    /// Polls, for whatever there is.
    pub(crate) async fn serve(
        &self,
        house: &House,
        boot: &Boot,
        free: u32,
    ) -> (Vec<Assignment>, Vec<OwnerWord>) {
        match self.poll(house, boot, free, &[], 0).await {
            PollOutcome::Serve { jobs, words, .. } => (jobs, words),
            PollOutcome::Refused(refusal) => panic!("{refusal}"),
        }
    }

    /// Says what its keys are.
    pub(crate) async fn say_keys(
        &self,
        house: &House,
        boot: &Boot,
        credential: &CredentialPublicKey,
        owner: Option<VerifyingKey>,
    ) -> Result<KeysOutcome, Failure> {
        let keys = ApplianceKeys {
            appliance: self.id(),
            org: self.enrolment.as_ref().unwrap().org,
            credential: credential.clone(),
            owner,
            proof: None,
        };
        self.say_signed_keys(house, boot, keys, &self.key).await
    }

    /// Says keys that some key has signed.
    pub(crate) async fn say_signed_keys(
        &self,
        house: &House,
        boot: &Boot,
        keys: ApplianceKeys,
        by: &SigningKey,
    ) -> Result<KeysOutcome, Failure> {
        let Ok(keys) = Signed::seal(&keys, by);
        let request = KeysRequest {
            nonce: Nonce::random(),
            appliance: self.id(),
            boot: boot.id,
            keys,
        };
        self.ask(house, &request, self.identity()).await
    }

    /// Sends events from a number on.
    pub(crate) async fn report(
        &self,
        house: &House,
        boot: &Boot,
        first: u64,
        events: Vec<Event>,
    ) -> EventsOutcome {
        let request = EventsRequest {
            nonce: Nonce::random(),
            appliance: self.id(),
            boot: boot.id,
            first,
            events,
        };
        self.ask(house, &request, self.identity()).await.unwrap()
    }

    /// Its client certificate.
    pub(crate) fn identity(&self) -> Option<Arc<dyn ResolvesClientCert>> {
        let enrolment = self.enrolment.as_ref()?;
        let chain = vec![CertificateDer::from(enrolment.certificate.clone())];
        let key = self
            .document
            .with(|bytes| PrivatePkcs8KeyDer::from(bytes.to_vec()));
        let provider = rustls::crypto::ring::default_provider();
        let pair = CertifiedKey::from_der(chain, key.into(), &provider).unwrap();
        Some(Arc::new(SingleCertAndKey::from(pair)))
    }

    /// Signs a request, sends it, and verifies the answer.
    pub(crate) async fn ask<R>(
        &self,
        house: &House,
        request: &R,
        identity: Option<Arc<dyn ResolvesClientCert>>,
    ) -> Result<R::Outcome, Failure>
    where
        R: Request + Message,
        Answer<R::Outcome>: Message,
    {
        let Ok(signed) = Signed::seal(request, &self.key);
        self.ask_signed::<R>(house, signed.to_bytes(), identity).await
    }

    /// Sends bytes as a request, and verifies the answer.
    pub(crate) async fn ask_signed<R>(
        &self,
        house: &House,
        body: Vec<u8>,
        identity: Option<Arc<dyn ResolvesClientCert>>,
    ) -> Result<R::Outcome, Failure>
    where
        R: Request,
        Answer<R::Outcome>: Message,
    {
        let Pins { key, roots } = house.pins();
        let digest = vedette_protocol::Digest::of(&body);
        let config = roots
            .client_config(Arc::new(DefaultTimeProvider), Dates::Clock, link::ALPN, identity)
            .unwrap();
        let request = HttpRequest::builder()
            .method(Method::POST)
            .uri(format!("/link/v1/{}", R::PATH))
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(body.into()))
            .unwrap();
        let response = exchange(house.port(), config, request)
            .await
            .map_err(|error| Failure::Transport(error.to_string()))?;
        if response.status() != StatusCode::OK {
            return Err(Failure::Status(response.status()));
        }
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let signed: Signed<Answer<R::Outcome>> = Signed::from_bytes(&bytes).unwrap();
        let answer = signed.verify(&key).unwrap();
        assert_eq!(answer.request, digest);
        Ok(answer.outcome)
    }
}
