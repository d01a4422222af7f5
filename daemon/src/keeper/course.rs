//! The keeper's course through one boot: what it asks of the platform, what it believes, what follows.
//!
//! Pure: bytes and the time come in, values go out. [`Course::open`] gives a [`Step`], which says what
//! must be done; only when that is done is it taken ([`Course::take`]). A step that is dropped was never
//! made. Every answer must be signed by the platform's pinned key and name the very request that was
//! composed last, once; nothing else moves the course.

mod answers;
mod stage;
#[cfg(test)]
mod tests;

pub use stage::{GenuineTicket, Member, Phase, Stage};

use std::{collections::BTreeMap, time::Duration};

use vedette_crypto::{
    Secret, Signer, SigningKey, VerifyingKey, credential::CredentialPublicKey, hpke::OpeningKey,
    share::WorkspaceKey,
};
use vedette_protocol::{
    Assignment, BootId, Digest, Fingerprint, ImageId, Job, JobId, Message, Nonce, Signed, Timestamp,
    codec::{self, MESSAGE_LIMIT},
    copy::{CopyRefusal, CopyStanding},
    image::ImageKind,
    keeper::{ActivationStanding, Compose, Exchange, KeeperAnswer, Refusal, Standing},
    link::{
        ActivateRequest, Activation, BootRefusal, BootRequest, ConfirmRequest, EVENTS_PER_REQUEST, Event,
        EventsRequest, KeysRequest, PollRequest, TimeRequest,
    },
    owner::{ApplianceKeys, OwnerWord, enrolment_proof},
    vault::Member as VaultMember,
    worker::ScopeRefusal,
};

use super::{
    copy::KnownCopy,
    owner::{Name, Ownership},
    records::RecordKeys,
    tls,
};

/// The longest body of a request or an answer: with what a frame says around it, it must fit one.
pub const BODY_LIMIT: usize = MESSAGE_LIMIT - 1024;

/// The most jobs that a poll asks for, or says to be running.
const JOBS_LIMIT: usize = 64;

/// What is known of platform and image from the start.
#[derive(Debug, Clone)]
pub struct Pins {
    /// The key that signs all the platform says.
    pub platform: VerifyingKey,
    /// The image that runs.
    pub image: ImageId,
    /// What the image is for.
    pub kind: ImageKind,
}

/// The moment in which something is decided.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Since an arbitrary start; never goes back.
    pub monotonic: Duration,
    /// The keeper's clock.
    pub wall: Timestamp,
}

/// What both shares make, for this boot.
#[derive(Debug)]
pub struct Keys {
    /// The workspace's.
    pub workspace: WorkspaceKey,
    /// Those under which the records were sealed.
    pub were: RecordKeys,
    /// Those under which they are to be sealed.
    pub are: RecordKeys,
}

/// What is known of the owner when a boot begins.
#[derive(Debug, Default)]
pub struct Owned {
    /// The owner key to which the records are bound.
    pub records: Option<VerifyingKey>,
    /// What the owner has said since.
    pub words: Vec<OwnerWord>,
    /// By which the appliance proves its keys to whoever flashed it.
    pub enrolment: Option<Secret<32>>,
}

/// The course of this boot.
#[derive(Debug)]
pub struct Course {
    pins: Pins,
    identity: SigningKey,
    stage: Stage,
    owned: Owned,
    ownership: Ownership,
    copy: KnownCopy,
    refused_copy: Option<CopyRefusal>,
    credential: Option<CredentialPublicKey>,
    asked: BTreeMap<Exchange, Asked>,
    clock_set: bool,
}

/// A request that waits for its one answer.
#[derive(Debug)]
struct Asked {
    digest: Digest,
    at: Duration,
}

/// What a genuine answer leads to. First do what the variant says, then take it.
#[derive(Debug)]
#[must_use = "a step that is dropped has not been made"]
pub enum Step {
    /// Nothing is to be done but to tell.
    Tell(KeeperAnswer),
    /// Set the clock, whatever it says now.
    SetClock(Timestamp),
    /// Make the membership durable, then burn the token.
    Enrol(Box<Member>),
    /// Make the ticket durable.
    Accept(GenuineTicket),
    /// Open the workspace under the key.
    Unlock(BootId, Box<Keys>),
    /// Let the clock follow, and end what was granted for the jobs to stop.
    Work {
        /// The platform's time. It may have been on its way for long, so it only pushes forward.
        now: Timestamp,
        /// New jobs.
        jobs: Vec<(Job, Assignment)>,
        /// Jobs to stop.
        stop: Vec<JobId>,
        /// Seconds until the next poll.
        interval: u32,
        /// What the owner says; to be heard before the jobs.
        words: Vec<OwnerWord>,
    },
    /// Close the workspace, with the help of its holders or without.
    Close(BootRefusal),
}

