//! How a scan becomes jobs: small enough that a lost appliance loses little, none without a host.
//!
//! Pure: targets, exclusions and ports in, parts out. Overlapping targets are merged, so that no address
//! is scanned twice; excluded addresses are cut out, so that no part is empty.

mod applications;
mod logins;

pub use applications::{APPLICATIONS_LIMIT, application};
pub use logins::logins;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vedette_protocol::{
    CredentialId, Ports, Target,
    job::{Check, Checks, Subject},
    target::{HostName, Span, TARGETS_LIMIT},
};

use crate::store::jobs::Part;

/// A job covers this many hosts at most: a worker is through with them in minutes.
const HOSTS_PER_JOB: u64 = 32;

/// It covers this many pairs of host and port at most, unless it is a single host.
const PAIRS_PER_JOB: u64 = 1 << 17;

/// A job that asks who is there covers this many addresses at most: a minute's worth.
const ADDRESSES_PER_JOB: u64 = 4096;

/// They are this many runs and names at most, since the appliance's filters hold only so many.
const RUNS_PER_JOB: usize = 16;

/// A scan covers this many addresses at most.
const ADDRESSES_LIMIT: u128 = 1 << 20;

/// It becomes this many jobs at most.
const JOBS_LIMIT: usize = 20_000;

/// It excludes this many targets at most: each job carries them.
const EXCLUSIONS_LIMIT: usize = 256;

/// It logs in at this many places at most.
const LOGINS_LIMIT: u128 = 4096;

/// The ports of services that are met in practice, unless a scan names others.
const USUAL_PORTS: &str = "7,9,13,19,21-23,25-26,37,49,53,69,79-81,88,102,106,110-111,113,119,123,135,\
    137-139,143-144,161,179,199,389,427,443-445,464-465,500,502,512-515,520,523,543-544,548,554,587,593,\
    623,625,631,636,646,664,666,808,830,843,853,860,873,880,888,898,902-903,989-990,992-993,995,1000-1001,\
    1025-1030,1080,1099,1110,1194,1214,1241,1311,1337,1344,1352,1400,1414,1433-1434,1494,1521,1527,1583,\
    1604,1645,1701,1720,1723,1755,1801,1812,1830,1883,1900,1911,1935,1947,1967,1991,1993,2000-2001,2049,\
    2082-2083,2086-2087,2095-2096,2100,2121,2181,2222,2301,2323,2332,2375-2380,2381,2404,2443,2455,2480,\
    2525,2601,2628,2717,2869,2967,3000-3005,3031,3050,3052,3071,3128,3260,3268-3269,3299,3306,3310-3311,\
    3333,3389,3478,3500,3541-3542,3551,3632,3689-3690,3703,3749,3780,3790,3986,4000-4001,4022,4040,4045,\
    4063-4064,4155,4190,4242,4282,4321,4333,4369,4433,4443-4444,4500,4506,4567,4646,4661,4711,4730,4786,\
    4848,4899,4911,4949,5000-5009,5038,5050-5051,5060-5061,5101,5120,5190,5222-5223,5269,5280,5353,5357,\
    5400,5431-5432,5454,5500,5544,5550,5555-5556,5560,5577,5601,5631-5632,5666,5671-5672,5683,5694,5800-5801,\
    5858,5900-5903,5938,5984-5986,6000-6007,6066,6080,6082,6101,6112,6123,6160,6346,6379-6380,6443,6514,\
    6543,6558,6588,6633,6640,6646,6653,6664-6669,6697,6782,7000-7002,7004,7070-7071,7077-7078,7100,7144,\
    7171,7199,7218,7337,7443,7473-7474,7493,7510,7547,7548,7657,7676-7677,7687,7700,7737,7777-7779,7787,\
    7911,8000-8012,8020-8025,8030,8040-8045,8060,8069,8072,8080-8099,8100,8112,8118,8123,8126,8139-8140,\
    8161,8172,8181,8190,8192-8194,8200,8222,8291-8292,8300,8333-8334,8383,8400-8403,8443-8445,8500-8501,\
    8530-8531,8545,8554,8600,8649,8765-8767,8787,8800-8801,8834,8873,8880-8883,8888-8890,8899,8983,8993-8994,\
    9000-9003,9009-9011,9042-9043,9050-9051,9060,9071,9080-9083,9090-9095,9100-9103,9110-9111,9151,9160,9191,\
    9200-9201,9295,9300,9306,9333,9389,9415,9418,9443-9445,9485,9500,9530,9535,9593-9595,9600,9653,9700,\
    9761,9800,9864,9869-9870,9876-9878,9898,9900,9917,9929,9943-9944,9966,9981,9988,9990-9991,9998-10003,\
    10050-10051,10080,10134,10243,10250,10255,10443,10554,10566,10616-10617,11112,11211,11300,11371,12000,\
    12174,12265,12345,13579,13722,13782-13783,14000,14147,14265,14333-14344,15000,15672,16000,16010,16030,\
    16080,16379,16992-16993,17000,17777,18080-18081,18086,18245,18988,19000,19101,19283,19315,19350,19780,\
    19801,19842,20000,20031,20221-20222,20547,20828,21571,22222,22939,23424,23502,23791,24444,24800,25105,\
    25565,25672,26214,26379,27000,27017-27019,27080,27352-27356,28017,28201,30000,30718,30951,31038,31337,\
    32400,32764,32768-32785,33060,33338,33354,33899,34571-34573,35500,37777,38292,40193,40911,41511,42510,\
    44176,44442-44443,44501,44818,45100,47001,47808,48080,49152-49161,49163,49165,49167,49175-49176,49400,\
    50000-50006,50030,50050,50060,50070,50090,50100,50300,50389,50500,50636,50800,51103,51235,51413,51493,\
    52673,52822,52848,52869,54045,54138,54328,55055-55056,55442,55443,55553,55555,55600,56737-56738,57294,\
    57797,58080,60010,60030,60129,60443,61532,61616,61900,62078,63331,64623,64680,64738,65000,65129,65389";

