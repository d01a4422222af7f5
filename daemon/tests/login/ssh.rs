//! Over SSH, with a password and with a key that stays in the vault.

use std::{fs, net::Ipv4Addr, path::Path, process::Command};

use vedette_protocol::{
    Digest,
    credential::{Login, Trust},
    finding::{Evidence, FindingType, LoginOutcome, Outcome},
};
use vedette_tests::logins::{LoginHost, USER, free_port};

use super::{outcome, secret, visit};

const PASSWORD: &str = "correct horse battery staple";

/// A host on loopback, with the digest of its key.
struct Sshd {
    host: LoginHost,
    port: u16,
    host_key: Digest,
}

impl Sshd {
    fn start() -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
        let address = Ipv4Addr::LOCALHOST.into();
        let port = free_port(address).unwrap();
        let host = LoginHost::start((address, port).into(), PASSWORD).unwrap();
        let digest = host.host_key().strip_prefix("SHA256:").unwrap();
        let host_key = Digest(STANDARD_NO_PAD.decode(digest).unwrap().try_into().unwrap());
        Self { host, port, host_key }
    }

    fn log(&self) -> String {
        self.host.log().unwrap()
    }
}

fn password(password: &str) -> Login {
    Login::SshPassword {
        user: USER.to_owned(),
        password: secret(password),
    }
}

/// A pair of keys that `ssh-keygen` made.
struct Pair {
    private: String,
    public: String,
}

impl Pair {
    fn generate(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let ran = Command::new("ssh-keygen")
            .args(["-q", "-a", "1", "-f"])
            .arg(&file)
            .args(arguments)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        Self {
            private: read(&file),
            public: read(&file.with_extension("pub")),
        }
    }

    fn login(&self, passphrase: Option<&str>) -> Login {
        Login::SshKey {
            user: USER.to_owned(),
            key: secret(&self.private),
            passphrase: passphrase.map(secret),
        }
    }
}

#[test]
fn who_may_log_in_learns_what_is_installed() {
    let sshd = Sshd::start();
    for trust in [Trust::SshHostKey(sshd.host_key), Trust::FirstSeen] {
        let (findings, ended) = visit(sshd.port, &password(PASSWORD), trust);
        assert_eq!(outcome(&findings), LoginOutcome::Accepted, "{}", sshd.log());
        assert_eq!(ended, Outcome::Complete);
        assert_eq!(findings[0].type_, FindingType::HostInventory);
        let package = |name: &str| {
            findings[0].evidence.iter().find_map(|fact| match fact {
                Evidence::Package {
                    name: found, version, ..
                } if found.as_str() == name => Some(version.to_string()),
                _ => None,
            })
        };
        let truth = Command::new("dpkg-query")
            .args(["-W", "-f", "${Version}", "bash"])
            .output()
            .unwrap();
        assert_eq!(package("bash"), Some(String::from_utf8(truth.stdout).unwrap()));
        let system = |fact: &Evidence| matches!(fact, Evidence::System { name, .. } if name.as_str().contains("Linux"));
        assert!(findings[0].evidence.iter().any(system));
    }
}

#[test]
fn a_wrong_password_is_tried_once_and_said() {
    let sshd = Sshd::start();
    let (findings, ended) = visit(sshd.port, &password("wrong"), Trust::SshHostKey(sshd.host_key));
    assert_eq!(findings[0].type_, FindingType::LoginFailed);
    assert_eq!(outcome(&findings), LoginOutcome::WrongCredential);
    assert_eq!(ended, Outcome::Partial);
    assert_eq!(sshd.log().matches("Failed password").count(), 1, "{}", sshd.log());
}

#[test]
fn a_host_with_another_key_is_told_nothing() {
    let sshd = Sshd::start();
    let (findings, ended) = visit(sshd.port, &password(PASSWORD), Trust::SshHostKey(Digest([9; 32])));
    assert_eq!(outcome(&findings), LoginOutcome::WrongHostKey);
    assert_eq!(ended, Outcome::Partial);
    let log = sshd.log();
    assert!(!log.contains("password") && !log.contains(USER), "{log}");
}

