//! Safe, small wrappers of kernel calls: the only crate of the project with `unsafe`.
//!
//! It owns what rustix does not offer: device-mapper ioctls, inherited descriptors, the kernel's
//! keyring, memory that is locked and wiped or secret to the kernel itself, packet sockets and their rings, what the kernel counts of a TCP
//! connection. One kernel
//! call per function, slices and `OwnedFd` at the border, no policy:
//! what to map, lock or inherit is for the caller to know.

pub mod dm;
pub mod inherit;
pub mod keyring;
pub mod memory;
pub mod packet;
pub mod secretmem;
pub mod tcp;
