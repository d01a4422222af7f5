//! Who made a network interface, by the IEEE's public list of address blocks. Pure; the list is part of the
//! program, 1.2 MB (`data/README` says where it comes from and how it is renewed).

use vedette_protocol::finding::{Label, MacAddress};

/// The maker of the interface with this address; none when it is not in the list, or was made up by software.
pub fn vendor(mac: MacAddress) -> Option<Label> {
    if !mac.is_universal() {
        return None;
    }
    let digits: String = mac.0.iter().map(|octet| format!("{octet:02X}")).collect();
    // The smaller block is the nearer owner.
    [9, 7, 6]
        .into_iter()
        .find_map(|length| named(&digits[..length]))
        .and_then(Label::cut)
}

/// The name behind a prefix: a binary search over the lines.
fn named(prefix: &str) -> Option<&'static str> {
    let (mut low, mut high) = (0, LIST.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let begin = LIST[..middle].rfind('\n').map_or(0, |at| at + 1);
        let end = LIST[middle..].find('\n').map_or(LIST.len(), |at| middle + at);
        let (found, name) = LIST[begin..end].split_once(' ')?;
        match found.cmp(prefix) {
            std::cmp::Ordering::Equal => return Some(name),
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = begin,
        }
    }
    None
}

const LIST: &str = include_str!("../data/oui.txt");

#[cfg(test)]
mod tests {
    use super::*;

    fn vendor_of(mac: &str) -> Option<String> {
        vendor(mac.parse().unwrap()).map(String::from)
    }

    #[test]
    fn every_line_of_the_list_is_found() {
        let mut last = "";
        for line in LIST.lines() {
            let (prefix, name) = line.split_once(' ').unwrap();
            assert!(last < prefix, "{last} before {prefix}");
            assert!(matches!(prefix.len(), 6 | 7 | 9) && !name.is_empty(), "{line}");
            assert_eq!(named(prefix), Some(name));
            last = prefix;
        }
        assert!(LIST.lines().count() > 30_000);
        assert!(LIST.is_ascii(), "it is cut at bytes");
    }

    #[test]
    fn the_smallest_block_names_the_maker() {
        assert_eq!(
            vendor_of("00:22:72:00:00:01").unwrap(),
            "American Micro-Fuel Device Corp."
        );
        // 70:B3:D5 is a block of the registry itself, given on in blocks of 36 bits.
        assert!(vendor_of("70:b3:d5:00:10:01").is_some());
        assert_eq!(vendor_of("02:00:5e:10:00:00"), None);
        assert_eq!(vendor_of("01:00:5e:00:00:fb"), None);
    }
}
