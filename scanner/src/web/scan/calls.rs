//! Injections that nothing on a page shows: sent with an address of ours each, and heard when the target comes there.
//!
//! All are sent first and waited for once, so that a site that acts late is heard too. Who comes to an address is sent
//! to a second one, and must come there and stay away from a third, of which the payload's harmless twin speaks.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tokio::task::JoinSet;
use vedette_protocol::finding::ShownBy;

use super::{Course, attempt::on_its_way};
use crate::{
    callback::{Callbacks, Watch, WatchError},
    causes::one_line,
    web::{
        call::{Call, Place},
        client::{Client, Unanswered},
        input::Payload,
        page::Token,
        report::{What, Why},
        tests::Test,
        trial::{Company, Proof, Subject},
    },
};

/// Whether a scan listens for targets that come to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Listening {
    /// By a packet socket of this process, which takes CAP_NET_RAW.
    Own,
    /// Not, and why.
    No(&'static str),
}

/// Who listens, or why nobody does.
pub(super) struct Ear {
    /// Ours for as long as it is kept.
    watch: Result<Watch, String>,
}

/// Calls of one class at one input, all with one address.
pub(super) struct Called {
    test: &'static Test,
    subject: Subject,
    token: Option<Token>,
    port: u16,
}

impl Called {
    /// The number of the input that it is about.
    pub(super) fn number(&self) -> usize {
        self.subject.number
    }
}

/// What came of calling.
#[derive(Default)]
pub(super) struct Calling {
    pub(super) called: Vec<Called>,
    pub(super) not_called: Vec<(Why, u64)>,
}

impl Ear {
    pub(super) fn open(listening: &Listening, targets: Vec<std::net::IpAddr>) -> Self {
        let watch = match listening {
            Listening::Own => Watch::open(targets).map_err(|error: WatchError| one_line(&error)),
            Listening::No(why) => Err((*why).to_owned()),
        };
        Self { watch }
    }

    pub(super) fn callbacks(&self) -> Option<Callbacks> {
        self.watch.as_ref().ok().map(Watch::callbacks)
    }

    pub(super) fn lack(&self) -> Option<&str> {
        self.watch.as_ref().err().map(String::as_str)
    }
}

/// Has the target come to us by each way that these classes know for an input.
pub(super) async fn call(
    client: &Client,
    callbacks: Option<&Callbacks>,
    form: Option<&Token>,
    subject: &Subject,
    classes: &[&'static Test],
) -> Calling {
    let mut calling = Calling::default();
    for test in classes {
        let calls = test.calls(subject);
        if calls.is_empty() {
            continue;
        }
        let Some(callbacks) = callbacks else {
            calling.not_called.push((Why::NoListener, 1));
            continue;
        };
        let Some(place) = callbacks.allot() else {
            calling.not_called.push((Why::NoAddressLeft, 1));
            continue;
        };
        let mut sent = Ok(());
        for call in &calls {
            sent = sent.and(send(client, form, subject, (call.spell)(Place::new(place))).await);
        }
        match sent {
            Ok(()) => calling.called.push(Called {
                test,
                subject: subject.without_replies(),
                token: form.cloned(),
                port: place.port(),
            }),
            Err(why) => calling.not_called.push((why, 1)),
        }
    }
    calling
}

/// Sends a payload; whatever is answered, if anything is.
async fn send(client: &Client, form: Option<&Token>, subject: &Subject, payload: Payload) -> Result<(), Why> {
    match client
        .send(&on_its_way(subject, &payload, form), Company::Any)
        .await
    {
        Ok(_) | Err(Unanswered::Failed(_)) => Ok(()),
        Err(Unanswered::NotSent(why)) => Err(why),
    }
}

impl Course {
    /// Listens for who was called, and tells of those who come again when they are called again.
    pub(super) async fn hear(&mut self, callbacks: &Callbacks) {
        let called = std::mem::take(&mut self.called);
        self.books.callbacks.planned += called.len() as u64;
        let ports: Vec<u16> = called.iter().map(|called| called.port).collect();
        let contacts = if ports.is_empty() {
            Vec::new()
        } else {
            callbacks.contacts(&ports, LATE).await
        };
        let mut done = called.len() as u64;
        let mut confirming = JoinSet::new();
        for called in called {
            if contacts.iter().any(|(port, _)| *port == called.port) {
                let (client, callbacks) = (self.client.clone(), callbacks.clone());
                confirming.spawn(async move {
                    let confirmed = confirm(&client, &callbacks, &called).await;
                    (called.subject.number, confirmed)
                });
            }
        }
        let mut proven = Vec::new();
        while let Some(Ok((number, confirmed))) = confirming.join_next().await {
            match confirmed {
                Ok(proof) => proven.extend(proof.map(|proof| (number, proof))),
                Err(why) => {
                    done -= 1;
                    self.unfinished(number);
                    self.books.not_done(What::Callback, why, 1);
                }
            }
        }
        // Who comes to every port was called by nobody.
        if callbacks.is_swept() {
            self.books.not_done(What::Callback, Why::SweepsPorts, done);
            return;
        }
        self.books.callbacks.done += done;
        for (number, (proof, requests)) in proven {
            self.accuse(number, &proof, requests).await;
        }
    }

    /// Takes over what was called, and says what was not.
    pub(super) fn note(&mut self, calling: Calling) {
        self.called.extend(calling.called);
        for (why, count) in calling.not_called {
            self.books.callbacks.planned += count;
            self.books.not_done(What::Callback, why, count);
        }
    }
}

/// Which of the ways it was: who comes to a second address, and not where the twin points to.
async fn confirm(
    client: &Arc<Client>,
    callbacks: &Callbacks,
    called: &Called,
) -> Result<Option<(Proof, u32)>, Why> {
    let (subject, token) = (&called.subject, called.token.as_ref());
    let calls = called.test.calls(subject);
    let mut requests = u32::try_from(calls.len()).unwrap_or(u32::MAX);
    for Call { proof, spell, twin } in calls {
        let address = callbacks.allot().ok_or(Why::NoAddressLeft)?;
        send(client, token, subject, spell(Place::new(address))).await?;
        requests += 1;
        if callbacks.contacts(&[address.port()], LATE).await.is_empty() {
            continue;
        }
        let address = callbacks.allot().ok_or(Why::NoAddressLeft)?;
        send(client, token, subject, twin(Place::new(address))).await?;
        requests += 1;
        if callbacks.contacts(&[address.port()], LATE).await.is_empty() {
            debug_assert_eq!(proof.shown_by, ShownBy::Callback);
            return Ok(Some((proof, requests)));
        }
    }
    Ok(None)
}

/// How late the target may come.
const LATE: Duration = Duration::from_secs(3);
