//! The only I/O of this crate towards the network: sends probes, brings replies, decides nothing.
//!
//! Each connect goes through [`gate`], which asks the scope again, and so does each host that frames are sent to
//! ([`raw`]). Each exchange has a deadline and a bound on what is read. What must stay true: no other file of this
//! crate connects, nothing here resolves a name, and the only ports that are bound are deaf ones (`raw/deaf.rs`).

mod datagrams;
mod doubts;
mod gate;
mod handshake;
mod ledger;
mod loss;
mod pace;
mod raw;
mod sweep;
mod talk;
mod tls;
mod upgrade;

use std::{
    net::{IpAddr, SocketAddr},
    ops::ControlFlow,
    sync::Arc,
    time::Instant,
};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;
use vedette_protocol::{Scope, finding::Transport};

pub use self::raw::{AddressError, Lent};
use self::raw::{Each, Field, RawError, Sockets};
pub use self::{pace::Bounds, sweep::Hindrance};
pub(crate) use self::{
    sweep::{Answer, Toll},
    talk::Postage,
};
use crate::{
    engine::Tell,
    plan::Plan,
    probe::{Probe, Wrap},
    reply::{End, Reply},
};

/// The way to the endpoints of one scope.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    gate: gate::Gate,
    postage: Arc<Postage>,
}

/// An open connection.
#[derive(Debug)]
pub(crate) enum Line {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The network could not be used at all.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// There are no sockets to be had.
    #[error("opening sockets to scan with")]
    Sockets(#[source] std::io::Error),
    /// The address to scan from is somebody else's.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// By which means ports are asked.
#[derive(Debug, Clone)]
pub enum Means {
    /// By connecting, as any program may.
    Connect,
    /// By frames of our own, which takes CAP_NET_RAW and, for filters, CAP_NET_ADMIN; hosts that no frame on Ethernet reaches by connecting.
    Raw {
        /// An address that is ours alone, which is answered for as long as the scan runs; none: the kernel's.
        source: Option<IpAddr>,
    },
    /// By frames through adapters that were lent, which takes nothing else; hosts that they do not lead to by connecting.
    Lent(Arc<[Lent]>),
}

/// Why ports are asked by connecting although frames were wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detour {
    /// This process may not open packet sockets, by this error of the kernel.
    NotPermitted(i32),
    /// So many hosts are not reached by frames on Ethernet.
    NotOnEthernet(u64),
}

/// How much a UDP scan waits for: hosts that refuse so seldom that they set its pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reticent {
    /// How many hosts.
    pub hosts: u64,
    /// How many of their ports are silent so far.
    pub ports: u64,
}

/// Answers of the port scan, as they come.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// One by one.
    pub(crate) answers: Vec<(SocketAddr, Answer)>,
    /// So many ports of a host that are in one state, and not told one by one.
    pub(crate) counts: Vec<(IpAddr, Answer, u64)>,
    /// How many endpoints were come to since the last batch.
    pub(crate) asked: u64,
    /// Hosts that were found to accept on every port.
    pub(crate) accepting_everything: Vec<IpAddr>,
    /// How many of the answers are of endpoints that were connected to.
    pub(crate) by_connect: u64,
    /// The means changed.
    pub(crate) detour: Option<Detour>,
    /// From here on, hosts set the pace.
    pub(crate) reticent: Option<Reticent>,
}

impl Batch {
    fn of(answers: Vec<(SocketAddr, Answer)>) -> Self {
        Self {
            asked: answers.len() as u64,
            by_connect: answers.len() as u64,
            answers,
            ..Self::default()
        }
    }

    fn is_empty(&self) -> bool {
        self.answers.is_empty()
            && self.counts.is_empty()
            && self.accepting_everything.is_empty()
            && self.asked == 0
            && self.detour.is_none()
            && self.reticent.is_none()
    }
}

/// How the port scan is to go.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) means: Means,
    pub(crate) bounds: Bounds,
    pub(crate) tell: Tell,
    pub(crate) deadline: Instant,
}

impl Wire {
    pub(crate) fn new(scope: Arc<Scope>) -> Self {
        Self {
            gate: gate::Gate::new(scope),
            postage: Arc::default(),
        }
    }

