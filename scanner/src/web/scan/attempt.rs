//! Testing one input: what a class asks for is sent, until it has a verdict.

use super::{
    calls::{Calling, call},
    witness::Witness,
};
use crate::{
    callback::Callbacks,
    web::{
        client::{Client, Unanswered},
        input::Payload,
        page::{Lead, Token},
        report::Why,
        tests::Test,
        trial::{Exchanges, Proof, Stop, Subject, Trial},
    },
};

/// What came of testing one input.
pub(super) struct Tried {
    pub(super) number: usize,
    pub(super) done: u64,
    pub(super) not_done: Vec<(Why, u64)>,
    pub(super) proofs: Vec<(Proof, u32)>,
    pub(super) calling: Calling,
}

impl Tried {
    /// What came to no end, apart from what nobody could hear.
    pub(super) fn gaps(&self) -> u64 {
        let calls = self.calling.not_called.iter();
        let calls = calls.filter(|(why, _)| *why != Why::NoListener);
        calls.chain(&self.not_done).map(|(_, count)| count).sum()
    }
}

/// Judges an input by classes, one after the other; `form` is the token of the form that it is sent with. Where a class
/// sees nothing, it may have the target come to us; what it sees run, a browser may see as well.
pub(super) async fn try_all(
    client: &Client,
    (callbacks, witness): (Option<&Callbacks>, Option<&Witness>),
    form: Option<&Token>,
    subject: &Subject,
    classes: impl Iterator<Item = &'static Test>,
) -> Tried {
    let mut exchanges = Exchanges::new();
    let mut tried = Tried {
        number: subject.number,
        done: 0,
        not_done: Vec::new(),
        proofs: Vec::new(),
        calling: Calling::default(),
    };
    let mut unproven = Vec::new();
    for test in classes {
        match try_one(client, form, subject, test, &mut exchanges).await {
            Ok(proof) => {
                tried.done += 1;
                if proof.is_none() {
                    unproven.push(test);
                }
                if let Some((mut proof, spent)) = proof {
                    if let Some(witness) = witness {
                        witness.hear(&mut proof, subject, &exchanges).await;
                    }
                    tried.proofs.push((proof, spent));
                }
            }
            // What came to no end by answers may still call.
            Err(why) => {
                tried.not_done.push((why, 1));
                unproven.push(test);
            }
        }
    }
    tried.calling = call(client, callbacks, form, subject, &unproven).await;
    tried
}

/// Sends what a class asks for, until it has a verdict.
async fn try_one(
    client: &Client,
    form: Option<&Token>,
    subject: &Subject,
    test: &Test,
    exchanges: &mut Exchanges,
) -> Result<Option<(Proof, u32)>, Why> {
    let mut spent = 0_u32;
    loop {
        let shot = match (test.judge)(&Trial::new(subject, exchanges)) {
            Ok(proof) => return Ok(proof.map(|proof| (proof, spent))),
            Err(Stop::Gap(failure)) => return Err(Unanswered::Failed(failure).why()),
            Err(Stop::Ask(shot)) => shot,
        };
        if spent as usize >= test.budget {
            return Err(Why::TestBudget);
        }
        spent += 1;
        let lead = on_its_way(subject, &shot.payload, form);
        let reply = match client.send(&lead, shot.company).await {
            Ok(response) => Ok(response),
            Err(Unanswered::Failed(failure)) => Err(failure),
            Err(Unanswered::NotSent(why)) => return Err(why),
        };
        exchanges.insert(shot, reply);
    }
}

/// The request with a payload in the input's place, and the token that its form has.
pub(super) fn on_its_way(subject: &Subject, payload: &Payload, form: Option<&Token>) -> Lead {
    let request = subject.input.with(&subject.request, payload);
    let token = match payload {
        Payload::Document(..) => None,
        Payload::Value(_)
        | Payload::Spelled(_)
        | Payload::Member(..)
        | Payload::Members(..)
        | Payload::Apart(..) => form.cloned(),
    };
    Lead { request, token }
}
