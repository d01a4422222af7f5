//! Two network namespaces of a test's own, joined by a veth pair.

use std::{
    fs::File,
    os::fd::AsFd,
    process::{Command, Stdio},
};

use rustix::{
    fs::Uid,
    thread::{LinkNameSpaceType, move_into_link_name_space, set_thread_res_uid},
};

/// Two namespaces: the appliance's, and a network with hosts in it.
pub(crate) struct Wire {
    pub(crate) appliance: String,
    pub(crate) network: String,
}

impl Wire {
    pub(crate) fn new(name: &str) -> Self {
        let wire = Self {
            appliance: format!("daemon-{name}-a-{}", std::process::id()),
            network: format!("daemon-{name}-n-{}", std::process::id()),
        };
        for space in [&wire.appliance, &wire.network] {
            run("ip", &["netns", "add", space]);
            run("ip", &["-n", space, "link", "set", "lo", "up"]);
        }
        let (a, n) = (wire.appliance.as_str(), wire.network.as_str());
        run(
            "ip",
            &[
                "-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", n,
            ],
        );
        run(
            "ip",
            &["-n", a, "address", "add", "198.51.100.2/24", "dev", "eth0"],
        );
        for host in 10..14 {
            run(
                "ip",
                &[
                    "-n",
                    n,
                    "address",
                    "add",
                    &format!("198.51.100.{host}/24"),
                    "dev",
                    "eth0",
                ],
            );
        }
        for space in [a, n] {
            run("ip", &["-n", space, "link", "set", "eth0", "up"]);
        }
        wire
    }

    pub(crate) fn load_base(&self) {
        let base = concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd/filter.nft");
        run("ip", &["netns", "exec", &self.appliance, "nft", "-f", base]);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for space in [&self.appliance, &self.network] {
            run("ip", &["netns", "del", space]);
        }
    }
}

pub(crate) fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

/// Moves this thread, and what it starts, into a namespace.
pub(crate) fn enter(space: &str) {
    let space = File::open(format!("/run/netns/{space}")).unwrap();
    move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// Makes this thread one of another user's.
pub(crate) fn become_user(uid: u32) {
    let uid = Uid::from_raw(uid);
    set_thread_res_uid(uid, uid, uid).unwrap();
}