impl Course {
    /// Begins a boot with what was kept.
    pub fn new(pins: Pins, identity: SigningKey, stage: Stage, owned: Owned) -> Self {
        let begun = Ownership {
            owner: owned.records,
            ..Ownership::default()
        };
        let mut course = Self {
            pins,
            identity,
            stage,
            ownership: begun,
            copy: KnownCopy::default(),
            refused_copy: None,
            credential: None,
            owned,
            asked: BTreeMap::new(),
            clock_set: false,
        };
        if let Some(name) = course.name() {
            let heard = |known: Ownership, word: &OwnerWord| known.heard(name, word).unwrap_or(known);
            course.ownership = course.owned.words.iter().fold(begun, heard);
        }
        course
    }

    /// Who it is for its owner, once it belongs to an account.
    pub fn name(&self) -> Option<Name> {
        self.stage.enrolled().map(|enrolled| Name {
            org: enrolled.org,
            appliance: enrolled.appliance,
            identity: Fingerprint::of(&self.identity.verifying_key()),
        })
    }

    /// What is known of the owner.
    pub fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// Takes what has become known of the owner; what was made durable first.
    pub fn know(&mut self, ownership: Ownership) {
        self.ownership = ownership;
    }

    /// What is known of the owner's orders for a copy.
    pub fn copy(&self) -> &KnownCopy {
        &self.copy
    }

    /// Takes what has become known of them; what was made durable first.
    pub fn know_copy(&mut self, copy: KnownCopy) {
        (self.copy, self.refused_copy) = (copy, None);
    }

    /// The last order does not count, and the platform is told why.
    pub fn refuse_copy(&mut self, why: CopyRefusal) {
        self.refused_copy = Some(why);
    }

    /// The records are sealed under this owner key now.
    pub fn rebind_records(&mut self, owner: Option<VerifyingKey>) {
        self.owned.records = owner;
        self.owned.words.clear();
    }

    /// Takes the key to which credentials are sealed.
    pub fn know_credential_key(&mut self, key: CredentialPublicKey) {
        self.credential = Some(key);
    }

    /// Who it is for its vault.
    pub fn vault_member(&self) -> Option<VaultMember> {
        let name = self.name()?;
        Some(VaultMember {
            appliance: name.appliance,
            org: name.org,
            identity: name.identity,
            platform: self.pins.platform,
            owner: self.ownership.owner,
        })
    }

    /// What vedetted may know.
    pub fn standing(&self) -> Standing {
        let (unlocked, refused) = match &self.stage {
            Stage::New { .. } | Stage::Member { .. } => (None, None),
            Stage::Serving { boot, .. } => (Some(*boot), None),
            Stage::Refused { why, .. } => (None, Some(*why)),
        };
        Standing {
            fingerprint: self.identity.verifying_key().fingerprint(),
            owner: self.owner_fingerprint(),
            enrolled: self.stage.enrolled().cloned(),
            clock_set: self.clock_set,
            unlocked,
            refused,
        }
    }

    fn owner_fingerprint(&self) -> Option<String> {
        self.ownership.owner.map(|owner| owner.fingerprint())
    }

    /// Verifies a worker's job: by the platform, for us, not expired, and only while serving.
    pub fn job(&self, job: &Signed<Job>, now: Now) -> Result<Job, ScopeRefusal> {
        let Stage::Serving { enrolled, .. } = &self.stage else {
            return Err(ScopeRefusal::NotServing);
        };
        let job = job
            .verify(&self.pins.platform)
            .map_err(|_| ScopeRefusal::NotSigned)?;
        if job.appliance != enrolled.appliance || job.org != enrolled.org {
            return Err(ScopeRefusal::NotOurs);
        }
        if job.expires <= now.wall {
            return Err(ScopeRefusal::Expired);
        }
        Ok(job)
    }

