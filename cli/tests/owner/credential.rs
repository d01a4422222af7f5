//! `vedette credential`.

use std::fs;
use std::process::Command;

use vedette_cli::Item;
use vedette_crypto::hpke::Suite;
use vedette_protocol::Envelope;
use vedette_protocol::credential::{CredentialKind, CredentialUse, Header, Login, Trust};
use vedette_protocol::envelope::{Expected, Sealing, Unsigned};
use vedette_protocol::owner::{Epoch, OwnerWord};

use crate::desk::{Appliance, Desk};

const PIN: &str = "SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn envelope(desk: &Desk, out: &str) -> Envelope {
    let items = desk.items(out);
    let sealing = items.iter().find_map(|item| match item {
        Item::Credential { sealing, .. } => Some(sealing),
        _ => None,
    });
    let sealing = sealing.unwrap();
    assert!(matches!(sealing, Sealing::Owned(_)));
    sealing.envelope(Some(&desk.key()), Unsigned::Refused).unwrap()
}

fn opened(desk: &Desk, appliance: &Appliance, out: &str) -> (Header, Login) {
    let envelope = envelope(desk, out);
    let header = envelope.header().unwrap();
    let expected = Expected {
        org: appliance.org,
        appliance: appliance.fingerprint(),
        credential: CredentialUse {
            id: header.credential,
            version: header.version,
        },
    };
    envelope.open(&appliance.credential, expected).unwrap()
}

fn seal<'a>(kind: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [
        &[
            "credential",
            "seal",
            "--kind",
            kind,
            "--appliance",
            "lab",
            "--target",
            "192.0.2.7:22",
        ][..],
        more,
    ]
    .concat()
}

#[test]
fn a_sealed_password_opens_in_the_vaults_of_its_appliances_alone() {
    let (desk, appliance) = Desk::with_appliance();
    let second = Appliance::new();
    desk.confirm(&second, "second");
    let secret = desk.write("secret", "canary-pässword\nnot this\n");
    let out = desk.path("sealed");
    desk.run(&seal(
        "ssh-password",
        &[
            "--appliance",
            "second",
            "--target",
            "db.example:2222",
            "--host-key",
            PIN,
            "--host-key",
            PIN,
            "--user",
            "scan",
            "--secret-file",
            &secret,
            "--out",
            &out,
        ],
    ));
    for appliance in [&appliance, &second] {
        let (header, login) = opened(&desk, appliance, "sealed");
        assert_eq!(
            (header.kind, header.version, header.places.len()),
            (CredentialKind::SshPassword, 1, 2)
        );
        assert!(
            header
                .places
                .iter()
                .all(|place| matches!(place.trust, Trust::SshHostKey(_)))
        );
        let Login::SshPassword { user, password } = login else {
            panic!("{login:?}")
        };
        assert_eq!(user, "scan");
        password.with(|password| assert_eq!(password, "canary-pässword"));
    }
    let stranger = Appliance::new();
    let envelope = envelope(&desk, "sealed");
    assert!(
        envelope
            .sealed()
            .iter()
            .all(|one| one.suite == Suite::XWing && one.appliance != stranger.fingerprint())
    );
}