/// A scan cannot be split as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Too many addresses.
    #[error("`targets` span {0} addresses, more than {ADDRESSES_LIMIT}; start several scans")]
    TooManyAddresses(u128),
    /// Too many jobs.
    #[error(
        "`targets` times `ports` would take more than {JOBS_LIMIT} jobs; take fewer ports, or start several scans"
    )]
    TooManyJobs,
    /// Too many exclusions.
    #[error("`exclude` has {0} entries, more than {EXCLUSIONS_LIMIT}; merge them into networks or ranges")]
    TooManyExclusions(usize),
    /// Too many logins.
    #[error("the credentials would log in at {0} places, more than {LOGINS_LIMIT}; start several scans")]
    TooManyLogins(u128),
    /// Too many web applications.
    #[error(
        "`targets` times `ports` are {0} web applications, more than {APPLICATIONS_LIMIT}; name fewer, or add `services` to \
         `checks`, so that web servers are looked for first"
    )]
    TooManyApplications(u128),
    /// A credential is of no use.
    #[error("the credential {0} may be used by this appliance at none of `targets`")]
    NowhereToLogIn(CredentialId),
    /// Nothing is left.
    #[error("`exclude` takes out all of `targets`")]
    NothingLeft,
}

/// The ports of a scan for these checks that names none.
///
/// # Panics
/// Never: a test parses them.
pub fn usual_ports(checks: &Checks) -> Ports {
    if checks.iter().all(|check| check.subject() == Subject::Network) {
        return Ports::of_discovery();
    }
    if checks
        .iter()
        .all(|check| matches!(check.subject(), Subject::Application | Subject::Account))
    {
        return applications::usual_ports();
    }
    USUAL_PORTS
        .parse()
        .expect("the list of usual ports is a set of ports")
}

