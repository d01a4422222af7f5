//! What a scan planned, did and did not get an answer to; closed, they are its report. Pure.

use std::{
    collections::{BTreeMap, HashSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use vedette_protocol::{
    Report,
    finding::{Coverage, Effort, Unanswered},
};

use crate::{
    known::Known,
    probe::Probe,
    reply::Reply,
    wire::{Answer, Hindrance, Toll},
};

/// The books of one scan.
#[derive(Debug)]
pub(crate) struct Books {
    coverage: Coverage,
    answering: HashSet<IpAddr>,
    /// Ports of which something was told.
    told: u64,
    unanswered: u64,
    examples: Vec<Unanswered>,
    /// Why ports were not asked, and how many.
    hindrances: BTreeMap<Hindrance, u64>,
}

/// What the exchanges and the sweep cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) toll: Toll,
    pub(crate) requests: u64,
    pub(crate) packets: u64,
    pub(crate) took: Duration,
}

impl Books {
    pub(crate) fn open(hosts: u64, ports: u64) -> Self {
        let coverage = Coverage {
            hosts,
            ports,
            ..Coverage::default()
        };
        Self {
            coverage,
            answering: HashSet::new(),
            told: 0,
            unanswered: 0,
            examples: Vec::new(),
            hindrances: BTreeMap::new(),
        }
    }

    /// A port was asked for.
    pub(crate) fn port(&mut self, endpoint: SocketAddr, answer: Answer) {
        self.told += 1;
        match answer {
            Answer::Open | Answer::Closed => {
                self.coverage.ports_known += 1;
                self.answering.insert(endpoint.ip());
            }
            // Silence after all attempts is what a filter looks like; how sure that is, is said by the
            // miss probability.
            Answer::Silent | Answer::Unreachable => self.coverage.ports_known += 1,
            Answer::NotAsked(why) => {
                self.hindered(why, 1);
                self.gap(Unanswered {
                    target: endpoint.ip().into(),
                    port: Some(endpoint.port()),
                });
            }
        }
    }

    /// So many ports of a host were found in one state.
    pub(crate) fn ports(&mut self, host: IpAddr, answer: Answer, count: u64) {
        match answer {
            Answer::Open | Answer::Closed => {
                self.coverage.ports_known += count;
                self.answering.insert(host);
            }
            Answer::Silent | Answer::Unreachable => self.coverage.ports_known += count,
            Answer::NotAsked(why) => {
                self.hindered(why, count);
                self.gap(Unanswered {
                    target: host.into(),
                    port: None,
                });
                self.unanswered += count.saturating_sub(1);
            }
        }
        self.told += count;
    }

    /// So many ports were not asked, for a reason.
    pub(crate) fn hindered(&mut self, why: Hindrance, count: u64) {
        let counted = self.hindrances.entry(why).or_default();
        *counted = counted.saturating_add(count);
    }

    /// Why ports were not asked, and how many; those that the sweep never came to as well.
    pub(crate) fn hindrances(&self) -> BTreeMap<Hindrance, u64> {
        let mut all = self.hindrances.clone();
        let too_many = all.get(&Hindrance::TooMany).copied().unwrap_or_default();
        let never = self
            .coverage
            .ports
            .saturating_sub(self.told)
            .saturating_sub(too_many);
        if never > 0 {
            let taken = all.contains_key(&Hindrance::AddressTaken);
            let why = if taken {
                Hindrance::AddressTaken
            } else {
                Hindrance::Deadline
            };
            *all.entry(why).or_default() += never;
        }
        all
    }

    /// So many of the ports were asked by connecting.
    pub(crate) fn by_connect(&mut self, count: u64) {
        self.coverage.ports_by_connect += count;
    }

    /// A probe came to its end.
    pub(crate) fn exchange(&mut self, known: &Known, probe: &Probe, reply: &Reply) {
        self.coverage.checks += 1;
        if reply.answers(probe) {
            self.coverage.checks_done += 1;
        } else {
            self.gap(Unanswered {
                target: known.host(),
                port: Some(probe.endpoint.port()),
            });
        }
    }

    /// An endpoint was left before all was asked.
    pub(crate) fn abandoned(&mut self, known: &Known) {
        self.coverage.checks += 1;
        self.gap(Unanswered {
            target: known.host(),
            port: Some(known.endpoint().port()),
        });
    }

    pub(crate) fn close(mut self, cost: Cost) -> Report {
        // Endpoints that the sweep never came to.
        let never = self.coverage.ports.saturating_sub(self.told);
        self.unanswered = self.unanswered.saturating_add(never);
        self.coverage.hosts_answering = self.answering.len() as u64;
        let known = match self.coverage.ports {
            0 => 1.0,
            ports => self.coverage.ports_known as f64 / ports as f64,
        };
        let effort = Effort {
            requests: cost.requests,
            packets: cost.packets + cost.toll.packets,
            seconds: cost.took.as_secs_f64(),
            // A port whose state is not known is missed for certain.
            miss_probability: 1.0 - known * (1.0 - cost.toll.miss),
        };
        Report::close(effort, self.coverage, self.unanswered, self.examples)
    }

    fn gap(&mut self, place: Unanswered) {
        self.unanswered += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(place);
        }
    }
}

/// More than a report lists.
const EXAMPLES: usize = 64;
