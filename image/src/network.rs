//! What systemd-networkd must not have: the packet filter.
//!
//! It needs CAP_NET_ADMIN for addresses and routes, and the same capability opens netfilter. So it starts under a
//! seccomp filter, which it cannot shed, that refuses netlink sockets of that one protocol. Its unit refuses io_uring,
//! which opens sockets unseen by such a filter, and other system call tables.

use std::{collections::BTreeMap, convert::Infallible, io, os::unix::process::CommandExt, process::Command};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

const NETWORKD: &str = "/usr/lib/systemd/systemd-networkd";

/// socket(2) of x86-64, `asm/unistd_64.h`.
const SOCKET: i64 = 41;
/// `linux/socket.h`, `linux/netlink.h`.
const AF_NETLINK: u64 = 16;
const NETLINK_NETFILTER: u64 = 12;
const EPERM: u32 = 1;

/// Why networkd was not started.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("refusing netfilter to this process")]
    Filter(#[from] seccompiler::Error),
    #[error("starting {NETWORKD}")]
    Start(#[source] io::Error),
}

/// Becomes networkd.
pub fn become_networkd() -> Result<Infallible, NetworkError> {
    forbid_netfilter()?;
    Err(NetworkError::Start(Command::new(NETWORKD).exec()))
}

/// From here on this thread, and what it executes, opens no netfilter socket.
fn forbid_netfilter() -> Result<(), seccompiler::Error> {
    let rule = SeccompRule::new(vec![
        SeccompCondition::new(0, Dword, Eq, AF_NETLINK)?,
        SeccompCondition::new(2, Dword, Eq, NETLINK_NETFILTER)?,
    ])?;
    let filter = SeccompFilter::new(
        BTreeMap::from([(SOCKET, vec![rule])]),
        SeccompAction::Allow,
        SeccompAction::Errno(EPERM),
        TargetArch::x86_64,
    )?;
    apply_filter(&BpfProgram::try_from(filter)?)
}

#[cfg(test)]
mod tests {
    use rustix::{
        io::Errno,
        net::{AddressFamily, SocketType, netlink, socket},
    };

    use super::*;

    #[test]
    fn routes_stay_and_the_filter_goes() {
        // NETLINK_ROUTE is protocol 0, which rustix writes as none.
        let open = |protocol| socket(AddressFamily::NETLINK, SocketType::RAW, protocol).map(drop);
        let tried = std::thread::spawn(move || {
            let before = open(Some(netlink::NETFILTER));
            forbid_netfilter().unwrap();
            (before, open(Some(netlink::NETFILTER)), open(None))
        });
        // A kernel without netfilter refuses the first one too, for another reason.
        let (before, after, routes) = tried.join().unwrap();
        assert!(matches!(before, Ok(()) | Err(Errno::PROTONOSUPPORT)));
        assert_eq!((after, routes), (Err(Errno::PERM), Ok(())));
    }
}