/// Splits a scan, as far as it needs no credential: first the jobs that ask who is there, each for many hosts, then
/// those that look at ports, each for few, then those that test a web application each.
///
/// # Errors
/// When there is too much of it, or nothing.
pub fn split(
    targets: &vedette_protocol::Targets,
    exclude: &[Target],
    ports: &Ports,
    checks: &Checks,
) -> Result<Vec<Part>, SplitError> {
    if exclude.len() > EXCLUSIONS_LIMIT {
        return Err(SplitError::TooManyExclusions(exclude.len()));
    }
    let runs = runs(targets, exclude);
    let names = names(targets, exclude);

    let addresses: u128 = runs.iter().map(Run::len).sum();
    if addresses > ADDRESSES_LIMIT {
        return Err(SplitError::TooManyAddresses(addresses));
    }
    let few = (PAIRS_PER_JOB / ports.count() as u64).clamp(1, HOSTS_PER_JOB);
    let networks = checks.of(Subject::Network).map(|checks| Room {
        hosts: ADDRESSES_PER_JOB,
        targets: RUNS_PER_JOB,
        checks,
        ports: ports.common(&Ports::of_discovery()),
    });
    let endpoints = checks.of(Subject::Endpoints).map(|checks| Room {
        hosts: few,
        targets: TARGETS_LIMIT,
        checks,
        ports: None,
    });
    let mut parts = Vec::new();
    // A name may stand for an excluded address, and an excluded name for an address of a run.
    let names_excluded = only_names(exclude);
    for room in [networks, endpoints].iter().flatten() {
        let mut open = Open::new(room, &names_excluded);
        for piece in runs.iter().flat_map(|run| run.pieces(room.hosts)) {
            parts.extend(open.add(
                Target::Span(piece.span()),
                u64::try_from(piece.len()).unwrap_or(room.hosts),
            ));
        }
        parts.extend(open.close());
        let mut open = Open::new(room, exclude);
        for name in &names {
            parts.extend(open.add(Target::Name((*name).clone()), 1));
        }
        parts.extend(open.close());
    }
    if checks.contains(Check::Web) && !applications::follow(checks) {
        parts.extend(applications::applications(&runs, &names, exclude, ports)?);
    }
    match parts.len() {
        0 => Err(SplitError::NothingLeft),
        1..=JOBS_LIMIT => Ok(parts),
        _ => Err(SplitError::TooManyJobs),
    }
}

/// The addresses that are scanned.
fn runs(targets: &vedette_protocol::Targets, exclude: &[Target]) -> Vec<Run> {
    let mut runs = merged(targets.as_slice().iter().filter_map(Target::span).collect());
    for excluded in exclude.iter().filter_map(Target::span) {
        runs = runs
            .into_iter()
            .flat_map(|run| run.without(&Run::of(excluded)))
            .collect();
    }
    runs
}

/// The names that are scanned.
fn names<'a>(targets: &'a vedette_protocol::Targets, exclude: &[Target]) -> Vec<&'a HostName> {
    let mut names: Vec<&HostName> = targets.as_slice().iter().filter_map(name).collect();
    names.sort();
    names.dedup();
    names.retain(|name| !exclude.iter().any(|target| self::name(target) == Some(*name)));
    names
}

fn only_names(targets: &[Target]) -> Vec<Target> {
    let names = targets.iter().filter(|target| name(target).is_some());
    names.cloned().collect()
}

/// What each part of one kind holds.
struct Room {
    /// At most so many addresses and names,
    hosts: u64,
    /// in so many runs.
    targets: usize,
    checks: Checks,
    /// None: those of the scan.
    ports: Option<Ports>,
}

/// A part that is being filled.
struct Open<'a> {
    room: &'a Room,
    exclude: &'a [Target],
    targets: Vec<Target>,
    hosts: u64,
}

impl<'a> Open<'a> {
    fn new(room: &'a Room, exclude: &'a [Target]) -> Self {
        Self {
            room,
            exclude,
            targets: Vec::new(),
            hosts: 0,
        }
    }

