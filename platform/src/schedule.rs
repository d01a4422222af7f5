//! Schedules that are due: their scans begin, or it is noted why not.
//!
//! A scan of an appliance that has an owner begins only under a grant that stands for all of it: one that would wait
//! for a signature does not begin, and says so. What time alone brings (a window) is waited for by the scan itself.

use vedette_protocol::{
    ApplianceId, OrgId, ScanId, Timestamp,
    api::{Due, Schedule},
};

use crate::{
    api::{ApiError, scans},
    dispatch,
    platform::Platform,
    store::{Writing, audit, audit::Actor, scans as kept, schedules},
};

/// The most that begin in one round.
const ROUND: usize = 32;

/// Begins what is due.
///
/// # Errors
/// The database's.
pub(crate) async fn run_due(platform: &Platform, now: Timestamp) -> Result<(), sqlx::Error> {
    for _ in 0..ROUND {
        let mut writing = platform.store.write().await?;
        let Some((org, schedule)) = schedules::due(&mut writing, now).await? else {
            return Ok(());
        };
        let mut to_ring = Vec::new();
        let begun = match begin(&mut writing, org, &schedule, now).await {
            Ok((scan, by)) => {
                to_ring = by;
                Ok(scan)
            }
            Err(Skipped::Because(why)) => Err(why),
            Err(Skipped::Database(error)) => return Err(error),
        };
        let actor = actor(&schedule);
        if let Err(why) = &begun {
            let object = schedule.id.to_string();
            audit::record(&mut writing, org, &actor, "schedule.skip", &object, now).await?;
            tracing::warn!(schedule = %schedule.id, %why, "a scheduled scan did not begin");
        }
        let came = Due {
            at: now,
            scan: begun.as_ref().ok().copied(),
            skipped: begun.as_ref().err().cloned(),
        };
        let next = following(schedule.next, schedule.every, now);
        schedules::note(&mut writing, org, schedule.id, &came, next).await?;
        writing.commit().await?;
        for appliance in to_ring {
            platform.desks.ring(appliance);
        }
    }
    Ok(())
}

/// Why no scan began.
enum Skipped {
    Because(String),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Skipped {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<ApiError> for Skipped {
    fn from(error: ApiError) -> Self {
        Self::Because(error.to_string())
    }
}

async fn begin(
    writing: &mut Writing,
    org: OrgId,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<(ScanId, Vec<ApplianceId>), Skipped> {
    if let Some(before) = schedule.last.as_ref().and_then(|last| last.scan)
        && let Some(scan) = kept::with_id(writing, org, before).await?
        && scan.ended.is_none()
    {
        return Err(Skipped::Because(format!(
            "the scan {before}, which it began before, has not ended"
        )));
    }
    let prepared = scans::prepare(writing, org, &schedule.scan).await?;
    let lacking = dispatch::lacking(
        writing,
        &prepared.appliances,
        &prepared.ports,
        &prepared.parts,
        now,
    );
    if let Some(why) = lacking.await? {
        return Err(Skipped::Because(why));
    }
    let id = scans::keep(writing, org, &actor(schedule), &schedule.scan, &prepared, now).await?;
    Ok((id, prepared.to_ring()))
}

fn actor(schedule: &Schedule) -> Actor {
    Actor(format!("schedule {}", schedule.id))
}

/// The next time of the series that is still to come: what was missed is not made up for.
fn following(due: Timestamp, every: u64, now: Timestamp) -> Timestamp {
    let missed = now.0.saturating_sub(due.0) / every.max(1);
    Timestamp(due.0.saturating_add(every.saturating_mul(missed + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_keeps_its_times_whatever_was_missed() {
        let next = |due, now| following(Timestamp(due), 100, Timestamp(now)).0;
        assert_eq!(next(1000, 1000), 1100);
        assert_eq!(next(1000, 1099), 1100);
        assert_eq!(next(1000, 1100), 1200);
        assert_eq!(next(1000, 5555), 5600);
    }
}
