//! What is still to be copied, in the order in which it left.
//!
//! Pure. Lines are numbered from 1 on, without a gap; where some are lost, because the collector does not take them and
//! no more may wait, a [`Remark::Gap`] stands in their place. A batch of events under an order that requires its copy is
//! never lost: it is waited for, one at a time.

use std::collections::VecDeque;

use vedette_protocol::{
    Timestamp,
    copy::{Delivery, Remark},
    keeper::Exchange,
};

/// No more lines, and no more bytes, wait.
const LINES_LIMIT: usize = 256;
const BYTES_LIMIT: usize = 8 << 20;

/// What waits.
#[derive(Debug)]
pub(super) struct Queue {
    rule: Rule,
    lines: VecDeque<Line>,
    bytes: usize,
    /// The number of the last line.
    last: u64,
    /// The number of the line that ended the last copy.
    ended: u64,
    missed: u64,
    /// Messages below this number may leave.
    released: u64,
}

/// Whether there is a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// It is not known before the workspace is open: what leaves till then is kept for it.
    Unknown,
    /// There is none.
    Off,
    /// There is one.
    On(Delivery),
}

/// A line, or what stands for many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number; of a gap, that of the last one lost.
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A message that leaves, or has left.
    Message { exchange: Exchange, json: Vec<u8> },
    /// What the copy says of itself.
    Remark(Remark),
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            rule: Rule::Unknown,
            lines: VecDeque::new(),
            bytes: 0,
            last: 0,
            ended: 0,
            missed: 0,
            released: 0,
        }
    }
}

impl Queue {
    /// Whether messages are to be written down at all.
    pub(super) fn wants(&self) -> bool {
        self.rule != Rule::Off
    }

    /// Takes a message in. If it must not leave before its line is sent: the line's number.
    pub(super) fn left(&mut self, exchange: Exchange, at: Timestamp, json: Vec<u8>) -> Option<u64> {
        if !self.wants() {
            return None;
        }
        let waits = exchange == Exchange::Events && self.rule == Rule::On(Delivery::Required);
        let full = self.lines.len() >= LINES_LIMIT || self.bytes + json.len() > BYTES_LIMIT;
        if full && !waits {
            self.lose(at);
            return None;
        }
        self.bytes += json.len();
        let number = self.push(at, What::Message { exchange, json });
        waits.then_some(number)
    }

    /// An order counts: below which number messages may leave.
    pub(super) fn begin(&mut self, order: u64, delivery: Delivery, at: Timestamp) -> u64 {
        self.end_before();
        self.rule = Rule::On(delivery);
        self.missed = 0;
        self.push(at, What::Remark(Remark::Begin { order, delivery }));
        if delivery == Delivery::BestEffort {
            self.released = self.last + 1;
        }
        self.released
    }

    /// There is no copy any more: below which number messages may leave.
    pub(super) fn end(&mut self) -> u64 {
        self.end_before();
        self.rule = Rule::Off;
        self.lines.clear();
        self.bytes = 0;
        self.missed = 0;
        self.released = self.last + 1;
        self.released
    }

    /// What is to be sent next.
    pub(super) fn front(&self) -> Option<Line> {
        self.lines.front().cloned()
    }

    /// The line of that number was sent: below which number messages may leave.
    pub(super) fn sent(&mut self, number: u64) -> u64 {
        match self.lines.front_mut() {
            Some(line) if line.number == number => {
                if let Some(Line {
                    what: What::Message { json, .. },
                    ..
                }) = self.lines.pop_front()
                {
                    self.bytes -= json.len();
                }
            }
            // It grew while it was sent.
            Some(Line {
                what: What::Remark(Remark::Gap { first, .. }),
                ..
            }) if *first <= number => *first = number + 1,
            // What was sent was dropped in the meantime.
            Some(_) | None => return self.released,
        }
        self.released = self.released.max(number + 1);
        self.released
    }

    /// The number of the line that tells a collector that its copy has ended.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    /// How many messages were lost under this order.
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    /// Gives a number to the end of the copy that there was.
    fn end_before(&mut self) {
        if let Rule::On(_) = self.rule {
            self.last += 1;
            self.ended = self.last;
        }
    }

    fn push(&mut self, at: Timestamp, what: What) -> u64 {
        self.last += 1;
        self.lines.push_back(Line {
            number: self.last,
            at,
            what,
        });
        self.last
    }

