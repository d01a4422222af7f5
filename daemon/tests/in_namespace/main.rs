//! Parts of the keeper that need the kernel: run in network namespaces and on loop devices, as root, as `make
//! test` has it.
#![cfg(test)]

mod boot;
mod copy;
mod discovery;
mod filter;
mod frames;
mod grant;
mod kept;
mod platform;
mod socket;
mod state;
mod wire;
