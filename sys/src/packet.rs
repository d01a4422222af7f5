//! Packet sockets (packet(7)): whole frames of one interface, in and out.
//!
//! A socket is opened with protocol 0, by which it receives nothing, is given its filter, and is bound then:
//! nothing that the filter would have kept out is ever queued. Frames are sent with sendmmsg(2), which rustix
//! offers: on a veth pair it takes no more processor time for a frame than a transmit ring (0.74 to 0.64 million
//! frames for a second of it, medians of five), and it says which frame was refused. They are received through
//! a [`ring`].

pub mod filter;
pub mod ring;

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// One instruction of the classic packet filter (`struct sock_filter`, linux/filter.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Class, size, mode, operation, source: `BPF_*`.
    pub code: u16,
    /// How many instructions to skip when true.
    pub when: u8,
    /// How many instructions to skip when false.
    pub otherwise: u8,
    /// The operand.
    pub operand: u32,
}

/// Frames that an interface takes in although they are not for its own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// Those to this multicast address.
    Multicast([u8; 6]),
    /// Those to any multicast address.
    AllMulticast,
    /// Every frame that comes by.
    Promiscuous,
}

/// What the kernel counted since it was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Frames that passed the filter, those dropped included.
    pub passed: u32,
    /// Of these, the frames for which there was no room.
    pub dropped: u32,
}

/// A packet socket that receives nothing yet; it does not block.
///
/// # Errors
/// The kernel's: EPERM without CAP_NET_RAW, EAFNOSUPPORT without packet sockets.
pub fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?)
}

/// Binds the socket to an interface, and has it receive frames of one protocol (an Ethernet type; `ETH_P_ALL`, 3,
/// means all).
///
/// # Errors
/// The kernel's: ENODEV when there is no such interface.
#[expect(unsafe_code, reason = "rustix does not offer addresses of packet sockets")]
pub fn bind(socket: impl AsFd, interface: u32, protocol: u16) -> io::Result<()> {
    // Zero is valid for each of the fields.
    // SAFETY: sockaddr_ll is plain integers and an array of them.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = FAMILY;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = index(interface)?;
    // SAFETY: bind(2) reads `size_of::<sockaddr_ll>()` bytes of `address`, which is live and that large.
    let rc = unsafe {
        libc::bind(
            socket.as_fd().as_raw_fd(),
            (&raw const address).cast(),
            length_of::<libc::sockaddr_ll>(),
        )
    };
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets through only what the program accepts (socket(7), `SO_ATTACH_FILTER`).
///
/// # Errors
/// The kernel's: EINVAL when the program is not valid, EPERM when the filter is locked.
pub fn attach_filter(socket: impl AsFd, program: &[Instruction]) -> io::Result<()> {
    let mut instructions: Vec<libc::sock_filter> = program
        .iter()
        .map(|instruction| libc::sock_filter {
            code: instruction.code,
            jt: instruction.when,
            jf: instruction.otherwise,
            k: instruction.operand,
        })
        .collect();
    let program = libc::sock_fprog {
        len: u16::try_from(instructions.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        filter: instructions.as_mut_ptr(),
    };
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Forbids to detach or replace the filter, also to whoever is handed the socket (socket(7), `SO_LOCK_FILTER`).
///
/// # Errors
/// The kernel's.
pub fn lock_filter(socket: impl AsFd) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_LOCK_FILTER, &1_i32)
}

/// Marks what the socket sends from now on (socket(7), `SO_MARK`): for packet filters. Without CAP_NET_ADMIN nobody
/// can change it, whoever is handed the socket.
///
/// # Errors
/// The kernel's: EPERM without CAP_NET_ADMIN.
pub fn mark(socket: impl AsFd, mark: u32) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_MARK, &mark)
}

/// Hands frames to the driver without queueing them (`PACKET_QDISC_BYPASS`).
///
/// # Errors
/// The kernel's.
pub fn bypass_queue(socket: impl AsFd) -> io::Result<()> {
    set(socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &1_i32)
}

/// Has the socket not receive what this machine sends (`PACKET_IGNORE_OUTGOING`).
///
/// # Errors
/// The kernel's.
pub fn ignore_outgoing(socket: impl AsFd) -> io::Result<()> {
    set(socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32)
}