    /// Signs a TLS 1.3 client CertificateVerify, once there is a certificate to show.
    pub fn sign_tls(&self, message: &[u8]) -> Result<[u8; 64], Refusal> {
        if !self.clock_set || self.stage.enrolled().is_none() {
            return Err(Refusal::Order);
        }
        tls::sign(&self.identity, message).ok_or(Refusal::NotTls)
    }

    /// Makes a request's body, and remembers its digest for the answer.
    pub fn compose(&mut self, compose: Compose, now: Now) -> Result<Vec<u8>, Refusal> {
        let exchange = compose.exchange();
        // Whatever comes of this one, an answer to an older request is none any more.
        self.asked.remove(&exchange);
        if exchange != Exchange::Time && !self.clock_set {
            return Err(Refusal::Order);
        }
        let body = match compose {
            Compose::Time => codec::encode(&TimeRequest {
                nonce: Nonce::random(),
            }),
            Compose::Activate => self.activate()?,
            Compose::Boot => self.boot()?,
            Compose::Confirm => self.confirm()?,
            Compose::Poll {
                wait,
                free,
                running,
                copy,
                missed,
            } => {
                let standing = CopyStanding {
                    number: self.copy.number,
                    state: copy,
                    missed,
                    refused: self.refused_copy,
                };
                self.poll(wait, free, running, standing)?
            }
            Compose::Events { first, events } => self.events(first, events)?,
            Compose::Keys => self.keys()?,
        };
        if body.len() > BODY_LIMIT {
            return Err(Refusal::TooMuch);
        }
        let digest = Digest::of(&body);
        let at = now.monotonic;
        self.asked.insert(exchange, Asked { digest, at });
        Ok(body)
    }

    /// Judges the platform's answer. The request that it answers is used up, whatever the judgement.
    pub fn open(&mut self, exchange: Exchange, answer: &[u8], now: Now) -> Result<Step, Refusal> {
        let asked = self.asked.remove(&exchange).ok_or(Refusal::Order)?;
        match exchange {
            Exchange::Time => self.time_answer(&asked, answer, now),
            Exchange::Activate => self.activate_answer(&asked, answer),
            Exchange::Boot => self.boot_answer(&asked, answer),
            Exchange::Confirm => self.confirm_answer(&asked, answer),
            Exchange::Poll => self.poll_answer(&asked, answer, now),
            Exchange::Events => self.events_answer(&asked, answer),
            Exchange::Keys => self.keys_answer(&asked, answer),
        }
    }

    /// Takes a step after its deed is done.
    pub fn take(&mut self, step: Step) -> KeeperAnswer {
        match step {
            Step::Tell(answer) => answer,
            Step::SetClock(now) => {
                self.clock_set = true;
                KeeperAnswer::Clock(now)
            }
            Step::Enrol(member) => {
                let enrolled = member.enrolled.clone();
                self.stage = Stage::Member {
                    member: *member,
                    phase: Phase::Idle,
                };
                KeeperAnswer::Activation(ActivationStanding::Enrolled(enrolled))
            }
            Step::Accept(ticket) => self.accept(ticket),
            Step::Unlock(boot, _) => self.unlocked(boot),
            Step::Work {
                jobs, stop, interval, ..
            } => KeeperAnswer::Work {
                jobs,
                stop,
                interval,
                owner: self.owner_fingerprint(),
                copying: self.copy.copying().map(|copying| copying.order),
            },
            Step::Close(why) => {
                if let Some(enrolled) = self.stage.enrolled().cloned() {
                    self.stage = Stage::Refused { enrolled, why };
                }
                KeeperAnswer::Refused(Refusal::Boot(why))
            }
        }
    }

    /// The workspace and the records are open.
    pub fn unlocked(&mut self, boot: BootId) -> KeeperAnswer {
        match self.stage.enrolled().cloned() {
            Some(enrolled) => {
                self.stage = Stage::Serving { enrolled, boot };
                KeeperAnswer::Unlocked
            }
            None => KeeperAnswer::Refused(Refusal::Order),
        }
    }

