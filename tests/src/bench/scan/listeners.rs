//! Real listeners on one host of the lab, spread over all ports.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};
use tokio::runtime::Runtime;

use crate::lab::Lab;

/// They accept, and hang up. Dropping closes them.
#[derive(Debug)]
pub(super) struct Listeners {
    ports: BTreeSet<u16>,
    _accepting: Runtime,
}

impl Listeners {
    pub(super) fn open(lab: &Lab, host: Ipv4Addr) -> Result<Self> {
        let ports: BTreeSet<u16> = (FIRST..=LAST).step_by(STEP).collect();
        let listeners = lab.inside(|| {
            let listen = |&port| {
                let listener = TcpListener::bind((host, port))?;
                listener.set_nonblocking(true)?;
                Ok(listener)
            };
            ports.iter().map(listen).collect::<std::io::Result<Vec<_>>>()
        })?;
        let listeners = listeners.with_context(|| format!("listening on {host} in the lab"))?;

        let accepting = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_io()
            .build()?;
        let _entered = accepting.enter();
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accepting.spawn(async move { while listener.accept().await.is_ok() {} });
        }
        drop(_entered);
        Ok(Self {
            ports,
            _accepting: accepting,
        })
    }

    pub(super) fn ports(&self) -> &BTreeSet<u16> {
        &self.ports
    }
}

/// From the first port to the last: 31 of them.
const FIRST: u16 = 1;
const LAST: u16 = 65_521;
const STEP: usize = 2184;