#[test]
fn no_secret_stays_on_the_operators_disk_nor_is_shown() {
    let (desk, _) = Desk::with_appliance();
    let out = desk.path("sealed");
    let script = format!(
        "{} credential seal --kind bearer --appliance lab --target 192.0.2.7 --accept-first-seen --secret-fd 3 --out {out} \
         --passphrase-file {} 3<<<canary-token-4711",
        env!("CARGO_BIN_EXE_vedette"),
        desk.path("passphrase")
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("XDG_DATA_HOME", desk.path("data"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut seen = vec![output.stdout, output.stderr, fs::read(&out).unwrap()];
    for dir in ["", "appliances", "grants", "credentials"] {
        for entry in fs::read_dir(desk.folder().join(dir)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                seen.push(fs::read(path).unwrap());
            }
        }
    }
    for form in [
        "canary-token-4711",
        "Y2FuYXJ5LXRva2VuLTQ3MTE",
        "FuYXJ5LXRva2VuLTQ3M",
        "hbmFyeS10b2tlbi00NzEx",
    ] {
        let found = seen
            .iter()
            .any(|bytes| bytes.windows(form.len()).any(|part| part == form.as_bytes()));
        assert!(!found, "{form}");
    }
}

#[test]
fn what_was_accepted_is_written_into_the_envelope_and_shown() {
    let (desk, appliance) = Desk::with_appliance();
    let secret = desk.write("secret", "public\n");
    let shown = desk.shown(&[
        "credential",
        "seal",
        "--kind",
        "snmp-community",
        "--target",
        "192.0.2.0/28",
        "--cleartext-ok",
        "--appliance",
        "lab",
        "--suite",
        "x25519",
        "--secret-file",
        &secret,
        "--out",
        &desk.path("snmp"),
    ]);
    assert!(
        shown.contains("192.0.2.0/28 port 161, in clear, whoever answers") && shown.contains("X25519"),
        "{shown}"
    );
    assert!(!shown.contains("public"), "{shown}");
    let (header, _) = opened(&desk, &appliance, "snmp");
    assert_eq!(header.places[0].trust, Trust::Cleartext);

    let shown = desk.shown(&seal(
        "ssh-password",
        &[
            "--accept-first-seen",
            "--user",
            "u",
            "--secret-file",
            &secret,
            "--out",
            &desk.path("ssh"),
        ],
    ));
    assert!(shown.contains("port 22, whatever key it shows first"), "{shown}");
}

#[test]
fn an_ssh_key_goes_with_its_passphrase() {
    let (desk, appliance) = Desk::with_appliance();
    let open = |name: &str, passphrase: &str| {
        let path = desk.path(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", passphrase, "-f", &path])
            .status()
            .unwrap();
        assert!(made.success());
        path
    };
    let (plain, locked) = (open("plain", ""), open("locked", "key passphrase"));
    let passphrase = desk.write("key-passphrase", "key passphrase\n");
    let keyed = |key: &str, more: &[&str], out: &str| {
        desk.run(&seal(
            "ssh-key",
            &[&["--user", "scan", "--secret-file", key, "--out", out], more].concat(),
        ));
    };
    keyed(&plain, &[], &desk.path("one"));
    keyed(
        &locked,
        &["--key-passphrase-file", &passphrase],
        &desk.path("two"),
    );
    for (out, file, locked) in [("one", &plain, false), ("two", &locked, true)] {
        let (_, login) = opened(&desk, &appliance, out);
        let Login::SshKey { key, passphrase, .. } = login else {
            panic!("{login:?}")
        };
        key.with(|key| assert_eq!(key, fs::read_to_string(file).unwrap()));
        assert_eq!(passphrase.is_some(), locked);
    }
    let refused = |key: &str, more: &[&str], part: &str| {
        desk.refused(
            &seal(
                "ssh-key",
                &[
                    &["--user", "u", "--secret-file", key, "--out", &desk.path("no")],
                    more,
                ]
                .concat(),
            ),
            part,
        );
    };
    refused(&locked, &[], "--key-passphrase-file FILE");
    refused(
        &plain,
        &["--key-passphrase-file", &passphrase],
        "has no passphrase",
    );
    refused(&format!("{plain}.pub"), &[], "is it the public half?");
    let wrong = desk.write("wrong-passphrase", "another\n");
    refused(
        &locked,
        &["--key-passphrase-file", &wrong],
        "locked does not open under that passphrase",
    );
    let older = desk.path("older");
    let made = Command::new("ssh-keygen")
        .args([
            "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", &older,
        ])
        .status();
    assert!(made.unwrap().success());
    refused(&older, &[], "ssh-keygen -p -f KEY");
    let rewritten = Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "", "-f", &older])
        .output();
    assert!(rewritten.unwrap().status.success());
    keyed(&older, &[], &desk.path("three"));
}

#[test]
fn a_client_certificate_goes_with_its_own_key() {
    let (desk, appliance) = Desk::with_appliance();
    let made = |name: &str| {
        let paths = [
            desk.path(&format!("{name}.key")),
            desk.path(&format!("{name}.pem")),
        ];
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ed25519",
                "-nodes",
                "-subj",
                "/CN=scanner",
            ])
            .args(["-keyout", &paths[0], "-out", &paths[1]])
            .output();
        assert!(made.unwrap().status.success());
        paths
    };
    let ([key, certificate], [other, _]) = (made("one"), made("two"));
    let with = |key: &str, certificate: &str, out: &str| {
        let more = ["--secret-file", key, "--certificate", certificate, "--out", out];
        seal("client-certificate", &more)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let out = desk.path("out");
    let asked = with(&key, &certificate, &out);
    desk.run(&asked.iter().map(String::as_str).collect::<Vec<_>>());
    let (header, login) = opened(&desk, &appliance, "out");
    assert_eq!(header.places[0].trust, Trust::FirstSeen);
    let Login::ClientCertificate {
        certificate: sealed, ..
    } = login
    else {
        panic!("{login:?}")
    };
    assert_eq!(sealed, fs::read_to_string(&certificate).unwrap());
    for (key, certificate, part) in [
        (
            &other,
            &certificate,
            "two.key is not the key of the first certificate",
        ),
        (&key, &key, "holds no certificate in PEM"),
    ] {
        let asked = with(key, certificate, &desk.path("no"));
        desk.refused(&asked.iter().map(String::as_str).collect::<Vec<_>>(), part);
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_sealed() {
    let (desk, _) = Desk::with_appliance();
    let secret = desk.write("secret", "secret\n");
    let long = desk.write("long", &"x".repeat(40_000));
    let key = desk.write(
        "key",
        &format!("-----BEGIN PRIVATE KEY-----\n{}\n", "x".repeat(70_000)),
    );
    let (empty, out) = (desk.write("empty", "\n"), desk.path("no"));
    let with = |kind: &'static str, more: &[&'static str], file: &str| {
        seal(kind, &[more, &["--secret-file", file, "--out", &out]].concat())
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let user = ["--user", "u", "--accept-first-seen"];
    for (arguments, part) in [
        (
            with("ssh-password", &["--user", "u"], &secret),
            "would learn the ssh-password: pin its key with --host-key",
        ),
        (with("http-basic", &["--user", "u"], &secret), "--spki"),
        (with("snmp-community", &[], &secret), "--cleartext-ok"),
        (
            with("ssh-password", &["--user", "u", "--cleartext-ok"], &secret),
            "SSH is never in clear",
        ),
        (with("bearer", &["--host-key", PIN], &secret), "not used over SSH"),
        (
            with(
                "ssh-password",
                &["--user", "u", "--host-key", PIN, "--host-key", PIN],
                &secret,
            ),
            "2 keys pinned for 1",
        ),
        (
            with("ssh-password", &["--accept-first-seen"], &secret),
            "needs a user",
        ),
        (with("bearer", &user, &secret), "has no user"),
        (with("cookie", &["--accept-first-seen"], &secret), "NAME=VALUE"),
        (with("ssh-password", &user, &long), "more than 32768 bytes"),
        (with("ssh-key", &["--user", "u"], &key), "more than 65536 bytes"),
        (with("ssh-password", &user, &empty), "it is empty"),
        (
            with("ssh-password", &user, "/nonexistent"),
            "opening /nonexistent",
        ),
        (with("client-certificate", &[], &secret), "--certificate FILE"),
        (
            with(
                "ssh-password",
                &["--user", "u", "--accept-first-seen", "--appliance", "x"],
                &secret,
            ),
            "appliance confirm",
        ),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        desk.refused(&arguments, part);
    }
    for (arguments, part) in [
        (
            with("password", &[], &secret),
            "no kind of credential named \"password\"",
        ),
        (
            with("ssh-password", &["--host-key", "MD5:00"], &secret),
            "ssh-keygen -lf",
        ),
        (
            with("ssh-password", &["--target", "a:b:c:"], &secret),
            "no place to log in at",
        ),
        (
            with(
                "ssh-password",
                &["--accept-first-seen", "--cleartext-ok"],
                &secret,
            ),
            "cannot be used with",
        ),
        (with("ssh-password", &["--suite", "rsa"], &secret), "x-wing"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        desk.misused(&arguments, part);
    }
    assert_eq!(desk.run(&["credential", "list"]).as_array().unwrap().len(), 0);
    assert!(!std::path::Path::new(&out).exists());
}

#[test]
fn a_new_version_takes_the_place_of_the_old_in_every_grant() {
    let (desk, appliance) = Desk::with_appliance();
    let (id, before) = granted(&desk);
    let secret = desk.write("new", "new password\n");
    desk.run(&[
        "credential",
        "rotate",
        "root",
        "--user",
        "scan",
        "--secret-file",
        &secret,
        "--out",
        &desk.path("rotated"),
    ]);
    let (header, login) = opened(&desk, &appliance, "rotated");
    assert_eq!((header.credential.to_string(), header.version), (id, 2));
    let Login::SshPassword { password, .. } = login else {
        panic!("{login:?}")
    };
    password.with(|password| assert_eq!(password, "new password"));
    let items = desk.items("rotated");
    assert!(matches!(
        items.as_slice(),
        [
            Item::Credential { .. },
            Item::Grant { .. },
            Item::Word(OwnerWord::NewEpoch(_))
        ]
    ));
    let grant = desk.grants("rotated").pop().unwrap();
    assert_eq!(grant.id, before.id);
    assert_eq!((grant.epoch, grant.credentials[0].version), (Epoch(2), 2));
    desk.refused(
        &[
            "credential",
            "rotate",
            "root",
            "--secret-file",
            &secret,
            "--out",
            &desk.path("no"),
        ],
        "needs a user",
    );
}

#[test]
fn a_disabled_or_removed_credential_is_in_no_grant_of_the_new_epoch() {
    let (desk, _) = Desk::with_appliance();
    let (id, _) = granted(&desk);
    desk.run(&["credential", "disable", "root", "--out", &desk.path("disabled")]);
    assert!(desk.grants("disabled")[0].credentials.is_empty());
    assert!(
        desk.items("disabled")
            .iter()
            .any(|item| matches!(item, Item::Disabled { disabled: true, .. }))
    );
    assert_eq!(
        (
            desk.epoch(),
            desk.run(&["credential", "show", &id])["disabled"].as_bool()
        ),
        (2, Some(true))
    );
    desk.refused(
        &[&GRANT[..], &["--credential", "root", "--out", &desk.path("no")]].concat(),
        "credential enable",
    );
    desk.run(&["credential", "enable", "root", "--out", &desk.path("enabled")]);
    desk.refused(
        &["credential", "enable", "root", "--out", &desk.path("no")],
        "is not disabled",
    );
    desk.run(
        &[
            &GRANT[..],
            &["--credential", "root", "--out", &desk.path("again")],
        ]
        .concat(),
    );

    desk.run(&["credential", "remove", "root", "--out", &desk.path("removed")]);
    assert!(
        desk.grants("removed")
            .iter()
            .all(|grant| grant.credentials.is_empty())
    );
    assert!(matches!(desk.items("removed").last(), Some(Item::NoCredential(gone)) if gone.to_string() == id));
    assert_eq!(desk.epoch(), 3);
    assert_eq!(desk.run(&["credential", "list"]).as_array().unwrap().len(), 0);
}

const GRANT: [&str; 10] = [
    "grant",
    "sign",
    "--appliance",
    "lab",
    "--targets",
    "192.0.2.0/24",
    "--ports",
    "22",
    "--checks",
    "inventory",
];

/// A credential "root", and a grant that names it.
fn granted(desk: &Desk) -> (String, vedette_protocol::Grant) {
    let secret = desk.write("secret", "old password\n");
    let sealed = desk.run(&seal(
        "ssh-password",
        &[
            "--host-key",
            PIN,
            "--user",
            "scan",
            "--label",
            "root",
            "--secret-file",
            &secret,
            "--out",
            &desk.path("sealed"),
        ],
    ));
    desk.run(
        &[
            &GRANT[..],
            &["--credential", "root", "--out", &desk.path("granted")],
        ]
        .concat(),
    );
    let grant = desk.grants("granted").pop().unwrap();
    assert_eq!(grant.credentials[0].version, 1);
    (sealed["id"].as_str().unwrap().to_owned(), grant)
}
