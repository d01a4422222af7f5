//! Removal: the share is gone for good, from the database, its log and every copy of them.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use vedette_crypto::{Secret, wrap::WrappingKey};
use vedette_protocol::{
    Signed,
    api::{Removal, RemovalReceipt},
    link::{BootRefusal, PollOutcome},
};

use super::{
    appliance::Appliance,
    house::House,
    work::{scan, shown},
};

#[tokio::test]
async fn a_removed_appliance_hears_of_it_at_once_and_boots_no_more() {
    let mut house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let scan = scan(&operator, &appliance, &["192.0.2.1"], "80").await;
    let held = appliance.jobs(&house, &boot, 1).await;
    assert_eq!(held.len(), 1);
    let path = format!("/api/v1/appliances/{}", appliance.id());
    let (told, receipt) = tokio::join!(appliance.poll(&house, &boot, 1, &[], 25), async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        operator.delete(&path).await
    });
    assert_eq!(told, PollOutcome::Refused(BootRefusal::Removed));
    let receipt: RemovalReceipt = serde_json::from_str(&receipt.text).unwrap();
    let signed: Signed<Removal> = Signed::from_bytes(&STANDARD.decode(&receipt.signed).unwrap()).unwrap();
    let removal = signed.verify(&house.pins().key).unwrap();
    assert_eq!(removal.appliance, appliance.id());
    assert_eq!(removal.backups_expired_by, receipt.backups_expired_by);
    assert_eq!(
        removal.backups_expired_by.since(removal.destroyed).as_secs(),
        30 * 86400
    );
    let ended = shown(&operator, &scan).await;
    assert_eq!(ended["state"], "failed");
    assert!(ended["reason"].as_str().unwrap().contains("removed"));
    // Asked again: the same receipt. Booted again, before and after a restart: refused.
    assert_eq!(
        operator.delete(&path).await.json()["signed"],
        receipt.signed.as_str()
    );
    assert_eq!(appliance.boot(&house).await.unwrap_err(), BootRefusal::Removed);
    house.kill();
    house.serve();
    assert_eq!(appliance.boot(&house).await.unwrap_err(), BootRefusal::Removed);
    house
        .stranger()
        .delete(&path)
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_removed_share_cannot_be_recovered_with_the_master_key_and_every_copy_of_the_database() {
    let mut house = House::open();
    let mut appliance = Appliance::activated(&house).await;
    appliance.boot(&house).await.unwrap();
    let data = house.data();
    let copy = house.scratch().join("copy");
    fs::create_dir(&copy).unwrap();
    house.kill();
    let files = ["platform.db", "platform.db-wal", "platform.db-shm"];
    for file in files.iter().filter(|file| data.join(file).exists()) {
        fs::copy(data.join(file), copy.join(file)).unwrap();
    }
    let key_file = data.join(format!("keystore/appliance-{}", appliance.id()));
    // The control: with the keystore's entry the share opens, from this very copy.
    let entry = fs::read(&key_file).unwrap();
    assert!(
        share_in(&copy, &data, &appliance, &entry),
        "the method itself finds a share that is there"
    );

    house.serve();
    let path = format!("/api/v1/appliances/{}", appliance.id());
    assert!(house.operator().await.delete(&path).await.status.is_success());
    house.kill();
    assert!(!key_file.exists());
    // What can be read of the wrapping key now: every file of the data directory.
    for place in [&data, &copy] {
        for file in walk(&data).into_iter().chain(walk(&copy)) {
            let bytes = fs::read(&file).unwrap();
            assert!(
                !contains(&bytes, &entry),
                "{} holds the wrapped key",
                file.display()
            );
            assert!(
                !share_in(place, &data, &appliance, &bytes),
                "{} opens the share",
                file.display()
            );
        }
    }
    // An old copy of the database, put back: the appliance is known again, its share is not.
    for file in files {
        let _ = fs::remove_file(data.join(file));
        let _ = fs::copy(copy.join(file), data.join(file));
    }
    house.serve();
    assert_eq!(appliance.boot(&house).await.unwrap_err(), BootRefusal::Removed);
}

/// Whether any run of bytes in the database opens as the share, with the master key and a keystore entry.
fn share_in(database: &Path, data: &Path, appliance: &Appliance, entry: &[u8]) -> bool {
    let master = Secret::copied(&fs::read(data.join("master.key")).unwrap()).unwrap();
    let name = format!("vedette/1 keystore appliance-{}", appliance.id());
    let Ok(key) = WrappingKey::from_secret(master).unwrap(name.as_bytes(), entry) else {
        return false;
    };
    let key = WrappingKey::from_secret(Secret::copied(&key).unwrap());
    let org = appliance.enrolment.as_ref().unwrap().org;
    let context = [&b"vedette/1 share"[..], &org.0, &appliance.id().0].concat();
    // A wrapped share is a nonce of 12 bytes, 32 bytes and a tag of 16.
    ["platform.db", "platform.db-wal"]
        .iter()
        .filter_map(|file| fs::read(database.join(file)).ok())
        .any(|bytes| {
            bytes
                .windows(60)
                .any(|window| key.unwrap(&context, window).is_ok())
        })
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}