    /// Adds a target; gives out the part before it, when both do not fit.
    fn add(&mut self, target: Target, hosts: u64) -> Option<Part> {
        let full = self.hosts + hosts > self.room.hosts || self.targets.len() == self.room.targets;
        let part = if full { self.close() } else { None };
        self.targets.push(target);
        self.hosts += hosts;
        part
    }

    fn close(&mut self) -> Option<Part> {
        let targets = std::mem::take(&mut self.targets).try_into().ok()?;
        let hosts = std::mem::take(&mut self.hosts);
        Some(Part {
            targets,
            exclude: self.exclude.to_vec(),
            hosts,
            checks: self.room.checks.clone(),
            ports: self.room.ports.clone(),
            login: None,
        })
    }
}

/// A run of addresses as numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    family: Family,
    first: u128,
    last: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    V4,
    V6,
}

impl Run {
    fn of(span: Span) -> Self {
        let number = |address| match address {
            IpAddr::V4(address) => (Family::V4, u128::from(address.to_bits())),
            IpAddr::V6(address) => (Family::V6, address.to_bits()),
        };
        let (first, last) = span.bounds();
        let ((family, first), (_, last)) = (number(first), number(last));
        Self { family, first, last }
    }

    fn span(&self) -> Span {
        let address = |number: u128| match self.family {
            Family::V4 => Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into(),
            Family::V6 => IpAddr::from(Ipv6Addr::from_bits(number)),
        };
        let first = address(self.first);
        // A piece is no longer than the span that it was cut from.
        Span::between(first, address(self.last)).unwrap_or_else(|_| Span::one(first))
    }

    fn len(&self) -> u128 {
        self.last - self.first + 1
    }

    fn common(&self, other: &Self) -> Option<Self> {
        let both = Self {
            first: self.first.max(other.first),
            last: self.last.min(other.last),
            ..*self
        };
        (self.family == other.family && both.first <= both.last).then_some(both)
    }

    fn without(self, cut: &Self) -> Vec<Self> {
        if self.family != cut.family || cut.last < self.first || self.last < cut.first {
            return vec![self];
        }
        let before = (self.first < cut.first).then(|| Self {
            last: cut.first - 1,
            ..self
        });
        let after = (cut.last < self.last).then(|| Self {
            first: cut.last + 1,
            ..self
        });
        before.into_iter().chain(after).collect()
    }

    fn pieces(self, size: u64) -> impl Iterator<Item = Self> {
        let size = u128::from(size);
        let mut next = Some(self.first);
        std::iter::from_fn(move || {
            let first = next?;
            let last = (first + (size - 1)).min(self.last);
            next = (last < self.last).then(|| last + 1);
            Some(Self { first, last, ..self })
        })
    }
}

/// Sorted runs that neither overlap nor touch.
fn merged(spans: Vec<Span>) -> Vec<Run> {
    let mut runs: Vec<Run> = spans.into_iter().map(Run::of).collect();
    runs.sort_unstable();
    let mut merged: Vec<Run> = Vec::new();
    for run in runs {
        match merged.last_mut() {
            Some(before) if before.family == run.family && run.first <= before.last.saturating_add(1) => {
                before.last = before.last.max(run.last);
            }
            _ => merged.push(run),
        }
    }
    merged
}

