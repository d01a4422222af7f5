//! The DevTools protocol as it goes over a pair of pipes: JSON, each message ended by a zero byte. Commands are answered
//! under their numbers; whatever else comes is an event.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{ChildStdin, ChildStdout},
    sync::{mpsc, oneshot},
};

/// The line to a browser.
#[derive(Debug)]
pub(super) struct Line {
    out: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<Value, LineError>>>>,
    number: AtomicU64,
}

/// Something that happened in a tab.
#[derive(Debug)]
pub(super) struct Event {
    /// The tab's session; empty for the browser's own.
    pub(super) session: String,
    pub(super) name: String,
    pub(super) what: Value,
}

/// A command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineError {
    /// The browser is gone.
    Ended,
    /// It refused: what was meant is not there any more.
    Refused,
}

impl Line {
    /// Speaks through these; what is not an answer comes out as events.
    pub(super) fn new(mut to: ChildStdin, from: ChildStdout) -> (Arc<Self>, mpsc::Receiver<Event>) {
        let (out, mut messages) = mpsc::unbounded_channel::<Vec<u8>>();
        let (tell, events) = mpsc::channel(EVENTS);
        let line = Arc::new(Self {
            out,
            waiting: Mutex::default(),
            number: AtomicU64::new(0),
        });
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                if to.write_all(&message).await.is_err() {
                    break;
                }
            }
        });
        let heard = line.clone();
        tokio::spawn(async move {
            heard.hear(from, tell).await;
            // Whoever still waits is told by that.
            heard.waiting().clear();
        });
        (line, events)
    }

    /// Has a command carried out.
    pub(super) async fn ask(
        &self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Result<Value, LineError> {
        let (tell, told) = oneshot::channel();
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.waiting().insert(number, tell);
        self.send(number, session, method, parameters)?;
        told.await.unwrap_or(Err(LineError::Ended))
    }

    /// Has a command carried out whose answer nobody waits for.
    pub(super) fn tell(&self, session: Option<&str>, method: &str, parameters: Value) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        // A browser that is gone needs no command.
        let _ = self.send(number, session, method, parameters);
    }

    fn send(
        &self,
        number: u64,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Result<(), LineError> {
        let mut message = json!({"id": number, "method": method, "params": parameters});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.out.send(bytes).map_err(|_| LineError::Ended)
    }

    async fn hear(&self, mut from: ChildStdout, tell: mpsc::Sender<Event>) {
        let mut kept = Vec::new();
        let mut part = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut part).await {
            for byte in &part[..length] {
                if *byte != 0 {
                    kept.push(*byte);
                    continue;
                }
                let event = match message(&kept) {
                    Some(Message::Answer(number, answer)) => {
                        self.pass_on(number, answer);
                        None
                    }
                    Some(Message::Event(event)) => Some(event),
                    None => None,
                };
                kept.clear();
                if let Some(event) = event
                    && tell.send(event).await.is_err()
                {
                    return;
                }
            }
            if kept.len() > MESSAGE_LIMIT {
                return;
            }
        }
    }

    fn pass_on(&self, number: u64, answer: Result<Value, LineError>) {
        if let Some(waiting) = self.waiting().remove(&number) {
            // Who waited may have given up.
            let _ = waiting.send(answer);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Result<Value, LineError>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Message {
    Answer(u64, Result<Value, LineError>),
    Event(Event),
}

fn message(bytes: &[u8]) -> Option<Message> {
    let mut message: Value = serde_json::from_slice(bytes).ok()?;
    if let Some(number) = message["id"].as_u64() {
        let answer = match message.get("result") {
            Some(_) => Ok(message["result"].take()),
            None => Err(LineError::Refused),
        };
        return Some(Message::Answer(number, answer));
    }
    Some(Message::Event(Event {
        session: message["sessionId"].as_str().unwrap_or_default().to_owned(),
        name: message["method"].as_str()?.to_owned(),
        what: message["params"].take(),
    }))
}

/// A page that makes more than is attended to waits.
const EVENTS: usize = 1024;
/// Far above what a page's text and a request's body may be.
const MESSAGE_LIMIT: usize = 32 * 1024 * 1024;
