//! Searching a tree by an expression, in a bounded number of steps.

use std::cell::Cell;

use super::{
    syntax::{Axis, Expr, Start, Step, Test},
    tree::{Place, Tree, at},
};

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Nodes, in the order of the document.
    Nodes(Vec<Place>),
    Text(String),
    Number(f64),
    Truth(bool),
}

/// A search.
pub(super) struct Search<'a> {
    tree: &'a Tree,
    steps: Cell<usize>,
}

/// Where one is: a node, its number among those looked at, from 1, and how many they are.
#[derive(Clone, Copy)]
struct Here {
    place: Place,
    position: usize,
    last: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            steps: Cell::new(STEPS_LIMIT),
        }
    }

    /// What the expression comes to from the document on; none when it is given up.
    pub(super) fn run(&self, expr: &Expr) -> Option<Value> {
        let here = Here {
            place: at(0),
            position: 1,
            last: 1,
        };
        self.value(expr, here)
    }

    fn spend(&self, steps: usize) -> Option<()> {
        self.steps.set(self.steps.get().checked_sub(steps)?);
        Some(())
    }

    fn value(&self, expr: &Expr, here: Here) -> Option<Value> {
        self.spend(1)?;
        Some(match expr {
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Number(number) => Value::Number(*number),
            Expr::Minus(inner) => Value::Number(-self.number(&self.value(inner, here)?)),
            Expr::Call(name, arguments) => self.call(name, arguments, here)?,
            Expr::Operator(name, left, right) => self.operate(name, left, right, here)?,
            Expr::Path(start, steps) => {
                let mut places = match start {
                    Start::Root => vec![at(0)],
                    Start::Here => vec![here.place],
                    Start::At(expr, predicates) => {
                        let Value::Nodes(mut found) = self.value(expr, here)? else {
                            return None;
                        };
                        for predicate in predicates {
                            found = self.kept(found, predicate)?;
                        }
                        found
                    }
                };
                for step in steps {
                    places = self.step(&places, step)?;
                }
                Value::Nodes(places)
            }
        })
    }

    fn step(&self, from: &[Place], step: &Step) -> Option<Vec<Place>> {
        let mut found = Vec::new();
        for place in from {
            let mut along = self.along(*place, step.axis)?;
            self.spend(along.len())?;
            along.retain(|place| self.passes(*place, step));
            for predicate in &step.predicates {
                along = self.kept(along, predicate)?;
            }
            found.extend(along);
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    /// Along an axis, the nearest first.
    fn along(&self, place: Place, axis: Axis) -> Option<Vec<Place>> {
        let tree = self.tree;
        Some(match axis {
            Axis::Itself => vec![place],
            Axis::Child => tree.children(place).iter().map(|child| at(*child)).collect(),
            Axis::Parent => tree.parent(place).into_iter().collect(),
            Axis::Attribute => (0..tree.attributes(place).len())
                .map(|index| Place {
                    attribute: Some(index),
                    ..place
                })
                .collect(),
            Axis::Descendant | Axis::DescendantOrSelf => {
                let mut found = Vec::new();
                let mut todo = vec![place];
                while let Some(next) = todo.pop() {
                    self.spend(1)?;
                    if next != place || axis == Axis::DescendantOrSelf {
                        found.push(next);
                    }
                    todo.extend(tree.children(next).iter().rev().map(|child| at(*child)));
                }
                found
            }
            Axis::Ancestor | Axis::AncestorOrSelf => {
                let mut found = Vec::new();
                let mut next = if axis == Axis::Ancestor {
                    tree.parent(place)
                } else {
                    Some(place)
                };
                while let Some(place) = next {
                    found.push(place);
                    next = tree.parent(place);
                }
                found
            }
            Axis::FollowingSibling | Axis::PrecedingSibling => {
                let siblings = match tree.parent(place) {
                    Some(parent) if place.attribute.is_none() => tree.children(parent),
                    _ => &[],
                };
                let own = siblings.iter().position(|sibling| *sibling == place.node)?;
                match axis {
                    Axis::FollowingSibling => siblings[own + 1..].iter().map(|node| at(*node)).collect(),
                    _ => siblings[..own].iter().rev().map(|node| at(*node)).collect(),
                }
            }
        })
    }

    fn passes(&self, place: Place, step: &Step) -> bool {
        match &step.test {
            Test::Anything => true,
            Test::Text => self.tree.is_text(place),
            Test::Named => self.tree.name(place).is_some(),
            Test::Name(name) => {
                (place.attribute.is_some() == (step.axis == Axis::Attribute))
                    && self.tree.name(place) == Some(name)
            }
        }
    }

    fn kept(&self, places: Vec<Place>, predicate: &Expr) -> Option<Vec<Place>> {
        let last = places.len();
        let mut kept = Vec::new();
        for (position, place) in (1..).zip(places) {
            let here = Here {
                place,
                position,
                last,
            };
            let keeps = match self.value(predicate, here)? {
                Value::Number(number) => same(number, count(position)),
                other => truth(&other),
            };
            if keeps {
                kept.push(place);
            }
        }
        Some(kept)
    }

    fn operate(&self, name: &str, left: &Expr, right: &Expr, here: Here) -> Option<Value> {
        let left = self.value(left, here)?;
        match name {
            "and" if !truth(&left) => return Some(Value::Truth(false)),
            "or" if truth(&left) => return Some(Value::Truth(true)),
            _ => {}
        }
        let right = self.value(right, here)?;
        let numbers = || (self.number(&left), self.number(&right));
        Some(match name {
            "and" | "or" => Value::Truth(truth(&right)),
            "|" => {
                let (Value::Nodes(mut all), Value::Nodes(more)) = (left, right) else {
                    return None;
                };
                all.extend(more);
                all.sort_unstable();
                all.dedup();
                Value::Nodes(all)
            }
            "+" => Value::Number(numbers().0 + numbers().1),
            "-" => Value::Number(numbers().0 - numbers().1),
            "*" => Value::Number(numbers().0 * numbers().1),
            "div" => Value::Number(numbers().0 / numbers().1),
            "mod" => Value::Number(numbers().0 % numbers().1),
            _ => Value::Truth(self.compare(name, &left, &right)?),
        })
    }

    /// Whether a comparison holds, for nodes for any of them (section 3.4).
    fn compare(&self, name: &str, left: &Value, right: &Value) -> Option<bool> {
        match (left, right) {
            (Value::Nodes(nodes), other) if !matches!(other, Value::Truth(_)) => {
                self.spend(nodes.len())?;
                for node in nodes {
                    if self.compare(name, &Value::Text(self.tree.text(*node)), other)? {
                        return Some(true);
                    }
                }
                return Some(false);
            }
            (other, Value::Nodes(nodes)) if !matches!(other, Value::Truth(_)) => {
                self.spend(nodes.len())?;
                for node in nodes {
                    if self.compare(name, other, &Value::Text(self.tree.text(*node)))? {
                        return Some(true);
                    }
                }
                return Some(false);
            }
            _ => {}
        }
        let numbers = (self.number(left), self.number(right));
        let equal = match (left, right) {
            (Value::Truth(_), _) | (_, Value::Truth(_)) => truth(left) == truth(right),
            (Value::Number(_), _) | (_, Value::Number(_)) => same(numbers.0, numbers.1),
            _ => self.text(left) == self.text(right),
        };
        Some(match name {
            "=" => equal,
            "!=" => !equal,
            "<" => numbers.0 < numbers.1,
            "<=" => numbers.0 <= numbers.1,
            ">" => numbers.0 > numbers.1,
            _ => numbers.0 >= numbers.1,
        })
    }

    fn call(&self, name: &str, arguments: &[Expr], here: Here) -> Option<Value> {
        let values = arguments
            .iter()
            .map(|argument| self.value(argument, here))
            .collect::<Option<Vec<_>>>()?;
        let own = || Value::Nodes(vec![here.place]);
        let first = values.first().cloned().unwrap_or_else(own);
        let text = |index: usize| {
            values
                .get(index)
                .map(|value| self.text(value))
                .unwrap_or_default()
        };
        Some(match name {
            "last" => Value::Number(count(here.last)),
            "position" => Value::Number(count(here.position)),
            "count" => match &first {
                Value::Nodes(nodes) => Value::Number(count(nodes.len())),
                _ => return None,
            },
            "name" | "local-name" => {
                let Value::Nodes(nodes) = &first else { return None };
                let found = nodes
                    .first()
                    .and_then(|node| self.tree.name(*node))
                    .unwrap_or_default();
                let found = match name {
                    "name" => found,
                    _ => found.rsplit(':').next().unwrap_or_default(),
                };
                Value::Text(found.to_owned())
            }
            "string" => Value::Text(self.text(&first)),
            "concat" => Value::Text(values.iter().map(|value| self.text(value)).collect()),
            "starts-with" => Value::Truth(text(0).starts_with(&text(1))),
            "contains" => Value::Truth(text(0).contains(&text(1))),
            "substring-before" => Value::Text(
                text(0)
                    .split_once(&text(1))
                    .map(|(before, _)| before.to_owned())
                    .unwrap_or_default(),
            ),
            "substring-after" => Value::Text(
                text(0)
                    .split_once(&text(1))
                    .map(|(_, after)| after.to_owned())
                    .unwrap_or_default(),
            ),
            "substring" => {
                let from = values.get(1).map(|value| self.number(value).round())?;
                let to = values
                    .get(2)
                    .map_or(f64::INFINITY, |value| from + self.number(value).round());
                let inside = |position: usize| count(position) >= from && count(position) < to;
                Value::Text(
                    (1..)
                        .zip(text(0).chars())
                        .filter(|(position, _)| inside(*position))
                        .map(|(_, c)| c)
                        .collect(),
                )
            }
            "string-length" => Value::Number(count(self.text(&first).chars().count())),
            "normalize-space" => {
                let text = self.text(&first);
                Value::Text(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            }
            "translate" => {
                let (from, to): (Vec<char>, Vec<char>) =
                    (text(1).chars().collect(), text(2).chars().collect());
                let mut translated = String::new();
                for c in text(0).chars() {
                    match from.iter().position(|found| *found == c) {
                        Some(at) => translated.extend(to.get(at)),
                        None => translated.push(c),
                    }
                }
                Value::Text(translated)
            }
            "boolean" => Value::Truth(truth(&first)),
            "not" => Value::Truth(!truth(&first)),
            "true" => Value::Truth(true),
            "false" => Value::Truth(false),
            "number" => Value::Number(self.number(&first)),
            "sum" => match &first {
                Value::Nodes(nodes) => Value::Number(
                    nodes
                        .iter()
                        .map(|node| self.number(&Value::Text(self.tree.text(*node))))
                        .sum(),
                ),
                _ => return None,
            },
            "floor" => Value::Number(self.number(&first).floor()),
            "ceiling" => Value::Number(self.number(&first).ceil()),
            "round" => Value::Number(self.number(&first).round()),
            _ => return None,
        })
    }

    fn text(&self, value: &Value) -> String {
        match value {
            Value::Nodes(nodes) => nodes
                .first()
                .map(|node| self.tree.text(*node))
                .unwrap_or_default(),
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Truth(truth) => truth.to_string(),
        }
    }

    fn number(&self, value: &Value) -> f64 {
        match value {
            Value::Number(number) => *number,
            Value::Truth(truth) => f64::from(u8::from(*truth)),
            other => self.text(other).trim().parse().unwrap_or(f64::NAN),
        }
    }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Nodes(nodes) => !nodes.is_empty(),
        Value::Text(text) => !text.is_empty(),
        Value::Number(number) => *number != 0.0 && !number.is_nan(),
        Value::Truth(truth) => *truth,
    }
}

fn same(left: f64, right: f64) -> bool {
    left.total_cmp(&right).is_eq() || (left == 0.0 && right == 0.0)
}

fn count(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "pages have far fewer than 2^52 nodes")]
    {
        count as f64
    }
}

const STEPS_LIMIT: usize = 2_000_000;
