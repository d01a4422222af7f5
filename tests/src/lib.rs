//! What the end-to-end tests and the demo stand on. Nothing here is part of the product.
//!
//! `lab` is the one fixture: a network of its own with real servers and QEMU machines in it. Read it first. Then
//! `platform`, `operator` and `appliance` are the three that meet there, each the real program; `road` is all of it.
//! `segment` is a smaller fixture, a cable between two networks, for what needs frames. `bench` measures the product's
//! figures with them.

#![forbid(unsafe_code)]

pub mod appliance;
pub mod bench;
pub mod captured;
pub mod collector;
pub mod doors;
pub mod gate;
pub mod image;
pub mod lab;
pub mod logins;
pub mod memory;
pub mod operator;
pub mod owner;
pub mod partition;
pub mod platform;
pub mod probes;
pub mod programs;
pub mod road;
pub mod scan;
pub mod segment;
pub mod servers;
pub mod stranger;
pub mod tap;
pub mod web;
pub mod wire;
