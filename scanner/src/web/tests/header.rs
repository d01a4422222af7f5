//! Header injection: by a header field of ours in the answer.
//!
//! Only a value that comes back in a header field is tried, which the reply to a plain word shows.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, canary, nothing_afterwards};
use crate::web::{
    response::Response,
    trial::{Proof, Trial, Verdict},
};

pub(crate) const TEST: Test = Test {
    name: "header",
    of: Of::Input,
    budget: 10,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    let word = trial.token(0);
    let plain = trial.reply(&canary(trial))?;
    if !plain.headers.iter().any(|(_, value)| value.contains(&word)) {
        return Ok(None);
    }
    for (number, (detail, line_end, colon)) in (70..).step_by(2).zip(FORMS) {
        let comes = |number| {
            let name = format!("x-{}", trial.token(number));
            let payload = format!("{}{line_end}{name}{colon}1", trial.value());
            Ok(has(trial.reply(&payload)?, &name))
        };
        if comes(number)? && comes(number + 1)? {
            return Ok(Some(Proof {
                type_: FindingType::WebHeaderInjection,
                confidence: Confidence::Certain,
                shown_by: ShownBy::OwnHeader,
                detail,
            }));
        }
    }
    Ok(None)
}

fn has(reply: &Response, name: &str) -> bool {
    reply.header(name).is_some_and(|value| value.starts_with('1'))
}

/// How a line ends, and a name from its value.
const FORMS: &[(&str, &str, &str)] = &[
    ("carriage return and line feed", "\r\n", ": "),
    ("line feed", "\n", ": "),
    ("line ends spelled twice", "%0d%0a", ":%20"),
    // Their last bytes are those of a line end; who cuts characters to bytes makes one of them.
    ("characters cut to bytes", "\u{560d}\u{560a}", ": "),
];
