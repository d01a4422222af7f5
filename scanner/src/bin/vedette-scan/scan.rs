//! One run of the engine: resolves names, prints what is found as it is found, and how far it is.

use std::{io, sync::Arc};

use tokio::sync::mpsc;
use vedette_protocol::{
    JobScope, Timestamp,
    finding::Transport,
    job::{Check, Checks},
    scope::Area,
    target::{PortSet, Ports},
};
use vedette_scanner::{Aids, Datagrams, Detour, Event, Reticent, Scan, Tell, recog::Recog, run_with};

use crate::{flags::What, output::Output, progress::Meter, resolve, subcommand::Ended};

/// What a subcommand looks for.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Each builds on the port scan.
    checks: Checks,
    /// The ports that it looks at unless told otherwise.
    ports: PortSet,
    /// The UDP ports that it was told to look at.
    udp: Option<PortSet>,
    /// What helps to recognise services.
    aids: Aids,
}

impl Asked {
    pub(crate) fn of(checks: &[Check], ports: PortSet) -> Self {
        Self {
            checks: checks.to_vec().try_into().expect("a list that is not empty"),
            ports,
            udp: None,
            aids: Aids::default(),
        }
    }

    /// With fingerprints that the operator brought, and over UDP as well.
    pub(crate) fn thorough(self, fingerprints: Recog) -> Self {
        let aids = Aids {
            fingerprints: Arc::new(fingerprints),
            datagrams: Datagrams::WhereAtHome,
        };
        Self { aids, ..self }
    }

    /// On these UDP ports as well.
    pub(crate) fn over_udp(self, udp: Option<PortSet>) -> Self {
        Self { udp, ..self }
    }

    /// The ports to look at, when these are named. Who names UDP ports alone means them alone.
    fn ports(&self, named: Option<&Ports>) -> Ports {
        let of = |over| named.and_then(|ports| ports.over(over)).cloned();
        let udp = [of(Transport::Udp), self.udp.clone()];
        let udp = PortSet::from_ports(udp.iter().flatten().flat_map(PortSet::iter));
        Ports::new(of(Transport::Tcp), udp).unwrap_or_else(|| self.ports.clone().into())
    }

    /// With the ports as a list in text.
    pub(crate) fn on(checks: &[Check], ports: &'static str) -> Self {
        Self::of(checks, ports.parse().expect("a literal list of ports"))
    }
}

/// Scans to the end.
pub(crate) fn scan(what: &What, asked: &Asked) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let names = resolve::names(what.targets.iter().chain(&what.exclude)).await?;
        let scope = JobScope {
            area: Area::new(&what.targets, &what.exclude, &names),
            ports: asked.ports(what.ports.as_ref()),
        };
        let hosts = scope.area.addresses().take(FEW + 1).count();
        let few = hosts.saturating_mul(scope.ports.count()) <= FEW;
        let named = what.ports.is_some() || asked.udp.is_some();
        let scan = Scan {
            scope,
            checks: asked.checks.clone(),
            now: Timestamp::now(),
            time: what.time,
            means: what.means(),
            bounds: what.bounds(),
            tell: if named && few {
                Tell::EveryPort
            } else {
                Tell::OpenPorts
            },
        };
        let mut output = Output::new(what.json, io::stdout().lock());
        let mut meter = Meter::new();
        let (tell, mut told) = mpsc::channel(EVENTS);
        let printing = async {
            while let Some(event) = told.recv().await {
                match event {
                    Event::Found(finding) => output.finding(finding)?,
                    Event::Progress(progress) => meter.show(progress),
                    Event::Detour(detour) => meter.say(&in_words(detour)),
                    Event::Hindered(why, count) => {
                        meter.say(&format!("{count} ports not known: {}", why.text()));
                    }
                    Event::Reticent(reticent) => meter.say(&silent_so_far(reticent)),
                }
            }
            Ok::<_, io::Error>(())
        };
        let (ended, printed) = tokio::join!(run_with(scan, asked.aids.clone(), tell), printing);
        meter.clear();
        let report = ended?;
        printed?;
        output.close(&report)?;
        Ok(report)
    });
    runtime.shutdown_background();
    ended
}

/// Why it is done differently.
fn in_words(detour: Detour) -> String {
    match detour {
        Detour::NotPermitted(errno) => format!(
            "no packet sockets ({}): ports are asked by connecting, which is slower; run it as root, or with CAP_NET_RAW and CAP_NET_ADMIN",
            io::Error::from_raw_os_error(errno)
        ),
        Detour::NotOnEthernet(hosts) => format!(
            "{hosts} {} not on an Ethernet of this machine: asked by connecting",
            if hosts == 1 { "host is" } else { "hosts are" }
        ),
    }
}

/// That hosts set the pace from here on.
fn silent_so_far(Reticent { hosts, ports }: Reticent) -> String {
    let count = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!(
        "silent so far: {} of {}; asked again at the pace at which the hosts tell of closed ones",
        count(ports, "UDP port"),
        count(hosts, "host")
    )
}

/// Of so few ports that were asked for by number each is told with its state; of more, the open ones.
const FEW: usize = 1024;
const EVENTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subcommand_builds_on_the_port_scan() {
        let asked = Asked::on(&[Check::Ports, Check::Tls], "443,8443");
        assert!(asked.checks.contains(Check::Ports));
        assert_eq!(asked.ports.len(), 2);
    }

    #[test]
    fn ports_of_both_transports_are_named_in_one_list_or_two() {
        let ports = |named: Option<&str>, udp: Option<&str>| {
            let udp = udp.map(|udp| udp.parse().unwrap());
            let asked = Asked::on(&[Check::Ports], "1-1024").over_udp(udp);
            let named = named.map(|named| named.parse().unwrap());
            asked.ports(named.as_ref()).to_string()
        };
        assert_eq!(ports(None, None), "1-1024");
        assert_eq!(ports(Some("22"), None), "22");
        assert_eq!(ports(Some("22,U:53"), None), "22,U:53");
        assert_eq!(ports(Some("U:53"), None), "U:53");
        assert_eq!(ports(Some("22,U:53"), Some("161")), "22,U:53,161");
        assert_eq!(ports(None, Some("161")), "U:161");
    }
}
