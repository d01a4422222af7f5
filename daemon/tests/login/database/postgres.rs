//! PostgreSQL, which has each way of asking for a password.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Stdio,
};

use tempfile::TempDir;

use super::{
    super::server::{Server, certify},
    *,
};

struct Postgres {
    _process: Server,
    files: TempDir,
    endpoint: SocketAddr,
    spki: Digest,
    version: String,
}

impl Postgres {
    fn start() -> Self {
        let programs = programs();
        let files = tempfile::tempdir().unwrap();
        let dir = files.path();
        give(dir);
        let data = dir.join("data");
        done(
            as_nobody(programs.join("initdb"))
                .args(["--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync"])
                .args(["--username=owner", "-D"])
                .arg(&data),
        );
        let spki = certify(&data);
        fs::write(
            data.join("pg_hba.conf"),
            "local all owner trust\n\
             hostssl all plain all password\n\
             hostssl all hashed all md5\n\
             host all scanner,prepared all scram-sha-256\n",
        )
        .unwrap();
        give(&data);
        done(Command::new("chmod").arg("600").arg(data.join("key.pem")));
        // Where it is at home, so that nobody waits for it to greet; on an address that no other test has.
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 54, high, low.max(1));
        let log = fs::File::create(dir.join("log")).unwrap();
        let setting = |name: &str, value: &str| ["-c".to_owned(), format!("{name}={value}")];
        let process = as_nobody(programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(setting("listen_addresses", &address.to_string()))
            .args(setting("unix_socket_directories", &dir.to_string_lossy()))
            .args(setting("ssl", "on"))
            .args(setting("ssl_cert_file", "certificate.pem"))
            .args(setting("ssl_key_file", "key.pem"))
            .args(setting("log_connections", "on"))
            .args(setting("fsync", "off"))
            .args(setting("shared_buffers", "16MB"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let ask = |sql: &str| {
            let mut psql = as_nobody(programs.join("psql"));
            psql.arg("-h").arg(dir);
            psql.args(["-U", "owner", "-d", "postgres", "-Atqc", sql]);
            psql
        };
        let mut process = Server(process);
        process.wait(
            || ask("SELECT 1").output().unwrap().status.success(),
            || fs::read_to_string(dir.join("log")).unwrap(),
        );
        done(&mut ask(&format!(
            "CREATE ROLE {USER} LOGIN PASSWORD '{SECRET}'; CREATE ROLE plain LOGIN PASSWORD '{SECRET}';
             CREATE ROLE prepared LOGIN PASSWORD 'IX'; SET password_encryption = 'md5';
             CREATE ROLE hashed LOGIN PASSWORD '{SECRET}';"
        )));
        let version = done(&mut ask("SHOW server_version"));
        Self {
            _process: process,
            endpoint: (address, 5432).into(),
            spki,
            version: version.split(' ').next().unwrap().to_owned(),
            files,
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.files.path().join("log")).unwrap()
    }

    fn pinned(&self) -> Trust {
        Trust::TlsSpki(self.spki)
    }
}

/// Debian keeps each version in a folder of its own: the newest will do.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap();
    let newest = versions.flatten().map(|entry| entry.path().join("bin"));
    newest.filter(|bin| bin.join("postgres").exists()).max().unwrap()
}

#[test]
fn postgresql_lets_in_who_is_known_and_tells_its_version() {
    let server = Postgres::start();
    for trust in [server.pinned(), Trust::FirstSeen, Trust::Cleartext] {
        let visited = visit(server.endpoint, &login(USER, SECRET), trust);
        assert_let_in(&visited, "PostgreSQL", &server.version, &server.log());
    }
    // RFC 4013 makes one of these letters two.
    for (user, password) in [("plain", SECRET), ("hashed", SECRET), ("prepared", "\u{2168}")] {
        let visited = visit(server.endpoint, &login(user, password), server.pinned());
        assert_let_in(&visited, "PostgreSQL", &server.version, &server.log());
    }
}

#[test]
fn postgresql_is_told_a_wrong_password_once_and_nothing_behind_a_wrong_key() {
    let server = Postgres::start();
    let visited = visit(server.endpoint, &login(USER, SECRET), ANOTHER);
    assert_kept_out(&visited, LoginOutcome::WrongHostKey, &server.log());
    assert!(!visited.opened);
    let log = server.log();
    assert!(!log.contains(USER) && !log.contains("authentication"), "{log}");
    for (user, times) in [(USER, 1), ("plain", 2), ("hashed", 3)] {
        let visited = visit(server.endpoint, &login(user, "wrong"), server.pinned());
        let log = server.log();
        assert_kept_out(&visited, LoginOutcome::WrongCredential, &log);
        assert_eq!(
            log.matches("password authentication failed").count(),
            times,
            "{log}"
        );
    }
    // In clear there is no line for this one: it is not even asked for its password.
    let visited = visit(server.endpoint, &login("plain", SECRET), Trust::Cleartext);
    assert_kept_out(&visited, LoginOutcome::MethodNotOffered, &server.log());
}
