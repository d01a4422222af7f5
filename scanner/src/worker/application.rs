//! The part of a job that tests a web application, as a stranger.
//!
//! What must stay true: such a job is about one port of one host, and whoever answers for it there is in scope.

use std::num::NonZeroU32;

use tokio::{io::AsyncWrite, sync::mpsc};
use vedette_protocol::{
    FrameError, Job, JobScope, Report, Timestamp,
    finding::{Coverage, Effort, Transport, Unanswered},
};

use super::{EVENTS, Failure, pass_on, time};
use crate::{
    Event,
    application::{Application, Guest, Leave, Met, host, meet},
};

/// Tests it, and tells what is found. The outer error is that nobody listens.
pub(super) async fn run_and_tell(
    job: &Job,
    scope: &JobScope,
    rate: Option<NonZeroU32>,
    speak: &mut (impl AsyncWrite + Unpin),
) -> Result<Result<Report, Failure>, FrameError> {
    let (tell, told) = mpsc::channel(EVENTS);
    let testing = async { Ok(test(job, scope, rate, tell).await) };
    let (report, ()) = tokio::try_join!(testing, pass_on(told, speak))?;
    Ok(report)
}

async fn test(
    job: &Job,
    scope: &JobScope,
    rate: Option<NonZeroU32>,
    tell: mpsc::Sender<Event>,
) -> Result<Report, Failure> {
    let ports: Vec<u16> = job
        .ports
        .over(Transport::Tcp)
        .map(|ports| ports.iter().take(2).collect())
        .unwrap_or_default();
    let (&[port], [_]) = (ports.as_slice(), job.targets.as_slice()) else {
        return Err(Failure::NotOneApplication);
    };
    let scope = scope.over(Transport::Tcp).ok_or(Failure::NotOneApplication)?;
    let leave = Leave {
        time: time(job, Timestamp::now()),
        rate,
    };
    let mut gaps = Vec::new();
    for (address, name) in scope.addresses() {
        match meet(&scope, address, name, port).await {
            Met::Site(site) => {
                let application = Application {
                    test: job.web.clone().unwrap_or_default(),
                    scope: scope.clone(),
                    site: *site,
                    leave,
                };
                let guest = Guest::stranger(&scope, &application.site);
                return Ok(application.examine(guest, &tell).await.in_short());
            }
            Met::Nobody => {}
            Met::Silence => gaps.push(Unanswered {
                target: host(address, name),
                port: Some(port),
            }),
        }
    }
    let coverage = Coverage {
        hosts: u64::from(scope.addresses().next().is_some()),
        ..Coverage::default()
    };
    Ok(Report::close(
        Effort::default(),
        coverage,
        gaps.len() as u64,
        gaps,
    ))
}
