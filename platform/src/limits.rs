//! What a guest may take up, before and after it has said who it is.

use std::time::Duration;

/// The bounds of one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; each idle one costs about 30 KiB. Who comes later waits in the kernel's queue.
    pub connections: usize,
    /// Connections at a time from one [`Origin`](crate::origin::Origin). Who comes later is told so.
    pub connections_of_origin: usize,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time for a request's head; also how long a kept-alive connection may be silent between requests.
    pub head: Duration,
    /// Time for a request's body, from the end of its head.
    pub body: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 50_000,
            connections_of_origin: 1_000,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(75),
            body: Duration::from_secs(15),
        }
    }
}
