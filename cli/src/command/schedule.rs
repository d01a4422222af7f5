//! Scans that begin by themselves, again and again.

use anyhow::Result;
use vedette_protocol::api::{NewSchedule, Schedule};
use vedette_protocol::{ScheduleId, Timestamp};

use super::{Outcome, Show, scan};
use crate::arguments;
use crate::choice::choose;
use crate::platform::Platform;
use crate::table::Table;

pub(super) async fn run(platform: &Platform, asked: arguments::Schedule, show: Show) -> Result<Outcome> {
    match asked {
        arguments::Schedule::Add {
            name,
            wish,
            every,
            first,
        } => {
            let new = NewSchedule {
                name,
                scan: scan::wished(platform, *wish).await?,
                every: every.duration().as_secs(),
                first: first.map(|first| first.from(Timestamp::now())),
            };
            let path = format!("/schedules/{}", ScheduleId::random());
            platform.put(&path, &new).await?;
            let kept: Schedule = platform.find(&path).await?;
            show.value(&kept, || table(std::slice::from_ref(&kept)))?;
        }
        arguments::Schedule::List => {
            let schedules: Vec<Schedule> = platform.list("/schedules").await?;
            show.value(&schedules, || table(&schedules))?;
        }
        arguments::Schedule::Remove { schedule } => {
            let schedules: Vec<Schedule> = platform.list("/schedules").await?;
            let meant = choose(
                "schedule",
                &schedule,
                &schedules,
                |one| one.id.to_string(),
                |one| Some(&one.name),
            )?;
            platform.delete(&format!("/schedules/{}", meant.id)).await?;
            show.note(&format!("removed {}", meant.name))?;
        }
    }
    Ok(Outcome::Done)
}

fn table(schedules: &[Schedule]) -> Table {
    let mut table = Table::list(["ID", "NAME", "TARGETS", "EVERY", "NEXT", "LAST TIME"]);
    for schedule in schedules {
        table.row([
            &schedule.id.to_string(),
            &schedule.name,
            &scan::shortened(schedule.scan.targets.as_slice()),
            &every(schedule.every),
            &schedule.next.to_string(),
            &last(schedule),
        ]);
    }
    table.when_empty("no schedules; add one with `vedette schedule add`");
    table
}

fn every(seconds: u64) -> String {
    match (seconds % 86_400, seconds % 3_600) {
        (0, _) => format!("{} d", seconds / 86_400),
        (_, 0) => format!("{} h", seconds / 3_600),
        _ => format!("{seconds} s"),
    }
}

/// What came of it.
fn last(schedule: &Schedule) -> String {
    let Some(last) = &schedule.last else {
        return "not due yet".to_owned();
    };
    match (&last.scan, &last.skipped) {
        (Some(scan), _) => format!("{}: scan {scan}", last.at),
        (None, Some(why)) => format!("{}: did not begin: {why}", last.at),
        (None, None) => last.at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_largest_unit_that_fits() {
        assert_eq!(every(604_800), "7 d");
        assert_eq!(every(90_000), "25 h");
        assert_eq!(every(3_700), "3700 s");
    }
}
