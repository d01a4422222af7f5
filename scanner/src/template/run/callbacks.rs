//! Replies judged again when it is known who came to the addresses that their requests name.

use super::{super::event::Contact as Proof, Block, Contact, Run, course::Course, judging::Answered};

impl Course {
    /// The ports at which somebody may still come, if that could change what was judged.
    pub(super) fn awaits_callbacks(&mut self) -> Option<Vec<u16>> {
        if self.done {
            self.pending.clear();
        }
        let mut ports: Vec<u16> = self
            .pending
            .iter()
            .filter_map(|answered| answered.called.port())
            .collect();
        ports.sort_unstable();
        ports.dedup();
        if ports.is_empty() {
            self.pending.clear();
            return None;
        }
        Some(ports)
    }

    /// Whether as much is pending as may be: the next request comes after it was judged.
    pub(super) fn is_laden(&self) -> bool {
        let weight: usize = self.pending.iter().map(Answered::weight).sum();
        self.names_addresses() && (self.pending.len() >= PENDING_LIMIT || weight >= WEIGHT_LIMIT)
    }

    /// Begins anew with the next combination: what names no address cannot change any more.
    pub(super) fn forget_what_is_settled(&mut self) {
        if !self.names_addresses() {
            self.pending.clear();
        }
    }

    fn names_addresses(&self) -> bool {
        self.pending
            .iter()
            .any(|answered| answered.called.port().is_some())
    }
}

impl Run {
    /// Takes who came to which port, and judges again what that may change.
    pub(super) fn take_contacts(&mut self, course: &mut Course, contacts: &[(u16, Contact)]) {
        let template = self.template.clone();
        let Some(Block::Http(block)) = template.blocks.get(course.block) else {
            return;
        };
        let pending = std::mem::take(&mut course.pending);
        for answered in &pending {
            let own = contacts
                .iter()
                .filter(|(port, _)| answered.called.port() == Some(*port));
            let proofs: Vec<Proof> = own
                .flat_map(|(_, contact)| {
                    let proven = template.calls_back.proven_by(contact.over);
                    proven.into_iter().map(|protocol| Proof {
                        protocol,
                        from: contact.from,
                    })
                })
                .collect();
            if !proofs.is_empty() {
                for event in &answered.chain {
                    event.called(proofs.clone());
                }
            }
        }
        if contacts.is_empty() {
            return;
        }
        // All of them: a later reply may be judged by what came of an earlier request.
        for answered in &pending {
            if !course.done {
                self.judge_answered(course, block, answered);
            }
        }
    }
}

const PENDING_LIMIT: usize = 64;
/// In bytes.
const WEIGHT_LIMIT: usize = 1 << 20;
