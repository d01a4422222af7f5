//! TLS as an auditor speaks it: questions made by hand, because libraries do not offer what ought to be
//! refused, and answers read as far as they are in the clear. All of it is pure.
//!
//! [`hello`] writes, [`flight`] reads, `ladder` asks again with less until nothing more is agreed on, and
//! `survey` is what is known in the end. [`handshake`] brings one to its end where only that shows a flaw. [`starttls`] is how other protocols get there.

pub(crate) mod endpoint;
pub mod flight;
pub mod grade;
pub mod group;
pub mod handshake;
pub mod hello;
pub(crate) mod ladder;
pub mod starttls;
pub mod suite;
pub(crate) mod survey;
