//! The keeper's socket: a thread for each connection, one keeper behind them all.

use std::{
    io,
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::{info, warn};
use vedette_protocol::{
    FrameError,
    keeper::{KeeperAnswer, KeeperRequest, Refusal, Unfit},
    worker::{ScopeAnswer, ScopeRefusal, ScopeRequest},
};

use super::{Granted, Keeper, Reply, peer::Peer, vault::Vault};
use crate::{
    conversation::{Conversation, FRAME_LIMIT, Waited},
    journal::chain,
};

/// More connections than the link and the workers can have.
const CONNECTIONS: usize = 24;

/// Enough for the deepest message; all of it is locked memory.
const STACK: usize = 512 * 1024;

/// Who answers.
#[derive(Debug)]
pub enum Desk {
    /// The keeper.
    Open(Box<Mutex<Keeper>>),
    /// Nobody: the appliance lacks what it must have, and says so to whoever asks.
    Closed(Unfit),
}

/// Serves until the machine ends.
///
/// # Errors
/// When connections cannot be accepted any more.
pub fn serve(listener: &UnixListener, desk: Desk) -> io::Result<()> {
    let desk = Arc::new(desk);
    let connections = Arc::new(AtomicUsize::new(0));
    loop {
        let socket = match listener.accept() {
            Ok((socket, _)) => socket,
            // The peer gave up before its turn.
            Err(error) if PASSING.contains(&error.kind()) => continue,
            Err(error) => return Err(error),
        };
        let seat = Seat::take(&connections);
        let (Some(seat), Ok(Some(peer))) = (seat, Peer::of(&socket)) else {
            continue;
        };
        let desk = desk.clone();
        let spawned = thread::Builder::new().stack_size(STACK).spawn(move || {
            if let Err(error) = desk.speak(peer, socket) {
                info!(?peer, %error, "conversation ended");
            }
            drop(seat);
        });
        if let Err(error) = spawned {
            warn!(%error, "no thread for a connection");
        }
    }
}

impl Desk {
    fn speak(&self, peer: Peer, socket: UnixStream) -> Result<(), FrameError> {
        match peer {
            Peer::Link => self.speak_with_link(Conversation::new(socket)),
            Peer::Vault => self.speak_with_vault(socket),
            Peer::Worker(uid) => self.speak_with_worker(Conversation::new(socket), uid),
        }
    }

    /// The vault is not answered but asked, when there is something to ask. There is one.
    fn speak_with_vault(&self, socket: UnixStream) -> Result<(), FrameError> {
        if let Self::Open(keeper) = self {
            let mut keeper = lock(keeper);
            if keeper.vault.as_ref().is_none_or(Vault::is_gone) {
                keeper.vault = Some(Vault::new(socket));
            } else {
                warn!("a second vault was turned away");
            }
        }
        Ok(())
    }

    fn speak_with_link(&self, mut conversation: Conversation) -> Result<(), FrameError> {
        loop {
            conversation.wait(None)?;
            let request: KeeperRequest = conversation.receive(FRAME_LIMIT)?;
            let reply = match self {
                Self::Open(keeper) => lock(keeper).answer(request),
                Self::Closed(unfit) => Reply::from(KeeperAnswer::Refused(Refusal::Unfit(unfit.clone()))),
            };
            match reply.descriptor {
                Some(descriptor) => {
                    conversation.send_with_descriptor(&reply.answer, descriptor.as_fd(), FRAME_LIMIT)?;
                }
                None => conversation.send(&reply.answer, FRAME_LIMIT)?,
            }
        }
    }

    fn speak_with_worker(&self, mut conversation: Conversation, uid: u32) -> Result<(), FrameError> {
        let request: ScopeRequest = conversation.receive(FRAME_LIMIT)?;
        let Self::Open(keeper) = self else {
            return conversation.send(&ScopeAnswer::Refused(ScopeRefusal::NotServing), FRAME_LIMIT);
        };
        let granted = lock(keeper).grant(uid, &request);
        let Granted {
            job,
            scope,
            rate,
            life,
            vault,
            adapters,
        } = match granted {
            Ok(granted) => granted,
            Err(refusal) => {
                warn!(uid, %refusal, "worker refused");
                return conversation.send(&ScopeAnswer::Refused(refusal), FRAME_LIMIT);
            }
        };
        let grant = Held { keeper, uid };
        let job = Box::new(job);
        let count = u8::try_from(adapters.len()).unwrap_or(u8::MAX);
        let answer = ScopeAnswer::Granted {
            job,
            scope,
            rate,
            adapters: count,
        };
        match vault {
            Some(line) => conversation.send_with_descriptor(&answer, line.as_fd(), FRAME_LIMIT)?,
            None => conversation.send(&answer, FRAME_LIMIT)?,
        }
        for (adapter, socket) in adapters {
            conversation.send_with_descriptor(&adapter, socket.as_fd(), FRAME_LIMIT)?;
        }
        // Nothing more is said: what comes now is the end of the connection, or of the job.
        let end = Instant::now() + life;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || conversation.wait(Some(LOOK.min(left)))? == Waited::Readable {
                break;
            }
            if let Err(failure) = lock(keeper).follow_machine() {
                let error = chain(&failure);
                warn!(uid, error, "the packet filter failed; the worker's grant ends");
                break;
            }
        }
        drop(grant);
        Ok(())
    }
}

/// A worker's grant, which ends with its conversation however that ends.
struct Held<'a> {
    keeper: &'a Mutex<Keeper>,
    uid: u32,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        lock(self.keeper).revoke(self.uid);
    }
}

/// A place among the connections.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(connections: &Arc<AtomicUsize>) -> Option<Self> {
        let seat = Self(connections.clone());
        (seat.0.fetch_add(1, Ordering::SeqCst) < CONNECTIONS).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A panic ends the whole process in the image; elsewhere the keeper goes on with what is true.
fn lock(keeper: &Mutex<Keeper>) -> MutexGuard<'_, Keeper> {
    keeper.lock().unwrap_or_else(PoisonError::into_inner)
}

const PASSING: [io::ErrorKind; 2] = [io::ErrorKind::ConnectionAborted, io::ErrorKind::Interrupted];

/// How often an interface is looked for that has come meanwhile.
const LOOK: Duration = Duration::from_secs(1);

/// The longest that a grant is held open, whatever the job says.
pub(super) const GRANT_LIMIT: Duration = Duration::from_secs(24 * 3600);
