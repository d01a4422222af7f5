//! `vedette appliance confirm|release`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vedette_cli::Item;
use vedette_crypto::{Signer, SigningKey};
use vedette_protocol::owner::{Epoch, OwnerWord};

use crate::desk::{Appliance, Desk};

#[test]
fn a_confirmed_appliance_is_pinned_by_the_owner_key() {
    let (desk, appliance) = Desk::with_appliance();
    let items = desk.items("lab.pin");
    let [Item::Word(OwnerWord::Pin(pin))] = items.as_slice() else {
        panic!("{items:?}")
    };
    let pin = pin.verify(&desk.key()).unwrap();
    assert_eq!((pin.owner, pin.epoch), (desk.key(), Epoch(1)));
    assert_eq!(
        (pin.appliance, pin.org, pin.identity),
        (appliance.id, appliance.org, appliance.fingerprint())
    );
    assert_eq!(desk.run(&["owner", "show"])["org"], appliance.org.to_string());

    // It can be confirmed again, and let go.
    desk.run(&[
        "appliance",
        "confirm",
        "lab2",
        "--from",
        &desk.path("lab.json"),
        "--fingerprint",
        &appliance
            .identity
            .verifying_key()
            .fingerprint()
            .to_uppercase()
            .replace('-', " "),
        "--out",
        &desk.path("again"),
    ]);
    desk.run(&["appliance", "release", "lab2", "--out", &desk.path("release")]);
    let items = desk.items("release");
    let [Item::Word(OwnerWord::Release(word))] = items.as_slice() else {
        panic!("{items:?}")
    };
    assert_eq!(word.verify(&desk.key()).unwrap().appliance, appliance.id);
    assert_eq!(
        desk.run(&["owner", "show"])["appliances"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn a_platform_that_swaps_keys_is_refused_loudly_and_nothing_is_kept() {
    let desk = Desk::with_key();
    let (appliance, mallory) = (Appliance::new(), SigningKey::generate());
    let fingerprint = appliance.identity.verifying_key().fingerprint();
    let mut keys = appliance.keys(None);
    keys.credential = Appliance::new().credential.public().clone();
    let swapped = appliance.document_of(&keys, &mallory);
    let mut whole = swapped.clone();
    whole["identity"] = mallory.verifying_key().to_string().into();
    let mut moved = appliance.document();
    moved["appliance"] = Appliance::new().id.to_string().into();
    let secret = appliance.enrolment.with(|secret| STANDARD.encode(secret));
    let secret = desk.write("enrolment", &(secret + "\n"));
    for (name, document, part) in [
        ("swapped", swapped, "THE CREDENTIAL KEY IS NOT THE APPLIANCE'S"),
        ("whole", whole.clone(), "THIS IS NOT YOUR APPLIANCE"),
        ("moved", moved, "THE KEYS ARE ANOTHER APPLIANCE'S"),
    ] {
        let document = desk.write(name, &document.to_string());
        let confirm = [
            "appliance",
            "confirm",
            "lab",
            "--from",
            &document,
            "--out",
            &desk.path("out"),
        ];
        desk.refused(&[&confirm[..], &["--fingerprint", &fingerprint]].concat(), part);
    }
    let document = desk.write("whole", &whole.to_string());
    let by_secret = [
        "appliance",
        "confirm",
        "lab",
        "--from",
        &document,
        "--enrolment",
        &secret,
        "--out",
    ];
    desk.refused(
        &[&by_secret[..], &[&desk.path("out")]].concat(),
        "NOT THE KEYS OF THE APPLIANCE THAT YOU FLASHED",
    );
    assert!(!std::path::Path::new(&desk.path("out")).exists());
    assert_eq!(
        desk.run(&["owner", "show"])["appliances"]
            .as_array()
            .unwrap()
            .len(),
        0
    );

    // The honest twin.
    let document = desk.write("honest", &appliance.document().to_string());
    desk.run(&[
        "appliance",
        "confirm",
        "lab",
        "--from",
        &document,
        "--enrolment",
        &secret,
        "--out",
        &desk.path("out"),
    ]);
}

#[test]
fn what_is_no_fingerprint_no_document_or_another_organisation_s_is_said_so() {
    let (desk, appliance) = Desk::with_appliance();
    let document = desk.path("lab.json");
    let fingerprint = appliance.identity.verifying_key().fingerprint();
    let confirm = [
        "appliance",
        "confirm",
        "lab",
        "--out",
        &desk.path("out"),
        "--from",
    ];
    desk.misused(
        &[&confirm[..], &[&document, "--fingerprint", "abcd-1234"]].concat(),
        "all ten groups",
    );
    desk.misused(&[&confirm[..], &[&document]].concat(), "--fingerprint");
    let passphrase = desk.path("passphrase");
    for (from, part) in [
        (&passphrase[..], "vedette appliance keys"),
        ("/nonexistent", "reading /nonexistent"),
    ] {
        desk.refused(
            &[&confirm[..], &[from, "--fingerprint", &fingerprint]].concat(),
            part,
        );
    }
    desk.refused(
        &[&confirm[..], &[&document, "--enrolment", &passphrase]].concat(),
        "--enrolment-out",
    );

    let mut foreign = Appliance::new();
    foreign.org = vedette_protocol::OrgId([1; 16]);
    let document = desk.write("foreign", &foreign.document().to_string());
    let fingerprint = foreign.identity.verifying_key().fingerprint();
    desk.refused(
        &[&confirm[..], &[&document, "--fingerprint", &fingerprint]].concat(),
        "one key is for one organisation",
    );
}
