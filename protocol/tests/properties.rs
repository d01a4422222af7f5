//! Properties of what is parsed: whatever is written is read back, and nothing that is read panics.
#![cfg(test)]

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use vedette_protocol::{
    PortSet, Scope, Target, Timestamp,
    codec::{decode, encode, read_frame},
    finding::{Label, UrlPath},
    image::PlatformUrl,
    status::Status,
    target::Span,
};

fn span() -> impl Strategy<Value = Span> {
    (any::<u32>(), 0u32..5000).prop_map(|(first, more)| {
        let last = first.saturating_add(more);
        Span::between(Ipv4Addr::from(first).into(), Ipv4Addr::from(last).into()).unwrap()
    })
}

fn ports() -> impl Strategy<Value = PortSet> {
    proptest::collection::vec(1u16.., 1..20).prop_map(|ports| PortSet::from_ports(ports).unwrap())
}

proptest! {
    #[test]
    fn a_printed_target_is_the_same_target(span in span()) {
        let target = Target::Span(span);
        prop_assert_eq!(target.to_string().parse(), Ok(target));
    }

    #[test]
    fn a_printed_port_set_is_the_same_set(ports in ports()) {
        prop_assert_eq!(ports.to_string().parse(), Ok(ports.clone()));
        prop_assert_eq!(ports.iter().count(), ports.len());
        prop_assert!(ports.iter().all(|port| ports.contains(port)));
    }

    #[test]
    fn text_of_any_kind_panics_no_parser(text in "\\PC{0,80}") {
        let _ = text.parse::<Target>();
        let _ = text.parse::<PortSet>();
        let _ = text.parse::<PlatformUrl>();
        let _ = text.parse::<Timestamp>();
    }

    #[test]
    fn bytes_of_any_kind_panic_no_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::<vedette_protocol::Job>(&bytes);
        let _ = read_frame::<vedette_protocol::worker::WorkerEvent>(&mut bytes.as_slice());
        let _ = Status::from_json(&bytes);
    }

    #[test]
    fn times_round_trip_in_both_formats(seconds in 0u64..253_402_300_800) {
        let time = Timestamp(seconds);
        prop_assert_eq!(time.to_string().parse(), Ok(time));
        prop_assert_eq!(decode::<Timestamp>(&encode(&time)).unwrap(), time);
    }

    #[test]
    fn cut_text_is_text_that_may_leave(text in any::<String>()) {
        for cut in [Label::cut(&text).map(|cut| cut.to_string().parse::<Label>().is_ok()),
            UrlPath::cut(&text).map(|cut| cut.to_string().parse::<UrlPath>().is_ok())] {
            prop_assert_ne!(cut, Some(false));
        }
    }

    #[test]
    fn a_scope_lists_what_it_permits_and_nothing_else(wide in span(), out in span(), ports in ports(), probe in any::<u32>(), port in any::<u16>()) {
        let scope = Scope::new(&[Target::Span(wide)], &[Target::Span(out)], &[], ports.clone());
        for (address, _) in scope.addresses() {
            prop_assert!(wide.contains(address) && !out.contains(address));
        }
        let probe = IpAddr::from(Ipv4Addr::from(probe));
        let permitted = wide.contains(probe) && !out.contains(probe) && ports.contains(port);
        prop_assert_eq!(scope.permits(probe, port), permitted);
        let (first, last) = wide.bounds();
        prop_assert_eq!(scope.permits_host(first), !out.contains(first));
        prop_assert_eq!(scope.permits_host(last), !out.contains(last));
    }
}
