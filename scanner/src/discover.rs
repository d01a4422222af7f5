//! Discovery: which hosts of a scope are there, and what they are.
//!
//! [`course`] decides what to send and what it means (pure), [`wire`] is the only I/O. A host is asked by ARP
//! or neighbour discovery where it is on our link, by ICMP, TCP and UDP where it is not; whoever is there is
//! asked its names, and all the while is listened to what others say: [`heard`] reads it.
//! What must stay true: nothing is sent to an address outside the scope, multicast groups included, which are
//! in scope only by their own address; nothing is told of a host that is not in it; and an answer that lacks
//! our number never counts as one.

mod answer;
mod course;
pub(crate) mod device;
mod heard;
pub(crate) mod local;
mod method;
mod pace;
pub(crate) mod question;
pub(crate) mod signs;
mod wire;

use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use vedette_protocol::{Finding, JobScope, Report, worker::Progress};

use crate::wire::Lent;

pub(crate) use self::device::asked_for;
use self::{
    course::Course,
    local::Local,
    pace::Pace,
    wire::{Sent, Wire},
};
pub use self::{
    course::{Depth, Hindrance},
    method::{Method, Methods, ParseMethodError},
    pace::Rate,
    wire::WireError,
};

/// What to discover, and within which bounds.
#[derive(Debug, Clone)]
pub struct Discovery {
    /// What may be sent to, and told of.
    pub scope: JobScope,
    /// By what.
    pub sockets: Sockets,
    /// How to ask.
    pub methods: Methods,
    /// How fast to ask.
    pub rate: Rate,
    /// How long it may take.
    pub time: Duration,
    /// How much to find out.
    pub depth: Depth,
    /// How long to listen at least.
    pub listen: Duration,
}

/// By what is asked and listened.
#[derive(Debug, Clone)]
pub enum Sockets {
    /// Our own, which takes root or CAP_NET_RAW: on every link, of both families, and all that is heard there counts.
    Own,
    /// Packet sockets that were lent, which takes nothing: over IPv4, and what they hear is what answers us.
    Lent(Arc<[Lent]>),
}

/// What was discovered.
#[derive(Debug)]
pub struct Discovered {
    /// The hosts, and what was found about them.
    pub findings: Vec<Finding>,
    /// How complete that is.
    pub report: Report,
    /// What stood in the way, and how often.
    pub hindrances: BTreeMap<Hindrance, u64>,
}

/// A discovery could not be run.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// The kernel does not tell of links and routes.
    #[error("reading this machine's links and routes")]
    Local(#[source] io::Error),
    /// No sockets.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Waiting failed.
    #[error("waiting for answers")]
    Wait(#[source] io::Error),
}

/// Runs a discovery to its end; blocks. Who returns [`Going::Stop`] from `tell` ends it early.
///
/// # Errors
/// When nothing can be asked at all. What stood in the way of a part is in the result.
pub fn discover(
    discovery: Discovery,
    mut tell: impl FnMut(Progress) -> Going,
) -> Result<Discovered, DiscoverError> {
    let begun = Instant::now();
    let scope = Arc::new(discovery.scope);
    let (local, mut wire) = match &discovery.sockets {
        Sockets::Own => {
            let local = Local::read().map_err(DiscoverError::Local)?;
            let wire = Wire::open(scope.clone(), &local)?;
            (local, wire)
        }
        Sockets::Lent(lent) => {
            let local = Local::of(lent);
            let wire = Wire::lent(scope.clone(), lent, &local)?;
            (local, wire)
        }
    };
    let course = Course::new(scope, local, discovery.methods, wire.own(), discovery.time);
    let mut course = course.listen(discovery.listen).to(discovery.depth);
    let (mut pace, mut held, mut packets) = (Pace::new(discovery.rate), None, 0);
    let (mut shown, mut busy_since, mut patience) = (begun, None, BUSY);
    loop {
        course.tick(begun.elapsed());
        if course.over(begun.elapsed()) {
            break;
        }
        let mut idle = true;
        for _ in 0..AT_ONCE {
            let now = begun.elapsed();
            if !pace.allows(now) {
                break;
            }
            let Some(parcel) = held.take().or_else(|| course.next(now)) else {
                break;
            };
            idle = false;
            match wire.send(&parcel) {
                Sent::Left(bytes) => {
                    packets += 1;
                    pace.sent(bytes, now);
                    busy_since = None;
                }
                // No room, or a filter's way to say no: a queue has room again soon.
                Sent::Busy if now < *busy_since.get_or_insert(now) + patience => {
                    held = Some(parcel);
                    break;
                }
                Sent::Busy => {
                    busy_since = None;
                    patience /= 2;
                    course.refused(&parcel, Hindrance::Forbidden);
                }
                Sent::Refused(why) => course.refused(&parcel, why),
            }
        }
        let now = begun.elapsed();
        let next = if idle && pace.allows(now) {
            course.wake()
        } else {
            pace.when()
        };
        let wait = next.saturating_sub(now).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        wire.wait(wait).map_err(DiscoverError::Wait)?;
        let now = begun.elapsed();
        let gone = wire.frames(|link, frame, tag| course.hear(link, frame, tag, now));
        for _ in 0..gone {
            course.hindered(Hindrance::LinkGone);
        }
        if shown.elapsed() >= PROGRESS_EVERY {
            shown = Instant::now();
            let (done, total) = course.progress();
            if tell(Progress { done, total }) == Going::Stop {
                break;
            }
        }
    }
    if wire.overrun() > 0 {
        course.hindered(Hindrance::Overrun);
    }
    let (devices, report, hindrances) = course.close(packets, begun.elapsed());
    Ok(Discovered {
        findings: devices.findings(),
        report,
        hindrances,
    })
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// Go on.
    On,
    /// End it with what is known.
    Stop,
}

/// How long to wait for room; half as long each time that none came.
const BUSY: Duration = Duration::from_millis(200);
/// Packets between two looks at what came in.
const AT_ONCE: usize = 64;
const SHORTEST_WAIT: Duration = Duration::from_micros(200);
const LONGEST_WAIT: Duration = Duration::from_millis(50);
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
