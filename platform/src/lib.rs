//! The platform: accounts, activation, escrow of key shares, jobs, findings, API and dashboard.
//!
//! It owns what appliances must never lose and what their operators see. It cannot read a credential,
//! and it scans nothing itself. Appliances and platform meet in `vedette_protocol` only.
//!
//! Read [`command`] for what it can be told, [`serve`] for how it runs, [`link`] for what appliances
//! may ask, [`api`] for what tools may, [`store`] for what is kept, and [`escrow`] for the one thing
//! that is destroyed.
#![forbid(unsafe_code)]

pub mod api;
pub mod ca;
pub mod command;
pub mod dashboard;
pub mod desk;
pub mod directory;
pub mod dispatch;
pub mod escrow;
pub mod first_login;
pub mod init;
pub mod keystore;
pub mod limits;
pub mod link;
pub mod listener;
pub mod login;
pub mod origin;
pub mod ownership;
pub mod password;
pub mod pins;
pub mod platform;
pub mod removal;
pub mod renewal;
mod schedule;
pub mod serve;
pub mod settings;
pub mod split;
pub mod store;
pub mod tls;
pub mod token;
pub mod web;
