//! The web application of a job: one port of one host, examined by the web engine as far as the job's [`WebTest`] says.
//!
//! What must stay true: nothing is connected to but through the job's scope; what is found, and how far it came, leaves
//! as findings alone; the state of a crawl fits into the memory of a worker.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use tokio::sync::mpsc;
use vedette_protocol::{
    Finding, Scope, WebTest,
    finding::{Confidence, Evidence, FindingPlace, FindingType, Host},
    scope::Resolved,
    target::HostName,
    web::ClassName,
};

use crate::{
    Event,
    probe::{Hello, Versions, Wrap},
    reply::{End, TlsFailure},
    web::{
        Approach, Budget, Classes, Credential, Listening, Site, WebEvent, WebReport, WebScan,
        http::Http,
        report::{What, Why},
        scan_from,
        session::Session,
    },
    wire::Wire,
};

/// A web application that is examined.
#[derive(Debug)]
pub(crate) struct Application {
    /// Where it is.
    pub(crate) site: Site,
    /// What may be connected to.
    pub(crate) scope: Scope,
    /// What is asked of the test.
    pub(crate) test: WebTest,
    /// Within what bounds beside the test's own.
    pub(crate) leave: Leave,
}

/// What a job leaves to its application.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leave {
    /// How long it may still take.
    pub(crate) time: Duration,
    /// The most packets in a second.
    pub(crate) rate: Option<NonZeroU32>,
}

/// Who comes to it.
#[derive(Debug)]
pub(crate) struct Guest {
    /// The road there.
    pub(crate) http: Http,
    /// The session in which it is, behind a login.
    pub(crate) session: Option<Session>,
    /// How it logs in anew when that session dies.
    pub(crate) credential: Option<Credential>,
    /// What its findings say of how they were seen.
    pub(crate) sees: Vec<Evidence>,
}

impl Guest {
    /// Somebody whom nobody knows.
    pub(crate) fn stranger(scope: &Scope, site: &Site) -> Self {
        Self {
            http: Http::new(Wire::new(scope.clone().into()), site.clone()),
            session: None,
            credential: None,
            sees: Vec::new(),
        }
    }
}

impl Application {
    /// Examines it to the end, and tells what is found and how far it came. Who no longer listens ends it early.
    pub(crate) async fn examine(self, guest: Guest, tell: &mpsc::Sender<Event>) -> WebReport {
        let (known, unknown) = classes(&self.test.classes);
        let (site, sees) = (self.site.clone(), guest.sees.clone());
        let mut report = match known {
            Some(known) => self.scan(guest, known, tell).await,
            None => WebReport::default(),
        };
        report.lacks(What::Class, Why::Unknown, unknown);
        if let Some(host) = site.host() {
            let place = FindingPlace::port(host, site.port());
            let mut told = Finding::new(FindingType::WebApplication, place, Confidence::Certain);
            told.evidence = report.evidence();
            told.evidence.extend(sees);
            // Who no longer listens is told nothing more.
            let _ = tell.send(Event::Found(told)).await;
        }
        report
    }

    async fn scan(self, guest: Guest, classes: Classes, tell: &mpsc::Sender<Event>) -> WebReport {
        let budget = self.budget();
        let Guest {
            http,
            session,
            credential,
            sees,
        } = guest;
        let approach = Approach {
            http,
            starts: self.test.paths.iter().map(ToString::to_string).collect(),
            session,
        };
        let scan = WebScan {
            site: self.site,
            scope: self.scope,
            headers: Vec::new(),
            credential,
            other: None,
            api: None,
            listening: Listening::No("an appliance listens nowhere"),
            classes,
            budget,
            seed: RandomState::new().hash_one(std::process::id()),
            browser: None,
            pause: None,
        };
        let (events, mut seen) = mpsc::channel(EVENTS);
        let pass_on = async move {
            while let Some(event) = seen.recv().await {
                let event = match event {
                    WebEvent::Progress(progress) => Event::Progress(progress),
                    WebEvent::Found(mut finding) => {
                        finding.evidence.extend(sees.iter().cloned());
                        Event::Found(finding)
                    }
                };
                if tell.send(event).await.is_err() {
                    break;
                }
            }
        };
        tokio::join!(scan_from(approach, scan, events), pass_on).0
    }

    fn budget(&self) -> Budget {
        let asked = Duration::from_secs(self.test.seconds.into());
        // The kernel drops what is beyond the rate; a request takes as many packets as this, with its connection.
        let rate = self.leave.rate.map(|packets| (packets.get() / PACKETS).max(1));
        Budget {
            requests: self.test.requests.into(),
            time: asked.min(self.leave.time.saturating_sub(CLOSING)),
            rate,
            at_once: AT_ONCE,
            held: HELD,
            ..Budget::default()
        }
    }
}

