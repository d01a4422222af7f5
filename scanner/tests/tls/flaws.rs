//! Known flaws, each in a peer made by hand, and the same question to a sound one.

use std::{collections::BTreeSet, process::Command};

use vedette_protocol::finding::{FindingType, Outcome};

use crate::{
    audit,
    by_hand::{ByHand, Flaw},
    openssl::{Keys, Server, make_key},
};

/// What a peer with this flaw is accused of beside its lack of TLS 1.3.
fn accused(flaw: Flaw) -> BTreeSet<FindingType> {
    let audited = audit(ByHand::of(0x0303, &[0xc02f, 0xc013]).with(flaw).serve());
    assert_eq!(audited.report.outcome(), Outcome::Complete);
    let mut found = audited.weaknesses();
    assert!(found.remove(&FindingType::TlsNoTls13));
    found
}

#[test]
fn heartbleed_is_told_from_heartbeats_without_reading_memory() {
    assert_eq!(
        accused(Flaw::Heartbleed),
        BTreeSet::from([FindingType::TlsHeartbleed])
    );
    assert_eq!(accused(Flaw::Heartbeat), BTreeSet::new());
}

#[test]
fn keys_before_their_time_are_told_from_an_unexpected_message() {
    assert_eq!(
        accused(Flaw::EarlyKeys),
        BTreeSet::from([FindingType::TlsCcsInjection])
    );
    assert_eq!(accused(Flaw::None), BTreeSet::new());
}

#[test]
fn who_is_silent_about_early_keys_is_found_by_using_them() {
    assert_eq!(
        accused(Flaw::SilentEarlyKeys),
        BTreeSet::from([FindingType::TlsCcsInjection])
    );
    assert_eq!(accused(Flaw::Silent), BTreeSet::new());
}

#[test]
fn memory_behind_a_short_session_id_is_found_and_the_id_alone_is_not() {
    assert_eq!(
        accused(Flaw::Ticketbleed),
        BTreeSet::from([FindingType::TlsTicketbleed])
    );
    assert_eq!(accused(Flaw::Tickets), BTreeSet::new());
}

/// Handshakes are brought to their end with each kind of suite in each version; with a server that lets clients begin
/// anew, and one that does not. Both give tickets, and neither bleeds.
#[test]
fn who_lets_clients_begin_anew_is_found_in_every_version() {
    let settings: &[(Keys, &[&str])] = &[
        (
            Keys::Rsa,
            &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"],
        ),
        (
            Keys::Ecdsa,
            &[
                "-tls1_2",
                "-cipher",
                "ECDHE-ECDSA-AES256-GCM-SHA384",
                "-groups",
                "P-256",
            ],
        ),
        (
            Keys::Rsa,
            &["-tls1_2", "-cipher", "AES256-GCM-SHA384:@SECLEVEL=0"],
        ),
        (
            Keys::Rsa,
            &["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0", "-verify", "1"],
        ),
        (
            Keys::Rsa,
            &["-tls1_1", "-cipher", "ECDHE-RSA-AES256-SHA:@SECLEVEL=0"],
        ),
        (Keys::Rsa, &["-tls1", "-cipher", "AES128-SHA:@SECLEVEL=0"]),
    ];
    for (keys, settings) in settings {
        for (allowed, flag) in [(true, "-client_renegotiation"), (false, "-serverpref")] {
            let server = Server::start(*keys, &[settings, &[flag][..]].concat());
            let audited = audit(server.endpoint);
            assert_eq!(audited.report.outcome(), Outcome::Complete, "{settings:?} {flag}");
            let found = audited.weaknesses();
            let accused = found.contains(&FindingType::TlsClientRenegotiation);
            assert_eq!(accused, allowed, "{settings:?} {flag}");
            assert!(!found.contains(&FindingType::TlsTicketbleed), "{settings:?}");
            assert!(!found.contains(&FindingType::TlsCcsInjection), "{settings:?}");
        }
    }
}

#[test]
fn compression_and_old_renegotiation_are_found() {
    assert_eq!(
        accused(Flaw::Compression),
        BTreeSet::from([FindingType::TlsCompression])
    );
    let renegotiation = BTreeSet::from([FindingType::TlsInsecureRenegotiation]);
    assert_eq!(accused(Flaw::Renegotiation), renegotiation);
}

#[test]
fn a_server_that_takes_who_falls_back_is_found_and_one_that_does_not_is_not() {
    let found = accused(Flaw::Fallback);
    assert!(found.contains(&FindingType::TlsNoFallbackProtection), "{found:?}");
    let both = ["-cipher", "ECDHE+AES:@SECLEVEL=0", "-no_tls1", "-no_tls1_3"];
    let audited = audit(Server::start(Keys::Ecdsa, &both).endpoint);
    assert!(audited.features().contains("fallback protection: yes"));
    assert!(
        !audited
            .weaknesses()
            .contains(&FindingType::TlsNoFallbackProtection)
    );
}

#[test]
fn an_oracle_of_paddings_is_found_and_openssl_is_none() {
    let files = tempfile::tempdir().unwrap();
    make_key(files.path(), "rsa");
    let der = Command::new("openssl")
        .args(["x509", "-outform", "DER", "-in", "rsa.crt"])
        .current_dir(files.path())
        .output()
        .unwrap()
        .stdout;
    let oracle = Flaw::Oracle(files.path().join("rsa.key"));
    let peer = ByHand::of(0x0303, &[0x002f]).with(oracle).showing(der).serve();
    let audited = audit(peer);
    assert!(audited.weaknesses().contains(&FindingType::TlsRobot));
    assert_eq!(audited.grade().as_deref(), Some("F"));

    let settings = [
        "-cipher",
        "AES128-SHA:AES128-GCM-SHA256",
        "-no_tls1",
        "-no_tls1_1",
    ];
    let server = Server::start(Keys::Rsa, &settings);
    let audited = audit(server.endpoint);
    assert_eq!(audited.report.outcome(), Outcome::Complete);
    assert_eq!(
        audited.weaknesses(),
        BTreeSet::from([FindingType::TlsNoForwardSecrecy])
    );
}
