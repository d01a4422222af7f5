//! The lab: a network of its own, with real servers in it, for the demo and for every test that needs a network.
//!
//! A lab is one network namespace and one process namespace. In it stand a bridge, dnsmasq, the servers to be
//! scanned (`Target`) and the appliances (`Machine`); one veth joins the bridge to the host, where the platform
//! listens. Labs are numbered, and any number of them run side by side: lab N is 198.18.N.0/24.
//!
//! What must stay true: a lab ends completely, however its owner ends. Its processes live in a process namespace
//! whose first process reads a pipe that the owner holds, so the kernel ends them with the owner; the network
//! namespace goes with them, and with that the veth. Only a directory can be left, and the next lab clears it.

mod claim;
mod dns;
mod elsewhere;
mod machine;
mod namespace;
mod process;
mod residue;
mod subnet;
mod targets;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

pub use self::claim::LabNumber;
pub use self::elsewhere::{Elsewhere, Leg, Neighbour, Router};
pub use self::machine::{Accel, Boot, Console, Disk, Image, Line, Machine, Qmp, StatusLine};
pub use self::process::Process;
pub use self::subnet::Subnet;
pub use self::targets::Target;

use self::claim::Claim;
use self::namespace::Namespace;

/// A running lab. Dropping it ends everything in it and asserts that nothing is left.
///
/// The fields are in the order in which they end.
#[derive(Debug)]
pub struct Lab {
    servers: Vec<Process>,
    targets: Vec<Target>,
    machines: AtomicU8,
    namespace: Namespace,
    dir: TempDir,
    subnet: Subnet,
    claim: Claim,
    ends: Ends,
}

/// When a lab ends.
#[derive(Debug, PartialEq, Eq)]
enum Ends {
    WithOwner,
    WhenTold,
}

impl Lab {
    /// Makes the network and starts these servers in it. Returns once each of them answers.
    pub fn start(targets: &[Target]) -> Result<Self> {
        let claim = Claim::take()?;
        let number = claim.number();
        residue::clear(&claim)
            .and_then(|()| residue::clear_all_dead())
            .context("clearing what dead labs left")?;
        let subnet = Subnet::of(number);
        let dir = tempfile::Builder::new()
            .prefix(&residue::dir_prefix(number))
            .tempdir_in(residue::DIRS)
            .with_context(|| format!("making the directory of lab {number} in {}", residue::DIRS))?;
        // Unprivileged servers reach their own directories below this one, and list nothing.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))?;

        let namespace = Namespace::make()?;
        namespace.bridge_to_host(number, subnet)?;
        let dns = dns::start(&namespace, subnet, targets, dir.path())?;
        let mut servers = targets::start(&namespace, subnet, targets, dir.path())?;
        servers.push(dns);
        Ok(Self {
            servers,
            targets: targets.to_vec(),
            machines: AtomicU8::new(0),
            namespace,
            dir,
            subnet,
            claim,
            ends: Ends::WithOwner,
        })
    }

    pub fn number(&self) -> LabNumber {
        self.claim.number()
    }

    pub fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// Where this lab keeps its files. Gone with the lab.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The address of a target of this lab.
    pub fn address(&self, target: Target) -> Ipv4Addr {
        self.subnet.host(target.seat())
    }

    /// The targets that run, in the order in which they were asked for.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// A number for a machine or disk, never used before in this lab.
    fn next_machine(&self) -> u8 {
        self.machines.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs `work` on a thread that stands in the lab's network: a socket made there is a socket of the lab.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.namespace.inside(work)
    }

    /// An address for somebody who is none of the others, and whom nobody has a reason to talk to.
    pub fn admit_stranger(&self) -> Result<Ipv4Addr> {
        let address = self.subnet.host(66);
        self.namespace.add_address(address)?;
        Ok(address)
    }

