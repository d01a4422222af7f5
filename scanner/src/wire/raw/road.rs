//! Which way a packet to an address goes: asked of the kernel, over netlink (rtnetlink(7)).
//!
//! The kernel's answer is the law here as for any other program: policy routing, several tables and preferred
//! source addresses are in it. What does not go out as a frame on Ethernet is not for the raw scanners.

use std::{io, net::IpAddr};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage},
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteType},
};
use rustix::{
    fd::OwnedFd,
    net::{
        AddressFamily as SocketFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
    },
};

use crate::packet::Mac;

/// The kernel's routing, as it is asked.
#[derive(Debug)]
pub(super) struct Atlas {
    socket: OwnedFd,
    heard: Vec<u8>,
}

/// The way to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Out of an interface.
    Out {
        /// The kernel's number of it.
        interface: u32,
        /// Who passes it on; none: the address itself is there.
        gateway: Option<IpAddr>,
        /// The address of ours that the kernel would write into it.
        source: IpAddr,
    },
    /// This machine itself.
    Here,
    /// An address of many, as a broadcast address: no port of it can be open.
    Everybody,
    /// Not by a frame on Ethernet, as far as is known.
    Otherwise,
    /// None.
    Nowhere,
}

impl Atlas {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(
            SocketFamily::NETLINK,
            SocketType::RAW,
            flags,
            // NETLINK_ROUTE, which is 0.
            None,
        )?;
        Ok(Self {
            socket,
            heard: vec![0; 32 * 1024],
        })
    }

    /// The way to an address.
    pub(super) fn way(&mut self, to: IpAddr) -> io::Result<Way> {
        let mut question = RouteMessage::default();
        (
            question.header.address_family,
            question.header.destination_prefix_length,
        ) = match to {
            IpAddr::V4(_) => (AddressFamily::Inet, 32),
            IpAddr::V6(_) => (AddressFamily::Inet6, 128),
        };
        question.attributes.push(RouteAttribute::Destination(to.into()));
        // Anything else means that there is none.
        let Some(RouteNetlinkMessage::NewRoute(route)) = self.ask(RouteNetlinkMessage::GetRoute(question))?
        else {
            return Ok(Way::Nowhere);
        };
        let (mut interface, mut gateway, mut source) = (None, None, None);
        for attribute in &route.attributes {
            match attribute {
                RouteAttribute::Oif(index) => interface = Some(*index),
                RouteAttribute::Gateway(address) => gateway = ip(address),
                RouteAttribute::PrefSource(address) => source = ip(address),
                _ => {}
            }
        }
        Ok(match (route.header.kind, interface, source) {
            (RouteType::Local, ..) => Way::Here,
            (RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast, ..) => Way::Everybody,
            (RouteType::Unicast, Some(interface), Some(source)) => Way::Out {
                interface,
                gateway,
                source,
            },
            _ => Way::Nowhere,
        })
    }

    /// The adapter's own address, if the interface is Ethernet and up.
    pub(super) fn mac(&mut self, interface: u32) -> io::Result<Option<Mac>> {
        let mut question = LinkMessage::default();
        question.header.index = interface;
        let Some(RouteNetlinkMessage::NewLink(link)) = self.ask(RouteNetlinkMessage::GetLink(question))?
        else {
            return Ok(None);
        };
        let usable = link.header.link_layer_type == LinkLayerType::Ether
            && link.header.flags.contains(LinkFlags::Up)
            && !link.header.flags.contains(LinkFlags::Loopback);
        let mac = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Address(bytes) => bytes.as_slice().try_into().ok().map(Mac),
            _ => None,
        });
        Ok(mac.filter(|_| usable))
    }

    /// The kernel's answer; none when it refuses.
    fn ask(&mut self, question: RouteNetlinkMessage) -> io::Result<Option<RouteNetlinkMessage>> {
        let mut message = NetlinkMessage::from(question);
        message.header.flags = NLM_F_REQUEST;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        send(&self.socket, &bytes, SendFlags::empty())?;
        let (length, _) = recv(&self.socket, self.heard.as_mut_slice(), RecvFlags::empty())?;
        let answer = NetlinkMessage::deserialize(&self.heard[..length])
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(match answer.payload {
            NetlinkPayload::InnerMessage(message) => Some(message),
            _ => None,
        })
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_here_and_no_ethernet() {
        let mut atlas = Atlas::open().unwrap();
        assert_eq!(atlas.way([127, 0, 0, 1].into()).unwrap(), Way::Here);
        assert_eq!(
            atlas.way(std::net::Ipv6Addr::LOCALHOST.into()).unwrap(),
            Way::Here
        );
        assert_eq!(atlas.mac(1).unwrap(), None);
        assert_eq!(atlas.mac(0x7fff_0000).unwrap(), None);
    }
}
