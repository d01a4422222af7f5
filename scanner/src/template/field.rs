//! A field of a template on its way from YAML to a type: knows its name and line, for errors that say where.

use std::sync::Arc;

use crate::yaml::{Node, NodeKind};

/// A value and the field that it is in.
#[derive(Debug, Clone)]
pub(super) struct Field {
    node: Arc<Node>,
    name: String,
}

/// A field that does not hold what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {field} must be {wanted}")]
pub struct FieldError {
    /// The line, from 1.
    pub line: usize,
    /// The field.
    pub field: String,
    /// What it should hold.
    pub wanted: &'static str,
}

impl Field {
    pub(super) fn root(node: Arc<Node>) -> Self {
        Self {
            node,
            name: "the template".to_owned(),
        }
    }

    /// It does not hold what it should.
    pub(super) fn wrong(&self, wanted: &'static str) -> FieldError {
        FieldError {
            line: self.node.line,
            field: self.name.clone(),
            wanted,
        }
    }

    /// A field of this map.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let node = self.node.field(name)?.clone();
        Some(Self {
            node,
            name: self.inside(name),
        })
    }

    pub(super) fn text(&self) -> Result<String, FieldError> {
        match &self.node.kind {
            NodeKind::Scalar(text, _) => Ok(text.clone()),
            NodeKind::List(_) | NodeKind::Map(_) => Err(self.wrong("text")),
        }
    }

    pub(super) fn number(&self) -> Result<i64, FieldError> {
        self.text()?
            .trim()
            .parse()
            .map_err(|_| self.wrong("a whole number"))
    }

    pub(super) fn flag(&self) -> Result<bool, FieldError> {
        match self.text()?.as_str() {
            "true" | "True" | "yes" | "on" => Ok(true),
            "false" | "False" | "no" | "off" | "" => Ok(false),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// The items of a list; of anything else, itself.
    pub(super) fn items(&self) -> Vec<Self> {
        match &self.node.kind {
            NodeKind::List(items) => (1..)
                .zip(items)
                .map(|(number, node)| Self {
                    node: node.clone(),
                    name: format!("{}[{number}]", self.name),
                })
                .collect(),
            // A field that was left empty.
            NodeKind::Scalar(text, _) if text.is_empty() => Vec::new(),
            NodeKind::Scalar(..) | NodeKind::Map(_) => vec![self.clone()],
        }
    }

    pub(super) fn texts(&self) -> Result<Vec<String>, FieldError> {
        self.items().iter().map(Self::text).collect()
    }

    pub(super) fn numbers(&self) -> Result<Vec<i64>, FieldError> {
        self.items().iter().map(Self::number).collect()
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.node.kind, NodeKind::List(_))
    }

    /// The fields of a map, in their order.
    pub(super) fn fields(&self) -> Result<Vec<(String, Self)>, FieldError> {
        match &self.node.kind {
            NodeKind::Map(fields) => Ok(fields
                .iter()
                .map(|(name, node)| {
                    let field = Self {
                        node: node.clone(),
                        name: self.inside(name),
                    };
                    (name.clone(), field)
                })
                .collect()),
            NodeKind::Scalar(text, _) if text.is_empty() => Ok(Vec::new()),
            NodeKind::Scalar(..) | NodeKind::List(_) => Err(self.wrong("a map")),
        }
    }

    fn inside(&self, name: &str) -> String {
        let name: String = name.chars().take(64).collect();
        if self.name == "the template" {
            name
        } else {
            format!("{}.{name}", self.name)
        }
    }
}
