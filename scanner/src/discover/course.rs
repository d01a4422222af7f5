//! The course of a discovery: what to send next, when to wait, when it is over. Pure; the clock comes in as the
//! time since the beginning, and everything that is heard as frames.
//!
//! First each address of the scope is asked whether it is there, in as many passes as the measured loss calls
//! for; who answers is asked the rest at once. A host on our link that answered is asked the same a second time:
//! it is there, so a silence then is a loss, and that is how loss is measured.

mod groups;
mod network;
mod sweep;

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use vedette_protocol::{
    JobScope, Report,
    finding::{Coverage, Effort, Unanswered},
};

use sweep::{Loss, State, Sweep};

use super::{
    device::{Devices, Fact, asked_for},
    heard::{Announced, Ear},
    local::Local,
    method::{Method, Methods},
    question::{Cookie, Own, Parcel, Question, Resets},
};
use crate::{
    message::snmp::Walk,
    topology::{self, tables::Table},
};

/// Why something was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hindrance {
    /// There is no way there.
    NoRoute,
    /// None of the methods and ports that were given asks whether it is there.
    NoMethod,
    /// The link went away.
    LinkGone,
    /// A filter on this machine forbids it.
    Forbidden,
    /// The scope does not permit it.
    OutOfScope,
    /// The kernel refused it for another reason.
    Refused,
    /// Time was up.
    Deadline,
    /// A table of an SNMP agent was not read to its end.
    CutShort,
    /// More hosts were heard of than are kept.
    TooMany,
    /// Frames came in faster than they were read.
    Overrun,
    /// The scope has more addresses than are asked one by one.
    TooWide,
}

impl Hindrance {
    /// In words, with what to do.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoRoute => "no route leads there; add one, or leave it out of the targets",
            Self::NoMethod => {
                "no method or port that was given asks whether it is there; see --by and --ports"
            }
            Self::LinkGone => "the network interface went away; scan again when it is back",
            Self::Forbidden => "a packet filter on this machine forbids it",
            Self::OutOfScope => "it is not in scope",
            Self::Refused => "the kernel refused to send",
            Self::Deadline => "time was up; allow more time or fewer targets",
            Self::CutShort => {
                "an SNMP agent's table was not read to its end: it is too long, or the agent went silent"
            }
            Self::TooMany => "more hosts were heard of than are kept; split the targets",
            Self::TooWide => {
                "the targets have more addresses than are asked one by one; split them, and let all hosts of an IPv6 link answer at once: add ff02::1"
            }
            Self::Overrun => "frames came in faster than they could be read; lower the rate",
        }
    }
}

/// How much to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Which hosts are there, and what they are.
    Hosts,
    /// How they hang together too.
    Network,
}

/// A discovery under way.
#[derive(Debug)]
pub(crate) struct Course {
    scope: Arc<JobScope>,
    local: Local,
    methods: Methods,
    cookie: Cookie,
    own: Own,
    pub(crate) devices: Devices,
    sweep: Sweep,
    loss: Loss,
    /// Hosts that answered and were not yet asked the rest.
    fresh: VecDeque<IpAddr>,
    known: HashSet<IpAddr>,
    /// What is to be sent before anything else.
    urgent: VecDeque<Parcel>,
    /// Questions to hosts, in the order in which their time is up.
    pending: VecDeque<Pending>,
    open: HashSet<(IpAddr, Question)>,
    announced: Vec<Announced>,
    depth: Depth,
    traced: HashSet<IpAddr>,
    walks: BTreeMap<(IpAddr, Table), Walk>,
    hindrances: BTreeMap<Hindrance, u64>,
    unanswered: Vec<Unanswered>,
    quiet_until: Duration,
    deadline: Duration,
}

#[derive(Debug)]
struct Pending {
    until: Duration,
    host: IpAddr,
    question: Question,
    attempt: u8,
}

impl Course {
    pub(crate) fn new(
        scope: Arc<JobScope>,
        local: Local,
        methods: Methods,
        own: Own,
        time: Duration,
    ) -> Self {
        let mut course = Self {
            devices: Devices::new(scope.clone()),
            sweep: Sweep::over(&scope.area, &local),
            scope,
            local,
            methods,
            cookie: Cookie::default(),
            own,
            loss: Loss::default(),
            fresh: VecDeque::new(),
            known: HashSet::new(),
            urgent: VecDeque::new(),
            pending: VecDeque::new(),
            open: HashSet::new(),
            announced: Vec::new(),
            depth: Depth::Hosts,
            traced: HashSet::new(),
            walks: BTreeMap::new(),
            hindrances: BTreeMap::new(),
            unanswered: Vec::new(),
            quiet_until: Duration::ZERO,
            deadline: time,
        };
        course.urgent = course.to_groups();
        course
    }

    /// Listens at least so long.
    pub(crate) fn listen(mut self, time: Duration) -> Self {
        self.quiet_until = time;
        self
    }

