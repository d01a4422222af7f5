//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;

use super::ethernet::{self, Ethernet, Mac};

/// A request or an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// Which of the two.
    pub operation: Operation,
    /// Whose adapter speaks.
    pub sender: (Mac, Ipv4Addr),
    /// Who is meant; in a request the adapter is not known.
    pub target: (Mac, Ipv4Addr),
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Who has the address?
    Request,
    /// I have it.
    Reply,
}

impl Arp {
    /// What follows the Ethernet header; padding behind it is allowed.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&KIND)?;
        let (operation, rest) = rest.split_first_chunk()?;
        let operation = match operation {
            [0, 1] => Operation::Request,
            [0, 2] => Operation::Reply,
            _ => return None,
        };
        let (sender, rest) = end(rest)?;
        let (target, _) = end(rest)?;
        Some(Self {
            operation,
            sender,
            target,
        })
    }

    /// Who has `wanted`? Asked of everybody; with 0.0.0.0 as our own address it is a probe (RFC 5227).
    pub fn request(own: Mac, address: Ipv4Addr, wanted: Ipv4Addr) -> Self {
        Self {
            operation: Operation::Request,
            sender: (own, address),
            target: (Mac::ZERO, wanted),
        }
    }

    /// The answer to a request for an address of ours.
    pub fn answer(&self, own: Mac) -> Self {
        Self {
            operation: Operation::Reply,
            sender: (own, self.target.1),
            target: self.sender,
        }
    }

    /// As a frame, to everybody or to whom it answers.
    pub fn frame(&self) -> Vec<u8> {
        let (destination, operation) = match self.operation {
            Operation::Request => (Mac::BROADCAST, [0, 1]),
            Operation::Reply => (self.target.0, [0, 2]),
        };
        let mut bytes = [&KIND[..], &operation].concat();
        for (mac, address) in [self.sender, self.target] {
            bytes.extend_from_slice(&mac.0);
            bytes.extend_from_slice(&address.octets());
        }
        Ethernet::new(self.sender.0, destination, ethernet::ARP).frame(&bytes)
    }
}

fn end(bytes: &[u8]) -> Option<((Mac, Ipv4Addr), &[u8])> {
    let (mac, rest) = bytes.split_first_chunk()?;
    let (address, rest) = rest.split_first_chunk::<4>()?;
    Some(((Mac(*mac), Ipv4Addr::from(*address)), rest))
}

/// Ethernet, IPv4, and the lengths of their addresses.
const KIND: [u8; 6] = [0, 1, 8, 0, 6, 4];
