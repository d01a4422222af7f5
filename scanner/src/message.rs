//! What hosts tell of themselves and of each other in datagrams and frames: the parsers and builders that
//! discovery and topology use. Pure; one protocol a file.
//!
//! All of it is a stranger's bytes. What must stay true: each parser reads a bounded number of entries of a
//! bounded input, gives up rather than guess, and hands out text as it came, so that whoever tells it on
//! cuts it to a [`Label`](vedette_protocol::finding::Label).

pub mod cdp;
pub mod dhcp;
pub mod dns;
pub mod lldp;
pub mod netbios;
pub mod snmp;
