//! The course where the network is to be known as well: the ways to hosts behind routers, and the tables of
//! agents.

use std::{net::IpAddr, time::Duration};

use super::{Course, Depth, Hindrance, KNOWN};
use crate::{
    discover::question::Question,
    message::snmp::{Answer, Step, Walk},
    topology::tables::{Table, Told},
};

impl Course {
    /// Follows the way to a host behind routers, with what it answers.
    pub(super) fn trace(&mut self, host: IpAddr, answered: &Question, reach: u8, now: Duration) {
        let hop: fn(u8, u16) -> Question = match answered {
            Question::Echo => |allowed, _| Question::Hop(allowed),
            Question::Syn(_) => Question::TcpHop,
            _ => return,
        };
        let port = answered.port().unwrap_or_default();
        let permitted = self.depth == Depth::Network && self.wants(host, answered);
        if permitted && self.traced.len() < KNOWN && self.traced.insert(host) {
            for allowed in 1..=reach {
                self.ask(host, hop(allowed, port), 1, now);
            }
        }
    }

    /// Reads the tables of an agent.
    pub(super) fn walk(&mut self, host: IpAddr, now: Duration) {
        if self.depth != Depth::Network || !self.wants(host, &Question::Snmp) {
            return;
        }
        if self.walks.len() >= WALKS {
            return self.hindered(Hindrance::CutShort);
        }
        for table in Table::ALL {
            let walk = Walk::new(table.root(), ROWS);
            self.ask(host, Question::Walk(table, walk.at().clone()), 1, now);
            self.walks.insert((host, table), walk);
        }
    }

    pub(super) fn walked(&mut self, host: IpAddr, answer: Answer, now: Duration) {
        let asked = Table::ALL.into_iter().find_map(|table| {
            let question = Question::Walk(table, self.walks.get(&(host, table))?.at().clone());
            (self.cookie.positive(host, &question) == answer.id).then_some((table, question))
        });
        let Some((table, question)) = asked else { return };
        if !self.open.remove(&(host, question)) {
            return;
        }
        let Some(walk) = self.walks.get_mut(&(host, table)) else {
            return;
        };
        let step = walk.heard(answer);
        let at = walk.at().clone();
        match step {
            Step::On => self.ask(host, Question::Walk(table, at), 1, now),
            Step::Done => self.read(host, table),
            Step::BrokenOff => {
                self.hindered(Hindrance::CutShort);
                self.read(host, table);
            }
        }
    }

    /// A table was read, as far as it could be.
    pub(super) fn read(&mut self, host: IpAddr, table: Table) {
        let Some(walk) = self.walks.remove(&(host, table)) else {
            return;
        };
        for told in table.facts(walk.rows()) {
            match told {
                Told::Itself(fact) => self.devices.learn(host, fact),
                Told::About(address, fact) if self.scope.area.permits(address) => {
                    self.devices.learn(host, fact);
                }
                Told::About(..) => {}
            }
        }
    }
}

/// Tables that are being read at once, and the most objects of one.
const WALKS: usize = 1024;
const ROWS: usize = 512;
