//! The image: what builds it, and the first program that runs in it.
//!
//! `vedette-image` turns a manifest, a lock of Debian packages and our programs into a disk image that is the same
//! each time; `vedette-init` is the init of its initramfs. Nothing of a package is run to build it, and nothing gets
//! into the root that the manifest does not name. Read `build.rs` first, for the appliance's side `init.rs`.

#![forbid(unsafe_code)]

mod apt;
pub mod build;
mod cache;
mod disk;
mod elf;
mod filesystem;
pub mod flash;
pub mod init;
mod initramfs;
mod kernel;
mod lock;
pub mod manifest;
pub mod network;
mod programs;
mod report;
mod root;
mod signing;
mod tool;
mod uki;
mod unpacked;
