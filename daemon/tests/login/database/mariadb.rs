//! MariaDB, with users of two methods.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::Stdio,
};

use tempfile::TempDir;
use vedette_tests::logins::{Server, free_port};

use super::*;

struct Mariadb {
    _process: Server,
    files: TempDir,
    endpoint: SocketAddr,
    spki: Digest,
    version: String,
}

impl Mariadb {
    /// Speaks TLS, or does not.
    fn start(tls: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let dir = files.path();
        let spki = certify(dir).unwrap();
        let port = free_port(Ipv4Addr::LOCALHOST.into()).unwrap();
        let users = format!(
            "CREATE USER '{USER}'@'%' IDENTIFIED BY '{SECRET}';\n\
             INSTALL SONAME 'auth_ed25519';\n\
             CREATE USER 'edwards'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{SECRET}');\n"
        );
        fs::write(dir.join("users.sql"), users).unwrap();
        let dir = dir.display();
        let settings = format!(
            "[mariadbd]\ndatadir={dir}/data\ntmpdir={dir}\nsocket={dir}/socket\npid-file={dir}/pid\n\
             bind-address=127.0.0.1\nport={port}\nskip-name-resolve\ninit-file={dir}/users.sql\n\
             general-log\ngeneral-log-file={dir}/general.log\ninnodb_buffer_pool_size=8M\n\
             innodb_log_file_size=4M\ninnodb_flush_log_at_trx_commit=0\ninnodb_doublewrite=0\n\
             aria_pagecache_buffer_size=1M\nkey_buffer_size=1M\nperformance_schema=off\n{}",
            tls.replace("{dir}", &dir.to_string())
        );
        fs::write(files.path().join("settings"), settings).unwrap();
        give(files.path()).unwrap();
        let defaults = format!("--defaults-file={dir}/settings");
        done(
            as_nobody("mariadb-install-db")
                .arg(&defaults)
                .args(["--skip-test-db", "--auth-root-authentication-method=normal"])
                .arg(format!("--datadir={dir}/data")),
        );
        let log = fs::File::create(files.path().join("log")).unwrap();
        let process = as_nobody("mariadbd")
            .arg(&defaults)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut process = Server(process);
        process
            .wait(
                || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok(),
                || fs::read_to_string(files.path().join("log")).unwrap(),
            )
            .unwrap();
        // `mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64`
        let printed = done(as_nobody("mariadbd").arg("--version"));
        let version = printed.split("Ver ").nth(1).unwrap().split('-').next().unwrap();
        Self {
            _process: process,
            endpoint: (Ipv4Addr::LOCALHOST, port).into(),
            spki,
            version: version.to_owned(),
            files,
        }
    }

    /// A line for each connection and each question.
    fn log(&self) -> String {
        fs::read_to_string(self.files.path().join("general.log")).unwrap_or_default()
    }

    fn pinned(&self) -> Trust {
        Trust::TlsSpki(self.spki)
    }
}

const TLS: &str = "ssl-cert={dir}/certificate.pem\nssl-key={dir}/key.pem\n";

#[test]
fn mariadb_lets_in_who_is_known_and_tells_its_version() {
    let server = Mariadb::start(TLS);
    for trust in [server.pinned(), Trust::FirstSeen, Trust::Cleartext] {
        let visited = visit(server.endpoint, &login(USER, SECRET), trust);
        assert_let_in(&visited, "MariaDB", &server.version, &server.log());
    }
    let log = server.log();
    assert_eq!(log.matches("using SSL/TLS").count(), 2, "{log}");
    assert_eq!(
        log.matches("Query").count(),
        log.matches("SELECT VERSION()").count(),
        "{log}"
    );
}

#[test]
fn mariadb_is_told_a_wrong_password_once_and_nothing_behind_a_wrong_key() {
    let server = Mariadb::start(TLS);
    let visited = visit(server.endpoint, &login(USER, SECRET), ANOTHER);
    assert_kept_out(&visited, LoginOutcome::WrongHostKey, &server.log());
    assert!(!visited.opened && !server.log().contains("Access denied for user 'scanner'"));
    let visited = visit(server.endpoint, &login(USER, "wrong"), server.pinned());
    assert_kept_out(&visited, LoginOutcome::WrongCredential, &server.log());
    let log = server.log();
    assert_eq!(
        log.matches("Access denied for user 'scanner'").count(),
        1,
        "{log}"
    );
    // By a method that is not ours nothing is shown.
    let visited = visit(server.endpoint, &login("edwards", SECRET), server.pinned());
    assert_kept_out(&visited, LoginOutcome::MethodNotOffered, &server.log());
}

#[test]
fn a_database_without_tls_is_told_nothing_unless_the_operator_said_so() {
    let server = Mariadb::start("skip-ssl\n");
    for trust in [server.pinned(), Trust::FirstSeen] {
        let visited = visit(server.endpoint, &login(USER, SECRET), trust);
        assert_kept_out(&visited, LoginOutcome::MethodNotOffered, &server.log());
        assert!(!visited.opened && !server.log().contains(USER));
    }
    let visited = visit(server.endpoint, &login(USER, SECRET), Trust::Cleartext);
    assert_let_in(&visited, "MariaDB", &server.version, &server.log());
}
