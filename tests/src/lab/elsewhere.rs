//! A second network, joined to the lab by nothing but what has a leg in both.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::dns;
use super::namespace::{BRIDGE as NEAR_BRIDGE, Namespace};
use super::process::Process;
use super::{Lab, Subnet};

/// A host in a network of its own, which gives out addresses there. It knows no router until it is told of one.
///
/// The fields are in the order in which they end.
#[derive(Debug)]
pub struct Elsewhere {
    dhcp: Process,
    namespace: Namespace,
    subnet: Subnet,
    dir: PathBuf,
}

/// An interface for a machine in that network.
#[derive(Debug)]
pub struct Leg {
    /// Its tap, in the lab's namespace, where machines run.
    pub tap: String,
    pub mac: String,
}

/// A machine that routes between both networks, as an appliance must not.
#[derive(Debug)]
pub struct Router {
    _namespace: Namespace,
    pub near: Neighbour,
    pub far: Neighbour,
}

/// How a machine is known on a network.
#[derive(Debug, Clone)]
pub struct Neighbour {
    pub address: Ipv4Addr,
    pub mac: String,
}

impl Elsewhere {
    /// Makes the network.
    pub fn beside(lab: &Lab) -> Result<Self> {
        let subnet = lab.subnet();
        let dir = lab.dir().join("elsewhere");
        fs::create_dir(&dir).with_context(|| format!("making {}", dir.display()))?;

        lab.namespace.add_bridge(BRIDGE)?;
        let namespace = Namespace::make()?;
        let host = Neighbour {
            address: subnet.elsewhere(HOST),
            mac: mac(lab, lab.next_machine()),
        };
        join(lab, &namespace, BRIDGE, LINK, &host)?;

        let mut dnsmasq = Command::new("dnsmasq");
        dnsmasq
            .args([
                "--keep-in-foreground",
                "--log-facility=-",
                "--conf-file=/dev/null",
                "--user=nobody",
            ])
            .args([
                "--port=0",
                "--bind-interfaces",
                "--dhcp-authoritative",
                "--no-ping",
                "--log-dhcp",
            ])
            .args(["--dhcp-option=option:router", "--dhcp-option=option:dns-server"])
            .arg(format!("--interface={LINK}"))
            .arg(format!("--pid-file={}", dir.join("dnsmasq.pid").display()))
            .arg(format!("--dhcp-leasefile={}", dir.join(dns::LEASES).display()))
            .arg(format!(
                "--dhcp-range={},{},255.255.255.0,1h",
                subnet.elsewhere(100),
                subnet.elsewhere(199)
            ));
        let dhcp = Process::start(&namespace, "dnsmasq", dnsmasq, &dir)?;
        Ok(Self {
            dhcp,
            namespace,
            subnet,
            dir,
        })
    }

    /// The address of its host.
    pub fn host(&self) -> Ipv4Addr {
        self.subnet.elsewhere(HOST)
    }

    /// A new interface in it.
    pub fn leg(&self, lab: &Lab) -> Result<Leg> {
        let turn = lab.next_machine();
        let tap = format!("tap{turn}");
        lab.namespace.add_tap(&tap, BRIDGE)?;
        Ok(Leg {
            tap,
            mac: mac(lab, turn),
        })
    }

    /// Waits until a leg has an address.
    pub fn wait_for_lease(&self, leg: &Leg, deadline: Duration) -> Result<Neighbour> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(address) = dns::leased(&self.dir, &leg.mac)? {
                return Ok(Neighbour {
                    address,
                    mac: leg.mac.clone(),
                });
            }
            if Instant::now() > end {
                bail!("{leg:?} has no address after {deadline:?}:\n{}", self.dhcp.said());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Tells both sides' hosts that the way to the other one is through this neighbour.
    pub fn route(&self, lab: &Lab, near: &Neighbour, far: &Neighbour) -> Result<()> {
        let route = |to: Ipv4Addr, via: &Neighbour, namespace: &Namespace| {
            let via = via.address.to_string();
            namespace.ip(&["route", "replace", &format!("{to}/24"), "via", &via])
        };
        route(self.subnet.elsewhere(0), near, &lab.namespace)?;
        route(lab.subnet().host(0), far, &self.namespace)
    }

    /// Runs `work` on a thread that stands in that network.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.namespace.inside(work)
    }
}

impl Router {
    /// Puts one between the lab and the other network.
    pub fn between(lab: &Lab, elsewhere: &Elsewhere) -> Result<Self> {
        let namespace = Namespace::make()?;
        let leg = |bridge: &str, link: &str, address: Ipv4Addr| {
            let mac = mac(lab, lab.next_machine());
            let leg = Neighbour { address, mac };
            join(lab, &namespace, bridge, link, &leg).map(|()| leg)
        };
        let near = leg(NEAR_BRIDGE, "near", lab.subnet().host(ROUTER))?;
        let far = leg(BRIDGE, "far", elsewhere.subnet.elsewhere(ROUTER))?;
        namespace
            .inside(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1"))?
            .context("letting the router route")?;
        Ok(Self {
            _namespace: namespace,
            near,
            far,
        })
    }
}

/// A cable from one of the lab's bridges to a namespace, and who sits at its end.
fn join(lab: &Lab, namespace: &Namespace, bridge: &str, link: &str, who: &Neighbour) -> Result<()> {
    let (plug, of) = (format!("plug{}", lab.next_machine()), namespace.id().to_string());
    let end = ["name", link, "address", &who.mac, "netns", &of];
    lab.namespace
        .ip(&[&["link", "add", &plug, "type", "veth", "peer"], end.as_slice()].concat())?;
    lab.namespace
        .ip(&["link", "set", &plug, "master", bridge, "up"])?;
    namespace.ip(&["address", "add", &format!("{}/24", who.address), "dev", link])?;
    namespace.ip(&["link", "set", link, "up"])
}

fn mac(lab: &Lab, turn: u8) -> String {
    format!("52:54:00:77:{:02x}:{turn:02x}", lab.number().byte())
}

const BRIDGE: &str = "br1";
const LINK: &str = "far";
const HOST: u8 = 2;
const ROUTER: u8 = 67;
