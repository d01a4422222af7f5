//! What the platform's answers lead to, each judged by itself: genuine first, then what it says.

use vedette_crypto::{
    Secret, Signer,
    hpke::{OpeningKey, Sealed},
    share::{PlatformShare, WorkspaceKey},
};
use vedette_protocol::{
    BootId, Fingerprint, Message, Signed, VerifyError, codec,
    keeper::{ActivationStanding, KeeperAnswer, NotGenuine, Refusal},
    link::{
        ActivateOutcome, ActivateRequest, Answer, BootOutcome, BootRefusal, BootRequest, ConfirmOutcome,
        ConfirmRequest, EventsOutcome, EventsRequest, KeysOutcome, KeysRequest, PollOutcome, PollRequest,
        Request, TIME_ANSWER_LIMIT, TimeRequest, share_context,
    },
    owner::WORDS_LIMIT,
};

use super::{
    Asked, BODY_LIMIT, Course, JOBS_LIMIT, Keys, Now, Step,
    stage::{GenuineTicket, Member, Phase, Stage},
};
use crate::keeper::{owner::Name, records::RecordKeys};

impl Course {
    /// The one way from bytes to an answer that is believed.
    fn genuine<R: Request>(&self, asked: &Asked, bytes: &[u8]) -> Result<Answer<R::Outcome>, Refusal>
    where
        Answer<R::Outcome>: Message,
    {
        let doubt = |error: VerifyError| {
            Refusal::NotGenuine(match error {
                VerifyError::Version(_) | VerifyError::Malformed(_) => NotGenuine::Malformed,
                VerifyError::WrongKey { .. } => NotGenuine::WrongKey,
                VerifyError::BadSignature(_) => NotGenuine::BadSignature,
            })
        };
        let answer = Signed::<Answer<R::Outcome>>::from_bytes(bytes)
            .map_err(|error| doubt(error.into()))?
            .verify(&self.pins.platform)
            .map_err(doubt)?;
        if answer.request == asked.digest {
            Ok(answer)
        } else {
            Err(Refusal::NotGenuine(NotGenuine::Replayed))
        }
    }

    pub(super) fn time_answer(&self, asked: &Asked, bytes: &[u8], now: Now) -> Result<Step, Refusal> {
        let answer = self.genuine::<TimeRequest>(asked, bytes)?;
        if now.monotonic.saturating_sub(asked.at) > TIME_ANSWER_LIMIT {
            return Err(Refusal::Late);
        }
        Ok(Step::SetClock(answer.now))
    }

    pub(super) fn activate_answer(&self, asked: &Asked, bytes: &[u8]) -> Result<Step, Refusal> {
        match self.genuine::<ActivateRequest>(asked, bytes)?.outcome {
            ActivateOutcome::Enrolled(enrolment) => Member::enrol(&self.pins.platform, enrolment)
                .map(|member| Step::Enrol(Box::new(member)))
                .ok_or(Refusal::NotGenuine(NotGenuine::Malformed)),
            ActivateOutcome::Pending {
                code,
                expires,
                interval,
            } => Ok(Step::Tell(KeeperAnswer::Activation(
                ActivationStanding::Pending {
                    code,
                    expires,
                    interval,
                },
            ))),
            ActivateOutcome::Refused(why) => Err(Refusal::Activation(why)),
        }
    }

    pub(super) fn boot_answer(&self, asked: &Asked, bytes: &[u8]) -> Result<Step, Refusal> {
        let next = match self.genuine::<BootRequest>(asked, bytes)?.outcome {
            BootOutcome::Proceed { next } => next,
            BootOutcome::Refused(why) => return refused(why),
        };
        let Stage::Member {
            member,
            phase: Phase::Asked { .. },
        } = &self.stage
        else {
            return Err(Refusal::Order);
        };
        GenuineTicket::verify(&self.pins.platform, &member.enrolled, &next)
            .filter(|next| Some(next.number()) == member.ticket().number().checked_add(1))
            .map(Step::Accept)
            .ok_or(Refusal::NotGenuine(NotGenuine::Malformed))
    }

