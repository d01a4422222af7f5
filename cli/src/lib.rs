//! `vedette`, the operator's tool: it asks a platform's API, shows the answers, and waits for scans.
//!
//! It trusts one CA, the one given at login, and speaks TLS 1.3 alone; nothing turns that off. It keeps the login and,
//! for who has an owner key, the owner's folder (`owner`); it runs no other program.
//!
//! Start with `arguments` for what can be asked, then a file of `command` for how one thing is done.

#![forbid(unsafe_code)]

mod arguments;
mod armour;
mod choice;
mod command;
mod confirm;
mod delivery;
mod file;
mod granting;
mod login;
mod membership;
mod moment;
mod names;
mod owner;
mod password;
mod places;
mod platform;
mod sealing;
mod table;
mod validity;

pub use arguments::Arguments;
pub use command::{Outcome, run};
pub use delivery::Item;
pub use login::Login;
