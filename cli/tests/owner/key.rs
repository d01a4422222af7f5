//! `vedette owner`.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use vedette_cli::Item;
use vedette_protocol::owner::{Epoch, OwnerWord};

use crate::desk::{Appliance, Desk, PASSPHRASE, mode, said};

#[test]
fn an_owner_key_is_made_shown_and_readable_by_its_owner_alone() {
    let desk = Desk::new();
    let made = desk.run(&["owner", "init"]);
    let shown = desk.run(&["owner", "show"]);
    assert_eq!((&made, &shown["epoch"]), (&shown, &1.into()));
    assert_eq!(shown["fingerprint"], desk.key().fingerprint());
    assert_eq!(mode(&desk.folder()), 0o700);
    assert_eq!(mode(&desk.folder().join("owner.key")), 0o600);
    let text = fs::read_to_string(desk.folder().join("owner.key")).unwrap();
    assert!(text.starts_with("-----BEGIN VEDETTE OWNER KEY-----"));

    desk.refused(&["owner", "init"], "owner rotate");
    assert_eq!(fs::read_to_string(desk.folder().join("owner.key")).unwrap(), text);
}

#[test]
fn a_passphrase_comes_from_a_file_or_a_descriptor_and_never_from_an_argument() {
    let desk = Desk::with_key();
    let by_descriptor = format!(
        "{} owner rotate --out {} --passphrase-fd 3 --new-passphrase-fd 4 3<{} 4<<<'another passphrase, as long'",
        env!("CARGO_BIN_EXE_vedette"),
        desk.path("rotation"),
        desk.path("passphrase"),
    );
    let output = Command::new("bash")
        .args(["-c", &by_descriptor])
        .env("XDG_DATA_HOME", desk.path("data"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        !Path::new(&desk.path("rotation")).exists(),
        "nobody is to be told yet"
    );
    desk.refused(
        &["owner", "rotate", "--out", &desk.path("no")],
        "passphrase is wrong",
    );

    for argument in ["--password", "--passphrase", "--secret", "--pass"] {
        for command in [
            &["owner", "rotate"][..],
            &["grant", "revoke", "1"],
            &["credential", "rotate", "1"],
        ] {
            desk.misused(
                &[command, &[argument, PASSPHRASE]].concat(),
                "unexpected argument",
            );
        }
    }
}

/// Answers the questions of `owner init` on a terminal, and returns what the terminal showed.
fn typed(desk: &Desk, answers: &[&str]) -> (bool, String) {
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("{} owner init", env!("CARGO_BIN_EXE_vedette")))
        .arg("/dev/null")
        .env("XDG_DATA_HOME", desk.path("data"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keyboard, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
    let mut shown = Vec::new();
    for (number, answer) in answers.iter().enumerate() {
        while shown.windows(2).filter(|part| part == b": ").count() <= number {
            let mut byte = [0];
            assert_eq!(
                screen.read(&mut byte).unwrap(),
                1,
                "{}",
                String::from_utf8_lossy(&shown)
            );
            shown.push(byte[0]);
        }
        writeln!(keyboard, "{answer}").unwrap();
    }
    screen.read_to_end(&mut shown).unwrap();
    (
        script.wait().unwrap().success(),
        String::from_utf8(shown).unwrap(),
    )
}

#[test]
fn a_passphrase_is_typed_twice_and_not_shown() {
    let desk = Desk::new();
    let (made, shown) = typed(&desk, &[PASSPHRASE, "another passphrase of some length"]);
    assert!(!made && shown.contains("the two passphrases differ"), "{shown}");
    assert!(!desk.folder().join("owner.key").exists());
    let (made, shown) = typed(&desk, &[PASSPHRASE, PASSPHRASE]);
    assert!(made && shown.contains("fingerprint"), "{shown}");
    assert!(!shown.contains("a passphrase of"), "{shown}");
    desk.run(&["owner", "show"]);
}

#[test]
fn without_a_terminal_the_arguments_that_do_without_are_named() {
    let desk = Desk::new();
    let output = desk.command(&["owner", "init"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("--passphrase-file FILE or --passphrase-fd NUMBER"),
        "{}",
        said(&output)
    );
    assert!(!desk.folder().join("owner.key").exists());
}

#[test]
fn a_short_passphrase_and_a_wrong_one_are_refused() {
    let desk = Desk::new();
    desk.write("passphrase", "short\n");
    desk.refused(&["owner", "init"], "at least 15 characters");
    desk.write("passphrase", &format!("{PASSPHRASE}\n"));
    desk.run(&["owner", "init"]);
    desk.write("passphrase", "not the passphrase\n");
    desk.refused(
        &["owner", "rotate", "--out", &desk.path("out")],
        "the passphrase is wrong",
    );
    desk.write("passphrase", "\n");
    desk.refused(&["owner", "rotate", "--out", &desk.path("out")], "it is empty");
    assert!(!desk.folder().join("../owner.new").exists());
}

#[test]
fn a_damaged_file_is_an_error_and_never_nothing() {
    let (desk, _) = Desk::with_appliance();
    let key = desk.folder().join("owner.key");
    let text = fs::read_to_string(&key).unwrap();
    for (damaged, part) in [
        (&text[..text.len() / 2], "only a part of one"),
        ("", "only a part of one"),
        (&text.replace("OWNER KEY", "OTHER KEY"), "no owner key file"),
    ] {
        fs::write(&key, damaged).unwrap();
        desk.refused(&["owner", "show"], part);
    }
    fs::remove_file(&key).unwrap();
    desk.refused(&["owner", "show"], "owner.key is missing");
    desk.refused(&["owner", "init"], "there is an owner in");
    fs::write(&key, &text).unwrap();

    let standing = desk.folder().join("standing");
    let record = fs::read_dir(desk.folder().join("appliances"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for file in [standing, record] {
        let text = fs::read_to_string(&file).unwrap();
        let mut bytes = text.clone().into_bytes();
        let at = bytes.len() / 2;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        for damaged in [&bytes[..], &text.as_bytes()[..text.len() / 2], b""] {
            fs::write(&file, damaged).unwrap();
            desk.refused(&["owner", "show"], "take it from a backup");
        }
        fs::write(&file, text).unwrap();
    }
    fs::rename(desk.folder().join("grants"), desk.folder().join("elsewhere")).unwrap();
    desk.refused(&["grant", "list"], "take it from a backup");
}

#[test]
fn a_record_in_the_place_of_another_is_refused() {
    let (desk, appliance) = Desk::with_appliance();
    let record = desk.folder().join("appliances").join(appliance.id.to_string());
    fs::copy(&record, desk.folder().join("appliances").join("0".repeat(32))).unwrap();
    desk.refused(&["owner", "show"], "another record than its name says");
}

#[test]
fn a_folder_that_others_reach_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::with_key();
    fs::set_permissions(desk.folder(), fs::Permissions::from_mode(0o750)).unwrap();
    desk.refused(&["owner", "show"], "not yours alone");
}

#[test]
fn the_next_key_is_signed_by_the_last_and_signs_all_anew() {
    let (desk, appliance) = Desk::with_appliance();
    let sign = [
        "grant",
        "sign",
        "--appliance",
        "lab",
        "--targets",
        "192.0.2.0/24",
        "--ports",
        "22",
        "--checks",
    ];
    desk.run(&[&sign[..], &["ports", "--out", &desk.path("grant")]].concat());
    desk.write("token", "a token\n");
    desk.run(&[
        "credential",
        "seal",
        "--kind",
        "bearer",
        "--target",
        "192.0.2.7",
        "--accept-first-seen",
        "--appliance",
        "lab",
        "--secret-file",
        &desk.path("token"),
        "--out",
        &desk.path("credential"),
    ]);
    let old = desk.key();
    desk.write("next", "the next passphrase, as long\n");
    desk.run(&[
        "owner",
        "rotate",
        "--new-passphrase-file",
        &desk.path("next"),
        "--out",
        &desk.path("rotation"),
    ]);
    let new = desk.key();
    assert_ne!(old, new);
    let items = desk.items("rotation");
    let [
        Item::Word(OwnerWord::Rotation(word)),
        Item::Credential { sealing, .. },
        Item::Grant { grant, .. },
    ] = items.as_slice()
    else {
        panic!("{items:?}")
    };
    let word = word.verify(&old).unwrap();
    assert_eq!((word.new, word.epoch, word.org), (new, Epoch(2), appliance.org));
    assert_eq!(grant.verify(&new).unwrap().epoch, Epoch(2));
    use vedette_protocol::envelope::Unsigned;
    assert!(sealing.envelope(Some(&new), Unsigned::Refused).is_ok());
    assert!(sealing.envelope(Some(&old), Unsigned::Refused).is_err());

    // What was kept is there, under the next passphrase.
    desk.refused(
        &["owner", "rotate", "--out", &desk.path("no")],
        "the passphrase is wrong",
    );
    desk.write("passphrase", "the next passphrase, as long\n");
    assert_eq!(desk.run(&["owner", "show"])["appliances"][0]["name"], "lab");
    assert_eq!(desk.run(&["credential", "list"]).as_array().unwrap().len(), 1);
    let id = desk.run(&["grant", "list"])[0]["id"].as_str().unwrap().to_owned();
    desk.run(&["grant", "revoke", &id, "--out", &desk.path("revoked")]);
    assert_eq!(desk.epoch(), 3);
}

#[test]
fn what_is_signed_is_not_lost_where_no_platform_is() {
    let (desk, _) = Desk::with_appliance();
    let second = Appliance::new();
    let document = desk.write("second.json", &second.document().to_string());
    use vedette_crypto::Signer;
    let fingerprint = second.identity.verifying_key().fingerprint();
    // Nobody is logged in: said before anything is signed.
    desk.refused(
        &[
            "appliance",
            "confirm",
            "second",
            "--from",
            &document,
            "--fingerprint",
            &fingerprint,
        ],
        "--out FILE writes it to a file instead",
    );
    assert_eq!(
        desk.run(&["owner", "show"])["appliances"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    // A file that is there is not written over, and nothing is changed.
    desk.refused(&["owner", "rotate", "--out", &document], "exists already");
    desk.refused(&["owner", "deliver", &document], "what --out wrote");
    assert_eq!(desk.shown(&["owner", "deliver"]), "nothing waits\n");
}

#[test]
fn no_core_dump_keeps_a_passphrase() {
    let desk = Desk::with_key();
    let pipe = desk.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // As much as may be, so that it is the tool that forbids them.
    let hard = getrlimit(Resource::Core).maximum;
    let most = Rlimit {
        current: hard,
        maximum: hard,
    };
    setrlimit(Resource::Core, most).unwrap();
    // Held open at both ends, so that neither side waits for the other to come.
    let mut writer = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let mut rotating = desk
        .command(&[
            "owner",
            "rotate",
            "--out",
            &desk.path("out"),
            "--passphrase-file",
            &pipe,
        ])
        .spawn()
        .unwrap();
    let forbidden = || {
        let limits = fs::read_to_string(format!("/proc/{}/limits", rotating.id())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size"));
        core.unwrap()
            .split_whitespace()
            .skip(4)
            .take(2)
            .all(|limit| limit == "0")
    };
    // While it starts, and then waits for its passphrase.
    let seen = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        forbidden()
    });
    assert!(seen, "a core dump may be written");
    writeln!(writer, "not the passphrase").unwrap();
    assert!(!rotating.wait().unwrap().success());
}

#[test]
fn two_that_sign_at_once_do_not_meet() {
    let desk = Desk::with_key();
    let lock = fs::File::open(desk.folder()).unwrap();
    lock.lock().unwrap();
    desk.refused(
        &["owner", "rotate", "--out", &desk.path("out")],
        "another vedette works in",
    );
    assert!(desk.try_run(&["owner", "show"]).status.success());
}
