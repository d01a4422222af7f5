//! Flows: which blocks are run in which order, as conditions over their results. Pure.
//!
//! A flow is one or more conditions of calls, `http(1) && (http(2) || !http(3))`. What is more, is a program in
//! JavaScript, and refused.

use super::form::Block;

/// Conditions, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Runs these blocks; true when one of them has a hit.
    Run(Vec<usize>),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// This block is to be run.
    Block(usize),
    /// It is over; whether a condition was met.
    Over(bool),
}

impl Flow {
    /// Reads a flow; none when it is more than conditions, or names a block that is not there.
    pub fn parse(text: &str, blocks: &[Block]) -> Option<Self> {
        if text.len() > LENGTH_LIMIT {
            return None;
        }
        let mut parser = Parser {
            rest: text,
            blocks,
            depth: 0,
        };
        let mut steps = Vec::new();
        loop {
            while parser.sign(";") {}
            if parser.rest.trim().is_empty() {
                break;
            }
            steps.push(parser.or()?);
        }
        (!steps.is_empty()).then_some(Self(steps))
    }

    /// What comes next when the blocks that were run so far, in order, came to these results.
    pub fn next(&self, results: &[bool]) -> Next {
        let mut results = results.iter().copied();
        let mut met = false;
        for step in &self.0 {
            match step.value(&mut results) {
                Ok(value) => met |= value,
                Err(block) => return Next::Block(block),
            }
        }
        Next::Over(met)
    }
}

impl Step {
    /// The value, or the block whose result it takes.
    fn value(&self, results: &mut dyn Iterator<Item = bool>) -> Result<bool, usize> {
        match self {
            Self::Run(blocks) => {
                let mut any = false;
                for block in blocks {
                    any |= results.next().ok_or(*block)?;
                }
                Ok(any)
            }
            Self::Not(step) => Ok(!step.value(results)?),
            Self::And(left, right) => Ok(left.value(results)? && right.value(results)?),
            Self::Or(left, right) => Ok(left.value(results)? || right.value(results)?),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    blocks: &'a [Block],
    depth: usize,
}

impl Parser<'_> {
    fn or(&mut self) -> Option<Step> {
        let mut left = self.and()?;
        while self.sign("||") {
            left = Step::Or(Box::new(left), Box::new(self.and()?));
        }
        Some(left)
    }

    fn and(&mut self) -> Option<Step> {
        let mut left = self.one()?;
        while self.sign("&&") {
            left = Step::And(Box::new(left), Box::new(self.one()?));
        }
        Some(left)
    }

    fn one(&mut self) -> Option<Step> {
        self.depth += 1;
        if self.depth > STEPS_LIMIT {
            return None;
        }
        if self.sign("!") {
            return Some(Step::Not(Box::new(self.one()?)));
        }
        if self.sign("(") {
            let inner = self.or()?;
            return self.sign(")").then_some(inner);
        }
        self.rest = self.rest.trim_start();
        let end = self.rest.find('(')?;
        let protocol = self.rest[..end].trim();
        let close = self.rest[end..].find(')')? + end;
        let which = self.rest[end + 1..close].trim();
        let run = self.called(protocol, which)?;
        self.rest = &self.rest[close + 1..];
        Some(Step::Run(run))
    }

    fn called(&self, protocol: &str, which: &str) -> Option<Vec<usize>> {
        let protocol = match protocol {
            "network" => "tcp",
            other => other,
        };
        let of_protocol: Vec<usize> = (0..self.blocks.len())
            .filter(|index| self.blocks[*index].protocol() == protocol)
            .collect();
        let called = match which.parse::<usize>() {
            _ if which.is_empty() => of_protocol,
            Ok(number) => vec![*of_protocol.get(number.checked_sub(1)?)?],
            Err(_) => {
                let id = which.trim_matches(['"', '\'']);
                let named = |index: &usize| matches!(&self.blocks[*index], Block::Http(block) if block.id.as_deref() == Some(id));
                of_protocol.into_iter().filter(named).collect()
            }
        };
        (!called.is_empty()).then_some(called)
    }

    fn sign(&mut self, sign: &str) -> bool {
        match self.rest.trim_start().strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

const LENGTH_LIMIT: usize = 4096;
const STEPS_LIMIT: usize = 128;
