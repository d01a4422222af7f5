//! What names stand for during a run.

use std::{cell::OnceCell, collections::HashMap, net::SocketAddr, sync::Arc};

use super::{
    super::{
        base::Base,
        dsl::{
            Chance, Names,
            value::{Text, Value},
        },
    },
    Event,
};
use crate::callback::Callbacks;

/// What is known of a run as a whole.
#[derive(Debug)]
pub(super) struct Known {
    base: Arc<Base>,
    seed: u64,
    callbacks: Option<Callbacks>,
    /// Variables and what was extracted.
    values: HashMap<String, Vec<Text>>,
    /// Variables that name what is not known yet.
    open: Vec<(String, String)>,
    /// All replies that were judged, over all blocks.
    all_replies: Vec<Arc<Event>>,
    /// The last reply of each block, in the order of their protocols' blocks.
    blocks: Vec<(String, Arc<Event>)>,
}

/// What names stand for at one moment.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) known: &'a Known,
    /// What was extracted from the reply that is judged: it wins over a header of the same name.
    pub(super) learned: &'a [(String, Text)],
    /// The reply that is judged.
    pub(super) event: Option<&'a Event>,
    /// The replies to the same block's requests, by their number.
    pub(super) history: &'a [Option<Arc<Event>>],
    /// How many requests the block has.
    pub(super) drafts: usize,
    /// The payloads in use.
    pub(super) payloads: &'a [(String, Text)],
    /// The address of ours that the request names; none while no request is made or judged.
    pub(super) called: Option<&'a Called>,
}

/// An address of ours for one request: given out when it is named for the first time.
#[derive(Debug, Clone, Default)]
pub(super) struct Called(OnceCell<Option<SocketAddr>>);

impl Known {
    pub(super) fn new(base: Arc<Base>, seed: u64, callbacks: Option<Callbacks>) -> Self {
        Self {
            base,
            seed,
            callbacks,
            values: HashMap::new(),
            open: Vec::new(),
            blocks: Vec::new(),
            all_replies: Vec::new(),
        }
    }

    pub(super) fn set(&mut self, name: &str, value: Text) {
        self.values.insert(name.to_owned(), vec![value]);
    }

    pub(super) fn learn(&mut self, name: String, values: Vec<Text>) {
        if self.values.len() < VALUES_LIMIT || self.values.contains_key(&name) {
            self.values.insert(name, values);
        }
    }

    pub(super) fn open(&mut self, name: &str, text: &str) {
        self.open.push((name.to_owned(), text.to_owned()));
    }

    /// Variables that are still to be filled.
    pub(super) fn still_open(&self) -> &[(String, String)] {
        &self.open
    }

    /// Keeps a reply as the last of its block, as `http_2`, and as one of all.
    pub(super) fn keep(&mut self, block: String, event: Arc<Event>) {
        if self.all_replies.len() < REPLIES_LIMIT {
            self.all_replies.push(event.clone());
        }
        self.blocks.retain(|(found, _)| *found != block);
        self.blocks.push((block, event));
    }

    /// All values of a name that was extracted.
    pub(super) fn all(&self, name: &str) -> &[Text] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    fn value(&self, name: &str) -> Option<Value> {
        if let Some(values) = self.values.get(name) {
            return values.first().cloned().map(Value::Text);
        }
        if let Some(value) = self.base.value(name) {
            return Some(value);
        }
        // The same wherever it stands in a template, `randstr_1` another than `randstr`.
        if let Some(number) = name.strip_prefix("randstr")
            && number
                .strip_prefix('_')
                .unwrap_or(number)
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        {
            let salt = number
                .bytes()
                .fold(self.seed, |salt, byte| salt.rotate_left(8) ^ u64::from(byte));
            return Some(Value::from(
                Chance::new(salt ^ RANDSTR).text(LOWER, RANDSTR_LENGTH),
            ));
        }
        // As http_2_location.
        self.blocks.iter().find_map(|(block, event)| {
            let part = name.strip_prefix(block.as_str())?.strip_prefix('_')?;
            event.value(part)
        })
    }
}

impl Called {
    /// The port, if it was named.
    pub(super) fn port(&self) -> Option<u16> {
        Some(self.0.get().copied()??.port())
    }

    fn address(&self, callbacks: Option<&Callbacks>) -> Option<SocketAddr> {
        *self.0.get_or_init(|| callbacks?.allot())
    }
}

impl<'a> View<'a> {
    pub(super) fn of(known: &'a Known) -> Self {
        Self {
            known,
            learned: &[],
            event: None,
            history: &[],
            drafts: usize::MAX,
            payloads: &[],
            called: None,
        }
    }

    /// A part of a reply of this block, as `body_2`.
    fn past(&self, name: &str) -> Option<Value> {
        let (part, number) = name.rsplit_once('_')?;
        let number: usize = number.parse().ok()?;
        let at = number.checked_sub(1)?;
        // Numbers beyond those of the block count on from the blocks before it.
        let event = match self.history.get(at) {
            Some(event) => event.as_ref()?,
            None if at >= self.drafts => self.known.all_replies.get(at)?,
            None => return None,
        };
        event.value(part)
    }
}

impl Names for View<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        let among = |named: &[(String, Text)]| {
            let found = named.iter().find(|(found, _)| found == name);
            found.map(|(_, value)| Value::Text(value.clone()))
        };
        if name == "interactsh-url" {
            let address = self.called?.address(self.known.callbacks.as_ref())?;
            return Some(Value::text(address.to_string()));
        }
        among(self.learned)
            .or_else(|| self.event.and_then(|event| event.value(name)))
            .or_else(|| among(self.payloads))
            .or_else(|| self.past(name))
            .or_else(|| self.known.value(name))
    }
}

const VALUES_LIMIT: usize = 512;
/// Nobody numbers more.
const REPLIES_LIMIT: usize = 32;
/// Keeps these names apart from what expressions draw.
const RANDSTR: u64 = 0x7261_6e64_7374_7200;
const RANDSTR_LENGTH: usize = 27;
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
