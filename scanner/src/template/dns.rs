//! Questions to the resolver that the operator names, and its answers as templates read them. Pure.
//!
//! What must stay true: it is asked about the names of the site alone (its own, those below the name that was
//! registered, and the reverse of its address), so that no template can tell a stranger anything by what it asks for.

use std::fmt::Write as _;

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType},
};

use super::{
    base::Base,
    dsl::{
        Scene,
        value::{Value, number},
    },
    event::Event,
    exchange::filled_text,
    http::Unsendable,
    operators::Operators,
    payload::Payloads,
};

/// A block of questions.
#[derive(Debug, Clone, PartialEq)]
pub struct DnsBlock {
    /// The name, as `{{FQDN}}`.
    pub name: String,
    /// The type of record.
    pub type_: RecordType,
    /// The class.
    pub class: DNSClass,
    /// Whether the resolver shall ask others.
    pub recurses: bool,
    /// What is put into it.
    pub payloads: Payloads,
    /// What judges the answers.
    pub operators: Operators,
}

/// A question that can be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its number, which the answer repeats.
    id: u16,
    query: Query,
    recurses: bool,
}

impl DnsBlock {
    /// The question, filled in.
    ///
    /// # Errors
    /// When it is about a name that is not the site's, or about none.
    pub fn question(&self, scene: &Scene<'_>, base: &Base) -> Result<Question, Unsendable> {
        let text = filled_text(&self.name, scene)?;
        let address = base.site.endpoints().next().map(|endpoint| endpoint.ip());
        let is_address = text.parse::<std::net::IpAddr>().ok();
        let name = match (is_address, self.type_) {
            (Some(asked), RecordType::PTR) if Some(asked) == address => Name::from(asked),
            (Some(_), _) => return Err(Unsendable::Malformed),
            (None, _) if is_of_site(&text, base) => {
                let mut name = Name::from_ascii(&text).map_err(|_| Unsendable::Malformed)?;
                name.set_fqdn(true);
                name
            }
            (None, _) => return Err(Unsendable::Elsewhere),
        };
        let mut query = Query::query(name, self.type_);
        query.set_query_class(self.class);
        Ok(Question {
            id: u16::try_from(scene.kit.chance.below(1 << 16)).unwrap_or_default(),
            query,
            recurses: self.recurses,
        })
    }
}

impl Question {
    /// The message that asks it.
    pub fn message(&self) -> Vec<u8> {
        let mut message = Message::new(self.id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = self.recurses;
        message.add_query(self.query.clone());
        // A name that could be read can be written.
        message.to_vec().unwrap_or_default()
    }
}

/// The answer, under the names of its parts; none when it answers something else.
pub fn event(question: &Question, bytes: &[u8], base: &Base) -> Option<Event> {
    if bytes.len() > LONGEST {
        return None;
    }
    let message = Message::from_vec(bytes).ok()?;
    let head = &message.metadata;
    let is_answer = head.id == question.id
        && head.message_type == MessageType::Response
        && message.queries.iter().all(|query| *query == question.query);
    if !is_answer {
        return None;
    }
    let asked = format!(
        ";{}\n",
        line(
            &question.query.name().to_ascii(),
            None,
            question.query.query_class(),
            question.query.query_type(),
            ""
        )
    );
    let sections = [
        ("answer", "ANSWER", &message.answers),
        ("ns", "AUTHORITY", &message.authorities),
        ("extra", "ADDITIONAL", &message.additionals),
    ];
    let mut raw = format!(
        ";; opcode: QUERY, status: {}, id: {}\n\n;; QUESTION SECTION:\n{asked}",
        mnemonic(head.response_code),
        head.id
    );
    let code = number(usize::from(u16::from(head.response_code)));
    let mut parts = vec![
        ("rcode".to_owned(), code.clone()),
        ("status_code".to_owned(), code),
        ("question".to_owned(), Value::text(&asked)),
        ("request".to_owned(), Value::text(&asked)),
        ("host".to_owned(), Value::text(base.root())),
        ("type".to_owned(), Value::text("dns")),
    ];
    for (part, title, records) in sections {
        let lines: String = records.iter().take(RECORDS).filter_map(spelled).collect();
        if !lines.is_empty() {
            let _ = write!(raw, "\n;; {title} SECTION:\n{lines}");
        }
        parts.push((part.to_owned(), Value::text(lines)));
    }
    // As `cname`: what the records of a type say.
    for record in message.answers.iter().take(RECORDS) {
        let name = record.record_type().to_string().to_ascii_lowercase();
        let said = said(&record.data)?;
        match parts.iter_mut().find(|(found, _)| *found == name) {
            Some((_, value)) => *value = Value::from([&*value.to_text(), b"\n", said.as_bytes()].concat()),
            None => parts.push((name, Value::text(said))),
        }
    }
    for part in ["raw", "body"] {
        parts.push((part.to_owned(), Value::text(&raw)));
    }
    Some(Event::Parts(parts))
}

/// Whether a name is the site's, or below the name that its owner registered.
fn is_of_site(name: &str, base: &Base) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_below = |domain: Value| {
        let domain = String::from_utf8_lossy(&domain.to_text()).to_ascii_lowercase();
        !domain.is_empty()
            && (name == domain || name.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.')))
    };
    base.site.name().is_some()
        && ["FQDN", "RDN"]
            .iter()
            .filter_map(|part| base.value(part))
            .any(is_below)
}

/// A record as in a master file (RFC 1035, section 5), parted by tabs.
fn spelled(record: &Record) -> Option<String> {
    let said = said(&record.data)?;
    let owner = record.name.to_ascii();
    Some(
        line(
            &owner,
            Some(record.ttl),
            record.dns_class,
            record.record_type(),
            &said,
        ) + "\n",
    )
}

fn line(owner: &str, ttl: Option<u32>, class: DNSClass, type_: RecordType, said: &str) -> String {
    let ttl = ttl.map_or_else(String::new, |ttl| format!("{ttl}\t"));
    format!("{owner}\t{ttl}{class}\t{type_}\t{said}")
        .trim_end()
        .to_owned()
}

fn said(data: &RData) -> Option<String> {
    if let RData::TXT(text) = data {
        let parts = text
            .txt_data
            .iter()
            .map(|part| format!("\"{}\"", String::from_utf8_lossy(part)));
        return Some(parts.collect::<Vec<_>>().join(" "));
    }
    let mut said = String::new();
    // What has no form of its own in text says nothing.
    write!(said, "{data}").ok()?;
    Some(said)
}

/// As answers are spelled (RFC 6895, section 2.3).
fn mnemonic(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => u16::from(other).to_string(),
    }
}

/// As long as a message can be over UDP without fragments being joined by us.
const LONGEST: usize = 64 * 1024;
const RECORDS: usize = 256;
