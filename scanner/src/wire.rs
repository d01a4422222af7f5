//! The only I/O of this crate towards the network: sends probes, brings replies, decides nothing.
//!
//! Each connect goes through [`gate`], which asks the scope again. Each exchange has a deadline and a bound
//! on what is read. What must stay true: no other file of this crate connects, and nothing here binds,
//! listens or resolves a name.

mod gate;
mod pace;
mod sweep;
mod talk;
mod tls;

use std::{net::SocketAddr, ops::ControlFlow, sync::Arc, time::Instant};

use vedette_protocol::Scope;

pub use self::{pace::Bounds, sweep::Hindrance};
pub(crate) use self::{
    sweep::{Answer, Toll},
    talk::Postage,
};
use crate::{probe::Probe, reply::Reply};

/// The way to the endpoints of one scope.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    gate: gate::Gate,
    postage: Arc<Postage>,
}

/// The network could not be used at all.
#[derive(Debug, thiserror::Error)]
#[error("opening sockets to scan with")]
pub struct WireError(#[source] std::io::Error);

impl Wire {
    pub(crate) fn new(scope: Arc<Scope>) -> Self {
        Self {
            gate: gate::Gate::new(scope),
            postage: Arc::default(),
        }
    }

    /// Asks each endpoint whether it is open; blocks. See [`sweep::sweep`].
    pub(crate) fn sweep(
        &self,
        endpoints: impl Iterator<Item = SocketAddr>,
        bounds: Bounds,
        deadline: Instant,
        tell: impl FnMut(Vec<(SocketAddr, Answer)>) -> ControlFlow<()>,
    ) -> Result<Toll, WireError> {
        sweep::sweep(&self.gate, endpoints, bounds, deadline, tell).map_err(|errno| WireError(errno.into()))
    }

    /// Sends one probe and waits for its reply, at most [`talk::LONGEST`].
    pub(crate) async fn send(&self, probe: &Probe) -> Reply {
        talk::talk(&self.gate, probe, &self.postage).await
    }

    /// What all exchanges so far cost.
    pub(crate) fn postage(&self) -> &Postage {
        &self.postage
    }
}