    pub(super) fn confirm_answer(&mut self, asked: &Asked, bytes: &[u8]) -> Result<Step, Refusal> {
        let sealed = match self.genuine::<ConfirmRequest>(asked, bytes)?.outcome {
            ConfirmOutcome::Share(sealed) => sealed,
            ConfirmOutcome::Refused(why) => return refused(why),
        };
        let Stage::Member { member, phase } = &mut self.stage else {
            return Err(Refusal::Order);
        };
        // The opening key serves once: whatever comes now, another try needs another boot request.
        let Phase::Accepted { boot, opening } = std::mem::replace(phase, Phase::Idle) else {
            return Err(Refusal::Order);
        };
        let share = platform_share(member, boot, opening, &sealed).ok_or(Refusal::Share)?;
        let name = Name {
            org: member.enrolled.org,
            appliance: member.enrolled.appliance,
            identity: Fingerprint::of(&self.identity.verifying_key()),
        };
        let records = |owner| RecordKeys::derive(&share, &member.share, name, owner);
        Ok(Step::Unlock(
            boot,
            Box::new(Keys {
                workspace: WorkspaceKey::derive(&share, &member.share),
                were: records(self.owned.records),
                are: records(self.ownership.owner),
            }),
        ))
    }

    pub(super) fn keys_answer(&self, asked: &Asked, bytes: &[u8]) -> Result<Step, Refusal> {
        match self.genuine::<KeysRequest>(asked, bytes)?.outcome {
            KeysOutcome::Kept => Ok(Step::Tell(KeeperAnswer::Done)),
            KeysOutcome::Refused(why) => Ok(Step::Close(why)),
        }
    }

    pub(super) fn poll_answer(&self, asked: &Asked, bytes: &[u8], now: Now) -> Result<Step, Refusal> {
        let answer = self.genuine::<PollRequest>(asked, bytes)?;
        let (jobs, stop, interval, words) = match answer.outcome {
            PollOutcome::Serve {
                jobs,
                stop,
                interval,
                words,
            } => (jobs, stop, interval, words),
            PollOutcome::Refused(why) => return Ok(Step::Close(why)),
        };
        let now = Now {
            wall: now.wall.max(answer.now),
            ..now
        };
        // A job that is not ours, or too late, is left to the platform's lease. What is passed on stands in
        // one frame twice, opened and signed.
        let mut room = BODY_LIMIT / 2;
        let jobs = jobs
            .into_iter()
            .take(JOBS_LIMIT)
            .filter_map(|assignment| Some((self.job(&assignment.job, now).ok()?, assignment)))
            .take_while(|(_, assignment)| {
                let size = codec::encode(assignment).len();
                let fits = size <= room;
                room = room.saturating_sub(size);
                fits
            })
            .collect();
        Ok(Step::Work {
            now: answer.now,
            jobs,
            stop: stop.into_iter().take(JOBS_LIMIT).collect(),
            interval,
            words: words.into_iter().take(WORDS_LIMIT).collect(),
        })
    }

    pub(super) fn events_answer(&self, asked: &Asked, bytes: &[u8]) -> Result<Step, Refusal> {
        match self.genuine::<EventsRequest>(asked, bytes)?.outcome {
            EventsOutcome::Kept { next } => Ok(Step::Tell(KeeperAnswer::EventsKept(next))),
            EventsOutcome::Refused(why) => Ok(Step::Close(why)),
        }
    }
}

/// A refusal before anything is open. One for the order of messages is no verdict: it is asked again.
fn refused(why: BootRefusal) -> Result<Step, Refusal> {
    match why {
        BootRefusal::Order => Err(Refusal::Boot(why)),
        BootRefusal::Removed | BootRefusal::TicketUsed | BootRefusal::TicketAhead | BootRefusal::Image => {
            Ok(Step::Close(why))
        }
    }
}

fn platform_share(
    member: &Member,
    boot: BootId,
    opening: OpeningKey,
    sealed: &Sealed,
) -> Option<PlatformShare> {
    let context = share_context(member.enrolled.appliance, boot, member.ticket().number());
    let bytes = opening.open(&context, sealed).ok()?;
    Secret::copied(&bytes).map(PlatformShare::from_secret)
}
