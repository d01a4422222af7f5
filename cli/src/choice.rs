//! Which one is meant: by id, by name, or by the beginning of an id that no other has.

use anyhow::{Result, bail};

/// Finds the one that `given` means.
pub(crate) fn choose<'a, T>(
    what: &str,
    given: &str,
    all: &'a [T],
    id: impl Fn(&T) -> String,
    name: impl Fn(&T) -> Option<&String>,
) -> Result<&'a T> {
    if let Some(exact) = all.iter().find(|one| id(one) == given) {
        return Ok(exact);
    }
    let named: Vec<&T> = all
        .iter()
        .filter(|one| name(one).is_some_and(|name| name == given))
        .collect();
    let meant = if named.is_empty() {
        all.iter()
            .filter(|one| !given.is_empty() && id(one).starts_with(given))
            .collect()
    } else {
        named
    };
    match meant.as_slice() {
        [one] => Ok(one),
        [] => bail!("there is no {what} {given:?}; `vedette {what} list` shows them all"),
        several => {
            let ids: Vec<String> = several.iter().map(|one| id(one)).collect();
            bail!(
                "{given:?} means {} of them: {}; give more of the id",
                several.len(),
                ids.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(given: &str) -> Result<&'static str> {
        const ALL: [(&str, &str); 4] = [
            ("ab12", "lab"),
            ("ab34", "office"),
            ("cd56", "ab34"),
            ("ef78", "lab"),
        ];
        let names: Vec<(String, String)> = ALL
            .iter()
            .map(|(id, name)| ((*id).into(), (*name).into()))
            .collect();
        let one = choose(
            "appliance",
            given,
            &names,
            |one| one.0.clone(),
            |one| Some(&one.1),
        )?;
        Ok(ALL.iter().find(|known| known.0 == one.0).unwrap().0)
    }

    #[test]
    fn an_id_goes_before_a_name_and_a_name_before_a_beginning() {
        assert_eq!(chosen("ab34").unwrap(), "ab34");
        assert_eq!(chosen("office").unwrap(), "ab34");
        assert_eq!(chosen("ab1").unwrap(), "ab12");
    }

    #[test]
    fn what_is_not_clear_is_asked_back() {
        assert!(chosen("ab").unwrap_err().to_string().contains("ab12, ab34"));
        assert!(chosen("lab").unwrap_err().to_string().contains("ab12, ef78"));
        assert!(
            chosen("x")
                .unwrap_err()
                .to_string()
                .contains("vedette appliance list")
        );
        assert!(chosen("").is_err());
    }
}
