//! The functions of the language: one row each, in the tables of the files below. All are pure.
//!
//! What would ask the network (`resolve`, `jarm`, `public_ip`, `llm_prompt`), wait (`wait_for`) or make an
//! attack ready to be run (`generate_java_gadget`) is not here: templates that call it are listed as unsupported.

mod codec;
mod digest;
mod document;
mod list;
mod number;
mod random;
mod text;
mod time;
mod version;

use super::{
    ComputeError, Scene,
    value::{Text, Value},
};

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Its name; it goes by its name without underscores as well.
    pub name: &'static str,
    /// The fewest and the most arguments.
    arguments: (usize, usize),
    compute: fn(&Scene<'_>, &[Value]) -> Option<Value>,
}

/// The function of that name.
pub fn named(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name || joined(function.name).eq(name.bytes()))
}

/// Every function.
pub fn all() -> impl Iterator<Item = &'static Function> {
    TABLES.iter().copied().flatten()
}

impl Function {
    /// Calls it.
    ///
    /// # Errors
    /// When the arguments do not suit it.
    pub fn call(&self, scene: &Scene<'_>, arguments: &[Value]) -> Result<Value, ComputeError> {
        let (fewest, most) = self.arguments;
        let unsuitable = || ComputeError::Unsuitable(self.name);
        if !(fewest..=most).contains(&arguments.len()) {
            return Err(unsuitable());
        }
        (self.compute)(scene, arguments).ok_or_else(unsuitable)
    }
}

/// The older spelling, without underscores.
fn joined(name: &str) -> impl Iterator<Item = u8> + '_ {
    name.bytes().filter(|byte| *byte != b'_')
}

/// A row of a table.
const fn row(
    name: &'static str,
    arguments: (usize, usize),
    compute: fn(&Scene<'_>, &[Value]) -> Option<Value>,
) -> Function {
    Function {
        name,
        arguments,
        compute,
    }
}

/// An argument as text.
fn text(arguments: &[Value], index: usize) -> Option<Text> {
    arguments.get(index).map(Value::to_text)
}

/// An argument as text in UTF-8.
fn string(arguments: &[Value], index: usize) -> Option<String> {
    let text = text(arguments, index)?;
    std::str::from_utf8(&text).ok().map(ToOwned::to_owned)
}

/// An argument as a count.
fn count(arguments: &[Value], index: usize) -> Option<usize> {
    usize::try_from(arguments.get(index)?.to_whole()?).ok()
}

/// Where one text stands in another.
fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}

const TABLES: &[&[Function]] = &[
    text::FUNCTIONS,
    list::FUNCTIONS,
    codec::FUNCTIONS,
    digest::FUNCTIONS,
    number::FUNCTIONS,
    random::FUNCTIONS,
    time::FUNCTIONS,
    version::FUNCTIONS,
    document::FUNCTIONS,
];
/// As many arguments as one likes.
const MANY: usize = 256;
