//! Versions, suites, groups, preference: what openssl was told to speak is what is found, no more, no less.

use std::{collections::BTreeSet, process::Command};

use vedette_protocol::finding::{FindingType, Outcome, TlsVersion};

use crate::{
    audit,
    by_hand::{ByHand, Flaw},
    openssl::{Keys, Server},
};

const WEAK: &str = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";

#[test]
fn a_version_is_found_where_it_is_spoken_and_nowhere_else() {
    for (flag, version) in [
        ("-tls1", TlsVersion::Tls10),
        ("-tls1_1", TlsVersion::Tls11),
        ("-tls1_2", TlsVersion::Tls12),
        ("-tls1_3", TlsVersion::Tls13),
    ] {
        let ciphers = "ECDHE+AESGCM:ECDHE+AES:@SECLEVEL=0";
        let server = Server::start(Keys::Ecdsa, &[flag, "-cipher", ciphers]);
        let audited = audit(server.endpoint);
        assert_eq!(audited.report.outcome(), Outcome::Complete);
        assert_eq!(audited.versions(), BTreeSet::from([version]));
        let found = audited.weaknesses();
        let is_old = version < TlsVersion::Tls12;
        assert_eq!(found.contains(&FindingType::TlsOldVersions), is_old, "{version}");
        assert_eq!(
            found.contains(&FindingType::TlsBeast),
            version == TlsVersion::Tls10
        );
        assert_eq!(
            found.contains(&FindingType::TlsNoTls13),
            version != TlsVersion::Tls13
        );
        // It is self-signed, which alone leaves no more than a D.
        assert_eq!(audited.grade().as_deref(), Some("D"));
    }
}

#[test]
fn a_sound_server_is_accused_of_nothing() {
    for keys in [Keys::Rsa, Keys::Ecdsa, Keys::Both] {
        let server = Server::start(keys, &["-cipher", "ECDHE+AESGCM:ECDHE+CHACHA20"]);
        let audited = audit(server.endpoint);
        assert_eq!(audited.report.outcome(), Outcome::Complete);
        assert_eq!(audited.weaknesses(), BTreeSet::new(), "{keys:?}");
        assert_eq!(
            audited.versions(),
            BTreeSet::from([TlsVersion::Tls12, TlsVersion::Tls13])
        );
    }
}

#[test]
fn suites_are_those_that_the_server_was_given() {
    let server = Server::start(
        Keys::Both,
        &[
            "-cipher",
            "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:AES256-SHA",
            "-ciphersuites",
            "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256",
            "-serverpref",
            "-no_tls1",
            "-no_tls1_1",
        ],
    );
    let audited = audit(server.endpoint);
    assert_eq!(
        audited.suites(TlsVersion::Tls12),
        [
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_RSA_WITH_AES_256_CBC_SHA",
        ]
    );
    assert_eq!(
        audited.suites(TlsVersion::Tls13),
        ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256"]
    );
    assert!(audited.features().contains("order of suites: server (TLSv1.2)"));
    assert_eq!(audited.weaknesses(), BTreeSet::new());
}

#[test]
fn every_suite_of_openssl_is_found() {
    let server = Server::start(Keys::Both, &["-cipher", WEAK]);
    let audited = audit(server.endpoint);
    let spoken = Command::new("openssl")
        .args(["ciphers", "-s", "-tls1_2", "-stdname", WEAK])
        .output()
        .unwrap();
    // What no certificate or secret of this server fits is not spoken.
    let listed: BTreeSet<String> = String::from_utf8(spoken.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !["PSK", "SRP", "_DSS_"].iter().any(|part| name.contains(part)))
        .map(str::to_owned)
        .collect();
    let found: BTreeSet<String> = audited.suites(TlsVersion::Tls12).into_iter().collect();
    assert_eq!(found, listed);
    assert!(found.len() > 70);
    assert!(audited.features().contains("order of suites: client (TLSv1.2)"));
    let expected = [
        FindingType::TlsOldVersions,
        FindingType::TlsBeast,
        FindingType::TlsNoEncryption,
        FindingType::TlsAnonymous,
    ];
    assert_eq!(audited.weaknesses(), BTreeSet::from(expected));
    assert_eq!(audited.grade().as_deref(), Some("F"));
}

