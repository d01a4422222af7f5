//! Writes `data/oui.txt` anew from the IEEE's lists, as the Debian package `ieee-data` has them.
//! Run in the scanner's folder: `cargo run -p vedette-scanner --example oui -- /usr/share/ieee-data`.
#![forbid(unsafe_code)]

use std::{collections::BTreeMap, error::Error, fs, path::Path};

/// Blocks of 24, 28 and 36 bits.
const LISTS: &[(&str, usize)] = &[("oui.csv", 6), ("mam.csv", 7), ("oui36.csv", 9)];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("say in which folder the lists are")?;
    let mut rows = BTreeMap::new();
    for (list, digits) in LISTS {
        let text = fs::read_to_string(Path::new(&folder).join(list))?;
        for line in text.lines().skip(1) {
            let Some((prefix, name)) = row(line) else { continue };
            // A block that its owner gave on to others says nothing of who made the interface.
            if prefix.len() == *digits && name != "IEEE Registration Authority" && name != "Private" {
                rows.insert(prefix.to_owned(), name);
            }
        }
    }
    let text: String = rows
        .iter()
        .map(|(prefix, name)| format!("{prefix} {name}\n"))
        .collect();
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/oui.txt"), text)?;
    Ok(())
}

/// Prefix and name of one line: `MA-L,002272,American Micro-Fuel Device Corp.,…`, the name in quotes where it
/// holds a comma.
fn row(line: &str) -> Option<(&str, String)> {
    let mut fields = line.splitn(3, ',');
    let (_registry, prefix, rest) = (fields.next()?, fields.next()?, fields.next()?);
    let name = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split("\",").next()?.replace("\"\"", "\""),
        None => rest.split(',').next()?.to_owned(),
    };
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain: String = name
        .chars()
        .filter(|letter| letter.is_ascii() && !letter.is_ascii_control())
        .collect();
    (!plain.is_empty()).then_some((prefix, plain))
}
