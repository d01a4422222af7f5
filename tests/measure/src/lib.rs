//! What `vedette-bench` has measured in programs that are optimised as the product is: one piece of it at a time.
//!
//! A program prints what it measured as one object in JSON; what is made of it is the bench's.
#![forbid(unsafe_code)]

pub mod engine;
pub mod files;
pub mod login;
pub mod opens;
mod pace;
pub mod visit;