    fn accept(&mut self, ticket: GenuineTicket) -> KeeperAnswer {
        let Stage::Member { member, phase } = &mut self.stage else {
            return KeeperAnswer::Refused(Refusal::Order);
        };
        member.advance(ticket);
        match std::mem::replace(phase, Phase::Idle) {
            Phase::Asked { boot, opening } => {
                *phase = Phase::Accepted { boot, opening };
                KeeperAnswer::Boot(boot)
            }
            Phase::Idle | Phase::Accepted { .. } => KeeperAnswer::Refused(Refusal::Order),
        }
    }

    fn activate(&self) -> Result<Vec<u8>, Refusal> {
        let Stage::New { token } = &self.stage else {
            return Err(Refusal::Order);
        };
        Ok(self.sealed(&ActivateRequest {
            nonce: Nonce::random(),
            identity: self.identity.verifying_key(),
            image: self.pins.image,
            kind: self.pins.kind,
            by: token.clone().map_or(Activation::DeviceCode, Activation::Token),
        }))
    }

    fn boot(&mut self) -> Result<Vec<u8>, Refusal> {
        let Stage::Member { member, .. } = &self.stage else {
            return Err(Refusal::Order);
        };
        let (opening, sealing_key) = OpeningKey::generate();
        let body = self.sealed(&BootRequest {
            nonce: Nonce::random(),
            appliance: member.enrolled.appliance,
            image: self.pins.image,
            kind: self.pins.kind,
            sealing_key,
            ticket: member.ticket().signed().clone(),
        });
        let boot = BootId(Digest::of(&body).0);
        if let Stage::Member { phase, .. } = &mut self.stage {
            *phase = Phase::Asked { boot, opening };
        }
        Ok(body)
    }

    fn confirm(&self) -> Result<Vec<u8>, Refusal> {
        let Stage::Member {
            member,
            phase: Phase::Accepted { boot, .. },
        } = &self.stage
        else {
            return Err(Refusal::Order);
        };
        Ok(self.sealed(&ConfirmRequest {
            nonce: Nonce::random(),
            appliance: member.enrolled.appliance,
            boot: *boot,
            ticket: member.ticket().signed().clone(),
        }))
    }

    fn poll(
        &self,
        wait: u32,
        free: u32,
        running: Vec<JobId>,
        copy: CopyStanding,
    ) -> Result<Vec<u8>, Refusal> {
        let Stage::Serving { enrolled, boot } = &self.stage else {
            return Err(Refusal::Order);
        };
        let wanted = usize::try_from(free).unwrap_or(usize::MAX);
        if running.len() > JOBS_LIMIT || wanted > JOBS_LIMIT {
            return Err(Refusal::TooMuch);
        }
        Ok(self.sealed(&PollRequest {
            nonce: Nonce::random(),
            appliance: enrolled.appliance,
            boot: *boot,
            wait,
            free,
            running,
            copy,
        }))
    }

    fn events(&self, first: u64, events: Vec<Event>) -> Result<Vec<u8>, Refusal> {
        let Stage::Serving { enrolled, boot } = &self.stage else {
            return Err(Refusal::Order);
        };
        if events.len() > EVENTS_PER_REQUEST {
            return Err(Refusal::TooMuch);
        }
        Ok(self.sealed(&EventsRequest {
            nonce: Nonce::random(),
            appliance: enrolled.appliance,
            boot: *boot,
            first,
            events,
        }))
    }

    fn keys(&self) -> Result<Vec<u8>, Refusal> {
        let Stage::Serving { enrolled, boot } = &self.stage else {
            return Err(Refusal::Order);
        };
        let credential = self.credential.clone().ok_or(Refusal::Order)?;
        let identity = self.identity.verifying_key();
        let prove =
            |secret| enrolment_proof(secret, &identity, enrolled.appliance, enrolled.org, &credential);
        let keys = ApplianceKeys {
            appliance: enrolled.appliance,
            org: enrolled.org,
            owner: self.ownership.owner,
            proof: self.owned.enrolment.as_ref().map(prove),
            credential,
        };
        let Ok(keys) = Signed::seal(&keys, &self.identity);
        Ok(self.sealed(&KeysRequest {
            nonce: Nonce::random(),
            appliance: enrolled.appliance,
            boot: *boot,
            keys,
        }))
    }

    fn sealed<T: Message>(&self, message: &T) -> Vec<u8> {
        let Ok(signed) = Signed::seal(message, &self.identity);
        signed.to_bytes()
    }
}