    /// The address of one more server, of those beside the targets.
    pub fn admit_server(&self, number: u8) -> Result<Ipv4Addr> {
        let address = self.subnet.host(SERVERS.saturating_add(number));
        self.namespace.add_address(address)?;
        Ok(address)
    }

    /// Frames that the lab could not hand to its machines, or its machines to it.
    pub fn dropped_frames(&self) -> Result<u64> {
        self.namespace.dropped_by_taps()
    }

    /// Starts a program in the lab. It ends with the lab at the latest.
    pub fn spawn(&self, name: &str, command: Command) -> Result<Process> {
        Process::start(&self.namespace, name, command, self.dir.path())
    }

    /// The interface on which everything is seen that passes between its machines, servers and the platform.
    pub fn bridge(&self) -> &'static str {
        namespace::BRIDGE
    }

    /// Starts a program in the lab, and waits until it answers at each of these.
    pub fn spawn_serving(&self, name: &str, command: Command, addresses: &[SocketAddr]) -> Result<Process> {
        let mut process = Process::start(&self.namespace, name, command, self.dir.path())?;
        for &address in addresses {
            process.wait_for_port(&self.namespace, address, START_DEADLINE)?;
        }
        Ok(process)
    }

    /// Starts a program in the host's network, and waits until the lab can connect to it at `address`.
    pub fn spawn_on_host(&self, name: &str, command: Command, address: SocketAddr) -> Result<Process> {
        let mut process = Process::start_on_host(&self.namespace, name, command, self.dir.path())?;
        process.wait_for_port(&self.namespace, address, START_DEADLINE)?;
        Ok(process)
    }

    /// The address that DHCP gave to this hardware address, once it did.
    pub fn leased(&self, mac: &str) -> Result<Option<Ipv4Addr>> {
        dns::leased(self.dir.path(), mac)
    }

    /// Lets the lab outlive this process, until somebody calls `end_left_running` with its number.
    pub fn leave_running(mut self) -> Result<LabNumber> {
        // A process of the lab takes over the writing end of the pipe, and the lock on the number.
        let mut keeper = Command::new("sleep");
        keeper
            .arg("infinity")
            .stdin(self.namespace.lifeline()?)
            .stdout(self.claim.lock()?)
            .stderr(Stdio::null());
        let keeper = self
            .namespace
            .spawn(keeper)
            .context("starting the process that keeps the lab")?;
        self.claim.name_holder(keeper.id())?;
        self.servers.drain(..).for_each(Process::leave_running);
        self.dir.disable_cleanup(true);
        self.ends = Ends::WhenTold;
        Ok(self.claim.number())
    }
}

/// Whether the lab that was left running under this number still runs.
pub fn is_left_running(number: LabNumber) -> Result<bool> {
    Ok(Claim::holder(number)?.is_some())
}

/// Ends a lab that was left running, and clears what it leaves. One that ended already is cleared only.
pub fn end_left_running(number: LabNumber) -> Result<()> {
    let ended = residue::end_holder(number);
    let claim = Claim::wait_for(number)?;
    ended
        .and_then(|()| residue::clear(&claim))
        .with_context(|| format!("ending lab {number}"))
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.ends == Ends::WhenTold {
            return;
        }
        self.namespace.end();
        self.servers.iter_mut().for_each(Process::reap);
        let mut left = residue::of(self.claim.number(), &self.namespace);
        if let Err(error) = fs::remove_dir_all(self.dir.path()) {
            left.push(format!("directory {} ({error})", self.dir.path().display()));
        }
        if !std::thread::panicking() {
            assert!(
                left.is_empty(),
                "lab {} left something behind: {}",
                self.claim.number(),
                left.join(", ")
            );
        }
    }
}

/// The platform's name in the lab's DNS.
pub const PLATFORM_NAME: &str = "platform.vedette.test";

/// The first seat of the servers beside the targets.
const SERVERS: u8 = 200;

/// How long a server may take until it answers.
const START_DEADLINE: Duration = Duration::from_secs(60);
