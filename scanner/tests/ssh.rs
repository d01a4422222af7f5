//! The SSH audit against real OpenSSH and dropbear, badly and well kept, and against a peer that means harm.
#![cfg(test)]

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use vedette_protocol::{
    Finding, PortSet, Report, Scope,
    finding::{Evidence, FindingType, Kind, Outcome},
    job::{Check, Checks},
};
use vedette_scanner::Aids;
use vedette_tests::scan::{gather_here, scan_of};

/// A server that runs until it is dropped.
struct Server {
    process: Child,
    endpoint: SocketAddr,
    _files: TempDir,
}

impl Server {
    /// OpenSSH with these lines in its configuration, and with host keys of these kinds and sizes.
    fn openssh(keys: &[(&str, &str)], lines: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let mut config = String::from("UsePAM no\nPidFile none\nStrictModes no\n");
        for (kind, bits) in keys {
            let path = files.path().join(kind);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-N", "", "-t", kind, "-b", bits, "-f"])
                .arg(&path)
                .status();
            assert!(made.unwrap().success(), "{kind} {bits}");
            config += &format!("HostKey {}\n", path.display());
        }
        for line in lines {
            config += &format!("{line}\n");
        }
        let path = files.path().join("sshd_config");
        fs::write(&path, config).unwrap();
        // It will not start without the folder that it confines its children to.
        fs::create_dir_all("/run/sshd").unwrap();
        let endpoint = free();
        let mut command = Command::new("/usr/sbin/sshd");
        command.args([
            "-D",
            "-e",
            "-p",
            &endpoint.port().to_string(),
            "-o",
            "ListenAddress=127.0.0.1",
            "-f",
        ]);
        command.arg(path);
        Self::start(command, endpoint, files)
    }

    fn dropbear(kind: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let key = files.path().join("key");
        let made = Command::new("dropbearkey")
            .args(["-t", kind, "-f"])
            .arg(&key)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let endpoint = free();
        let mut command = Command::new("dropbear");
        command
            .args(["-F", "-E", "-p", &endpoint.to_string(), "-r"])
            .arg(key);
        Self::start(command, endpoint, files)
    }

    fn start(mut command: Command, endpoint: SocketAddr, files: TempDir) -> Self {
        let quiet = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut process = quiet.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(endpoint).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "the server ended");
            assert!(Instant::now() < deadline, "the server did not start");
            thread::sleep(Duration::from_millis(20));
        }
        Self {
            process,
            endpoint,
            _files: files,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

fn audit(endpoint: SocketAddr) -> (Vec<Finding>, Report) {
    let ports = PortSet::from_ports([endpoint.port()]).unwrap();
    let scope = Scope::new(&["127.0.0.1".parse().unwrap()], &[], &[], ports);
    let checks = Checks::try_from(vec![Check::Ports, Check::Services]).unwrap();
    gather_here(scan_of(scope, checks, Duration::from_secs(60)), Aids::default()).unwrap()
}

fn weaknesses(findings: &[Finding]) -> BTreeSet<FindingType> {
    let found = findings.iter().filter(|finding| finding.kind == Kind::Weakness);
    found.map(|finding| finding.type_).collect()
}

/// What was told of a kind of algorithm, and the host keys as `kind bits`.
fn told(findings: &[Finding], what: &str) -> Vec<String> {
    let about = findings
        .iter()
        .filter(|finding| finding.type_ == FindingType::SshAlgorithms);
    let evidence = about.flat_map(|finding| &finding.evidence);
    evidence
        .filter_map(|evidence| match evidence {
            Evidence::Feature { name, value } if name.as_str() == what => Some(value.to_string()),
            Evidence::KeySize { algorithm, bits } if what == "key" => Some(format!("{algorithm} {bits}")),
            _ => None,
        })
        .collect()
}

#[test]
fn openssh_as_it_is_installed_is_accused_of_nothing() {
    let keys = [("ed25519", "256"), ("rsa", "3072"), ("ecdsa", "384")];
    let server = Server::openssh(&keys, &[]);
    let (findings, report) = audit(server.endpoint);
    assert_eq!(report.outcome(), Outcome::Complete);
    assert_eq!(weaknesses(&findings), BTreeSet::new());
    let keys: BTreeSet<String> = told(&findings, "key").into_iter().collect();
    let expected = ["ssh-ed25519 256", "ssh-rsa 3072", "ecdsa-sha2-nistp384 384"];
    assert_eq!(keys, expected.map(str::to_owned).into());
    assert_eq!(told(&findings, "post-quantum key exchange"), ["yes"]);
}

#[test]
fn algorithms_are_those_that_openssh_was_given() {
    let server = Server::openssh(
        &[("ed25519", "256")],
        &[
            "KexAlgorithms curve25519-sha256,ecdh-sha2-nistp521",
            "Ciphers aes256-ctr,aes128-gcm@openssh.com",
            "MACs hmac-sha2-512",
            "Compression no",
        ],
    );
    let (findings, _) = audit(server.endpoint);
    let exchanges = told(&findings, "key exchange");
    assert!(exchanges.starts_with(&["curve25519-sha256".to_owned(), "ecdh-sha2-nistp521".to_owned()]));
    assert_eq!(
        told(&findings, "cipher"),
        ["aes256-ctr", "aes128-gcm@openssh.com"]
    );
    assert_eq!(told(&findings, "MAC"), ["hmac-sha2-512"]);
    assert_eq!(told(&findings, "compression"), ["none"]);
    assert_eq!(told(&findings, "host key"), ["ssh-ed25519"]);
    assert_eq!(told(&findings, "post-quantum key exchange"), ["no"]);
}

#[test]
fn openssh_with_what_should_be_gone_is_found_out() {
    for (line, type_) in [
        (
            "KexAlgorithms +diffie-hellman-group1-sha1",
            FindingType::SshWeakKeyExchange,
        ),
        ("HostKeyAlgorithms +ssh-rsa", FindingType::SshWeakSignature),
        ("Ciphers +3des-cbc", FindingType::SshWeakCipher),
        ("MACs +hmac-md5", FindingType::SshWeakMac),
    ] {
        let server = Server::openssh(&[("rsa", "2048")], &[line]);
        let (findings, report) = audit(server.endpoint);
        assert_eq!(report.outcome(), Outcome::Complete);
        assert_eq!(weaknesses(&findings), BTreeSet::from([type_]), "{line}");
    }
}

#[test]
fn short_host_keys_and_groups_are_found() {
    let server = Server::openssh(&[("rsa", "1024")], &["RequiredRSASize 1024"]);
    let (findings, _) = audit(server.endpoint);
    assert_eq!(
        weaknesses(&findings),
        BTreeSet::from([FindingType::SshWeakHostKey])
    );
    assert_eq!(told(&findings, "key"), ["ssh-rsa 1024"]);
}

#[test]
fn dropbear_is_audited_like_any_other() {
    let server = Server::dropbear("ed25519");
    let (findings, report) = audit(server.endpoint);
    assert_eq!(report.outcome(), Outcome::Complete);
    assert_eq!(told(&findings, "key"), ["ssh-ed25519 256"]);
    assert!(!weaknesses(&findings).contains(&FindingType::SshWeakHostKey));
}

/// A server that says these bytes to everybody.
fn peer(words: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let words = words.clone();
            thread::spawn(move || {
                let _ = stream.write_all(&words);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
                while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
            });
        }
    });
    endpoint
}