    /// Asks each endpoint of the plan whether it is open; blocks. By frames where that is wanted and can be had,
    /// else by connecting, which is told.
    pub(crate) fn sweep(
        &self,
        plan: &Plan,
        over: Transport,
        asking: &Asking,
        tell: &mut dyn FnMut(Batch) -> ControlFlow<()>,
    ) -> Result<Toll, WireError> {
        let (source, sockets) = match &asking.means {
            Means::Connect => (None, None),
            Means::Raw { source } => (*source, Some(Sockets::Own)),
            Means::Lent(lent) => (None, Some(Sockets::Lent(lent))),
        };
        let each = match asking.tell {
            Tell::OpenPorts => Each::Open,
            Tell::EveryPort => Each::Every,
        };
        let field = Field {
            addresses: plan.addresses(),
            ports: plan.ports(),
            rate: asking.bounds.rate,
            source,
            each,
            deadline: asking.deadline,
        };
        let Some(sockets) = sockets else {
            return self.connect_to(plan.addresses(), plan, over, field, asking, tell);
        };
        let (toll, elsewhere, detour) = match raw::sweep(&self.gate, field, sockets, over, tell) {
            Ok(swept) => {
                let hosts = swept.elsewhere.len() as u64;
                (swept.toll, swept.elsewhere, Detour::NotOnEthernet(hosts))
            }
            Err(RawError::NotPermitted(error)) => {
                let errno = error.raw_os_error().unwrap_or_default();
                (
                    Toll::default(),
                    plan.addresses().to_vec(),
                    Detour::NotPermitted(errno),
                )
            }
            Err(RawError::Address(error)) => return Err(WireError::Address(error)),
            Err(RawError::Kernel { source, .. }) => return Err(WireError::Sockets(source)),
        };
        let told = |detour| Batch {
            detour: Some(detour),
            ..Batch::default()
        };
        if elsewhere.is_empty() || tell(told(detour)).is_break() {
            return Ok(toll);
        }
        Ok(toll.and(self.connect_to(&elsewhere, plan, over, field, asking, tell)?))
    }

    /// Asks some of the hosts by connecting. See [`sweep::sweep`] and [`datagrams::sweep`].
    fn connect_to(
        &self,
        hosts: &[IpAddr],
        plan: &Plan,
        over: Transport,
        field: Field<'_>,
        asking: &Asking,
        tell: &mut dyn FnMut(Batch) -> ControlFlow<()>,
    ) -> Result<Toll, WireError> {
        match over {
            Transport::Tcp => self.connect_tcp(plan.endpoints_of(hosts), asking, tell),
            Transport::Udp => {
                let field = Field {
                    addresses: hosts,
                    ..field
                };
                let toll = datagrams::sweep(&self.gate, field, asking.bounds, tell);
                toll.map_err(|errno| WireError::Sockets(errno.into()))
            }
        }
    }

    fn connect_tcp(
        &self,
        endpoints: impl Iterator<Item = SocketAddr>,
        asking: &Asking,
        tell: &mut dyn FnMut(Batch) -> ControlFlow<()>,
    ) -> Result<Toll, WireError> {
        let tell = |answers| tell(Batch::of(answers));
        let toll = sweep::sweep(&self.gate, endpoints, asking.bounds, asking.deadline, tell);
        toll.map_err(|errno| WireError::Sockets(errno.into()))
    }

    /// Sends one probe and waits for its reply, at most [`talk::LONGEST`].
    pub(crate) async fn send(&self, probe: &Probe) -> Reply {
        talk::talk(&self.gate, probe, &self.postage).await
    }

    /// Says something over UDP in one datagram, and waits for the one that answers it.
    pub(crate) async fn send_once(&self, probe: &Probe) -> Reply {
        talk::datagram_once(&self.gate, probe, &self.postage).await
    }

    /// Opens a connection for a conversation of several exchanges, in TLS if `wrap` says so.
    pub(crate) async fn open(&self, endpoint: SocketAddr, wrap: &Wrap) -> Result<Line, End> {
        let stream = talk::connect(&self.gate, endpoint, &self.postage).await?;
        match wrap {
            Wrap::Plain => Ok(Line::Plain(stream)),
            // A conversation is one over TCP.
            Wrap::Datagram => Err(End::Closed),
            Wrap::Tls(hello) => match timeout(talk::SHAKING, tls::shake_hands(stream, hello)).await {
                Ok((_, Ok(stream))) => Ok(Line::Tls(Box::new(stream))),
                Ok((_, Err(failure))) => Err(End::NoTls(failure)),
                Err(_) => Err(End::Quiet),
            },
        }
    }

