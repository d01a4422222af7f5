//! LDAP injection: by the filter's error, and by escapes that only a filter reads.
//!
//! `\61` is an `a` in a filter (RFC 4515, section 3) and nowhere else that input goes: where it finds what
//! `a` finds, and `\62` does not, the value has become part of a filter.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, canary, error_follows_balance, nothing_afterwards};
use crate::web::trial::{Proof, Stop, Trial, Verdict};

pub(crate) const TEST: Test = Test {
    name: "ldap",
    of: Of::Input,
    budget: 20,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    if let Some(library) = error_follows_balance(trial, ERRORS, BALANCE)? {
        return Ok(Some(proof(Confidence::Certain, ShownBy::SyntaxError, library)));
    }
    if !trial.is_stable() {
        return Ok(None);
    }
    if by_escape(trial)? {
        return Ok(Some(proof(Confidence::Firm, ShownBy::TrueAndFalse, "value")));
    }
    if by_pattern(trial)? {
        return Ok(Some(proof(Confidence::Firm, ShownBy::TrueAndFalse, "pattern")));
    }
    Ok(None)
}

fn proof(confidence: Confidence, shown_by: ShownBy, detail: &'static str) -> Proof {
    Proof {
        type_: FindingType::WebLdapInjection,
        confidence,
        shown_by,
        detail,
    }
}

/// The value with one of its characters escaped finds what the value does.
fn by_escape(trial: &Trial<'_>) -> Result<bool, Stop> {
    let (value, base) = (trial.value(), trial.base_view());
    let letters = value.len() >= 2 && value.bytes().all(|byte| byte.is_ascii_lowercase());
    if !letters || trial.view(&canary(trial))? == base {
        return Ok(false);
    }
    let escaped = |at: usize, step: u8| {
        let byte = value.as_bytes()[at] + step;
        format!("{}\\{byte:02x}{}", &value[..at], &value[at + 1..])
    };
    let last = value.len() - 1;
    let [yes, also_yes] = [escaped(0, 0), escaped(last, 0)];
    let [no, also_no] = [escaped(0, 1), escaped(last, 1)];
    Ok(trial.view(&yes)? == base && trial.parts([&yes, &also_yes], [&no, &also_no])?)
}

/// Where nothing is found by the value: a pattern with an escape finds what it does without.
fn by_pattern(trial: &Trial<'_>) -> Result<bool, Stop> {
    if trial.view("*")? == trial.view(&canary(trial))? {
        return Ok(false);
    }
    trial.parts(["*\\61*", "*a*"], ["*\\7a\\71*", "*zq*"])
}

/// Before and behind the value, unbalanced; before and behind it, balanced.
const BALANCE: &[(&str, &str, &str, &str)] = &[("", ")", "", "k"), ("", "(", "", "k")];

const ERRORS: &[(&str, &[&str])] = &[
    ("OpenLDAP", &["Bad search filter"]),
    ("PHP", &["ldap_search(): Search: Bad"]),
    ("Python", &["FILTER_ERROR"]),
    ("Python", &["LDAPInvalidFilterError"]),
    ("Java", &["InvalidSearchFilterException"]),
    ("Java", &["javax.naming.NamingException", "filter"]),
    (".NET", &["search filter is invalid"]),
    ("LDAP", &["Invalid LDAP filter"]),
    ("LDAP", &["invalid filter"]),
    ("LDAP", &["Unbalanced parenthes"]),
];
