//! The raw scanner over real wires: two network namespaces for each test, joined by a veth pair, Linux on both ends.
#![cfg(test)]

mod hostile;
mod states;
mod udp;
mod wire;
