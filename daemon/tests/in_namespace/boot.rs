//! vedetted's course and the keeper's together, against a platform over TLS, up to the workspace: what is
//! shown of each fault, and how far it got.

use std::process::{Child, Command};

use vedette_protocol::link::{ActivateRefusal, Activation, ActivationToken, BootRefusal};

use crate::{
    kept::Kept,
    platform::{CODE, Fault, NAME, NEXT_CODE, Platform},
};

/// A DNS server in the network that knows the platform alone.
struct Dns(Child);

impl Dns {
    const ADDRESS: &str = "198.51.100.12";

    fn start(space: &str) -> Self {
        let server = Command::new("ip")
            .args([
                "netns",
                "exec",
                space,
                "dnsmasq",
                "--keep-in-foreground",
                "--conf-file=/dev/null",
            ])
            .args([
                "--no-resolv",
                "--no-hosts",
                "--bind-interfaces",
                "--pid-file",
                "--user=root",
            ])
            .arg(format!("--listen-address={}", Self::ADDRESS))
            .arg(format!("--address=/{NAME}/198.51.100.13"))
            .spawn()
            .unwrap();
        Self(server)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn token() -> String {
    format!("{}{}", ActivationToken::PREFIX, "A".repeat(43))
}

/// Boots with a token against a platform with this fault.
fn boot(name: &str, fault: Fault) -> (Kept, Platform) {
    let platform = Platform::with(fault);
    let kept = Kept::start(name, &platform.config(), Some(&token()));
    platform.serve(&kept.wire.network);
    kept.boot();
    (kept, platform)
}

/// The course stops here for this reason, and the platform was asked for no more than this.
fn stays(name: &str, fault: Fault, state: &str, reason: &str, asked: &[&str]) {
    let (kept, platform) = boot(name, fault);
    let reason = reason.replace(' ', "_");
    kept.wait_for(|line| line.contains(&format!("state={state} ")) && line.contains(&reason));
    for path in platform.asked() {
        assert!(asked.contains(&path.as_str()), "asked for {path}");
    }
}

#[test]
fn a_token_takes_an_appliance_to_its_key_share() {
    let (kept, platform) = boot("token", Fault::None);
    // There is no partition in this namespace: the keeper has the share, and nothing to open with it.
    let line = kept.wait_for(|line| line.contains("the_appliance_failed_at:_the_workspace"));
    assert!(line.contains("state=authenticated"), "{line}");
    assert!(line.contains("address=198.51.100.2 "), "{line}");
    assert!(!line.contains("fingerprint=-"), "{line}");
    assert_eq!(platform.asked()[..4], ["time", "activate", "boot", "confirm"]);
    assert!(matches!(platform.activated_by(), Some(Activation::Token(_))));
    assert!(
        !kept.state.join("activation-token").exists(),
        "the token is burnt"
    );
    for name in ["identity.key", "enrolment", "ticket", "high-water"] {
        assert!(kept.state.join(name).exists(), "{name}");
    }
}

#[test]
fn a_device_code_is_shown_until_it_is_approved() {
    let platform = Platform::honest();
    let kept = Kept::start("code", &platform.config(), None);
    platform.serve(&kept.wire.network);
    kept.boot();
    let line = kept.wait_for(|line| line.contains(CODE));
    assert!(line.contains("state=activating"), "{line}");
    kept.wait_for(|line| line.contains("state=authenticated"));
    assert_eq!(platform.activated_by(), Some(Activation::DeviceCode));
}

#[test]
fn a_device_code_that_expires_is_followed_by_the_next_on_the_console() {
    let platform = Platform::with(Fault::ExpiringCode);
    let kept = Kept::start("expiring", &platform.config(), None);
    platform.serve(&kept.wire.network);
    kept.boot();
    kept.wait_for(|line| line.contains("state=activating") && line.contains(CODE));
    let line = kept.wait_for(|line| line.contains(NEXT_CODE));
    assert!(
        line.contains("state=activating") && !line.contains(CODE),
        "{line}"
    );
    kept.wait_for(|line| line.contains("state=authenticated"));
}

#[test]
fn the_platforms_name_is_asked_of_the_leased_server() {
    let platform = Platform::honest();
    let kept = Kept::start("dns", &platform.config_by_name(), Some(&token()));
    platform.serve(&kept.wire.network);
    kept.boot_with_lease(&format!("OPER_STATE=routable\nDNS={}\n", Dns::ADDRESS));
    kept.wait_for(|line| line.contains("the_name_platform.vedette.test_does_not_resolve"));
    let _dns = Dns::start(&kept.wire.network);
    kept.wait_for(|line| line.contains("state=authenticated"));
}

#[test]
fn without_a_dns_server_the_name_is_not_asked_of_anybody() {
    let platform = Platform::honest();
    let kept = Kept::start("nodns", &platform.config_by_name(), None);
    platform.serve(&kept.wire.network);
    kept.boot();
    kept.wait_for(|line| line.contains("the_network_named_no_DNS_server"));
    assert!(platform.asked().is_empty());
}

#[test]
fn another_root_is_asked_nothing() {
    let reason = "the platform's certificate is not from a pinned root";
    stays("root", Fault::OtherRoot, "online", reason, &[]);
}

#[test]
fn another_signing_key_is_asked_for_nothing_but_the_time() {
    let reason = "signed by another key than the one pinned in this image";
    stays("key", Fault::OtherSigningKey, "online", reason, &["time"]);
}

#[test]
fn a_replayed_answer_is_refused() {
    let reason = "the platform's answer is not genuine: it answers another request";
    stays("replay", Fault::Replay, "online", reason, &["time"]);
}

#[test]
fn a_late_time_is_not_believed() {
    let reason = "the platform's time came too late to be believed";
    stays("late", Fault::Late, "online", reason, &["time"]);
}

#[test]
fn an_answer_that_is_none_is_told_apart() {
    stays("error", Fault::Error, "online", "HTTP status 500", &["time"]);
    stays(
        "endless",
        Fault::Endless,
        "online",
        "answer is longer than",
        &["time"],
    );
    stays(
        "garbage",
        Fault::Garbage,
        "online",
        "not genuine: malformed",
        &["time"],
    );
}

#[test]
fn a_bad_token_is_told_apart_and_ends_the_boot() {
    for (name, why, reason) in [
        (
            "used",
            ActivateRefusal::UsedToken,
            "the activation token was already used; make a new one and flash again",
        ),
        (
            "old",
            ActivateRefusal::ExpiredToken,
            "the activation token has expired; make a new one and flash again",
        ),
        (
            "unknown",
            ActivateRefusal::UnknownToken,
            "the activation token is not known; make a new one and flash again",
        ),
    ] {
        stays(
            name,
            Fault::Activation(why),
            "refused",
            reason,
            &["time", "activate"],
        );
    }
}

#[test]
fn a_refused_boot_is_asked_for_no_share() {
    for (name, why, reason) in [
        (
            "removed",
            BootRefusal::Removed,
            "this appliance was removed from its account",
        ),
        (
            "clone",
            BootRefusal::TicketUsed,
            "another copy of this appliance has booted",
        ),
    ] {
        stays(
            name,
            Fault::Boot(why),
            "refused",
            reason,
            &["time", "activate", "boot"],
        );
    }
}

#[test]
fn another_appliances_share_is_not_taken() {
    let asked = ["time", "activate", "boot", "confirm"];
    let reason = "the key share is not for this appliance and boot";
    stays(
        "share",
        Fault::OtherAppliancesShare,
        "authenticated",
        reason,
        &asked,
    );
}