    /// Finds out so much.
    pub(crate) fn to(mut self, depth: Depth) -> Self {
        self.depth = depth;
        if depth == Depth::Network {
            for (address, fact) in topology::surroundings(&self.local) {
                self.devices.learn(address, fact);
            }
        }
        self
    }

    /// How far it is: addresses asked, of how many.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.sweep.done, self.sweep.total)
    }

    /// What to send now; none: wait until [`Self::wake`].
    pub(crate) fn next(&mut self, now: Duration) -> Option<Parcel> {
        if now >= self.deadline {
            return None;
        }
        if let Some(parcel) = self.urgent.pop_front() {
            return Some(parcel);
        }
        while self.pending.len() < UNDER_WAY
            && let Some(host) = self.fresh.pop_front()
        {
            for question in self.questions(host) {
                self.ask(host, question, 1, now);
            }
        }
        self.urgent.pop_front().or_else(|| self.sweep_on(now))
    }

    /// When there may be something to do although nothing was heard.
    pub(crate) fn wake(&self) -> Duration {
        let sweep = match self.sweep.state {
            State::Asking => Some(Duration::ZERO),
            State::Waiting(until) => Some(until),
            State::Over => None,
        };
        let asked = self.pending.front().map(|pending| pending.until);
        let soonest = [sweep, asked].into_iter().flatten().min();
        soonest.unwrap_or(self.quiet_until).min(self.deadline)
    }

    /// Looks at the clock.
    pub(crate) fn tick(&mut self, now: Duration) {
        while self.pending.front().is_some_and(|pending| pending.until <= now) {
            let Some(pending) = self.pending.pop_front() else {
                break;
            };
            if !self.open.remove(&(pending.host, pending.question.clone())) {
                continue;
            }
            // Whoever does not speak a protocol is silent: that is an answer, and asked about twice at most.
            if pending.attempt < ATTEMPTS {
                self.ask(pending.host, pending.question, pending.attempt + 1, now);
            }
        }
        if let State::Waiting(until) = self.sweep.state
            && until <= now
        {
            if self.sweep.pass < self.loss.passes() {
                self.sweep.pass += 1;
                self.sweep.again();
                self.sweep.state = State::Asking;
            } else {
                self.sweep.state = State::Over;
            }
        }
    }

    /// Whether all is done, or time is up.
    pub(crate) fn over(&self, now: Duration) -> bool {
        let done = self.sweep.state == State::Over
            && self.urgent.is_empty()
            && self.fresh.is_empty()
            && self.open.is_empty();
        now >= self.deadline || (done && now >= self.quiet_until)
    }

    /// A frame came in on a link.
    pub(crate) fn hear(&mut self, link: u32, frame: &[u8], tag: Option<u16>, now: Duration) {
        let Some(link) = self.local.link(link) else { return };
        let ear = Ear {
            local: &self.local,
            link,
            own: self.own,
            cookie: &self.cookie,
        };
        let heard = ear.hear(frame, tag);
        for address in heard.reached {
            self.reached(address);
        }
        for (host, question) in heard.answered {
            let asked = self.open.remove(&(host, question.clone()));
            if asked && question == Question::Snmp {
                self.walk(host, now);
            }
        }
        if self.own.resets == Resets::Ours
            && let Some((host, question)) = heard.accepted
        {
            let source = self.local.source(host);
            let reset = source.and_then(|source| question.reset(host, source, self.own, &self.cookie));
            self.urgent.extend(reset);
        }
        if let Some((host, question, reach)) = heard.trace {
            self.trace(host, &question, reach, now);
        }
        if let Some((host, answer)) = heard.agent {
            self.walked(host, answer, now);
        }
        for (address, fact) in heard.facts {
            let answered = matches!(fact, Fact::Answered(..));
            self.devices.learn(address, fact);
            if answered {
                self.there(address);
            }
        }
        for (host, question) in heard.next {
            if self.wants(host, &question) {
                self.ask(host, question, 1, now);
            }
        }
        if let Some(announced) = heard.neighbour
            && self.announced.len() < ANNOUNCED
            && !self.announced.contains(&announced)
        {
            self.announced.push(announced);
        }
    }

    /// Something could not be sent.
    pub(crate) fn refused(&mut self, parcel: &Parcel, why: Hindrance) {
        // Later passes ask what was counted in the first.
        if self.sweep.pass > 1 {
            return;
        }
        let address = match parcel {
            Parcel::Frame { about, .. } => *about,
            Parcel::Packet { destination, .. } => *destination,
            Parcel::Datagram { destination, .. } => destination.ip(),
        };
        if self.sweep.refused.len() < KNOWN && self.sweep.refused.insert(address) {
            self.sweep.done = self.sweep.done.saturating_sub(1);
        }
        self.hinder(address, why);
    }

    /// Something else went wrong.
    pub(crate) fn hindered(&mut self, why: Hindrance) {
        *self.hindrances.entry(why).or_default() += 1;
    }

    /// Closes the books.
    pub(crate) fn close(
        mut self,
        packets: u64,
        took: Duration,
    ) -> (Devices, Report, BTreeMap<Hindrance, u64>) {
        let unread: Vec<_> = self.walks.keys().copied().collect();
        for (host, table) in unread {
            self.hindered(Hindrance::CutShort);
            self.read(host, table);
        }
        for announced in std::mem::take(&mut self.announced) {
            let by_address = announced.addresses.iter().copied();
            let host = by_address
                .chain(self.devices.with_adapter(announced.adapter))
                .find(|address| self.scope.area.permits(*address) && !self.local.is_own(*address));
            for fact in host.map(|_| announced.facts).unwrap_or_default() {
                self.devices
                    .learn(host.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), fact);
            }
        }
        if self.devices.full() {
            self.hindered(Hindrance::TooMany);
        }
        if self.sweep.beyond > 0 {
            self.hindrances.insert(Hindrance::TooWide, self.sweep.beyond);
        }
        let left = self.sweep.total.saturating_sub(self.sweep.done);
        if self.sweep.state != State::Over {
            self.hindrances.entry(Hindrance::Deadline).or_insert(left);
        }
        let gaps = left.max(self.hindrances.values().copied().fold(0, u64::saturating_add));
        let coverage = Coverage {
            hosts: self.sweep.total,
            hosts_answering: self.devices.answering(),
            checks: self.sweep.total,
            checks_done: self.sweep.total - left,
            ..Coverage::default()
        };
        let known = (self.sweep.total - left) as f64 / self.sweep.total.max(1) as f64;
        let effort = Effort {
            requests: 0,
            packets,
            seconds: took.as_secs_f64(),
            miss_probability: 1.0 - known * (1.0 - self.loss.estimate().powi(self.sweep.pass.into())),
        };
        let report = Report::close(effort, coverage, gaps, self.unanswered);
        (self.devices, report, self.hindrances)
    }

    fn hinder(&mut self, address: IpAddr, why: Hindrance) {
        *self.hindrances.entry(why).or_default() += 1;
        if self.unanswered.len() < EXAMPLES {
            let hosts = asked_for(&self.scope.area, address).into_iter();
            self.unanswered
                .extend(hosts.map(|target| Unanswered { target, port: None }));
        }
    }

    /// Somebody on our link said that the address is theirs.
    fn reached(&mut self, address: IpAddr) {
        if !self.scope.area.permits(address) {
            return;
        }
        if self.loss.controls.remove(&address) {
            self.loss.answered += 1;
        } else if self.sweep.reached.insert(address) {
            let pass = u64::from(self.sweep.pass);
            self.loss.sent += pass;
            self.loss.answered += 1;
            if let Some(parcel) = self.who_has(address) {
                self.loss.controls.insert(address);
                self.loss.sent += 1;
                self.urgent.push_back(parcel);
            }
        }
    }

    /// A host is there: it is asked the rest.
    fn there(&mut self, address: IpAddr) {
        if !self.scope.area.permits(address) || self.local.is_own(address) {
            return;
        }
        self.sweep.reached.insert(address);
        if self.known.len() < KNOWN && self.known.insert(address) {
            self.fresh.push_back(address);
        }
    }

    fn ask(&mut self, host: IpAddr, question: Question, attempt: u8, now: Duration) {
        let parcel = self
            .local
            .source(host)
            .and_then(|source| question.parcel(host, source, self.own, &self.cookie));
        let Some(parcel) = parcel else { return };
        if !self.open.insert((host, question.clone())) {
            return;
        }
        self.urgent.push_back(parcel);
        self.pending.push_back(Pending {
            until: now + ANSWER,
            host,
            question,
            attempt,
        });
    }

    /// Whether this may be asked, and is wanted.
    fn wants(&self, host: IpAddr, question: &Question) -> bool {
        let permitted = match question.endpoint() {
            Some((over, port)) => self.scope.permits(host, over, port),
            None => self.scope.area.permits(host),
        };
        permitted && self.methods.contains(Method::of(question))
    }

    /// Everything that a host is asked which is there.
    fn questions(&self, host: IpAddr) -> Vec<Question> {
        let mut questions = vec![
            Question::Echo,
            Question::Timestamp,
            Question::MdnsName,
            Question::MdnsServices,
            Question::Llmnr,
            Question::Netbios,
            Question::Snmp,
            Question::ReverseDns(host),
        ];
        questions.extend(TCP_PORTS.map(Question::Syn));
        questions.retain(|question| self.wants(host, question));
        questions
    }
}

/// What a host is likely to answer at, open or closed.
const TCP_PORTS: [u16; 4] = [22, 80, 443, 445];
/// How long one answer may take, and how often it is asked for.
const ANSWER: Duration = Duration::from_millis(700);
const ATTEMPTS: u8 = 2;
const UNDER_WAY: usize = 1024;
/// As many as are kept.
const KNOWN: usize = 65_536;
const ANNOUNCED: usize = 256;
const EXAMPLES: usize = 64;

#[cfg(test)]
mod tests;
