//! Replies made from a template's own matchers: such that they hold, or all but one thing of what they ask for.

use vedette_protocol::finding::Transport;
use vedette_scanner::{
    callback::Contact,
    template::{
        Template,
        form::Block,
        run::{Incoming, Outgoing, Run},
    },
    web::response::Response,
};

use crate::{
    atom::{Atom, NotMade, What, of_extractor, of_operators, usual},
    body::Body,
};

/// Replies for one block.
#[derive(Debug, Default)]
struct Plan {
    atoms: Vec<Atom>,
    /// What extractors need, which stays in a near miss.
    feed: Vec<Atom>,
    remembers: bool,
    drafts: usize,
    usual: u16,
}

/// A responder for a template.
#[derive(Debug)]
pub(crate) struct Responder {
    plans: Vec<Plan>,
    /// Whether one thing is missing in each block.
    near: bool,
}

impl Responder {
    pub(crate) fn make(template: &Template, near: bool) -> Result<Self, NotMade> {
        let mut plans = Vec::new();
        for block in &template.blocks {
            let Block::Http(http) = block else {
                return Err("another protocol".to_owned());
            };
            let mut plan = Plan {
                remembers: http.remembers,
                drafts: http.drafts.len(),
                usual: usual(&http.operators),
                ..Plan::default()
            };
            plan.atoms = of_operators(&http.operators)?;
            for extractor in &http.operators.extractors {
                let atoms = of_extractor(extractor, &http.operators)?;
                // What is shown alone may be what the matchers look for.
                if extractor.internal || http.operators.matchers.is_empty() || !near {
                    plan.feed.extend(atoms);
                }
            }
            plans.push(plan);
        }
        for (number, plan) in (1..).zip(&mut plans) {
            plan.feed.extend(named_later(template, number));
        }
        let responder = Self { plans, near };
        if near && responder.plans.iter().all(|plan| plan.missing().is_none()) {
            return Err("nothing can be missing".to_owned());
        }
        Ok(responder)
    }

    /// Runs a template against these replies, each of which is told beside its request; how often it hits.
    pub(crate) fn run(&self, mut run: Run, tell: &mut dyn FnMut(&[u8], &Response)) -> Result<usize, NotMade> {
        let (mut sent, mut called) = (0, false);
        while let Some(outgoing) = run.outgoing() {
            let request = match outgoing {
                Outgoing::Http(request) => request,
                Outgoing::Callbacks(ports) => {
                    let contact = Contact {
                        from: [192, 0, 2, 7].into(),
                        over: Transport::Tcp,
                    };
                    let contacts = ports.into_iter().filter(|_| called).map(|port| (port, contact));
                    run.heard(Incoming::Callbacks(contacts.collect()));
                    continue;
                }
                Outgoing::Other(_) => return Err("another protocol".to_owned()),
            };
            sent += 1;
            if sent > 400 {
                break;
            }
            let (block, position) = run.place().ok_or("no block is under way")?;
            let (incoming, calls) = self.reply(&run, block, position, sent)?;
            called |= calls;
            if let Incoming::Http(response) = &incoming {
                tell(&request.bytes, response);
            }
            run.heard(incoming);
            if !run.certain_hits().is_empty() {
                break;
            }
        }
        if sent == 0 {
            return Err("nothing can be sent".to_owned());
        }
        Ok(run.finish().0.len())
    }

    /// The reply to a request, and whether the target then comes to the address that it names.
    fn reply(
        &self,
        run: &Run,
        block: usize,
        position: usize,
        sent: usize,
    ) -> Result<(Incoming, bool), NotMade> {
        let plan = &self.plans[block];
        let missing = if self.near { plan.missing() } else { None };
        let number = position + 1;
        let is_last = number == plan.drafts;
        let here = |atom: &&Atom| match atom.reply {
            Some(reply) if reply > plan.drafts => reply == sent,
            Some(reply) => reply == number,
            None => !plan.remembers || is_last,
        };
        let kept = plan
            .atoms
            .iter()
            .enumerate()
            .filter(|(index, _)| Some(*index) != missing)
            .map(|(_, atom)| atom);
        let mut body = Body::of_status(plan.usual);
        for atom in &plan.feed {
            if atom.reply.is_none_or(|reply| reply == number) {
                body.add(run, &atom.what)?;
            }
        }
        for atom in kept.filter(here) {
            body.add(run, &atom.what)?;
        }
        let missing = missing.map(|index| &plan.atoms[index]).filter(|atom| here(atom));
        // One contact shows all that there is to show of it.
        let calls = body.called && !missing.is_some_and(|atom| atom.what.is_of_callback());
        let reply = body.reply(if self.near { missing } else { None }, self.near)?;
        Ok((reply, calls))
    }
}

/// Header fields of a block's reply that later requests name, as in `{{http_1_token}}`.
fn named_later(template: &Template, block: usize) -> Vec<Atom> {
    let prefix = format!("{{{{http_{block}_");
    let texts = template.blocks.iter().flat_map(Block::texts);
    let named = texts.flat_map(|text| text.split(&prefix).skip(1).collect::<Vec<_>>());
    let mut fields: Vec<&str> = named.filter_map(|rest| rest.split("}}").next()).collect();
    fields.retain(|field| {
        field
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    fields.sort_unstable();
    fields.dedup();
    let known = ["body", "header", "all_headers", "status_code", "location"];
    let new = fields.into_iter().filter(|field| !known.contains(field));
    new.map(|field| Atom {
        reply: None,
        what: What::Bytes(field.to_owned(), b"v1".to_vec()),
    })
    .collect()
}

impl Plan {
    /// What is left out of a near miss: something that nothing else brings in.
    fn missing(&self) -> Option<usize> {
        let text = |atom: &Atom| match &atom.what {
            What::Text(_, text) => Some(text.to_lowercase()),
            What::Bytes(_, bytes) => Some(String::from_utf8_lossy(bytes).to_lowercase()),
            What::Begins(text) | What::Exactly(text) => Some(text.to_lowercase()),
            _ => None,
        };
        (0..self.atoms.len()).rev().find(|index| {
            let atom = &self.atoms[*index];
            let others = self
                .atoms
                .iter()
                .enumerate()
                .filter(|(other, _)| other != index)
                .map(|(_, atom)| atom);
            match &atom.what {
                What::Text(_, wanted) => {
                    let wanted = wanted.to_lowercase();
                    wanted.len() > 1
                        && wanted != "-"
                        && !others
                            .chain(&self.feed)
                            .any(|other| text(other).is_some_and(|other| other.contains(&wanted)))
                }
                What::Status(_) => true,
                What::Begins(_) | What::Exactly(_) | What::Late(_) | What::Called(_) | What::AtLeast(_) => {
                    true
                }
                What::Bytes(..) => self.atoms.len() == 1 && self.feed.is_empty(),
                What::Length(_) => false,
            }
        })
    }
}
