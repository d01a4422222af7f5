//! SSH as an auditor speaks it, as far as it is in the clear: the versions, the lists of algorithms, and the
//! host keys, which are shown before any key is agreed on. All of it is pure.
//!
//! [`packet`] writes and reads, `survey` is what is known and what to ask next, [`algorithm`] what to think
//! of it.

pub mod algorithm;
pub mod packet;
pub(crate) mod survey;
