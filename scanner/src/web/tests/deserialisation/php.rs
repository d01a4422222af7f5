//! `unserialize` of PHP: an object of a class that refuses to be made of nothing, and one of a class that there is not, which
//! PHP keeps as it came. Where classes are not allowed (`allowed_classes`), both are kept.

use super::Twins;

pub(super) fn twins(value: &[u8], _: &str) -> Option<Twins> {
    let text = std::str::from_utf8(value).ok()?;
    Some(Twins {
        load: [
            with(text, "O:8:\"DateTixe\":0:{}")?,
            with(text, "O:12:\"DateTimeZonf\":0:{}")?,
        ],
        fail: [
            with(text, "O:8:\"DateTime\":0:{}")?,
            with(text, "O:12:\"DateTimeZone\":0:{}")?,
        ],
    })
}

/// A list or an object with one member more; only that it has one more is changed.
fn with(text: &str, member: &str) -> Option<Vec<u8>> {
    let text = text.trim_end();
    let mut head = text.splitn(3, ':');
    let before = match (head.next()?, head.next()?) {
        ("a", _) => "a:".to_owned(),
        ("O", length) => {
            let name = text.split('"').nth(1)?;
            (length.parse() == Ok(name.len())).then_some(())?;
            format!("O:{length}:\"{name}\":")
        }
        _ => return None,
    };
    let rest = text.strip_prefix(&before)?;
    let (count, members) = rest.split_once(":{")?;
    let (count, members) = (count.parse::<u32>().ok()?, members.strip_suffix('}')?);
    Some(
        format!(
            "{before}{}:{{{members}s:7:\"vedette\";{member}}}",
            count.checked_add(1)?
        )
        .into_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_added() {
        let added = |text| with(text, "i:7;").map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(
            added("a:1:{i:0;s:1:\"}\";}").unwrap(),
            "a:2:{i:0;s:1:\"}\";s:7:\"vedette\";i:7;}"
        );
        assert_eq!(
            added("O:4:\"User\":0:{}").unwrap(),
            "O:4:\"User\":1:{s:7:\"vedette\";i:7;}"
        );
        for other in [
            "O:5:\"User\":0:{}",
            "a:x:{}",
            "a:4294967295:{}",
            "s:1:\"a\";",
            "a:1",
            "a:0:{",
        ] {
            assert_eq!(added(other), None, "{other}");
        }
    }
}
