//! A template as it stands in its file: read into types, or refused with what it asks for.
//!
//! A field that is not known refuses the template: what is not understood is never left out in silence.

mod dns;
mod network;
mod operator;
mod request;
mod ssl;

use std::sync::Arc;

use vedette_protocol::finding::Severity;

use super::{
    dns::DnsBlock,
    feature::Feature,
    field::{Field, FieldError},
    flow::Flow,
    http::{Draft, HttpBlock},
    network::NetworkBlock,
    operators::Operators,
    payload::Payloads,
    placement::CallsBack,
    ssl::SslBlock,
};
use crate::yaml::{self, YamlError};

/// A template that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Its name among templates.
    pub id: String,
    /// How bad it is what it finds.
    pub severity: Severity,
    /// The class of weakness.
    pub cwe: Option<u16>,
    /// The last line, by which its makers sign it; kept as it stands.
    pub digest: Option<String>,
    /// Names and what they stand for, which may name those before.
    pub variables: Vec<(String, String)>,
    /// What is asked, in order.
    pub blocks: Vec<Block>,
    /// Which blocks are run, and what makes a hit.
    pub flow: Option<Flow>,
    /// Whether the first hit is enough.
    pub stop_at_first_match: bool,
    /// Whether it sends the target to us, and what it needs to know of that.
    pub calls_back: CallsBack,
}

/// Requests of one protocol.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// HTTP.
    Http(HttpBlock),
    /// TCP.
    Network(NetworkBlock),
    /// DNS.
    Dns(DnsBlock),
    /// TLS.
    Ssl(SslBlock),
}

/// Why a file is no template that can be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A field holds something else than it should.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// It asks for something that is not done here.
    #[error("not supported: {0}")]
    Unsupported(Feature),
}

impl From<Feature> for FormError {
    fn from(feature: Feature) -> Self {
        Self::Unsupported(feature)
    }
}

/// Where the lines of payload files come from.
pub trait Files {
    /// The lines of a file below the templates' folder.
    ///
    /// # Errors
    /// When it lies elsewhere or cannot be read.
    fn lines(&self, path: &str) -> Result<Arc<Vec<String>>, Feature>;
}

impl Block {
    /// What judges its replies.
    pub fn operators(&self) -> &Operators {
        match self {
            Self::Http(block) => &block.operators,
            Self::Network(block) => &block.operators,
            Self::Dns(block) => &block.operators,
            Self::Ssl(block) => &block.operators,
        }
    }

    /// What is put into its requests.
    pub fn payloads(&self) -> &Payloads {
        match self {
            Self::Http(block) => &block.payloads,
            Self::Network(block) => &block.payloads,
            Self::Dns(block) => &block.payloads,
            Self::Ssl(block) => &block.payloads,
        }
    }

    /// Whether its first hit is enough.
    pub fn stops_at_first_match(&self) -> bool {
        match self {
            Self::Http(block) => block.stop_at_first_match,
            Self::Network(block) => block.stop_at_first_match,
            Self::Dns(_) | Self::Ssl(_) => false,
        }
    }