#[test]
fn keys_of_each_type_log_in_and_are_used_once() {
    let sshd = Sshd::start();
    for (arguments, shown) in [
        (&["-t", "ed25519"][..], "ED25519"),
        (&["-t", "ecdsa", "-b", "256"], "ECDSA"),
        (&["-t", "ecdsa", "-b", "384"], "ECDSA"),
        (&["-t", "rsa", "-b", "2048"], "RSA"),
    ] {
        let pair = Pair::generate(&[arguments, &["-N", ""]].concat());
        sshd.host.authorize(&pair.public).unwrap();
        let before = sshd.log();
        let (findings, ended) = visit(sshd.port, &pair.login(None), Trust::SshHostKey(sshd.host_key));
        let log = sshd.log();
        let since = &log[before.len()..];
        assert_eq!(outcome(&findings), LoginOutcome::Accepted, "{since}");
        assert_eq!(ended, Outcome::Complete);
        assert_eq!(findings[0].type_, FindingType::HostInventory);
        let accepted = format!("Accepted publickey for {USER} from 127.0.0.1");
        assert_eq!(since.matches(&accepted).count(), 1, "{since}");
        assert!(since.contains(&format!("ssh2: {shown} SHA256:")), "{since}");
    }
}

#[test]
fn a_key_that_the_host_does_not_know_is_tried_once_and_signs_nothing() {
    let sshd = Sshd::start();
    let (known, stranger) = (
        Pair::generate(&["-t", "ed25519", "-N", ""]),
        Pair::generate(&["-t", "ed25519", "-N", ""]),
    );
    sshd.host.authorize(&known.public).unwrap();
    let (findings, ended) = visit(sshd.port, &stranger.login(None), Trust::SshHostKey(sshd.host_key));
    assert_eq!(findings[0].type_, FindingType::LoginFailed);
    assert_eq!(outcome(&findings), LoginOutcome::WrongCredential);
    assert_eq!(ended, Outcome::Partial);
    let log = sshd.log();
    assert_eq!(log.matches("Failed publickey").count(), 1, "{log}");
    assert!(!log.contains("Accepted"), "{log}");
}

#[test]
fn an_encrypted_key_logs_in_with_its_passphrase_and_the_host_is_told_nothing_without() {
    let sshd = Sshd::start();
    let pair = Pair::generate(&["-t", "ed25519", "-N", "a passphrase"]);
    sshd.host.authorize(&pair.public).unwrap();
    let trust = Trust::SshHostKey(sshd.host_key);
    for wrong in [Some("another passphrase"), None] {
        let (findings, ended) = visit(sshd.port, &pair.login(wrong), trust);
        assert_eq!(findings[0].type_, FindingType::LoginFailed);
        assert_eq!(outcome(&findings), LoginOutcome::WrongPassphrase);
        assert_eq!(ended, Outcome::Partial);
    }
    let log = sshd.log();
    assert!(!log.contains("publickey") && !log.contains(USER), "{log}");
    let (findings, _) = visit(sshd.port, &pair.login(Some("a passphrase")), trust);
    assert_eq!(outcome(&findings), LoginOutcome::Accepted, "{}", sshd.log());
}

#[test]
fn a_host_with_another_key_is_shown_no_key_of_ours() {
    let sshd = Sshd::start();
    let pair = Pair::generate(&["-t", "ed25519", "-N", ""]);
    sshd.host.authorize(&pair.public).unwrap();
    let (findings, _) = visit(sshd.port, &pair.login(None), Trust::SshHostKey(Digest([9; 32])));
    assert_eq!(outcome(&findings), LoginOutcome::WrongHostKey);
    let log = sshd.log();
    assert!(!log.contains("publickey") && !log.contains(USER), "{log}");
}

#[test]
fn a_key_that_is_not_signed_with_is_a_clear_refusal() {
    let sshd = Sshd::start();
    let pair = Pair::generate(&["-t", "ecdsa", "-b", "521", "-N", ""]);
    let (findings, _) = visit(sshd.port, &pair.login(None), Trust::SshHostKey(sshd.host_key));
    assert_eq!(outcome(&findings), LoginOutcome::UnfitKey);
}
