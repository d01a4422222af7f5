//! The expression language of templates: parsed by [`syntax`], computed here, with the functions of [`function`].
//!
//! Computing is pure: chance comes from a seed, the time from outside, and no function reads a file, the
//! environment or the network. There are no loops, and what a function makes is bounded, so that it ends.

pub mod function;
pub mod syntax;
pub mod value;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use self::{
    syntax::{Expr, Infix, Prefix},
    value::{Text, Value, whole},
};
use super::regex::Regex;

/// What names stand for.
pub trait Names {
    /// The value of a name; none when nothing goes by it.
    fn value(&self, name: &str) -> Option<Value>;
}

/// What an expression is computed in.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// What names stand for.
    pub names: &'a dyn Names,
    /// What computing needs beside.
    pub kit: &'a Kit,
    /// Seconds since 1970.
    pub now: i64,
}

/// What lives as long as one template is run: chance, and the patterns that were compiled for it.
#[derive(Debug)]
pub struct Kit {
    pub(crate) chance: Chance,
    regexes: RefCell<HashMap<String, Option<Regex>>>,
}

/// Reproducible chance (Steele, Lea, Flood: SplitMix64, OOPSLA 2014). Not for secrets.
#[derive(Debug)]
pub struct Chance(Cell<u64>);

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComputeError {
    /// A name that stands for nothing here.
    #[error("nothing is known as {0:?}")]
    Unknown(String),
    /// No such function.
    #[error("there is no function {0:?}")]
    NoFunction(String),
    /// A function or operator got what it cannot work with.
    #[error("{0} cannot work with what it was given")]
    Unsuitable(&'static str),
    /// It would become too large.
    #[error("{0} would make more than {LARGEST} bytes")]
    TooLarge(&'static str),
}

impl Kit {
    /// A kit whose chance comes from a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            regexes: RefCell::default(),
        }
    }

    /// The compiled pattern, if it is one.
    pub fn regex(&self, pattern: &str) -> Option<Regex> {
        let mut regexes = self.regexes.borrow_mut();
        if let Some(known) = regexes.get(pattern) {
            return known.clone();
        }
        if regexes.len() >= REGEXES {
            regexes.clear();
        }
        let compiled = Regex::compile(pattern).ok();
        regexes.insert(pattern.to_owned(), compiled.clone());
        compiled
    }
}

impl Chance {
    /// Chance from a seed.
    pub fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// The next number.
    pub fn draw(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0.
    pub fn below(&self, bound: u64) -> u64 {
        // The bias of the remainder does not matter for names of files.
        if bound == 0 { 0 } else { self.draw() % bound }
    }

    /// So many of these characters.
    pub fn text(&self, characters: &[u8], length: usize) -> Vec<u8> {
        let pick = |_| {
            let at = self.below(characters.len() as u64);
            usize::try_from(at)
                .ok()
                .and_then(|at| characters.get(at).copied())
        };
        (0..length).filter_map(pick).collect()
    }
}

impl Scene<'_> {
    /// Computes an expression.
    ///
    /// # Errors
    /// When a name stands for nothing, or something does not fit.
    pub fn compute(&self, expr: &Expr) -> Result<Value, ComputeError> {
        match expr {
            Expr::Literal(value) => Ok(value.clone()),
            Expr::Name(name) => self
                .names
                .value(name)
                .ok_or_else(|| ComputeError::Unknown(name.clone())),
            Expr::Call(name, arguments) => {
                let function = function::named(name).ok_or_else(|| ComputeError::NoFunction(name.clone()))?;
                let arguments = arguments
                    .iter()
                    .map(|argument| self.compute(argument))
                    .collect::<Result<Vec<_>, _>>()?;
                let value = function.call(self, &arguments)?;
                let length = match &value {
                    Value::Text(text) => text.len(),
                    Value::List(items) => items.iter().map(|item| item.len() + 1).sum(),
                    Value::Number(_) | Value::Truth(_) => 0,
                };
                if length > LARGEST {
                    return Err(ComputeError::TooLarge(function.name));
                }
                Ok(value)
            }
            Expr::Prefix(prefix, inner) => prefixed(*prefix, &self.compute(inner)?),
            Expr::Infix(infix, left, right) => self.infix(*infix, left, right),
            Expr::Choice(condition, then, otherwise) => match self.compute(condition)? {
                Value::Truth(true) => self.compute(then),
                Value::Truth(false) => self.compute(otherwise),
                _ => Err(ComputeError::Unsuitable("?:")),
            },
            Expr::Several(items) => {
                let items = items
                    .iter()
                    .map(|item| self.compute(item).map(|value| value.to_text()))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(Value::List(items))
            }
        }
    }