    fn lose(&mut self, at: Timestamp) {
        self.missed += 1;
        if let Some(Line {
            number,
            what: What::Remark(Remark::Gap { last, .. }),
            ..
        }) = self.lines.back_mut()
        {
            self.last += 1;
            (*number, *last) = (self.last, self.last);
        } else {
            let lost = self.last + 1;
            self.push(
                at,
                What::Remark(Remark::Gap {
                    first: lost,
                    last: lost,
                }),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: Timestamp = Timestamp(1_800_000_000);

    #[test]
    fn what_left_before_the_order_was_known_is_copied_and_without_one_forgotten() {
        let mut queue = Queue::default();
        assert_eq!(queue.left(Exchange::Boot, AT, vec![1]), None);
        let mut other = Queue::default();
        assert_eq!(other.left(Exchange::Boot, AT, vec![1]), None);
        assert_eq!(other.end(), 2);
        assert!(other.front().is_none() && !other.wants());
        assert_eq!(other.left(Exchange::Events, AT, vec![1]), None);

        queue.begin(7, Delivery::Required, AT);
        let boot = queue.front().unwrap();
        assert_eq!(boot.number, 1);
        queue.sent(1);
        let begin = queue.front().unwrap();
        let order = Remark::Begin {
            order: 7,
            delivery: Delivery::Required,
        };
        assert_eq!((begin.number, begin.what), (2, What::Remark(order)));
    }

    #[test]
    fn events_wait_for_their_line_only_where_that_is_required() {
        let mut queue = Queue::default();
        queue.begin(1, Delivery::Required, AT);
        assert_eq!(queue.left(Exchange::Poll, AT, vec![1]), None);
        let number = queue.left(Exchange::Events, AT, vec![1]).unwrap();
        assert!(queue.sent(1) <= number && queue.sent(2) <= number);
        assert!(queue.sent(3) > number);
        let number = queue.left(Exchange::Events, AT, vec![1]).unwrap();
        assert!(
            queue.begin(2, Delivery::BestEffort, AT) > number,
            "it may leave now"
        );
        assert_eq!(queue.left(Exchange::Events, AT, vec![1]), None);
        queue.begin(3, Delivery::Required, AT);
        let number = queue.left(Exchange::Events, AT, vec![1]).unwrap();
        assert!(queue.end() > number, "and without a copy");
    }

    #[test]
    fn more_than_may_wait_is_a_gap_and_required_events_are_never_in_it() {
        let mut queue = Queue::default();
        queue.begin(1, Delivery::Required, AT);
        for _ in 0..2 * LINES_LIMIT {
            queue.left(Exchange::Poll, AT, vec![1]);
        }
        let missed = queue.missed();
        assert_eq!(missed, 2 * LINES_LIMIT as u64 + 1 - LINES_LIMIT as u64);
        let number = queue.left(Exchange::Events, AT, vec![2]).unwrap();
        let mut lines = Vec::new();
        while let Some(line) = queue.front() {
            queue.sent(line.number);
            lines.push(line);
        }
        let [.., gap, events] = lines.as_slice() else {
            panic!()
        };
        let first = LINES_LIMIT as u64 + 1;
        let lost = Remark::Gap {
            first,
            last: first + missed - 1,
        };
        assert_eq!((gap.number, &gap.what), (number - 1, &What::Remark(lost)));
        assert_eq!(events.number, number);
    }

    proptest! {
        /// Whatever happens, each number is sent once, or lies in exactly one gap that is sent.
        #[test]
        fn no_number_is_unaccounted_for(
            steps in prop::collection::vec((0u8..4, 1usize..3 << 20), 0..60),
        ) {
            let mut queue = Queue::default();
            queue.begin(1, Delivery::BestEffort, AT);
            let mut next = 1;
            for (step, size) in steps {
                if step == 0 {
                    let Some(line) = queue.front() else { continue };
                    // What comes in while it is sent.
                    queue.left(Exchange::Poll, AT, vec![0; 10]);
                    let first = match line.what {
                        What::Remark(Remark::Gap { first, last }) => {
                            prop_assert_eq!(last, line.number);
                            first
                        }
                        _ => line.number,
                    };
                    prop_assert_eq!(first, next);
                    next = line.number + 1;
                    queue.sent(line.number);
                } else {
                    queue.left(Exchange::Events, AT, vec![0; size]);
                }
                prop_assert!(queue.bytes <= BYTES_LIMIT && queue.lines.len() <= LINES_LIMIT + 1);
            }
        }
    }
}
