//! The programs of the appliance: vedetted, vedette-keeper, vedette-vault, vedette-console.
//!
//! Each is a `main` over the module of its name. The keeper ([`keeper`]) holds keys, volumes and filters;
//! the vault ([`vault`]) opens credentials;
//! vedetted ([`link`]) moves bytes between keeper, platform and workers and holds no key; the console
//! shows the status file. They meet in [`vedette_protocol`] and in [`conversation`].
#![forbid(unsafe_code)]

pub mod console;
pub mod conversation;
pub mod image;
pub mod journal;
pub mod keeper;
pub mod link;
pub mod notify;
pub mod vault;