    /// What all exchanges so far cost.
    pub(crate) fn postage(&self) -> &Postage {
        &self.postage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Silence, Turn, Until};
    use std::{
        io::{ErrorKind, Read, Write},
        net::TcpListener,
        time::Duration,
    };
    use vedette_protocol::target::{PortSet, Target};

    fn scope(targets: &[&str], exclude: &[&str], ports: PortSet) -> Arc<Scope> {
        let parsed = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| text.parse().unwrap())
                .collect::<Vec<Target>>()
        };
        Arc::new(Scope::new(&parsed(targets), &parsed(exclude), &[], ports))
    }

    fn hello(endpoint: SocketAddr) -> Probe {
        let (turn, until, silence) = (Turn::Ours, Until::Line, Silence::IsAGap);
        Probe {
            endpoint,
            upgrade: None,
            wrap: Wrap::Plain,
            turn,
            say: b"hello\n".to_vec(),
            until,
            silence,
        }
    }

    /// A listener that nobody must come to.
    fn deserted(address: &str) -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((address, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = listener.local_addr().unwrap();
        (listener, endpoint)
    }

    fn asking(bounds: Bounds, deadline: Instant) -> Asking {
        Asking {
            means: Means::Connect,
            bounds,
            tell: Tell::EveryPort,
            deadline,
        }
    }

    fn sweep_all(wire: &Wire, endpoints: Vec<SocketAddr>) -> (Vec<(SocketAddr, Answer)>, Toll) {
        let mut told = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        let bounds = Bounds {
            connections: 256,
            rate: None,
        };
        let toll = wire.connect_tcp(endpoints.into_iter(), &asking(bounds, deadline), &mut |batch| {
            told.extend(batch.answers);
            ControlFlow::Continue(())
        });
        told.sort_unstable_by_key(|(endpoint, _)| *endpoint);
        (told, toll.unwrap())
    }

    #[tokio::test]
    async fn a_probe_outside_the_scope_is_refused_even_when_told_to() {
        // Excluded, on a port that is not in scope, and an address that is nowhere in it.
        let (excluded, one) = deserted("127.0.0.2");
        let (other_port, two) = deserted("127.0.0.1");
        let (elsewhere, three) = deserted("127.0.1.1");
        let ports = PortSet::from_ports([one.port(), three.port()]).unwrap();
        let wire = Wire::new(scope(&["127.0.0.0/24"], &["127.0.0.2"], ports));
        for endpoint in [one, two, three] {
            let reply = wire.send(&hello(endpoint)).await;
            assert_eq!(reply.end, End::NotAsked(Hindrance::OutOfScope), "{endpoint}");
        }
        let (told, toll) = sweep_all(&wire, vec![one, two, three]);
        assert!(
            told.iter()
                .all(|(_, answer)| *answer == Answer::NotAsked(Hindrance::OutOfScope)),
            "{told:?}"
        );
        assert_eq!((told.len(), toll.packets), (3, 0));
        for listener in [excluded, other_port, elsewhere] {
            assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    }

    #[tokio::test]
    async fn an_address_that_the_kernel_takes_for_another_is_refused() {
        let (listener, endpoint) = deserted("127.0.0.1");
        let ports = PortSet::from_ports([endpoint.port()]).unwrap();
        let wire = Wire::new(scope(&["0.0.0.0", "::", "::ffff:127.0.0.1"], &[], ports));
        for address in ["0.0.0.0", "::", "::ffff:127.0.0.1"] {
            let endpoint = SocketAddr::new(address.parse().unwrap(), endpoint.port());
            assert_eq!(
                wire.send(&hello(endpoint)).await.end,
                End::NotAsked(Hindrance::OutOfScope)
            );
        }
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn open_and_closed_ports_are_told_apart_and_each_once() {
        let (_open, endpoint) = deserted("127.0.0.1");
        let wire = Wire::new(scope(&["127.0.0.1"], &[], PortSet::all()));
        let port = endpoint.port();
        let around: Vec<SocketAddr> = (port - 300..=port.saturating_add(300))
            .map(|port| SocketAddr::new(endpoint.ip(), port))
            .collect();
        let (told, toll) = sweep_all(&wire, around.clone());
        assert_eq!(
            told.iter().map(|(endpoint, _)| *endpoint).collect::<Vec<_>>(),
            around
        );
        assert!(told.contains(&(endpoint, Answer::Open)));
        assert!(
            told.iter()
                .all(|(_, answer)| matches!(answer, Answer::Open | Answer::Closed))
        );
        let open = told.iter().filter(|(_, answer)| *answer == Answer::Open).count() as u64;
        assert_eq!(toll.packets, told.len() as u64 + 2 * open);
        assert!(toll.miss.abs() < f64::EPSILON);
    }

    #[test]
    fn both_families_are_swept_at_once() {
        let (_four, four) = deserted("127.0.0.1");
        let (_six, six) = deserted("::1");
        let wire = Wire::new(scope(&["127.0.0.1", "::1"], &[], PortSet::all()));
        let (told, _) = sweep_all(&wire, vec![four, six]);
        assert_eq!(told, [(four, Answer::Open), (six, Answer::Open)]);
    }

    #[test]
    fn a_rate_is_not_passed() {
        let wire = Wire::new(scope(&["127.0.0.1"], &[], PortSet::all()));
        let endpoints = (1..=200).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let bounds = Bounds {
            connections: 256,
            rate: Some(1000),
        };
        let begun = Instant::now();
        let deadline = begun + Duration::from_secs(20);
        wire.connect_tcp(endpoints, &asking(bounds, deadline), &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
        assert!(
            begun.elapsed() >= Duration::from_millis(190),
            "{:?}",
            begun.elapsed()
        );
    }

    #[test]
    fn a_sweep_ends_at_its_deadline() {
        let wire = Wire::new(scope(&["127.0.0.1"], &[], PortSet::all()));
        let endpoints = (1..=u16::MAX).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let bounds = Bounds {
            connections: 256,
            rate: Some(100),
        };
        let begun = Instant::now();
        let mut told = 0;
        wire.connect_tcp(
            endpoints,
            &asking(bounds, begun + Duration::from_millis(300)),
            &mut |batch| {
                told += batch.answers.len();
                ControlFlow::Continue(())
            },
        )
        .unwrap();
        assert!(
            begun.elapsed() < Duration::from_secs(3) && told < 200,
            "{told} in {:?}",
            begun.elapsed()
        );
    }

    /// Serves one connection with whatever a hostile server does.
    fn serve(behave: impl FnOnce(std::net::TcpStream) + Send + 'static) -> (Wire, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap();
        std::thread::spawn(move || behave(listener.accept().unwrap().0));
        (Wire::new(scope(&["127.0.0.1"], &[], PortSet::all())), endpoint)
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_at_the_bound() {
        let (wire, endpoint) = serve(|mut stream| while stream.write_all(&[b'a'; 4096]).is_ok() {});
        let reply = wire
            .send(&Probe {
                until: Until::Response,
                ..hello(endpoint)
            })
            .await;
        assert_eq!(
            (reply.end, reply.heard.len()),
            (End::Full, crate::reply::HEARD_LIMIT)
        );
    }

    #[tokio::test]
    async fn a_byte_a_second_does_not_keep_us() {
        let (wire, endpoint) = serve(|mut stream| {
            while stream.write_all(b"a").is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let begun = Instant::now();
        let reply = wire.send(&hello(endpoint)).await;
        assert_eq!(reply.end, End::Quiet);
        assert!(begun.elapsed() < talk::LONGEST, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn who_never_greets_is_spoken_to() {
        let (wire, endpoint) = serve(|mut stream| {
            let mut heard = [0; 6];
            stream.read_exact(&mut heard).unwrap();
            stream.write_all(&[&heard[..], b" yourself\n"].concat()).unwrap();
        });
        let patient = Probe {
            turn: Turn::Theirs(Duration::from_millis(100)),
            ..hello(endpoint)
        };
        let reply = wire.send(&patient).await;
        assert_eq!(
            (reply.end, reply.heard.as_slice()),
            (End::Enough, b"hello\n yourself\n".as_slice())
        );
        let packets = wire.postage().packets.load(std::sync::atomic::Ordering::Relaxed);
        assert!(
            (4..=8).contains(&packets),
            "{packets} packets for a handshake, a line, an answer and a reset"
        );
    }

    #[tokio::test]
    async fn nonsense_instead_of_tls_is_named() {
        let (wire, endpoint) = serve(|mut stream| {
            let _ = stream.write_all(b"SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff");
            std::thread::sleep(Duration::from_millis(500));
        });
        let hello = crate::known::Known::open(endpoint, None)
            .handshake(crate::probe::Versions::Both, Silence::Answers);
        let reply = wire.send(&hello).await;
        assert_eq!(reply.end, End::NoTls(crate::reply::TlsFailure::NotTls));
    }
}
