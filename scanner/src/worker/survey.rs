//! The part of a job that asks who is there: a discovery through the sockets that were lent.
//!
//! What must stay true: without a socket nothing is known, and the report says so; of the network no more is heard than
//! what those sockets let in, which is what answers us.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use tokio::{
    io::AsyncWrite,
    sync::mpsc::{self, error::TrySendError},
    task::spawn_blocking,
};
use vedette_protocol::{
    FrameError, Job, JobScope, Report, Timestamp,
    finding::{Coverage, Effort, Unanswered},
    job::{Check, Checks},
    scope::{Area, Run},
};

use super::{EVENTS, Failure, pass_on, time};
use crate::{
    Event, Lent,
    discover::{Depth, DiscoverError, Discovery, Going, Methods, Rate, Sockets, asked_for, discover},
};

/// What a job's checks of the network come to.
pub(super) fn plan(
    job: &Job,
    checks: &Checks,
    scope: JobScope,
    rate: Option<NonZeroU32>,
    lent: Arc<[Lent]>,
) -> Discovery {
    Discovery {
        scope,
        sockets: Sockets::Lent(lent),
        methods: Methods::of(&[]),
        rate: Rate {
            packets: rate.map(NonZeroU32::get),
            ..Rate::default()
        },
        time: time(job, Timestamp::now()),
        depth: match checks.contains(Check::Topology) {
            true => Depth::Network,
            false => Depth::Hosts,
        },
        // Nothing comes in unasked.
        listen: Duration::ZERO,
    }
}

/// Runs it, and tells what it finds. The outer error is that nobody listens.
pub(super) async fn run_and_tell(
    discovery: Discovery,
    speak: &mut (impl AsyncWrite + Unpin),
) -> Result<Result<Report, Failure>, FrameError> {
    if matches!(&discovery.sockets, Sockets::Lent(lent) if lent.is_empty()) {
        return Ok(Ok(nobody_asked(&discovery.scope.area)));
    }
    let (tell, told) = mpsc::channel(EVENTS);
    let surveying = spawn_blocking(move || survey(discovery, &tell));
    let (report, ()) = tokio::try_join!(async { Ok(surveying.await) }, pass_on(told, speak))?;
    Ok(match report {
        Ok(report) => report.map_err(Failure::Survey),
        Err(broken) => Err(Failure::Broken(broken)),
    })
}

/// Ends early when nobody listens any more.
fn survey(discovery: Discovery, tell: &mpsc::Sender<Event>) -> Result<Report, DiscoverError> {
    let discovered = discover(discovery, |progress| {
        match tell.try_send(Event::Progress(progress)) {
            Ok(()) | Err(TrySendError::Full(_)) => Going::On,
            Err(TrySendError::Closed(_)) => Going::Stop,
        }
    })?;
    for finding in discovered.findings {
        if tell.blocking_send(Event::Found(finding)).is_err() {
            break;
        }
    }
    Ok(discovered.report)
}

/// Of an area where nothing could be asked.
fn nobody_asked(area: &Area) -> Report {
    let hosts = area.runs().iter().map(length).fold(0, u64::saturating_add);
    let coverage = Coverage {
        hosts,
        checks: hosts,
        ..Coverage::default()
    };
    let first = area.addresses().next().map(|(address, _)| address);
    let examples = first.into_iter().flat_map(|first| asked_for(area, first));
    let examples = examples.map(|target| Unanswered { target, port: None });
    let effort = Effort {
        miss_probability: 1.0,
        ..Effort::default()
    };
    Report::close(effort, coverage, hosts, examples.collect())
}

fn length((first, last): &Run) -> u64 {
    let more = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => u128::from(last.to_bits() - first.to_bits()),
        (IpAddr::V6(first), IpAddr::V6(last)) => last.to_bits() - first.to_bits(),
        // No run is of two families.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    };
    u64::try_from(more).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vedette_protocol::finding::Outcome;

    #[test]
    fn where_nothing_can_be_asked_nothing_is_known() {
        let area = Area::new(&["192.0.2.0/24".parse().unwrap()], &[], &[]);
        let report = nobody_asked(&area);
        assert_eq!(report.outcome(), Outcome::Partial);
        assert_eq!((report.unanswered(), report.coverage().hosts), (256, 256));
        let link = Area::new(&["2001:db8::/64".parse().unwrap()], &[], &[]);
        assert_eq!(nobody_asked(&link).unanswered(), u64::MAX);
    }
}
