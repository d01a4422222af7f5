//! One file of recog's XML.
//!
//! ```xml
//! <fingerprints matches="ssh.banner" protocol="ssh" preference="0.90">
//!   <fingerprint pattern="^RomSShell_([\d.]+)$" flags="REG_ICASE">
//!     <description>…</description>
//!     <example service.version="4.62">RomSShell_4.62</example>
//!     <param pos="0" name="service.product" value="RomSShell"/>
//!     <param pos="1" name="service.version"/>
//! ```
//! The file is not trusted: it is bounded in size and in what it makes us keep, a document type (where
//! entities could be defined that grow without end) is refused, and each error names the line.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
};

use super::{
    Examples,
    fingerprint::{Example, Fingerprint, Match, Param, Value},
    pattern::{Pattern, PatternError},
};

/// The fingerprints of one file, in its order.
#[derive(Debug)]
pub struct Database {
    matches: String,
    protocol: Option<String>,
    preference: f32,
    size: usize,
    fingerprints: Vec<Fingerprint>,
}

/// A file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("line {line}")]
pub struct DatabaseError {
    /// The line, counted from one.
    pub line: usize,
    /// What is wrong there.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a file of fingerprints.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It is no XML.
    #[error("this is not well-formed XML: mend it, or fetch the file anew")]
    Xml(#[source] Box<quick_xml::Error>),
    /// It is not in UTF-8.
    #[error("this is not in UTF-8: convert the file")]
    Encoding,
    /// It defines a document type.
    #[error("a document type is not allowed, because entities can be defined in it: remove it")]
    DocumentType,
    /// An entity that XML does not define itself.
    #[error("there is no entity {name:?}: write the character itself")]
    Entity {
        /// Its name.
        name: String,
    },
    /// An element where none is allowed.
    #[error("<{found}> cannot stand here: expected {expected}")]
    Element {
        /// What stands there.
        found: String,
        /// What may.
        expected: &'static str,
    },
    /// The file ends too early.
    #[error("the file ends before </fingerprints>: fetch it anew")]
    Unfinished,
    /// An attribute that must be there is not.
    #[error("<{element}> has no {attribute:?}: add it")]
    Missing {
        /// The element.
        element: &'static str,
        /// The attribute.
        attribute: &'static str,
    },
    /// An attribute says what it cannot.
    #[error("{attribute:?} cannot be {value:?}: expected {expected}")]
    Attribute {
        /// The attribute.
        attribute: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A param refers to a group that its pattern has not.
    #[error("the param refers to group {group}, and the pattern has {groups}")]
    Group {
        /// The group.
        group: usize,
        /// How many there are.
        groups: usize,
    },
    /// The pattern cannot be used.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// An example cannot be decoded.
    #[error("the example is not valid base64")]
    Base64(#[source] base64::DecodeError),
    /// An example lies in a file beside, where it is not.
    #[error("the example's file {name:?} cannot be read: put it into the folder with the database's name")]
    ExampleFile {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is more of something than is allowed.
    #[error("{what} are more than {limit}: split the file, or remove some")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
}

impl Database {
    /// Reads a file's bytes. Examples that lie in files of their own are sought in `beside`.
    ///
    /// # Errors
    /// The first thing that is wrong with it, and its line.
    pub fn parse(bytes: &[u8], examples: Examples, beside: Option<&Path>) -> Result<Self, DatabaseError> {
        let mut lines = Lines::of(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| DatabaseError {
            line: lines.at(error.valid_up_to()),
            fault: Fault::Encoding,
        })?;
        let mut reader = Reader::from_str(text);
        // An element without content is one with nothing in it.
        reader.config_mut().expand_empty_elements = true;
        let mut reading = Reading {
            reader,
            at: 0,
            examples,
            beside,
            bytes_kept: 0,
        };
        reading.database(&mut lines).map_err(|fault| DatabaseError {
            line: lines.at(reading.at),
            fault,
        })
    }

    /// Which piece of a service's answer it is for, as `ssh.banner`.
    pub fn matches(&self) -> &str {
        &self.matches
    }

    /// The protocol that its matches speak, unless one says otherwise.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Its rank among the databases, from 0 to 1.
    pub fn preference(&self) -> f32 {
        self.preference
    }

    /// Its fingerprints, in order.
    pub fn fingerprints(&self) -> &[Fingerprint] {
        &self.fingerprints
    }

    /// What its patterns take in memory, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// What the first fingerprint that matches says.
    pub fn recognise(&self, text: &[u8]) -> Option<Match> {
        let text = &text[..text.len().min(TEXT_LIMIT)];
        self.fingerprints
            .iter()
            .find_map(|fingerprint| fingerprint.recognise(text, self.protocol()))
    }

    /// Names the database after its file, which recog does where the file gives it no name.
    pub(super) fn named(mut self, name: &str) -> Self {
        if self.matches.is_empty() {
            name.clone_into(&mut self.matches);
        }
        self
    }
}

struct Reading<'a> {
    reader: Reader<&'a [u8]>,
    /// Where the event that is being read begins.
    at: usize,
    examples: Examples,
    beside: Option<&'a Path>,
    bytes_kept: usize,
}

impl<'a> Reading<'a> {
    fn database(&mut self, lines: &mut Lines<'_>) -> Result<Database, Fault> {
        let root = loop {
            match self.next()? {
                Event::Start(start) if start.name().as_ref() == "fingerprints" => break start,
                Event::Start(start) => return Err(unexpected(&start, "<fingerprints>")),
                Event::Eof => return Err(Fault::Unfinished),
                _ => {}
            }
        };
        let mut database = Database {
            matches: attribute(&root, "matches")?.unwrap_or_default(),
            protocol: attribute(&root, "protocol")?,
            preference: preference(&root)?,
            size: 0,
            fingerprints: Vec::new(),
        };
        loop {
            match self.next()? {
                Event::Start(start) if start.name().as_ref() == "fingerprint" => {
                    let fingerprint = self.fingerprint(&start, lines)?;
                    database.size += fingerprint.pattern.size();
                    database.fingerprints.push(fingerprint);
                    within("fingerprints", database.fingerprints.len(), FINGERPRINTS_LIMIT)?;
                    within("bytes of compiled patterns", database.size, PATTERNS_LIMIT)?;
                }
                Event::Start(start) => return Err(unexpected(&start, "<fingerprint>")),
                Event::End(_) => return Ok(database),
                Event::Eof => return Err(Fault::Unfinished),
                _ => {}
            }
        }
    }

    fn fingerprint(&mut self, start: &BytesStart<'_>, lines: &mut Lines<'_>) -> Result<Fingerprint, Fault> {
        let pattern = attribute(start, "pattern")?.ok_or(Fault::Missing {
            element: "fingerprint",
            attribute: "pattern",
        })?;
        let flags = attribute(start, "flags")?.unwrap_or_default();
        let mut fingerprint = Fingerprint {
            line: lines.at(self.at),
            description: String::new(),
            pattern: Pattern::compile(&pattern, &flags)?,
            params: Vec::new(),
            examples: Vec::new(),
        };
        loop {
            match self.next()? {
                Event::Start(start) => match start.name().as_ref() {
                    "description" => {
                        fingerprint.description =
                            self.text()?.split_whitespace().collect::<Vec<_>>().join(" ");
                        self.keep(fingerprint.description.len())?;
                    }
                    "example" => self.example(&start, &mut fingerprint, lines)?,
                    "param" => {
                        self.param(&start, &mut fingerprint)?;
                        self.text()?;
                    }
                    _ => return Err(unexpected(&start, "<description>, <example> or <param>")),
                },
                Event::End(_) => return Ok(fingerprint),
                Event::Eof => return Err(Fault::Unfinished),
                _ => {}
            }
        }
    }

    fn param(&mut self, start: &BytesStart<'_>, fingerprint: &mut Fingerprint) -> Result<(), Fault> {
        let required = |name| {
            attribute(start, name)?.ok_or(Fault::Missing {
                element: "param",
                attribute: name,
            })
        };
        let name = required("name")?;
        let position = required("pos")?;
        let Ok(group) = position.parse::<usize>() else {
            return Err(Fault::Attribute {
                attribute: "pos",
                value: short(&position),
                expected: "0, or the number of a group of the pattern",
            });
        };
        let value = if group == 0 {
            Value::Fixed(required("value")?)
        } else {
            let groups = fingerprint.pattern.groups();
            if group > groups {
                return Err(Fault::Group { group, groups });
            }
            Value::Captured(group)
        };
        let length = match &value {
            Value::Fixed(fixed) => fixed.len(),
            Value::Captured(_) => 0,
        };
        within("bytes of a param's value", length, VALUE_LIMIT)?;
        self.keep(name.len() + length)?;
        fingerprint.params.push(Param { name, value });
        within("params of a fingerprint", fingerprint.params.len(), PARAMS_LIMIT)
    }

    fn example(
        &mut self,
        start: &BytesStart<'_>,
        fingerprint: &mut Fingerprint,
        lines: &mut Lines<'_>,
    ) -> Result<(), Fault> {
        let line = lines.at(self.at);
        let (mut encoded, mut file, mut states) = (false, None, Vec::new());
        for (name, value) in attributes(start)? {
            match name.as_str() {
                "_encoding" if value == "base64" => encoded = true,
                "_encoding" => {
                    return Err(Fault::Attribute {
                        attribute: "_encoding",
                        value: short(&value),
                        expected: "base64",
                    });
                }
                "_filename" => file = Some(value),
                _ => states.push((name, value)),
            }
        }
        let text = self.text()?;
        if self.examples == Examples::Drop {
            return Ok(());
        }
        let mut text = match file {
            Some(name) => self.beside(&name)?,
            None => text.into_bytes(),
        };
        if encoded {
            text.retain(|byte| !byte.is_ascii_whitespace());
            text = STANDARD.decode(&text).map_err(Fault::Base64)?;
        }
        self.keep(text.len())?;
        fingerprint.examples.push(Example { line, text, states });
        Ok(())
    }

    /// An example in a file of its own; its name may not lead elsewhere.
    fn beside(&self, name: &str) -> Result<Vec<u8>, Fault> {
        let read = |folder: &Path| {
            use std::io::Read;
            let mut bytes = Vec::new();
            std::fs::File::open(folder.join(name))?
                .take(TEXT_LIMIT as u64)
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        let elsewhere = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let folder = self.beside.filter(|_| plain).ok_or_else(elsewhere);
        folder.and_then(read).map_err(|source| Fault::ExampleFile {
            name: short(name),
            source,
        })
    }

    /// The text up to the end of the element that was begun.
    fn text(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Event::Text(part) => text.push_str(&part.xml10_content()),
                Event::CData(part) => text.push_str(&part.xml10_content()),
                Event::GeneralRef(reference) => text.push(character(&reference)?),
                Event::End(_) => return Ok(text),
                Event::Start(start) => return Err(unexpected(&start, "text")),
                Event::Eof => return Err(Fault::Unfinished),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    fn next(&mut self) -> Result<Event<'a>, Fault> {
        self.at = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let event = self.reader.read_event().map_err(|error| {
            self.at = usize::try_from(self.reader.error_position()).unwrap_or(usize::MAX);
            Fault::Xml(Box::new(error))
        })?;
        match event {
            Event::DocType(_) => Err(Fault::DocumentType),
            event => Ok(event),
        }
    }

    fn keep(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes_kept += bytes;
        within("bytes of texts", self.bytes_kept, TEXTS_LIMIT)
    }
}

/// Counts lines, as far as one was asked for.
struct Lines<'a> {
    bytes: &'a [u8],
    counted: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            counted: 0,
            line: 1,
        }
    }

    /// The line of a place, counted from one. Places are asked for in their order.
    fn at(&mut self, place: usize) -> usize {
        let place = place.min(self.bytes.len());
        let passed = self.bytes.get(self.counted..place).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.counted = self.counted.max(place);
        self.line
    }
}

fn attributes(start: &BytesStart<'_>) -> Result<Vec<(String, String)>, Fault> {
    let mut found = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| Fault::Xml(Box::new(error.into())))?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| Fault::Xml(Box::new(error)))?;
        found.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        within("attributes of an element", found.len(), PARAMS_LIMIT)?;
    }
    Ok(found)
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, Fault> {
    let found = attributes(start)?;
    Ok(found
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value))
}

