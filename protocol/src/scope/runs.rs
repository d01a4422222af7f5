//! Runs of addresses, and cutting runs out of runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Area;
use crate::target::Span;

/// An unbroken run of addresses of one family; unlike a target's, of any length.
pub type Run = (IpAddr, IpAddr);

/// The addresses of an area as sorted runs that do not overlap, with nothing in them that is forbidden.
pub(super) fn of(area: &Area) -> Vec<Run> {
    let mut spans: Vec<Run> = area.hosts().iter().map(|host| host.span.bounds()).collect();
    spans.sort_unstable();
    let mut merged: Vec<Run> = Vec::new();
    for (first, last) in spans {
        match merged.last_mut() {
            Some(run) if run.0.is_ipv4() == first.is_ipv4() && first <= run.1 => run.1 = run.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    let never = sorted(area.never());
    merged.into_iter().flat_map(|run| without(run, &never)).collect()
}

/// What is left of a span without what is forbidden; `never` is [`sorted`].
pub(super) fn left(span: Span, never: &[Run]) -> Vec<Run> {
    without(span.bounds(), never)
}

/// Whether all addresses of the runs lie in the spans.
pub(super) fn lie_in(runs: &[Run], spans: &[Span]) -> bool {
    let spans = sorted(spans);
    runs.iter().all(|run| without(*run, &spans).is_empty())
}

/// Spans as runs, in order.
pub(super) fn sorted(spans: &[Span]) -> Vec<Run> {
    let mut runs: Vec<Run> = spans.iter().map(Span::bounds).collect();
    runs.sort_unstable();
    runs
}

/// A run without what is forbidden of it; `never` is sorted.
fn without(run: Run, never: &[Run]) -> Vec<Run> {
    let mut left = Vec::new();
    let mut rest = Some(run);
    for &(low, high) in never.iter().filter(|cut| cut.0.is_ipv4() == run.0.is_ipv4()) {
        let Some((first, last)) = rest.filter(|&(_, last)| low <= last) else {
            break;
        };
        if high < first {
            continue;
        }
        if low > first
            && let Some(before) = step(low, Step::Down)
        {
            left.push((first, before));
        }
        rest = step(high, Step::Up)
            .filter(|next| *next <= last)
            .map(|next| (next, last));
    }
    left.extend(rest);
    left
}

#[derive(Clone, Copy)]
enum Step {
    Down,
    Up,
}

/// The neighbour of an address; none beyond the family's ends.
fn step(address: IpAddr, step: Step) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let number = u32::from(address);
            let next = match step {
                Step::Down => number.checked_sub(1),
                Step::Up => number.checked_add(1),
            };
            next.map(|next| Ipv4Addr::from(next).into())
        }
        IpAddr::V6(address) => {
            let number = u128::from(address);
            let next = match step {
                Step::Down => number.checked_sub(1),
                Step::Up => number.checked_add(1),
            };
            next.map(|next| Ipv6Addr::from(next).into())
        }
    }
}
