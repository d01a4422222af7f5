//! The TLS audit beside sslscan, over many settings of `openssl s_server`: the same versions and suites, and how
//! long an endpoint takes, in turns.

mod ours;
mod server;
mod settings;
mod sslscan;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use self::server::Server;
use self::settings::SETTINGS;
use super::amount::Amount;
use super::figure::Figure;
use super::progress::Progress;
use crate::programs::Programs;

/// What is spoken: a version, as `TLSv1.2`, and the number of a suite.
type Spoken = BTreeSet<(String, u16)>;

pub(super) fn measure(progress: &Progress) -> Result<Vec<Figure>> {
    progress.step("building vedette-scan");
    let programs = Programs::release("vedette-scan")?;
    let numbers = ours::numbers()?;
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    let mut same = 0;
    for settings in SETTINGS {
        let server = Server::start(settings)?;
        let (our_time, ours) = ours::scan(&programs, &numbers, server.endpoint())?;
        let (their_time, theirs) = sslscan::scan(server.endpoint())?;
        if ours == theirs {
            same += 1;
        } else {
            let ours_alone: Vec<_> = ours.difference(&theirs).collect();
            let theirs_alone: Vec<_> = theirs.difference(&ours).collect();
            progress.step(format_args!(
                "{settings:?}: we alone {ours_alone:x?}, sslscan alone {theirs_alone:x?}"
            ));
        }
        progress.step(format_args!(
            "{}: {our_time:.2?}, sslscan {their_time:.2?}, {} suites",
            settings.join(" "),
            ours.len()
        ));
        our_times.push(our_time);
        their_times.push(their_time);
    }
    Ok(vec![
        Figure::judged(
            "settings of openssl with the same versions and suites as sslscan finds: all",
            Amount::settings(same),
            Amount::settings(SETTINGS.len()),
            same == SETTINGS.len(),
        ),
        Figure::at_most(
            Amount::seconds(Duration::from_millis(500)),
            "TLS audit of an endpoint, median of those settings",
            Amount::seconds(middle(our_times)),
        )
        .beside(Amount::seconds(middle(their_times))),
    ])
}

/// The middle of them, the upper one of two.
fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
