//! The owner's commands as a user runs them, on a machine that reaches no platform: what is signed goes to files.
#![cfg(test)]

mod appliance;
mod copy;
mod credential;
mod desk;
mod grant;
mod key;
