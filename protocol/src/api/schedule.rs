//! Scans that begin by themselves, again and again.

use serde::{Deserialize, Serialize};

use super::NewScan;
use crate::{
    id::{ScanId, ScheduleId},
    time::Timestamp,
};

/// `PUT /schedules/ID`: sending it again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewSchedule {
    /// A name, for people.
    pub name: String,
    /// What begins each time.
    pub scan: NewScan,
    /// Seconds from one beginning to the next, an hour to 366 days; a week unless given.
    #[serde(default = "week")]
    #[cfg_attr(
        feature = "openapi",
        schema(default = 604_800, minimum = 3_600, maximum = 31_622_400)
    )]
    pub every: u64,
    /// When it begins first; now unless given.
    #[serde(default)]
    pub first: Option<Timestamp>,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// Its name.
    pub name: String,
    /// What begins each time.
    pub scan: NewScan,
    /// Seconds from one beginning to the next.
    pub every: u64,
    /// When it begins next.
    pub next: Timestamp,
    /// When it was made.
    pub created: Timestamp,
    /// What came of it when it was due last.
    pub last: Option<Due>,
}

/// What came of a schedule that was due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// The scan that began.
    pub scan: Option<ScanId>,
    /// Why none began, and what to do.
    pub skipped: Option<String>,
}

/// The usual time from one beginning to the next, in seconds.
pub const WEEK: u64 = 7 * 86_400;

fn week() -> u64 {
    WEEK
}
