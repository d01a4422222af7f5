//! What is true of this appliance at one point of a boot.

use vedette_crypto::{VerifyingKey, hpke::OpeningKey, share::ApplianceShare};
use vedette_protocol::{
    BootId, Signed,
    keeper::Enrolled,
    link::{ActivationToken, BootRefusal, Enrolment, Ticket},
};

/// Where the boot stands.
#[derive(Debug)]
pub enum Stage {
    /// It belongs to nobody yet.
    New {
        /// What was written at flashing, if anything was.
        token: Option<ActivationToken>,
    },
    /// It belongs to an account, and asks to boot.
    Member {
        /// What membership brought.
        member: Member,
        /// How far the asking is.
        phase: Phase,
    },
    /// The workspace is open, and the shares are forgotten.
    Serving {
        /// Who it is.
        enrolled: Enrolled,
        /// Which boot.
        boot: BootId,
    },
    /// The platform refused it. There is no way out but the next boot.
    Refused {
        /// Who it is.
        enrolled: Enrolled,
        /// Why.
        why: BootRefusal,
    },
}

/// The three messages of a boot.
#[derive(Debug)]
pub enum Phase {
    /// Nothing is under way.
    Idle,
    /// The ticket at hand was shown.
    Asked {
        /// Which boot.
        boot: BootId,
        /// Opens this boot's share.
        opening: OpeningKey,
    },
    /// The next ticket is durable, and may be confirmed.
    Accepted {
        /// Which boot.
        boot: BootId,
        /// Opens this boot's share.
        opening: OpeningKey,
    },
}

/// A membership: who the appliance is, its share, and the ticket at hand.
#[derive(Debug)]
pub struct Member {
    /// Who it is.
    pub enrolled: Enrolled,
    /// Its half of the workspace's key.
    pub share: ApplianceShare,
    ticket: GenuineTicket,
}

/// A ticket that the platform signed for this appliance.
#[derive(Debug, Clone)]
pub struct GenuineTicket {
    signed: Signed<Ticket>,
    ticket: Ticket,
}

impl GenuineTicket {
    /// Verifies a ticket for the appliance.
    pub fn verify(platform: &VerifyingKey, enrolled: &Enrolled, signed: &Signed<Ticket>) -> Option<Self> {
        let ticket = signed.verify(platform).ok()?;
        (ticket.appliance == enrolled.appliance).then(|| Self {
            signed: signed.clone(),
            ticket,
        })
    }

    /// The ticket as the platform signed it.
    pub fn signed(&self) -> &Signed<Ticket> {
        &self.signed
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.ticket.number
    }
}

impl Member {
    /// The membership that an enrolment brings, or that was kept; none if its ticket is not genuine.
    pub fn new(
        platform: &VerifyingKey,
        enrolled: Enrolled,
        share: ApplianceShare,
        ticket: &Signed<Ticket>,
    ) -> Option<Self> {
        let ticket = GenuineTicket::verify(platform, &enrolled, ticket)?;
        Some(Self {
            enrolled,
            share,
            ticket,
        })
    }

    /// The membership that an enrolment brings, with a fresh share.
    pub fn enrol(platform: &VerifyingKey, enrolment: Enrolment) -> Option<Self> {
        let Enrolment {
            appliance,
            org,
            certificate,
            ticket,
        } = enrolment;
        let enrolled = Enrolled {
            appliance,
            org,
            certificate,
        };
        Self::new(platform, enrolled, ApplianceShare::random(), &ticket)
    }

    /// The ticket at hand.
    pub fn ticket(&self) -> &GenuineTicket {
        &self.ticket
    }

    /// Takes the next ticket for the one at hand.
    pub(super) fn advance(&mut self, next: GenuineTicket) {
        self.ticket = next;
    }
}

impl Stage {
    /// Who the appliance is, once it belongs to an account.
    pub fn enrolled(&self) -> Option<&Enrolled> {
        match self {
            Self::New { .. } => None,
            Self::Member { member, .. } => Some(&member.enrolled),
            Self::Serving { enrolled, .. } | Self::Refused { enrolled, .. } => Some(enrolled),
        }
    }
}
