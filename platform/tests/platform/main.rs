//! The platform as its guests meet it: the real program, on loopback, over its real TLS.
#![cfg(test)]

mod api;
mod appliance;
mod applications;
mod browser;
mod chromium;
mod dashboard;
mod granted;
mod house;
mod init;
mod keys;
mod kill;
mod link;
mod migration;
mod owner;
mod pools;
mod recorder;
mod removal;
mod repeated;
mod schedule;
mod sealing;
mod slow;
mod store;
mod tool;
mod work;