/// Has the interface take in more frames, for as long as the socket is open (`PACKET_ADD_MEMBERSHIP`).
///
/// # Errors
/// The kernel's.
pub fn join(socket: impl AsFd, interface: u32, membership: Membership) -> io::Result<()> {
    let (kind, address) = match membership {
        Membership::Multicast(address) => (libc::PACKET_MR_MULTICAST, address),
        Membership::AllMulticast => (libc::PACKET_MR_ALLMULTI, [0; 6]),
        Membership::Promiscuous => (libc::PACKET_MR_PROMISC, [0; 6]),
    };
    let mut mr_address = [0; 8];
    mr_address[..6].copy_from_slice(&address);
    let request = libc::packet_mreq {
        mr_ifindex: index(interface)?,
        mr_type: u16::try_from(kind).map_err(|_| io::ErrorKind::InvalidInput)?,
        mr_alen: 6,
        mr_address,
    };
    set(socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
}

/// What the socket took in and what it had no room for, since this was last asked (`PACKET_STATISTICS`).
///
/// # Errors
/// The kernel's.
#[expect(unsafe_code, reason = "rustix does not offer options of packet sockets")]
pub fn statistics(socket: impl AsFd) -> io::Result<Statistics> {
    let mut counts = [0_u32; 3];
    let mut length = length_of::<[u32; 3]>();
    // SAFETY: getsockopt(2) writes at most `length` bytes to `counts`, which is that long, and the length to
    // `length`; both are live for the call.
    let rc = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            counts.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if rc != 0 {
        return Err(io::Error::last_os_error());
    }
    let [passed, dropped, _] = counts;
    Ok(Statistics { passed, dropped })
}

/// Sets an option to a value that is laid out as the kernel wants it.
#[expect(unsafe_code, reason = "rustix does not offer these options")]
fn set<T>(socket: impl AsFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    // SAFETY: setsockopt(2) reads `size_of::<T>()` bytes of `value`, a live borrow of exactly that.
    let rc = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const *value).cast(),
            length_of::<T>(),
        )
    };
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn index(interface: u32) -> io::Result<i32> {
    i32::try_from(interface).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[expect(clippy::cast_possible_truncation, reason = "of types of a few bytes")]
const fn length_of<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

#[expect(clippy::cast_possible_truncation, reason = "17")]
const FAMILY: u16 = libc::AF_PACKET as u16;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
    use std::io::IoSlice;

    pub(crate) const LOOPBACK: u32 = 1;
    pub(crate) const ALL: u16 = 3;
    /// An Ethernet type for experiments (IEEE 802, section 9.2.4), which nobody answers.
    pub(crate) const OURS: u16 = 0x88b5;

    /// A frame of our type, with this in it.
    pub(crate) fn frame(content: &[u8]) -> Vec<u8> {
        [&[0; 12], &OURS.to_be_bytes()[..], content].concat()
    }

    pub(crate) fn send(socket: &OwnedFd, frame: &[u8]) {
        let mut nothing = SendAncillaryBuffer::default();
        let sent = sendmsg(socket, &[IoSlice::new(frame)], &mut nothing, SendFlags::empty());
        assert_eq!(sent.unwrap(), frame.len());
    }

    fn received(socket: &OwnedFd) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 256];
        let length = rustix::net::recv(socket, bytes.as_mut_slice(), rustix::net::RecvFlags::empty())
            .ok()?
            .0;
        bytes.truncate(length);
        Some(bytes)
    }

    /// Accepts frames with this byte behind the header.
    fn with_first(byte: u8) -> [Instruction; 4] {
        let instruction = |code, when, otherwise, operand| Instruction {
            code,
            when,
            otherwise,
            operand,
        };
        [
            instruction(0x30, 0, 0, 14),          // ldb [14]
            instruction(0x15, 0, 1, byte.into()), // jeq
            instruction(0x06, 0, 0, 0x4_0000),    // ret
            instruction(0x06, 0, 0, 0),
        ]
    }

    #[test]
    fn what_passes_the_filter_is_received_and_nothing_else() {
        let (sender, receiver) = (open().unwrap(), open().unwrap());
        bind(&sender, LOOPBACK, 0).unwrap();
        bypass_queue(&sender).unwrap();
        attach_filter(&receiver, &with_first(7)).unwrap();
        ignore_outgoing(&receiver).unwrap();
        bind(&receiver, LOOPBACK, OURS).unwrap();
        for first in [6, 7, 8] {
            send(&sender, &frame(&[first, 1, 2]));
        }
        assert_eq!(received(&receiver).unwrap()[14..17], [7, 1, 2]);
        assert_eq!(received(&receiver), None);
        assert_eq!(
            statistics(&receiver).unwrap(),
            Statistics {
                passed: 1,
                dropped: 0
            }
        );
        assert_eq!(
            statistics(&receiver).unwrap(),
            Statistics::default(),
            "counted anew"
        );
    }

    #[test]
    fn a_locked_filter_stays() {
        let socket = open().unwrap();
        attach_filter(&socket, &with_first(7)).unwrap();
        attach_filter(&socket, &with_first(8)).unwrap();
        lock_filter(&socket).unwrap();
        let refused = attach_filter(&socket, &with_first(9)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_program_that_is_none_and_an_interface_that_is_none_are_errors() {
        let socket = open().unwrap();
        assert!(attach_filter(&socket, &[]).is_err());
        let endless = [Instruction {
            code: 0x05,
            when: 0,
            otherwise: 0,
            operand: u32::MAX,
        }];
        assert!(attach_filter(&socket, &endless).is_err());
        assert!(bind(&socket, u32::MAX, ALL).is_err());
        assert!(bind(&socket, 0x7fff_fff0, ALL).is_err());
        assert!(join(&socket, 0x7fff_fff0, Membership::Promiscuous).is_err());
    }

    #[test]
    fn more_frames_can_be_had_of_an_interface() {
        let socket = open().unwrap();
        for membership in [
            Membership::Multicast([1, 0, 94, 0, 0, 251]),
            Membership::AllMulticast,
        ] {
            join(&socket, LOOPBACK, membership).unwrap();
        }
    }
}
