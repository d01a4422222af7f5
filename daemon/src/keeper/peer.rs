//! Who is at the other end of a connection, by the kernel's word (SO_PEERCRED, unix(7)).

use std::{io, ops::RangeInclusive, os::unix::net::UnixStream};

use rustix::net::sockopt::socket_peercred;

/// The user of vedetted.
const LINK_UID: u32 = 900;

/// The user of the vault.
const VAULT_UID: u32 = 902;

/// The users that systemd makes up, one for each worker.
const WORKER_UIDS: RangeInclusive<u32> = 61_184..=65_519;

/// Somebody the keeper speaks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// vedetted.
    Link,
    /// The vault.
    Vault,
    /// The worker of one job, by its uid.
    Worker(u32),
}

impl Peer {
    /// Who connected; none if it is anybody else.
    pub fn of(socket: &UnixStream) -> io::Result<Option<Self>> {
        Ok(Self::by_uid(socket_peercred(socket)?.uid.as_raw()))
    }

    fn by_uid(uid: u32) -> Option<Self> {
        if uid == LINK_UID {
            Some(Self::Link)
        } else if uid == VAULT_UID {
            Some(Self::Vault)
        } else {
            WORKER_UIDS.contains(&uid).then_some(Self::Worker(uid))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_is_spoken_with() {
        assert_eq!(Peer::by_uid(900), Some(Peer::Link));
        assert_eq!(Peer::by_uid(902), Some(Peer::Vault));
        assert_eq!(Peer::by_uid(61_184), Some(Peer::Worker(61_184)));
        assert_eq!(Peer::by_uid(65_519), Some(Peer::Worker(65_519)));
        for uid in [0, 899, 901, 903, 998, 61_183, 65_520, 65_534, u32::MAX] {
            assert_eq!(Peer::by_uid(uid), None);
        }
    }
}
