//! Real servers that let somebody in who proves who they are: one file for each program. They listen on loopback, of
//! the machine or of a lab, wherever the thread that starts them stands.

mod application;
mod nginx;
mod postgres;
mod server;
mod snmpd;
mod sshd;

pub use self::application::Application;
pub use self::nginx::{BASIC, BEARER, COOKIE, Nginx, clients_of};
pub use self::postgres::{Postgres, programs as postgres_programs};
pub use self::server::{Server, as_nobody, certify, free_port, give};
pub use self::snmpd::Agent;
pub use self::sshd::LoginHost;

/// The account that each of them has.
pub const USER: &str = "scanner";
