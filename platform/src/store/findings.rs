//! Findings: kept once for each appliance and id, with when they were first and last seen.

use sqlx::{Row, query, sqlite::SqliteRow};
use vedette_protocol::{
    ApplianceId, Digest, Finding, OrgId, ScanId, Timestamp,
    api::StoredFinding,
    finding::{FindingType, Severity},
};

use super::{
    Db,
    column::{Columns, integer, json},
    jobs::Lease,
};

/// Which findings are asked for; what is none does not narrow.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those that this scan saw.
    pub scan: Option<ScanId>,
    /// Those of this appliance.
    pub appliance: Option<ApplianceId>,
    /// Those of this severity.
    pub severity: Option<Severity>,
    /// Those of this host.
    pub target: Option<String>,
    /// Those of this type.
    pub type_: Option<FindingType>,
}

/// The place of a finding in the order of lists: worst first, then by host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// 0 critical to 4 info.
    pub rank: i64,
    /// The host.
    pub target: String,
    /// The port, or -1.
    pub port: i64,
    /// The finding.
    pub id: Digest,
    /// The appliance that saw it.
    pub appliance: ApplianceId,
}

/// A finding with its place.
pub struct Placed {
    /// Where it stands.
    pub position: Position,
    /// The finding.
    pub finding: StoredFinding,
}

/// Keeps a finding that was reported under a lease: once, however often it is reported. What a scan saw as a stranger
/// stays so when it sees the same again behind a login.
///
/// # Errors
/// The database's.
pub async fn keep(db: &mut Db, lease: &Lease, finding: &Finding, now: Timestamp) -> Result<(), sqlx::Error> {
    query(
        "INSERT INTO findings
             (org_id, appliance, id, rank, target, port, scan, first_seen, last_seen, finding)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)
         ON CONFLICT (org_id, appliance, id) DO UPDATE
         SET rank = excluded.rank, scan = excluded.scan, last_seen = excluded.last_seen,
             finding = excluded.finding
         WHERE NOT (?10 AND findings.scan = excluded.scan)",
    )
    .bind(&lease.holder.org.0[..])
    .bind(&lease.holder.appliance.0[..])
    .bind(&finding.id.0[..])
    .bind(rank(finding.severity))
    .bind(finding.target.as_str())
    .bind(finding.port.map_or(-1, i64::from))
    .bind(&lease.scan.0[..])
    .bind(integer(now.0))
    .bind(json(finding))
    .bind(finding.is_from_behind_a_login())
    .execute(&mut *db)
    .await?;
    // Who had the job before, and died, may have seen it too: the scan shows it once.
    query(
        "DELETE FROM sightings
         WHERE org_id = ?1 AND scan = ?2 AND finding = ?3 AND appliance != ?4
           AND appliance IN (SELECT appliance FROM job_members
                             WHERE org_id = ?1 AND job = ?5 AND fence IS NOT NULL)",
    )
    .bind(&lease.holder.org.0[..])
    .bind(&lease.scan.0[..])
    .bind(&finding.id.0[..])
    .bind(&lease.holder.appliance.0[..])
    .bind(&lease.job.0[..])
    .execute(&mut *db)
    .await?;
    query(
        "INSERT INTO sightings (org_id, scan, appliance, finding) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
    )
    .bind(&lease.holder.org.0[..])
    .bind(&lease.scan.0[..])
    .bind(&lease.holder.appliance.0[..])
    .bind(&finding.id.0[..])
    .execute(db)
    .await?;
    Ok(())
}

/// Findings in order, behind a position.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &mut Db,
    org: OrgId,
    filter: &Filter,
    behind: Option<&Position>,
    limit: u32,
) -> Result<Vec<Placed>, sqlx::Error> {
    let rows = query(include_str!("../../sql/findings.sql"))
        .bind(&org.0[..])
        .bind(filter.scan.as_ref().map(|scan| &scan.0[..]))
        .bind(filter.appliance.as_ref().map(|appliance| &appliance.0[..]))
        .bind(filter.severity.map(rank))
        .bind(filter.target.as_deref())
        .bind(behind.map(|position| position.rank))
        .bind(behind.map(|position| position.target.as_str()))
        .bind(behind.map(|position| position.port))
        .bind(behind.map(|position| &position.id.0[..]))
        .bind(behind.map(|position| &position.appliance.0[..]))
        .bind(limit)
        .bind(filter.type_.map(FindingType::name))
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// An appliance's findings of these types, by host, `limit` at most.
///
/// # Errors
/// The database's.
pub async fn of_types(
    db: &mut Db,
    org: OrgId,
    appliance: ApplianceId,
    types: &[FindingType],
    limit: u32,
) -> Result<Vec<StoredFinding>, sqlx::Error> {
    let rows = query(
        "SELECT * FROM findings
         WHERE org_id = ?1 AND appliance = ?2 AND type IN (SELECT value FROM json_each(?3))
         ORDER BY type, target LIMIT ?4",
    )
    .bind(&org.0[..])
    .bind(&appliance.0[..])
    .bind(json(&types))
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(read(row)?.finding)).collect()
}

/// One finding.
///
/// # Errors
/// The database's.
pub async fn with_id(
    db: &mut Db,
    org: OrgId,
    appliance: ApplianceId,
    id: Digest,
) -> Result<Option<StoredFinding>, sqlx::Error> {
    let row = query("SELECT * FROM findings WHERE org_id = ?1 AND appliance = ?2 AND id = ?3")
        .bind(&org.0[..])
        .bind(&appliance.0[..])
        .bind(&id.0[..])
        .fetch_optional(db)
        .await?;
    Ok(row
        .map(|row| read(&row))
        .transpose()?
        .map(|placed| placed.finding))
}

/// How many findings of each severity an organisation has, critical first.
///
/// # Errors
/// The database's.
pub async fn count_by_severity(db: &mut Db, org: OrgId) -> Result<[u64; 5], sqlx::Error> {
    let rows = query("SELECT rank, COUNT(*) AS number FROM findings WHERE org_id = ?1 GROUP BY rank")
        .bind(&org.0[..])
        .fetch_all(db)
        .await?;
    let mut counts = [0; 5];
    for row in &rows {
        let rank = usize::try_from(row.count("rank")?).unwrap_or(usize::MAX);
        if let Some(count) = counts.get_mut(rank) {
            *count = row.count("number")?;
        }
    }
    Ok(counts)
}

fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Critical => 0,
        Severity::High => 1,
        Severity::Medium => 2,
        Severity::Low => 3,
        Severity::Info => 4,
    }
}

fn read(row: &SqliteRow) -> Result<Placed, sqlx::Error> {
    let finding: Finding = row.json("finding")?;
    let appliance = row.appliance("appliance")?;
    Ok(Placed {
        position: Position {
            rank: row.try_get("rank")?,
            target: row.text("target")?,
            port: row.try_get("port")?,
            id: row.digest("id")?,
            appliance,
        },
        finding: StoredFinding {
            appliance,
            scan: row.scan("scan")?,
            first_seen: row.time("first_seen")?,
            last_seen: row.time("last_seen")?,
            title: finding.type_.title().to_owned(),
            remedy: finding.type_.remedy().to_owned(),
            finding,
        },
    })
}
