//! An appliance with legs in two networks carries nothing from one into the other.

#![cfg(test)]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;
use vedette_protocol::status::State;
use vedette_tests::appliance::BOOT_DEADLINE;
use vedette_tests::lab::{Boot, Elsewhere, Leg, Machine, Neighbour, Router, Target};
use vedette_tests::road::Road;
use vedette_tests::stranger::{Stranger, flags};
use vedette_tests::wire::{Packet, Wire};

#[test]
fn two_interfaces_route_nothing() {
    let road = Road::open(&[Target::Ssh]).unwrap();
    let elsewhere = Elsewhere::beside(&road.lab).unwrap();
    let near_side = Stranger::enter(&road.lab).unwrap();
    let far_side = Stranger::enter_elsewhere(&elsewhere).unwrap();
    let crossing = Crossing {
        road: &road,
        elsewhere: &elsewhere,
        near_side: &near_side,
        far_side: &far_side,
    };

    let [there_at_boot, plugged_in_later] = [(); 2].map(|()| elsewhere.leg(&road.lab).unwrap());
    let disk = road.flash("between").unwrap();
    let Leg { tap, mac } = &there_at_boot;
    let mut machine = Machine::boot_with(
        &road.lab,
        &road.image,
        &disk,
        Boot::Kernel,
        &[
            "-netdev",
            &format!("tap,id=far,ifname={tap},script=no,downscript=no"),
            "-device",
            &format!("virtio-net-pci,netdev=far,mac={mac}"),
            "-device",
            "pcie-root-port,id=free,chassis=1",
        ],
    )
    .unwrap();
    machine.wait_for_state(State::Serving, BOOT_DEADLINE).unwrap();
    let near = Neighbour {
        address: road.lab.leased(disk.mac()).unwrap().unwrap(),
        mac: disk.mac().to_owned(),
    };
    let far = elsewhere.wait_for_lease(&there_at_boot, LEASE).unwrap();
    assert_eq!(crossing.through(&near, &far), BTreeSet::new());

    let Leg { tap, mac } = &plugged_in_later;
    let mut qmp = machine.qmp().unwrap();
    let network = json!({ "type": "tap", "id": "later", "ifname": tap, "script": "no", "downscript": "no" });
    qmp.execute("netdev_add", network).unwrap();
    let device = json!({ "driver": "virtio-net-pci", "bus": "free", "netdev": "later", "mac": mac });
    qmp.execute("device_add", device).unwrap();
    let far = elsewhere.wait_for_lease(&plugged_in_later, LEASE).unwrap();
    assert_eq!(crossing.through(&near, &far), BTreeSet::new());

    // A machine that does route carries all of it: what was sent would have been seen.
    let router = Router::between(&road.lab, &elsewhere).unwrap();
    let relayed = crossing.through(&router.near, &router.far);
    for to in crossing.hosts() {
        for packet in [
            Packet::Tcp((to, 22).into()),
            Packet::Udp((to, 53).into()),
            Packet::Icmp(to.into(), ECHO),
        ] {
            assert!(relayed.contains(&packet), "no {packet} in {relayed:?}");
        }
    }
}

/// Both networks, and who would like to get from one into the other.
struct Crossing<'a> {
    road: &'a Road,
    elsewhere: &'a Elsewhere,
    near_side: &'a Stranger,
    far_side: &'a Stranger,
}

impl Crossing<'_> {
    /// One host of each side: the near one, and the far one.
    fn hosts(&self) -> [Ipv4Addr; 2] {
        [self.road.lab.address(Target::Ssh), self.elsewhere.host()]
    }

    /// What a machine with these two legs sends to either host when each side sends to the other through it.
    fn through(&self, near: &Neighbour, far: &Neighbour) -> BTreeSet<Packet> {
        let lab = &self.road.lab;
        self.elsewhere.route(lab, near, far).unwrap();
        let wire = Wire::watch(lab).unwrap();
        let hosts = self.hosts();
        for (side, to) in [self.far_side, self.near_side].into_iter().zip(hosts) {
            side.send_tcp(to, [22], flags::SYN).unwrap();
            side.send_tcp(to, [22], flags::ACK).unwrap();
            side.send_udp(to, &[53], b"across").unwrap();
            side.send_icmp(to, ECHO, 0, &[0, 1, 0, 1]).unwrap();
        }
        std::thread::sleep(Duration::from_secs(3));
        let sent = wire.sent_by(&near.mac).into_iter().chain(wire.sent_by(&far.mac));
        sent.filter(|packet| packet.to().is_some_and(|to| hosts.iter().any(|host| to == *host)))
            .collect()
    }
}

const ECHO: u8 = 8;
/// An emulated machine notices a new card in its own time.
const LEASE: Duration = Duration::from_secs(60);