fn preference(root: &BytesStart<'_>) -> Result<f32, Fault> {
    let Some(text) = attribute(root, "preference")? else {
        return Ok(DEFAULT_PREFERENCE);
    };
    match text.parse::<f32>() {
        Ok(preference) if (0.0..=1.0).contains(&preference) => Ok(preference),
        _ => Err(Fault::Attribute {
            attribute: "preference",
            value: short(&text),
            expected: "a number from 0 to 1",
        }),
    }
}

/// The character that a reference stands for: by number, or one of the five that XML itself names.
fn character(reference: &BytesRef<'_>) -> Result<char, Fault> {
    let numbered = reference
        .resolve_char_ref()
        .map_err(|error| Fault::Xml(Box::new(error)))?;
    match (numbered, reference.as_ref()) {
        (Some(character), _) => Ok(character),
        (None, "lt") => Ok('<'),
        (None, "gt") => Ok('>'),
        (None, "amp") => Ok('&'),
        (None, "quot") => Ok('"'),
        (None, "apos") => Ok('\''),
        (None, name) => Err(Fault::Entity { name: short(name) }),
    }
}

fn unexpected(start: &BytesStart<'_>, expected: &'static str) -> Fault {
    Fault::Element {
        found: short(start.name().as_ref()),
        expected,
    }
}

fn within(what: &'static str, found: usize, limit: usize) -> Result<(), Fault> {
    if found > limit {
        return Err(Fault::TooMuch { what, limit });
    }
    Ok(())
}

/// Of a stranger's text in an error: enough to find it.
fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

/// recog's own default.
const DEFAULT_PREFERENCE: f32 = 0.10;
/// Of each file; recog's largest has 577.
const FINGERPRINTS_LIMIT: usize = 8192;
const PARAMS_LIMIT: usize = 64;
const VALUE_LIMIT: usize = 1024;
/// Of the compiled patterns of one file, in bytes.
const PATTERNS_LIMIT: usize = 32 * 1024 * 1024;
/// Of all that is kept of one file as text, in bytes.
const TEXTS_LIMIT: usize = 16 * 1024 * 1024;
/// Of one text that is matched, in bytes.
const TEXT_LIMIT: usize = 64 * 1024;
