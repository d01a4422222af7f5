//! A database of an earlier version is brought up to date with everything in it.

use std::{fs, path::Path};

use sqlx::{Connection, SqliteConnection, migrate::Migrator, query, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use vedette_platform::store::{
    Store,
    jobs::{self, Holder},
    scans,
};
use vedette_protocol::{ApplianceId, BootId, JobId, OrgId, ScanId, Timestamp, api::ScanState, job::Check};

const NOW: Timestamp = Timestamp(1_800_000_000);
const ORG: OrgId = OrgId([1; 16]);
const APPLIANCE: ApplianceId = ApplianceId([2; 16]);
const SCAN: ScanId = ScanId([3; 16]);
const BOOT: BootId = BootId([4; 32]);
const LOGIN: JobId = JobId([5; 16]);
const PLAIN: JobId = JobId([6; 16]);

/// A database of the version with this number, whose scan of ports and logins has a job of each kind.
async fn old(path: &Path, version: &str) {
    let some = TempDir::new().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_str().unwrap().split('_').next() <= Some(version) {
            fs::copy(entry.path(), some.path().join(entry.file_name())).unwrap();
        }
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    Migrator::new(some.path())
        .await
        .unwrap()
        .run(&mut db)
        .await
        .unwrap();
    query("INSERT INTO orgs (org_id, created) VALUES (?1, ?2)")
        .bind(&ORG.0[..])
        .bind(1_i64)
        .execute(&mut db)
        .await
        .unwrap();
    query(
        "INSERT INTO appliances (org_id, id, name, identity, activated, ticket, issued, image)
         VALUES (?1, ?2, 'old', ?3, 1, 1, 1, ?3)",
    )
    .bind(&ORG.0[..])
    .bind(&APPLIANCE.0[..])
    .bind(&[7_u8; 32][..])
    .execute(&mut db)
    .await
    .unwrap();
    query(
        "INSERT INTO scans (org_id, number, id, appliance, targets, exclude, ports, checks, created)
         VALUES (?1, 1, ?2, ?3, '[\"192.0.2.1\"]', '[]', '22,80', '[\"ports\",\"http\",\"inventory\"]', ?4)",
    )
    .bind(&ORG.0[..])
    .bind(&SCAN.0[..])
    .bind(&APPLIANCE.0[..])
    .bind(i64::try_from(NOW.0).unwrap())
    .execute(&mut db)
    .await
    .unwrap();
    for (number, id, credential, ports) in [
        (0_i64, PLAIN, None, None),
        (1, LOGIN, Some(&[8_u8; 16][..]), Some("22")),
    ] {
        query(
            "INSERT INTO jobs (org_id, appliance, scan, number, id, targets, exclude, hosts, fence, credential, ports)
             VALUES (?1, ?2, ?3, ?4, ?5, '[\"192.0.2.1\"]', '[]', 1, 2, ?6, ?7)",
        )
        .bind(&ORG.0[..])
        .bind(&APPLIANCE.0[..])
        .bind(&SCAN.0[..])
        .bind(number)
        .bind(&id.0[..])
        .bind(credential)
        .bind(ports)
        .execute(&mut db)
        .await
        .unwrap();
    }
    query("INSERT INTO credentials (org_id, id, version, label, disabled, kept) VALUES (?1, ?2, 9, 'root', 0, 1)")
        .bind(&ORG.0[..])
        .bind(&[8_u8; 16][..])
        .execute(&mut db)
        .await
        .unwrap();
    db.close().await.unwrap();
}

#[tokio::test]
async fn the_checks_of_old_jobs_are_those_that_their_scan_meant() {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("platform.db");
    old(&path, "0003").await;
    let store = Store::open(&path).await.unwrap();
    let mut writing = store.write().await.unwrap();
    let scan = scans::with_id(&mut writing, ORG, SCAN).await.unwrap().unwrap();
    assert_eq!((scan.appliance, scan.pool, scan.jobs), (Some(APPLIANCE), None, 2));
    assert_eq!((scan.state, scan.created), (ScanState::Running, NOW));
    let holder = Holder {
        org: ORG,
        appliance: APPLIANCE,
        boot: BOOT,
    };
    let claimed = jobs::claim(&mut writing, &holder, 8, NOW, Timestamp(NOW.0 + 90))
        .await
        .unwrap();
    let checked = |id: JobId| {
        let job = claimed.iter().find(|job| job.id == id).unwrap();
        assert_eq!(job.fence, 3, "the leases before count");
        (job.checks.iter().collect::<Vec<_>>(), job.ports.to_string())
    };
    assert_eq!(
        checked(PLAIN),
        (vec![Check::Ports, Check::Http], "22,80".to_owned())
    );
    assert_eq!(checked(LOGIN), (vec![Check::Inventory], "22".to_owned()));
    let login = claimed.iter().find(|job| job.id == LOGIN).unwrap().login.unwrap();
    assert_eq!(login.version, 9);
}

#[tokio::test]
async fn a_database_of_each_earlier_version_keeps_its_scans() {
    for version in ["0004", "0005", "0006", "0007"] {
        let scratch = TempDir::new().unwrap();
        let path = scratch.path().join("platform.db");
        old(&path, version).await;
        let store = Store::open(&path).await.unwrap();
        let mut reading = store.read().await.unwrap();
        let scan = scans::with_id(&mut reading, ORG, SCAN).await.unwrap().unwrap();
        assert_eq!((scan.jobs, scan.jobs_done), (2, 0), "{version}");
        let listed = jobs::list(&mut reading, ORG, SCAN, None, 8).await.unwrap();
        assert_eq!(listed.len(), 2, "{version}");
        assert!(listed.iter().all(|job| job.taken == 2 && job.passed.is_empty()));
    }
}
