//! `vedette`, the operator's tool: it asks a platform's API, shows the answers, and waits for scans.
//!
//! It trusts one CA, the one given at login, and speaks TLS 1.3 alone; nothing turns that off. It keeps no state
//! but the login, and runs no other program.
//!
//! Start with `arguments` for what can be asked, then a file of `command` for how one thing is done.

#![forbid(unsafe_code)]

mod arguments;
mod choice;
mod command;
mod login;
mod password;
mod platform;
mod table;
mod validity;

pub use arguments::Arguments;
pub use command::{Outcome, run};
pub use login::Login;
