//! What a template asks for and does not get here: each by name, for the report.

use std::fmt;

/// Something of the format that is not done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// A block of another kind than http, tcp, dns and ssl.
    Protocol(String),
    /// A field that changes what a block means.
    Field(String),
    /// It asks servers of its own choosing, which are in nobody's grant.
    SelfContained,
    /// A request to a server of the template's choosing.
    OtherServer(String),
    /// A flow that is a program.
    Flow,
    /// A function that does not exist here.
    Function(String),
    /// A kind of matcher.
    Matcher(String),
    /// A kind of extractor.
    Extractor(String),
    /// A query in jq's language beyond the part that is understood.
    Query(String),
    /// A path in XPath's language beyond the part that is understood.
    Path(String),
    /// A regular expression that this matcher does not know, or that is too large.
    Regex(String),
    /// An expression that cannot be parsed.
    Expression(String),
    /// Payloads from a file that may not be read.
    PayloadFile(String),
    /// It asks about names, and nobody was named who is to be asked.
    Resolver,
    /// It can only be judged by what the target sends to us, which cannot be seen here.
    Callback,
    /// It places our address where only a name can stand.
    CallbackByName,
    /// It judges by what the target says to us, and nothing here answers.
    CallbackAnswer,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(name) => write!(f, "protocol {name}"),
            Self::Field(name) => write!(f, "field {name}"),
            Self::SelfContained => f.write_str("self-contained: names its own servers"),
            Self::OtherServer(name) => write!(f, "request to another server: {name}"),
            Self::Flow => f.write_str("flow in JavaScript"),
            Self::Function(name) => write!(f, "function {name}"),
            Self::Matcher(name) => write!(f, "matcher {name}"),
            Self::Extractor(name) => write!(f, "extractor {name}"),
            Self::Query(query) => write!(f, "jq query {query}"),
            Self::Path(path) => write!(f, "XPath {path}"),
            Self::Regex(pattern) => write!(f, "regular expression {pattern}"),
            Self::Expression(expression) => write!(f, "expression {expression}"),
            Self::PayloadFile(path) => write!(f, "payload file {path}"),
            Self::Resolver => f.write_str("needs a resolver"),
            Self::Callback => f.write_str("needs a callback"),
            Self::CallbackByName => f.write_str("needs a callback by name"),
            Self::CallbackAnswer => f.write_str("needs an answer to a callback"),
        }
    }
}
