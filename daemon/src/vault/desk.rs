//! What the vault decides before it opens anything: is this a job that may log in, and where?
//!
//! Pure. The keeper has judged the same job before; nothing is believed because of that.

use std::{net::IpAddr, sync::Arc};

use vedette_crypto::credential::CredentialKey;
use vedette_protocol::{
    Assignment, Envelope, Job, JobScope, Timestamp,
    credential::{CredentialKind, Header, Login, Trust},
    envelope::{EnvelopeRefusal, Expected, Unsigned},
    finding::Transport,
    grant::{Asker, Envelopes, GrantRefusal},
    owner::Epoch,
    scope::Resolved,
    target::Target,
    vault::{LoginAnswer, Member, Opening, Shown, VaultRefusal},
};

/// The open vault.
#[derive(Debug)]
pub struct Desk {
    /// Who the appliance is.
    pub member: Member,
    /// The key to which credentials are sealed.
    pub key: Arc<CredentialKey>,
}

/// A job that may log in, at one place, with one credential.
#[derive(Debug)]
pub struct Case {
    /// The job.
    pub job: Job,
    /// Where.
    pub target: IpAddr,
    /// On which port.
    pub port: u16,
    /// How the host there is known.
    pub trust: Trust,
    /// What kind of credential it is.
    pub kind: CredentialKind,
    envelope: Envelope,
    expected: Expected,
    key: Arc<CredentialKey>,
}

impl Desk {
    /// Judges a job with what entitles to it.
    ///
    /// # Errors
    /// The first reason why nothing is opened for it.
    pub fn judge(
        &self,
        assignment: &Assignment,
        names: &[Resolved],
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<Case, VaultRefusal> {
        let Member {
            appliance,
            org,
            identity,
            platform,
            owner,
        } = &self.member;
        let job = assignment.job.verify(platform).map_err(|_| VaultRefusal::Job)?;
        if job.appliance != *appliance || job.org != *org || job.expires <= now {
            return Err(VaultRefusal::Job);
        }
        let credential = job.login.ok_or(VaultRefusal::NoLogin)?;
        let scope = JobScope::of(&job, names);
        let mut unsigned = Unsigned::Refused;
        if let Some(owner) = owner {
            let grant = assignment
                .grant
                .as_ref()
                .ok_or(VaultRefusal::Grant(GrantRefusal::Missing))?
                .verify(owner)
                .map_err(|_| VaultRefusal::Grant(GrantRefusal::NotSigned))?;
            let asker = Asker {
                org: *org,
                identity: *identity,
                epoch,
                now,
            };
            grant
                .judge(asker, &job, scope.clone())
                .map_err(VaultRefusal::Grant)?;
            if grant.envelopes == Envelopes::AlsoUnsigned {
                unsigned = Unsigned::Accepted;
            }
        }
        let (target, over, port) = only(&scope).ok_or(VaultRefusal::NoLogin)?;
        let sealing = assignment.credential.as_ref().ok_or(VaultRefusal::NoLogin)?;
        let envelope = sealing
            .envelope(owner.as_ref(), unsigned)
            .map_err(VaultRefusal::Envelope)?;
        let expected = Expected {
            org: *org,
            appliance: *identity,
            credential,
        };
        let header = envelope
            .expected_header(expected)
            .map_err(VaultRefusal::Envelope)?;
        if over != header.kind.transport() {
            return Err(VaultRefusal::Envelope(EnvelopeRefusal::Place));
        }
        let trust =
            place(&header, &job, target, port).ok_or(VaultRefusal::Envelope(EnvelopeRefusal::Place))?;
        Ok(Case {
            job,
            target,
            port,
            trust,
            kind: header.kind,
            envelope,
            expected,
            key: self.key.clone(),
        })
    }
}

impl Case {
    /// What a worker is told before it connects.
    pub fn place(&self) -> LoginAnswer {
        LoginAnswer::Place {
            kind: self.kind,
            target: self.target,
            port: self.port,
            trust: self.trust,
        }
    }

    /// The entry of its being opened.
    pub fn opening(&self, at: Timestamp) -> Opening {
        Opening {
            job: self.job.id,
            credential: self.expected.credential,
            target: self.target,
            port: self.port,
            at,
        }
    }

    /// Opens the credential for a host that has shown this.
    ///
    /// # Errors
    /// When the host is another, or the envelope does not open.
    pub fn open(&self, target: IpAddr, port: u16, shown: Shown) -> Result<Login, VaultRefusal> {
        let known = match (self.trust, shown) {
            (Trust::SshHostKey(demanded), Shown::SshHostKey(found))
            | (Trust::TlsSpki(demanded), Shown::TlsSpki(found)) => demanded == found,
            (Trust::FirstSeen, Shown::SshHostKey(_) | Shown::TlsSpki(_)) | (Trust::Cleartext, _) => true,
            (Trust::FirstSeen, Shown::Nothing)
            | (Trust::SshHostKey(_), Shown::TlsSpki(_) | Shown::Nothing)
            | (Trust::TlsSpki(_), Shown::SshHostKey(_) | Shown::Nothing) => false,
        };
        if (target, port) != (self.target, self.port) || !known {
            return Err(VaultRefusal::WrongHost);
        }
        let (_, login) = self
            .envelope
            .open(&self.key, self.expected)
            .map_err(VaultRefusal::Envelope)?;
        Ok(login)
    }
}

/// The one address and port of a scope that has no other.
fn only(scope: &JobScope) -> Option<(IpAddr, Transport, u16)> {
    let mut addresses = scope.area.addresses();
    let (address, _) = addresses.next()?;
    let alone = addresses.all(|(another, _)| another == address);
    let mut ranges = scope.ports.ranges();
    match (ranges.next()?, ranges.next()) {
        ((over, (first, last)), None) if first == last && alone => Some((address, over, first)),
        _ => None,
    }
}

/// How the host is known at the place that the header names for this target.
fn place(header: &Header, job: &Job, target: IpAddr, port: u16) -> Option<Trust> {
    let meant = |host: &Target| match host {
        Target::Span(span) => span.contains(target),
        // A name of the header counts for a job that was asked for by that name.
        Target::Name(_) => job.targets.as_slice().contains(host),
    };
    header
        .places
        .iter()
        .find(|place| place.port == port && meant(&place.host))
        .map(|place| place.trust)
}