#[test]
fn suites_that_protect_nothing_are_found() {
    for (keys, cipher, type_) in [
        (
            Keys::Rsa,
            "eNULL:!aNULL:@SECLEVEL=0",
            FindingType::TlsNoEncryption,
        ),
        (Keys::None, "aNULL:!eNULL:@SECLEVEL=0", FindingType::TlsAnonymous),
    ] {
        let server = Server::start(keys, &["-tls1_2", "-cipher", cipher]);
        let found = audit(server.endpoint).weaknesses();
        assert!(found.contains(&type_), "{found:?}");
        let other = [FindingType::TlsNoEncryption, FindingType::TlsAnonymous];
        assert_eq!(
            found.iter().filter(|found| other.contains(found)).count(),
            1,
            "{found:?}"
        );
    }
}

#[test]
fn groups_are_those_that_the_server_was_given() {
    for (settings, groups) in [
        (
            &["-tls1_3", "-groups", "P-384:X25519:ffdhe2048"][..],
            &["secp384r1", "x25519", "ffdhe2048"][..],
        ),
        (
            &["-tls1_2", "-groups", "P-521:P-256"],
            &["secp521r1", "secp256r1"],
        ),
        (&["-tls1_3", "-groups", "X448"], &["x448"]),
    ] {
        let server = Server::start(Keys::Rsa, settings);
        let found: BTreeSet<String> = audit(server.endpoint).groups().into_iter().collect();
        let expected: BTreeSet<String> = groups.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_short_field_is_found_and_a_long_one_is_not() {
    // Less than 1024 bits, not even openssl can be made to take.
    let oakley = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/oakley-1024.pem");
    for (field, type_) in [
        (Some(oakley), Some(FindingType::TlsWeakDh)),
        // openssl's own, of 2048 bits.
        (None, None),
    ] {
        let mut settings = vec!["-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"];
        if let Some(field) = field {
            settings.extend(["-dhparam", field]);
        }
        let server = Server::start(Keys::Rsa, &settings);
        let found = audit(server.endpoint).weaknesses();
        assert_eq!(found, type_.into_iter().collect(), "{field:?}");
    }
}

#[test]
fn what_today_no_library_speaks_is_found_in_the_bytes_of_a_peer() {
    for (version, suites, expected) in [
        (
            0x0300,
            &[0x000a][..],
            &[
                FindingType::TlsPoodle,
                FindingType::TlsOldVersions,
                FindingType::TlsSweet32,
            ][..],
        ),
        (
            0x0301,
            &[0x0005],
            &[FindingType::TlsRc4, FindingType::TlsOldVersions],
        ),
        (
            0x0301,
            &[0x0003],
            &[
                FindingType::TlsFreak,
                FindingType::TlsShortKeys,
                FindingType::TlsRc4,
            ],
        ),
        (
            0x0301,
            &[0x0014],
            &[
                FindingType::TlsLogjam,
                FindingType::TlsShortKeys,
                FindingType::TlsSweet32,
            ],
        ),
        (
            0x0302,
            &[0x0009],
            &[FindingType::TlsShortKeys, FindingType::TlsNoForwardSecrecy],
        ),
    ] {
        let peer = ByHand::of(version, suites).serve();
        let audited = audit(peer);
        let found = audited.weaknesses();
        for type_ in expected {
            assert!(found.contains(type_), "{version:x} {suites:x?}: {found:?}");
        }
        assert_eq!(
            audited.versions(),
            TlsVersion::from_number(version).into_iter().collect()
        );
    }
    // The sound twin, made by the same hand.
    let peer = ByHand::of(0x0303, &[0xc02f]).serve();
    let found = audit(peer).weaknesses();
    assert_eq!(found, BTreeSet::from([FindingType::TlsNoTls13]));
}

#[test]
fn ssl_2_is_found_by_its_own_hello() {
    let peer = ByHand::of(0x0303, &[0xc02f]).with(Flaw::Ssl2).serve();
    let audited = audit(peer);
    assert!(audited.versions().contains(&TlsVersion::Ssl2));
    assert!(audited.weaknesses().contains(&FindingType::TlsDrown));
    let text = format!("{:?}", audited.evidence(FindingType::TlsDrown));
    assert!(text.contains("SSL2_RC4_128_EXPORT40_WITH_MD5"), "{text}");
}
