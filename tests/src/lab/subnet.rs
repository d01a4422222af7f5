//! Which address is whose in a lab. 198.18.0.0/15 is set aside for benchmarks (RFC 2544), so no real network has it.

use std::fmt;
use std::net::Ipv4Addr;

use super::claim::LabNumber;

/// The /24 of one lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet(LabNumber);

impl Subnet {
    pub(super) fn of(number: LabNumber) -> Self {
        Self(number)
    }

    /// The host's end of the veth, where the platform listens.
    pub fn platform(self) -> Ipv4Addr {
        self.host(1)
    }

    /// dnsmasq, on the bridge.
    pub fn dns(self) -> Ipv4Addr {
        self.host(2)
    }

    /// An address that nobody has.
    pub fn nobody(self) -> Ipv4Addr {
        self.host(250)
    }

    /// What DHCP gives out, first and last.
    pub(super) fn pool(self) -> (Ipv4Addr, Ipv4Addr) {
        (self.host(100), self.host(199))
    }

    /// A seat in the lab's second network.
    pub(super) fn elsewhere(self, seat: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 19, self.0.byte(), seat)
    }

    pub(super) fn host(self, seat: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.0.byte(), seat)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/24", self.host(0))
    }
}