fn name(target: &Target) -> Option<&HostName> {
    match target {
        Target::Name(name) => Some(name),
        Target::Span(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use vedette_protocol::finding::Transport;

    use super::*;

    fn targets(texts: &[&str]) -> Vec<Target> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn parts(wanted: &[&str], exclude: &[&str], ports: &str) -> Result<Vec<Part>, SplitError> {
        split(
            &targets(wanted).try_into().unwrap(),
            &targets(exclude),
            &ports.parse().unwrap(),
            &Checks::of_endpoints(),
        )
    }

    fn texts(part: &Part) -> Vec<String> {
        part.targets.as_slice().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_usual_ports_are_a_set_of_ports() {
        let ports = usual_ports(&Checks::of_endpoints());
        assert!(ports.count() > 700 && ports.count() < 1200, "{}", ports.count());
        for port in [21, 22, 25, 80, 443, 3306, 5432, 6379, 8080] {
            assert!(ports.contains(Transport::Tcp, port), "{port}");
        }
    }

    #[test]
    fn overlapping_targets_are_scanned_once() {
        let parts = parts(&["192.0.2.0/28", "192.0.2.8-192.0.2.20", "192.0.2.3"], &[], "80").unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!(texts(&parts[0]), ["192.0.2.0-192.0.2.20"]);
        assert_eq!(parts[0].hosts, 21);
    }

    #[test]
    fn what_is_excluded_is_in_no_part() {
        let split = parts(
            &["192.0.2.0/29", "a.lan", "b.lan"],
            &["192.0.2.2-192.0.2.5", "b.lan"],
            "80",
        )
        .unwrap();
        let all: Vec<String> = split.iter().flat_map(texts).collect();
        assert_eq!(all, ["192.0.2.0/31", "192.0.2.6/31", "a.lan"]);
        assert_eq!(
            parts(&["192.0.2.1"], &["192.0.2.0/24"], "80"),
            Err(SplitError::NothingLeft)
        );
    }

    #[test]
    fn who_is_there_is_asked_first_by_the_network_and_only_where_that_is_told() {
        let checks: Checks = vec![Check::Ports, Check::Discovery].try_into().unwrap();
        let split = |wanted: &[&str], exclude: &[&str], ports: &str| {
            let targets = targets(wanted).try_into().unwrap();
            split(
                &targets,
                &self::targets(exclude),
                &ports.parse().unwrap(),
                &checks,
            )
            .unwrap()
        };
        let parts = split(&["192.0.2.0/24"], &["192.0.2.0"], "22,8080,U:161,162");
        let [network, endpoints @ ..] = parts.as_slice() else {
            panic!("{parts:?}")
        };
        assert_eq!(network.checks, vec![Check::Discovery].try_into().unwrap());
        assert_eq!(network.hosts, 255);
        assert_eq!(network.ports, "22,U:161".parse().ok());
        assert!(endpoints.len() == 8 && endpoints.iter().all(|part| part.ports.is_none()));
        assert!(
            endpoints
                .iter()
                .all(|part| !part.checks.contains(Check::Discovery))
        );

        let wide = split(&["10.0.0.0/16"], &[], "8080");
        let networks = wide.iter().filter(|part| part.checks.contains(Check::Discovery));
        assert_eq!(networks.count(), 16);
        let every_other: Vec<String> = (0..20).map(|at| format!("192.0.2.{}", 2 * at)).collect();
        let every_other: Vec<&str> = every_other.iter().map(String::as_str).collect();
        let parts = split(&every_other, &[], "80");
        let networks = parts.iter().filter(|part| part.checks.contains(Check::Discovery));
        let sizes: Vec<_> = networks.map(|part| part.targets.as_slice().len()).collect();
        assert_eq!(sizes, [16, 4]);
        let alone = vec![Check::Topology].try_into().unwrap();
        assert_eq!(usual_ports(&alone), Ports::of_discovery());
        assert_ne!(usual_ports(&checks), Ports::of_discovery());
    }

    #[test]
    fn parts_are_small() {
        assert_eq!(parts(&["192.0.2.0/24"], &[], "80").unwrap().len(), 8);
        assert_eq!(parts(&["192.0.2.0/30"], &[], "1-65535").unwrap().len(), 2);
        assert_eq!(
            parts(&["10.0.0.0/12", "10.16.0.0/24"], &[], "80"),
            Err(SplitError::TooManyAddresses((1 << 20) + 256))
        );
        assert_eq!(
            parts(&["10.0.0.0/12"], &[], "1-65535"),
            Err(SplitError::TooManyJobs)
        );
    }
}