/// The lists of a server, as `vedette_scanner` writes those of a client.
fn lists(exchanges: &str, ciphers: &str, macs: &str) -> Vec<u8> {
    let names = |text: &str| text.split(',').map(str::to_owned).collect();
    let lists = vedette_scanner::ssh::packet::Lists {
        exchanges: names(exchanges),
        host_keys: names("ssh-ed25519"),
        ciphers: names(ciphers),
        macs: names(macs),
        compressions: names("none"),
    };
    vedette_scanner::ssh::packet::hello(&lists, None)
}

#[test]
fn terrapin_is_told_from_strict_key_exchange() {
    let chacha = "chacha20-poly1305@openssh.com";
    for (exchanges, ciphers, is_open) in [
        ("sntrup761x25519-sha512@openssh.com", chacha, true),
        (
            "sntrup761x25519-sha512@openssh.com,kex-strict-s-v00@openssh.com",
            chacha,
            false,
        ),
        ("sntrup761x25519-sha512@openssh.com", "aes128-ctr", false),
    ] {
        let (findings, _) = audit(peer(lists(exchanges, ciphers, "hmac-sha2-256")));
        let found = weaknesses(&findings).contains(&FindingType::SshTerrapin);
        assert_eq!(found, is_open, "{exchanges} {ciphers}");
    }
}

#[test]
fn a_short_group_is_found_and_a_sound_one_is_not() {
    for (bits, is_weak) in [(1024_usize, true), (2048, false)] {
        // SSH_MSG_KEX_DH_GEX_GROUP (RFC 4419, section 3): a prime of so many bits, and 2.
        let prime = [&[0][..], &vec![0xff; bits / 8]].concat();
        let length = u32::try_from(prime.len()).unwrap().to_be_bytes();
        let group = [&[31][..], &length, &prime, &[0, 0, 0, 1, 2]].concat();
        let names = |text: &str| vec![text.to_owned()];
        let lists = vedette_scanner::ssh::packet::Lists {
            exchanges: names("diffie-hellman-group-exchange-sha256"),
            host_keys: names("ssh-ed25519"),
            ciphers: names("aes128-ctr"),
            macs: names("hmac-sha2-256"),
            compressions: names("none"),
        };
        let words = vedette_scanner::ssh::packet::hello(&lists, Some(&group));
        let (findings, _) = audit(peer(words));
        assert_eq!(
            weaknesses(&findings).contains(&FindingType::SshWeakGroup),
            is_weak,
            "{bits}: {findings:?}"
        );
    }
}

#[test]
fn version_1_is_found_in_the_greeting() {
    let old = peer(
        b"SSH-1.99-OldSSH_1.2\r\n"
            .iter()
            .copied()
            .chain(lists("x", "aes128-ctr", "y")[17..].to_vec())
            .collect(),
    );
    assert!(weaknesses(&audit(old).0).contains(&FindingType::SshVersion1));
    let older = peer(b"SSH-1.5-OldSSH_1.2\r\n".to_vec());
    assert!(weaknesses(&audit(older).0).contains(&FindingType::SshVersion1));
}

#[test]
fn lists_without_end_and_packets_that_lie_are_a_gap_or_nothing() {
    let greeting = b"SSH-2.0-OpenSSH_9.2p1\r\n";
    // A packet that claims more than the protocol allows, and one that never ends.
    let lies = peer([&greeting[..], &[0x7f, 0xff, 0xff, 0xff, 4, 20]].concat());
    let (findings, _) = audit(lies);
    assert_eq!(weaknesses(&findings), BTreeSet::new());
    let cut = peer([&greeting[..], &[0, 0, 0x80, 0, 4, 20, 1, 2, 3]].concat());
    let (findings, report) = audit(cut);
    assert_eq!(weaknesses(&findings), BTreeSet::new());
    assert_eq!(report.outcome(), Outcome::Partial);
}
