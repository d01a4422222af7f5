//! PostgreSQL, which has each way of asking for a password.

use std::net::Ipv4Addr;

use vedette_tests::logins::Postgres;

use super::*;

fn start() -> Postgres {
    // On an address that no other test has.
    let [.., high, low] = std::process::id().to_be_bytes();
    Postgres::start(Ipv4Addr::new(127, 54, high, low.max(1)), SECRET).unwrap()
}

fn pinned(server: &Postgres) -> Trust {
    Trust::TlsSpki(server.spki)
}

#[test]
fn postgresql_lets_in_who_is_known_and_tells_its_version() {
    let server = start();
    for trust in [pinned(&server), Trust::FirstSeen, Trust::Cleartext] {
        let visited = visit(server.endpoint, &login(USER, SECRET), trust);
        assert_let_in(&visited, "PostgreSQL", &server.version, &server.log());
    }
    // RFC 4013 makes one of these letters two.
    for (user, password) in [("plain", SECRET), ("hashed", SECRET), ("prepared", "\u{2168}")] {
        let visited = visit(server.endpoint, &login(user, password), pinned(&server));
        assert_let_in(&visited, "PostgreSQL", &server.version, &server.log());
    }
}

#[test]
fn postgresql_is_told_a_wrong_password_once_and_nothing_behind_a_wrong_key() {
    let server = start();
    let visited = visit(server.endpoint, &login(USER, SECRET), ANOTHER);
    assert_kept_out(&visited, LoginOutcome::WrongHostKey, &server.log());
    assert!(!visited.opened);
    let log = server.log();
    assert!(!log.contains(USER) && !log.contains("authentication"), "{log}");
    for (user, times) in [(USER, 1), ("plain", 2), ("hashed", 3)] {
        let visited = visit(server.endpoint, &login(user, "wrong"), pinned(&server));
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
