//! A document that describes an API: JSON or YAML, and what refers to what in it.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    web::input::percent_decoded,
    yaml::{self, YamlError},
};

/// A description of an API by OpenAPI (Swagger 2.0, OpenAPI 3.0 to 3.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    root: Value,
}

/// Why bytes are no description.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// More than is read.
    #[error("this is larger than the {} MiB that the description of an API may have", LENGTH_LIMIT >> 20)]
    TooLarge,
    /// Neither JSON nor YAML.
    #[error("this is neither JSON nor YAML")]
    Syntax(#[source] YamlError),
    /// JSON that is broken or too deep.
    #[error("this is no JSON that can be read")]
    Json(#[source] serde_json::Error),
    /// Something else.
    #[error(
        "this describes no API: there is no field \"openapi\" or \"swagger\" with a version from 2 to 3 in it"
    )]
    NotOpenApi,
}

/// Why a file is no description.
#[derive(Debug, thiserror::Error)]
pub enum ReadDescriptionError {
    /// It cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds none.
    #[error("reading the description of an API in {path}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: DescriptionError,
    },
}

impl Description {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is too large or describes no API.
    pub fn read(path: &Path) -> Result<Self, ReadDescriptionError> {
        let unread = |source| ReadDescriptionError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(unread)?;
        let mut bytes = Vec::new();
        file.take(LENGTH_LIMIT as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(unread)?;
        Self::parse(&bytes).map_err(|source| ReadDescriptionError::Parse {
            path: path.to_owned(),
            source,
        })
    }

    /// Reads JSON or YAML.
    ///
    /// # Errors
    /// When it is too large or describes no API.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptionError> {
        if bytes.len() > LENGTH_LIMIT {
            return Err(DescriptionError::TooLarge);
        }
        let is_json = bytes.trim_ascii_start().starts_with(b"{");
        let root = match serde_json::from_slice(bytes) {
            Ok(root) => root,
            Err(error) if is_json => return Err(DescriptionError::Json(error)),
            Err(_) => yaml::json::parse(&String::from_utf8_lossy(bytes)).map_err(DescriptionError::Syntax)?,
        };
        Self::of(root).ok_or(DescriptionError::NotOpenApi)
    }

    /// Takes a document for what it describes, if it does.
    pub(in crate::web) fn of(root: Value) -> Option<Self> {
        let version = root.get("openapi").or_else(|| root.get("swagger"))?;
        let version = match version {
            Value::String(version) => version.clone(),
            // YAML's `swagger: 2.0` is a number.
            other => other.to_string(),
        };
        let known = version.starts_with("2") || version.starts_with("3.") || version == "3";
        (known && root.is_object()).then_some(Self { root })
    }

    /// A field of the whole.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.root.get(name)
    }

    /// Whether it is of the generation before 3.0.
    pub(super) fn is_swagger(&self) -> bool {
        self.root.get("swagger").is_some()
    }

    /// What stands where a value refers to, or the value itself; nothing for what refers elsewhere or in
    /// circles (`$ref`, RFC 6901).
    pub(super) fn follow<'a>(&'a self, mut value: &'a Value) -> Option<&'a Value> {
        for _ in 0..HOPS_LIMIT {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
                return Some(value);
            };
            let pointer = reference.strip_prefix('#')?;
            // A fragment may spell its pointer in percent encoding (RFC 6901, section 6).
            let pointer = match pointer.contains('%') {
                true => percent_decoded(pointer)?,
                false => pointer.to_owned(),
            };
            value = self.root.pointer(&pointer)?;
        }
        None
    }
}

/// Larger ones than any public API has.
pub(in crate::web) const LENGTH_LIMIT: usize = 16 << 20;
const HOPS_LIMIT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_inside_alone_and_not_in_circles() {
        let description = Description::parse(
            br##"{"openapi": "3.1.0", "a": {"$ref": "#/b"}, "b": {"$ref": "#/c~1d/x%20y"}, "c/d": {"x y": 7},
                "circle": {"$ref": "#/circle"}, "file": {"$ref": "/etc/passwd"}, "web": {"$ref": "http://a.example/#/b"}}"##,
        )
        .unwrap();
        let at = |name: &str| description.follow(description.field(name).unwrap());
        assert_eq!(at("a"), Some(&Value::from(7)));
        assert_eq!((at("circle"), at("file"), at("web")), (None, None, None));
    }

    #[test]
    fn what_is_too_large_too_deep_or_something_else_is_refused() {
        let large = vec![b' '; 50_000_000];
        assert!(matches!(
            Description::parse(&large),
            Err(DescriptionError::TooLarge)
        ));
        let deep = format!("{{\"openapi\": {}", "[".repeat(100_000));
        assert!(matches!(
            Description::parse(deep.as_bytes()),
            Err(DescriptionError::Json(_))
        ));
        for other in [
            "{}",
            "[]",
            "{\"openapi\": \"4.0\"}",
            "swagger: \"1.2\"",
            "\"openapi\"",
        ] {
            let read = Description::parse(other.as_bytes());
            assert!(
                matches!(read, Err(DescriptionError::NotOpenApi)),
                "{other} {read:?}"
            );
        }
        for right in [
            "{\"openapi\": \"3.0.3\"}",
            "swagger: \"2.0\"",
            "swagger: 2.0",
            "openapi: 3.1.0",
        ] {
            assert!(Description::parse(right.as_bytes()).is_ok(), "{right}");
        }
    }
}