/// The classes that are asked for and known, if there are any, and how many are not.
fn classes(names: &[ClassName]) -> (Option<Classes>, u64) {
    if names.is_empty() {
        return (Some(Classes::default()), 0);
    }
    let is_known = |name: &&ClassName| Classes::names().any(|known| known == name.as_str());
    let (known, unknown): (Vec<&ClassName>, Vec<&ClassName>) = names.iter().partition(is_known);
    let known: Vec<&str> = known.into_iter().map(ClassName::as_str).collect();
    (known.join(",").parse().ok(), unknown.len() as u64)
}

/// Who is met on a port.
#[derive(Debug)]
pub(crate) enum Met {
    /// Somebody, who is to be spoken to like this.
    Site(Box<Site>),
    /// Nobody listens.
    Nobody,
    /// Nothing answers.
    Silence,
}

/// Whether somebody is there, and whether it speaks TLS.
pub(crate) async fn meet(scope: &Scope, address: IpAddr, name: Option<&HostName>, port: u16) -> Met {
    let wire = Wire::new(scope.clone().into());
    let hello = Wrap::Tls(Hello {
        versions: Versions::Both,
        name: name.cloned(),
    });
    let endpoint = SocketAddr::new(address, port);
    let scheme = match wire.open(endpoint, &hello).await {
        Ok(_) | Err(End::NoTls(TlsFailure::Alert(_) | TlsFailure::Incompatible)) => "https",
        // Who waits for the rest of what is no request to it speaks something else.
        Err(End::NoTls(TlsFailure::NotTls | TlsFailure::HungUp | TlsFailure::NotOffered) | End::Quiet) => {
            "http"
        }
        Err(End::Refused) => return Met::Nobody,
        Err(End::Unreachable | End::NotAsked(_) | End::Enough | End::Closed | End::Full) => {
            return Met::Silence;
        }
    };
    site(scheme, endpoint, name).map_or(Met::Silence, |site| Met::Site(Box::new(site)))
}

/// The application at an endpoint, under the name that it is asked for by.
pub(crate) fn site(scheme: &str, endpoint: SocketAddr, name: Option<&HostName>) -> Option<Site> {
    let url = match name {
        Some(name) => format!("{scheme}://{}:{}/", name.as_str(), endpoint.port()),
        None => format!("{scheme}://{endpoint}/"),
    };
    let resolved: Vec<Resolved> = name
        .into_iter()
        .map(|name| Resolved {
            name: name.clone(),
            addresses: vec![endpoint.ip()],
        })
        .collect();
    Some(Site::parse(&url).ok()?.at(&resolved))
}

/// As findings name it.
pub(crate) fn host(address: IpAddr, name: Option<&HostName>) -> Host {
    name.map_or_else(|| address.into(), Host::from)
}

const EVENTS: usize = 64;
/// Of one exchange: to connect, to ask, to be answered and to hang up.
const PACKETS: u32 = 10;
/// Of these the answers, their documents and what is compared with them are held at once.
const AT_ONCE: usize = 4;
/// Of the 192 MiB of a worker; it is held twice, beside the requests under test and the documents of the answers.
const HELD: usize = 16 << 20;
/// For the end of what is under way, and the report.
const CLOSING: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_known_or_said_to_be_unknown() {
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<_>>();
        let (all, none) = (classes(&[]), classes(&names(&["gone"])));
        assert!(all.0.is_some() && all.1 == 0 && none.0.is_none() && none.1 == 1);
        let (some, unknown) = classes(&names(&["sql", "gone", "xss"]));
        assert_eq!((some.unwrap().iter().count(), unknown), (2, 1));
    }

    #[test]
    fn nobody_takes_longer_than_the_job_nor_asks_faster_than_the_grant() {
        let site = Site::parse("http://192.0.2.7/").unwrap();
        let application = |seconds, rate| Application {
            scope: site.scope(&[], &[]),
            site: site.clone(),
            test: WebTest::default(),
            leave: Leave {
                time: Duration::from_secs(seconds),
                rate: NonZeroU32::new(rate),
            },
        };
        let budget = application(90, 100).budget();
        assert_eq!((budget.time, budget.rate), (Duration::from_secs(60), Some(10)));
        let budget = application(100_000, 0).budget();
        assert_eq!((budget.time, budget.rate), (Duration::from_secs(7200), None));
        assert_eq!(application(10, 3).budget().rate, Some(1));
    }

    #[test]
    fn a_site_has_the_name_that_it_is_asked_for_by() {
        let endpoint = "192.0.2.7:8080".parse().unwrap();
        let name: HostName = "shop.lan".parse().unwrap();
        let named = site("https", endpoint, Some(&name)).unwrap();
        assert_eq!(named.authority(), "shop.lan:8080");
        assert_eq!(named.endpoints().collect::<Vec<_>>(), [endpoint]);
        let plain = site("http", "[2001:db8::7]:80".parse().unwrap(), None).unwrap();
        assert_eq!(plain.authority(), "[2001:db8::7]");
    }
}
