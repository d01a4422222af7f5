//! Callbacks without a listener: a target that acts on an address of ours shows itself by the packet that arrives.
//!
//! Each injection names this machine's own address with a port of its own. Who acts on it sends a SYN or a datagram
//! there, which a packet socket sees; nothing of ours answers, and the kernel refuses the connection as it refuses any
//! to a closed port. [`ledger`] decides, pure: which port belongs to what, and whether a frame is a contact. [`watch`]
//! reads the frames, [`ports`] finds the ports.
//!
//! What must stay true: a contact is a frame from the target itself to a port that was given out, and nothing else; a
//! port is given out once, in no order that could be guessed; some never are, so that who comes to any port is told from
//! who was sent to one; no socket of ours ever listens. Where no packet socket is to be had, there is no [`Watch`],
//! and whoever needs one says so.

pub mod ledger;
mod ports;
mod watch;

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

pub use self::{
    ledger::{Contact, Ledger},
    watch::{Watch, WatchError},
};

/// The ledger of a scan, in the hands of all who give out ports and wait for contacts.
#[derive(Debug, Clone)]
pub struct Callbacks {
    desk: Arc<Desk>,
}

#[derive(Debug)]
struct Desk {
    ledger: Mutex<Ledger>,
    arrived: Notify,
}

impl Callbacks {
    /// Opens a ledger to all.
    pub fn new(ledger: Ledger) -> Self {
        Self {
            desk: Arc::new(Desk {
                ledger: Mutex::new(ledger),
                arrived: Notify::new(),
            }),
        }
    }

    /// An address of ours for one injection; none when all ports were given out.
    pub fn allot(&self) -> Option<SocketAddr> {
        self.with(Ledger::allot)
    }

    /// Whether a target comes to ports that it was not sent to: its contacts mean nothing.
    pub fn is_swept(&self) -> bool {
        self.with(|ledger| ledger.is_swept())
    }

    /// Takes in a frame that was seen.
    pub fn take(&self, frame: &[u8]) {
        if self.with(|ledger| ledger.take(frame)).is_some() {
            self.desk.arrived.notify_waiters();
        }
    }

    /// Who came to these ports: as soon as each has been come to, and at the latest after so long.
    pub async fn contacts(&self, ports: &[u16], patience: Duration) -> Vec<(u16, Contact)> {
        let deadline = Instant::now() + patience;
        loop {
            // From here on, so that nobody who comes while we look is missed.
            let mut arrived = pin!(self.desk.arrived.notified());
            arrived.as_mut().enable();
            let (contacts, all) = self.with(|ledger| {
                let contacts: Vec<_> = ports
                    .iter()
                    .flat_map(|port| ledger.contacts(*port).iter().map(|contact| (*port, *contact)))
                    .collect();
                let all = ports.iter().all(|port| !ledger.contacts(*port).is_empty());
                (contacts, all)
            });
            if all || timeout_at(deadline, arrived).await.is_err() {
                return contacts;
            }
        }
    }

    fn with<R>(&self, look: impl FnOnce(&mut Ledger) -> R) -> R {
        look(&mut self.desk.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Ends, Ethernet, Mac, Tcp, ethernet, ip};
    use std::net::{IpAddr, Ipv4Addr};

    const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const TARGET: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

    fn syn(to: u16) -> Vec<u8> {
        let ends = Ends::between(TARGET, OWN).unwrap();
        let packet = ends.packet(ip::TCP, 64, &Tcp::syn(40_000, to, 1).segment(ends, &[]));
        Ethernet::new(Mac([2; 6]), Mac([4; 6]), ethernet::IPV4).frame(&packet)
    }

    #[tokio::test]
    async fn who_waits_is_told_as_soon_as_all_have_come_and_else_when_time_is_up() {
        let callbacks = Callbacks::new(Ledger::new(OWN, vec![TARGET], 61_000..61_010));
        let first = callbacks.allot().unwrap().port();
        let second = callbacks.allot().unwrap().port();
        let ports = [first, second];
        let waiting = callbacks.contacts(&ports, Duration::from_secs(3600));
        let coming = async {
            callbacks.take(&syn(second));
            tokio::task::yield_now().await;
            callbacks.take(&syn(first));
        };
        let (contacts, ()) = tokio::join!(waiting, coming);
        assert_eq!(contacts.iter().map(|(port, _)| *port).collect::<Vec<_>>(), ports);
        let third = callbacks.allot().unwrap().port();
        let contacts = callbacks
            .contacts(&[first, third], Duration::from_millis(5))
            .await;
        assert_eq!(contacts.len(), 1);
        assert_eq!(contacts[0].0, first);
    }
}
