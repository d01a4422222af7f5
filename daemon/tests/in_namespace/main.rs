//! Parts of the keeper that need a kernel of their own: run in network namespaces, as root, as `make
//! test` has it.
#![cfg(test)]

mod boot;
mod filter;
mod grant;
mod kept;
mod platform;
mod socket;
mod wire;
