//! The engine: what is in scope is asked, and what it answers becomes findings.
//!
//! Three words: [`plan`] decides what to send (pure), `wire` sends it (the only I/O), [`interpret`] says
//! what the replies mean (pure). [`engine`] runs them over a whole scan and closes the books.
//! It knows no platform, resolves no name, listens nowhere and needs no privilege.
//!
//! [`login`] is how a worker that has a credential looks at a host from inside.
//! [`worker`] is the appliance's way to run it, `vedette-scan` the terminal's.
//! Read [`engine`] first. A new service is a file in `service/` and a line in [`service`]; a new check is
//! a file in `audit/` and a line in `audit`. Everything that reads a stranger's bytes is in [`parse`].
#![forbid(unsafe_code)]

mod application;
mod audit;
mod ber;
mod books;
pub mod callback;
pub mod causes;
pub mod certificate;
pub mod discover;
pub mod engine;
mod fingerprints;
pub mod identify;
pub mod interpret;
pub mod known;
pub mod login;
pub mod message;
pub mod packet;
pub mod parse;
pub mod payload;
pub mod plan;
pub mod probe;
pub mod recog;
pub mod reply;
pub mod service;
pub mod ssh;
pub mod template;
pub mod tls;
mod topology;
pub mod vendor;
pub mod web;
mod wire;
pub mod worker;
pub mod yaml;

pub use engine::{Aids, Datagrams, EngineError, Event, Scan, Tell, run, run_with};
pub use plan::Plan;
pub use wire::{AddressError, Bounds, Detour, Lent, Means, Reticent};