    /// The texts that are sent, before anything is filled in.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::Http(block) => block.drafts.iter().flat_map(Draft::texts).collect(),
            Self::Network(block) => block.inputs.iter().map(|input| input.data.as_str()).collect(),
            Self::Dns(block) => vec![&block.name],
            Self::Ssl(block) => vec![&block.address],
        }
    }

    /// As flows call it.
    pub fn protocol(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Network(_) => "tcp",
            Self::Dns(_) => "dns",
            Self::Ssl(_) => "ssl",
        }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When it is none, or asks for what is not done.
    pub fn parse(text: &str, files: &dyn Files) -> Result<Self, FormError> {
        let root = Field::root(yaml::parse(text, BOUNDS)?);
        let mut template = Self {
            id: String::new(),
            severity: Severity::Info,
            cwe: None,
            digest: digest(text),
            variables: Vec::new(),
            blocks: Vec::new(),
            flow: None,
            stop_at_first_match: false,
            calls_back: CallsBack::Never,
        };
        let mut flow = None;
        for (name, field) in root.fields()? {
            match name.as_str() {
                "id" => template.id = field.text()?,
                "info" => template.info(&field)?,
                "variables" | "constants" => {
                    for (name, field) in field.fields()? {
                        template.variables.push((name, field.text()?));
                    }
                }
                "flow" => flow = Some(field),
                "stop-at-first-match" => template.stop_at_first_match = field.flag()?,
                "self-contained" if field.flag()? => return Err(Feature::SelfContained.into()),
                "self-contained" | "digest" => {}
                "http" | "requests" => {
                    for field in field.items() {
                        template.blocks.push(Block::Http(request::block(&field, files)?));
                    }
                }
                "tcp" | "network" => {
                    for field in field.items() {
                        template
                            .blocks
                            .push(Block::Network(network::block(&field, files)?));
                    }
                }
                "dns" => {
                    for field in field.items() {
                        template.blocks.push(Block::Dns(dns::block(&field, files)?));
                    }
                }
                "ssl" => {
                    for field in field.items() {
                        template.blocks.push(Block::Ssl(ssl::block(&field, files)?));
                    }
                }
                "code" | "file" | "headless" | "javascript" | "websocket" | "whois" | "workflows" => {
                    return Err(Feature::Protocol(name).into());
                }
                _ => return Err(Feature::Field(name.chars().take(64).collect()).into()),
            }
        }
        let is_id = !template.id.is_empty()
            && template.id.len() <= ID_LIMIT
            && template
                .id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !is_id {
            return Err(root
                .wrong("one with an id of letters, digits, hyphens and underscores")
                .into());
        }
        if template.blocks.is_empty() {
            return Err(root.wrong("one with requests").into());
        }
        if let Some(field) = flow {
            let flow = Flow::parse(&field.text()?, &template.blocks).ok_or(Feature::Flow)?;
            template.flow = Some(flow);
        }
        template.calls_back = CallsBack::of(&template);
        Ok(template)
    }

    fn info(&mut self, field: &Field) -> Result<(), FieldError> {
        if let Some(severity) = field.get("severity") {
            self.severity = match severity.text()?.trim().to_ascii_lowercase().as_str() {
                "info" | "unknown" | "undefined" | "" => Severity::Info,
                "low" => Severity::Low,
                "medium" => Severity::Medium,
                "high" => Severity::High,
                "critical" => Severity::Critical,
                _ => return Err(severity.wrong("info, low, medium, high or critical")),
            };
        }
        let class = field.get("classification").and_then(|field| field.get("cwe-id"));
        if let Some(class) = class {
            let first = class.texts()?.into_iter().next().unwrap_or_default();
            let first = first
                .split(',')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            self.cwe = first.strip_prefix("cwe-").and_then(|number| number.parse().ok());
        }
        Ok(())
    }
}

/// Reads a template that has no payload files, for those who feed it at random.
pub fn parse_alone(bytes: &[u8]) -> Option<Template> {
    struct NoFiles;

    impl Files for NoFiles {
        fn lines(&self, path: &str) -> Result<Arc<Vec<String>>, Feature> {
            Err(Feature::PayloadFile(path.to_owned()))
        }
    }

    Template::parse(std::str::from_utf8(bytes).ok()?, &NoFiles).ok()
}

/// The fields of a block that are of its kind alone; those that all kinds have are taken.
fn own_fields(
    block: &Field,
    operators: &mut Operators,
    payloads: &mut Payloads,
    files: &dyn Files,
) -> Result<Vec<(String, Field)>, FormError> {
    let mut own = Vec::new();
    for (name, field) in block.fields()? {
        let is_shared =
            operator::take(operators, &name, &field)? || request::take(payloads, &name, &field, files)?;
        if !is_shared {
            own.push((name, field));
        }
    }
    Ok(own)
}

/// The signature stands in a comment, as the last line.
fn digest(text: &str) -> Option<String> {
    let last = text.trim_end().lines().next_back()?;
    let digest = last.strip_prefix("# digest:")?.trim();
    (digest.len() <= DIGEST_LIMIT).then(|| digest.to_owned())
}

/// The largest known has a third of that length.
pub(super) const BOUNDS: yaml::Bounds = yaml::Bounds {
    length: 1 << 20,
    depth: 32,
    weight: 50_000,
};
const ID_LIMIT: usize = 128;
const DIGEST_LIMIT: usize = 512;