    fn infix(&self, infix: Infix, left: &Expr, right: &Expr) -> Result<Value, ComputeError> {
        // What decides already is not computed further.
        match infix {
            Infix::And | Infix::Or => {
                let decides = infix == Infix::Or;
                if truth(&self.compute(left)?)? == decides {
                    return Ok(decides.into());
                }
                return Ok(truth(&self.compute(right)?)?.into());
            }
            Infix::Else => {
                return match self.compute(left) {
                    Err(ComputeError::Unknown(_)) => self.compute(right),
                    computed => computed,
                };
            }
            _ => {}
        }
        let (left, right) = (self.compute(left)?, self.compute(right)?);
        match infix {
            Infix::Equal => Ok((left == right).into()),
            Infix::Unequal => Ok((left != right).into()),
            Infix::Less | Infix::AtMost | Infix::Greater | Infix::AtLeast => ordered(infix, &left, &right),
            Infix::Matches | Infix::MatchesNot => {
                let pattern = right.to_text();
                let regex = self
                    .kit
                    .regex(&String::from_utf8_lossy(&pattern))
                    .ok_or(ComputeError::Unsuitable("=~"))?;
                Ok((regex.matches(&left.to_text()) == (infix == Infix::Matches)).into())
            }
            Infix::In => match right {
                Value::List(items) => Ok(items.contains(&left.to_text()).into()),
                Value::Number(_) | Value::Text(_) | Value::Truth(_) => Err(ComputeError::Unsuitable("in")),
            },
            Infix::Plus => match (&left, &right) {
                (Value::Number(left), Value::Number(right)) => Ok((left + right).into()),
                (Value::Text(_), _) | (_, Value::Text(_)) => join(&left.to_text(), &right.to_text()),
                _ => Err(ComputeError::Unsuitable("+")),
            },
            _ => arithmetic(infix, &left, &right),
        }
    }
}

fn prefixed(prefix: Prefix, value: &Value) -> Result<Value, ComputeError> {
    match (prefix, value) {
        (Prefix::Not, Value::Truth(truth)) => Ok((!truth).into()),
        (Prefix::Minus, Value::Number(number)) => Ok((-number).into()),
        (Prefix::Invert, Value::Number(number)) => {
            let inverted = !bits(*number).ok_or(ComputeError::Unsuitable("~"))?;
            Ok(from_bits(inverted))
        }
        (Prefix::Not, _) => Err(ComputeError::Unsuitable("!")),
        (Prefix::Minus, _) => Err(ComputeError::Unsuitable("-")),
        (Prefix::Invert, _) => Err(ComputeError::Unsuitable("~")),
    }
}

fn truth(value: &Value) -> Result<bool, ComputeError> {
    match value {
        Value::Truth(truth) => Ok(*truth),
        Value::Number(_) | Value::Text(_) | Value::List(_) => Err(ComputeError::Unsuitable("&& or ||")),
    }
}

fn ordered(infix: Infix, left: &Value, right: &Value) -> Result<Value, ComputeError> {
    let order = match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.partial_cmp(right),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => return Err(ComputeError::Unsuitable("a comparison")),
    };
    let holds = order.is_some_and(|order| match infix {
        Infix::Less => order.is_lt(),
        Infix::AtMost => order.is_le(),
        Infix::Greater => order.is_gt(),
        _ => order.is_ge(),
    });
    Ok(holds.into())
}

fn arithmetic(infix: Infix, left: &Value, right: &Value) -> Result<Value, ComputeError> {
    let (Value::Number(left), Value::Number(right)) = (left, right) else {
        return Err(ComputeError::Unsuitable("arithmetic"));
    };
    let (left, right) = (*left, *right);
    let bitwise = |compute: fn(i64, i64) -> i64| {
        let left = bits(left).ok_or(ComputeError::Unsuitable("a bitwise operator"))?;
        let right = bits(right).ok_or(ComputeError::Unsuitable("a bitwise operator"))?;
        Ok(from_bits(compute(left, right)))
    };
    match infix {
        Infix::Minus => Ok((left - right).into()),
        Infix::Times => Ok((left * right).into()),
        Infix::Over => Ok((left / right).into()),
        Infix::Modulo => Ok((left % right).into()),
        Infix::Power => Ok(left.powf(right).into()),
        Infix::BitAnd => bitwise(|left, right| left & right),
        Infix::BitOr => bitwise(|left, right| left | right),
        Infix::BitXor => bitwise(|left, right| left ^ right),
        Infix::Left => bitwise(|left, right| left.checked_shl(shift(right)).unwrap_or(0)),
        Infix::Right => bitwise(|left, right| left.checked_shr(shift(right)).unwrap_or(0)),
        _ => Err(ComputeError::Unsuitable("arithmetic")),
    }
}

fn shift(by: i64) -> u32 {
    u32::try_from(by).unwrap_or(u32::MAX)
}

fn bits(number: f64) -> Option<i64> {
    whole(number)
}

fn from_bits(bits: i64) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "all numbers of the language are of this kind"
    )]
    Value::Number(bits as f64)
}

fn join(left: &Text, right: &Text) -> Result<Value, ComputeError> {
    if left.len() + right.len() > LARGEST {
        return Err(ComputeError::TooLarge("+"));
    }
    Ok(Value::from([&**left, &**right].concat()))
}

/// What one value may hold, in bytes.
pub const LARGEST: usize = 2 << 20;
/// Compiled patterns that are kept for one template.
const REGEXES: usize = 64;

#[cfg(test)]
mod tests;
