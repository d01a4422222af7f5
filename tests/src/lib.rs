//! What the end-to-end tests and the demo stand on. Nothing here is part of the product.
//!
//! `lab` is the one fixture: a network of its own with real servers in it. Read it first.

#![forbid(unsafe_code)]

pub mod lab;
pub mod memory;
pub mod wire;
