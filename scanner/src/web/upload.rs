//! File upload: whether a file that the site takes is executed, or comes back as a page of the site. Pure; the engine asks.
//!
//! A file that is harmless by its name is sent first: where it is found again, one of another name will be. What is sent
//! then computes a product or holds a script without a statement, and says what it is. It counts when the product comes
//! back, or the file itself as a page that browsers run scripts of, each of two times under names of their own.

use std::collections::HashMap;

use serde_json::Value;
use vedette_protocol::finding::FindingType;

use super::{
    page::{Lead, Page},
    request::{Body, Request},
    response::Response,
    site::{Reference, Site},
    tests::speaks_of_change,
};

/// Its name on command lines.
pub(crate) const NAME: &str = "upload";

/// A form that takes a file.
#[derive(Debug, Clone)]
pub(crate) struct UploadForm {
    pub(crate) lead: Lead,
    part: usize,
    /// What the site may execute, as its pages show.
    endings: Vec<&'static str>,
}

/// Something to ask the site.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// To take this file.
    Send(File),
    /// To show what lies at a path.
    Fetch { path: String, after: Option<File> },
}

/// A file of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct File {
    word: String,
    ending: &'static str,
    media: &'static str,
    contents: String,
}

/// The answers so far.
pub(crate) type Answers = HashMap<Question, Response>;

/// What was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) type_: FindingType,
    /// How the file's name ended.
    pub(crate) ending: &'static str,
}

/// Where a file of ours lies.
#[derive(Debug, Clone)]
struct Found<'a> {
    path: String,
    answer: &'a Response,
}

/// The forms that take files among requests that were answered; `paths` are those of the site.
pub(crate) fn forms<'a>(known: &[Lead], paths: impl Iterator<Item = &'a str> + Clone) -> Vec<UploadForm> {
    let endings: Vec<&'static str> = LANGUAGES
        .iter()
        .filter(|(marks, _)| {
            let ends = |path: &str| marks.iter().any(|mark| path.ends_with(mark));
            marks.is_empty() || paths.clone().any(ends)
        })
        .flat_map(|(_, endings)| endings.iter().copied())
        .collect();
    let mut found = Vec::new();
    for lead in known {
        let Body::Multipart(parts) = &lead.request.body else {
            continue;
        };
        let shape = lead.request.shape().to_ascii_lowercase();
        if OF_THE_SITE.iter().any(|word| shape.contains(word)) {
            continue;
        }
        if let Some(part) = parts.iter().position(|part| part.file.is_some()) {
            found.push(UploadForm {
                lead: lead.clone(),
                part,
                endings: endings.clone(),
            });
        }
    }
    found.truncate(FORMS_LIMIT);
    found
}

impl UploadForm {
    /// The name of the field.
    pub(crate) fn field(&self) -> &str {
        match &self.lead.request.body {
            Body::Multipart(parts) => parts.get(self.part).map_or("", |part| part.name.as_str()),
            Body::None | Body::Form(_) | Body::Json(_) | Body::Text(..) => "",
        }
    }

    /// The request that a question is, to this site; none where it leads elsewhere.
    pub(crate) fn request_for(&self, question: &Question, site: &Site) -> Option<Lead> {
        match question {
            Question::Send(file) => {
                let mut lead = self.lead.clone();
                if let Body::Multipart(parts) = &mut lead.request.body {
                    let part = parts.get_mut(self.part)?;
                    part.file = Some(file.name());
                    part.media = Some(file.media.to_owned());
                    part.value.clone_from(&file.contents);
                }
                Some(lead)
            }
            Question::Fetch { path, .. } => match site.resolve(site.start(), path) {
                Reference::Here(url) => Some(Lead {
                    request: Request::get(&url),
                    token: None,
                }),
                Reference::Elsewhere | Reference::Nothing => None,
            },
        }
    }

    /// Whether files are executed or shown as pages. `words` are told apart by their number.
    ///
    /// # Errors
    /// What must be asked first.
    pub(crate) fn judge(
        &self,
        site: &Site,
        words: &dyn Fn(u32) -> String,
        answers: &Answers,
    ) -> Result<Option<Shown>, Question> {
        let Some((harmless, place)) = self.place(site, words, answers)? else {
            return Ok(None);
        };
        let mut number = 8;
        let mut comes_back = |ending: &'static str, media: &'static str, spell: Spell, shows: Shows| {
            for round in 0..2 {
                number += 1;
                let word = words(number);
                let file = File {
                    contents: spell(&word, round),
                    word,
                    ending,
                    media,
                };
                let found = self.found(site, &file, Some((&harmless, place.as_str())), answers)?;
                if !found.is_some_and(|found| shows(found.answer, &file, round)) {
                    return Ok(false);
                }
            }
            Ok::<bool, Question>(true)
        };
        for &ending in &self.endings {
            if comes_back(ending, "image/gif", computing, is_computed)? {
                return Ok(Some(Shown {
                    type_: FindingType::WebUploadExecuted,
                    ending,
                }));
            }
        }
        for &(ending, media, spell) in PAGES {
            if comes_back(ending, media, spell, is_shown_as_page)? {
                return Ok(Some(Shown {
                    type_: FindingType::WebUploadShownAsPage,
                    ending,
                }));
            }
        }
        Ok(None)
    }

    /// A file that is harmless by its name, and where it is found again.
    fn place(
        &self,
        site: &Site,
        words: &dyn Fn(u32) -> String,
        answers: &Answers,
    ) -> Result<Option<(File, String)>, Question> {
        for (number, (ending, media)) in (0..).zip(HARMLESS) {
            let word = words(number);
            let file = File {
                contents: computing(&word, 0),
                word,
                ending,
                media,
            };
            if let Some(found) = self.found(site, &file, None, answers)? {
                return Ok(Some((file, found.path)));
            }
        }
        Ok(None)
    }

    /// Where a file is found when it was sent: where the answer says, or a page beside it; where another was found, with
    /// its name; else where such files usually lie.
    fn found<'a>(
        &self,
        site: &Site,
        file: &File,
        like: Option<(&File, &str)>,
        answers: &'a Answers,
    ) -> Result<Option<Found<'a>>, Question> {
        let fetch = |path: String| {
            let question = Question::Fetch {
                path: path.clone(),
                after: Some(file.clone()),
            };
            Ok::<_, Question>(Found {
                answer: asked(question, answers)?,
                path,
            })
        };
        let answer = asked(Question::Send(file.clone()), answers)?;
        if answer.status >= 400 {
            return Ok(None);
        }
        let own = self.lead.request.path.clone();
        let first_of = |places: Vec<String>| -> Result<Option<Found<'a>>, Question> {
            for place in places {
                let found = fetch(place)?;
                if file.is_in(found.answer) {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        };
        if let Some(found) = first_of(file.references(site, &own, answer))? {
            return Ok(Some(found));
        }
        let named = like.filter(|(other, place)| place.contains(&other.name()));
        let place = named.map(|(other, place)| place.replace(&other.name(), &file.name()));
        if let Some(found) = first_of(place.into_iter().collect())? {
            return Ok(Some(found));
        }
        let next = answer
            .location()
            .and_then(|to| path_of(site, &own, to))
            .filter(|next| *next != own);
        for page in next.into_iter().chain([own]) {
            let shown = fetch(page.clone())?;
            if let Some(found) = first_of(file.references(site, &page, shown.answer))? {
                return Ok(Some(found));
            }
        }
        match like.is_none() && file.ending == HARMLESS[0].0 {
            true => first_of(self.guesses(file)),
            false => Ok(None),
        }
    }

    fn guesses(&self, file: &File) -> Vec<String> {
        let path = self.lead.request.path.trim_end_matches('/');
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        let mut bases = vec![path, above, ""];
        bases.dedup();
        let mut places = Vec::new();
        for base in bases {
            let place = |folder: &&str| format!("{base}/{folder}/{}", file.name());
            places.extend(FOLDERS.iter().map(place));
        }
        places
    }

    /// How to remove the files that were found again: as the pages that name them say, else as HTTP does (RFC 9110,
    /// section 9.3.5).
    pub(crate) fn removals(&self, site: &Site, answers: &Answers) -> Vec<Lead> {
        let mut removals = Vec::new();
        for (question, answer) in answers {
            let Question::Fetch {
                path,
                after: Some(file),
            } = question
            else {
                continue;
            };
            if !file.is_in(answer) {
                continue;
            }
            let offered = answers.values().find_map(|answer| {
                let base = site.start().join(&self.lead.request.path).ok()?;
                let leads = Page::read(site, &base, answer).leads;
                leads.into_iter().find(|lead| {
                    let request = &lead.request;
                    let text = format!("{} {:?}", request.target(), request.body);
                    speaks_of_change(request) && text.contains(&file.word)
                })
            });
            let plain = || {
                let url = site.start().join(path).ok()?;
                let request = Request {
                    method: "DELETE".to_owned(),
                    ..Request::get(&url)
                };
                Some(Lead { request, token: None })
            };
            removals.extend(offered.or_else(plain));
        }
        removals
    }
}

impl File {
    fn name(&self) -> String {
        format!("{}{}", self.word, self.ending)
    }

    /// Whether an answer is this file, as it was sent or as it was executed.
    fn is_in(&self, answer: &Response) -> bool {
        let begin = self.contents.split(NOTE).next().unwrap_or_default();
        answer.status == 200 && answer.body.starts_with(begin.as_bytes())
    }

    /// The paths that an answer names as this file's, those with its own name first.
    fn references(&self, site: &Site, base: &str, answer: &Response) -> Vec<String> {
        let mut texts: Vec<String> = answer.location().map(ToOwned::to_owned).into_iter().collect();
        match serde_json::from_slice::<Value>(&answer.body) {
            Ok(document) => texts.extend(strings(&document)),
            Err(_) => texts.extend(
                answer
                    .text()
                    .split(|c: char| c.is_whitespace() || "\"'<>()`".contains(c))
                    .map(|text| text.trim_end_matches(['.', ',']).replace("&amp;", "&")),
            ),
        }
        let is_ours = |text: &String| {
            let is_path = text.contains(['/', '?']) || text.ends_with(self.ending);
            is_path
                && (text.contains(&self.word) || text.ends_with(self.ending))
                && text.len() <= LENGTH_LIMIT
        };
        texts.retain(is_ours);
        texts.sort_by_key(|text| !text.contains(&self.word));
        let mut paths: Vec<String> = Vec::new();
        for path in texts.iter().filter_map(|text| path_of(site, base, text)) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        // Of a list of many, what is new stands at either end.
        if paths.len() > REFERENCES_LIMIT {
            paths.drain(1..paths.len() + 1 - REFERENCES_LIMIT);
        }
        paths
    }
}

fn asked(question: Question, answers: &Answers) -> Result<&Response, Question> {
    answers.get(&question).ok_or(question)
}

/// A reference on a page of the site, as a path with its query.
fn path_of(site: &Site, base: &str, reference: &str) -> Option<String> {
    let base = site.start().join(base).ok()?;
    match site.resolve(&base, reference) {
        Reference::Here(url) => Some(url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()),
        Reference::Elsewhere | Reference::Nothing => None,
    }
}

/// The texts of a document.
fn strings(document: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    let mut todo = vec![document];
    while let Some(value) = todo.pop() {
        match value {
            Value::Object(fields) => todo.extend(fields.values()),
            Value::Array(items) => todo.extend(items),
            Value::String(text) => texts.push(text.clone()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    texts
}

/// Computes a product where it is executed, as PHP, JSP or ASP; begins as a picture does.
fn computing(word: &str, round: usize) -> String {
    let (one, other) = NUMBERS[round];
    format!("GIF89a/* {word}: {NOTE} */<?php echo {one}*{other}; ?><%= {one}*{other} %>")
}

fn is_computed(answer: &Response, _: &File, round: usize) -> bool {
    let (one, other) = NUMBERS[round];
    answer.text().contains(&(one * other).to_string())
}

/// A page with a script that has no statement.
fn page(word: &str, _: usize) -> String {
    format!("GIF89a/* {word}: {NOTE} */<script>/* */</script>")
}

/// A picture with a script that has no statement.
fn drawing(word: &str, _: usize) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\"><title>{word}: {NOTE}</title><script>/* */</script></svg>"
    )
}

/// Whether a file came back as it was sent, as something that browsers run scripts of.
fn is_shown_as_page(answer: &Response, file: &File, _: usize) -> bool {
    let is_kept = answer
        .header("content-disposition")
        .is_some_and(|how| how.trim_start().to_ascii_lowercase().starts_with("attachment"));
    let is_tame = answer.all("content-security-policy").any(|policy| {
        let policy = policy.to_ascii_lowercase();
        let mut rules = policy.split(';').map(|rule| rule.split_whitespace());
        rules.any(|mut rule| match rule.next() {
            Some("sandbox") => !rule.any(|flag| flag == "allow-scripts"),
            Some("default-src" | "script-src") => !rule.any(|source| source == "'unsafe-inline'"),
            _ => false,
        })
    });
    let is_page = matches!(
        answer.media().as_str(),
        "text/html" | "application/xhtml+xml" | "image/svg+xml"
    );
    is_page && !is_kept && !is_tame && answer.body == file.contents.as_bytes()
}

/// Makes the contents of a file of a word, for each of two times.
type Spell = fn(&str, usize) -> String;
/// Whether an answer shows what it should not of a file, for each of two times.
type Shows = fn(&Response, &File, usize) -> bool;

/// Of the paths of which sites the files with which endings may be executed; PHP shows on no path.
const LANGUAGES: &[(&[&str], &[&str])] = &[
    (
        &[],
        // As lists of what is forbidden, checks of the wrong dot and old handlers of Apache let them through.
        &[".php", ".phtml", ".php5", ".pHp", ".gif.php", ".php.gif"],
    ),
    (&[".jsp", ".jspx", ".do", ".action"], &[".jsp"]),
    (&[".aspx", ".asp", ".ashx", ".asmx"], &[".aspx", ".asp"]),
];
const PAGES: &[(&str, &str, Spell)] = &[(".html", "image/gif", page), (".svg", "image/svg+xml", drawing)];
const HARMLESS: [(&str, &str); 2] = [(".gif", "image/gif"), (".txt", "text/plain")];
const FOLDERS: &[&str] = &["uploads", "upload", "files", "images", "media"];
const NUMBERS: [(u64, u64); 2] = [(48_271, 20_393), (39_119, 31_051)];
/// What whoever finds the file reads.
const NOTE: &str = "a file of a security test, which may be removed";
/// What is given to such forms changes the site.
const OF_THE_SITE: &[&str] = &[
    "firmware", "upgrade", "restore", "import", "plugin", "backup", "migrat",
];
const FORMS_LIMIT: usize = 64;
const REFERENCES_LIMIT: usize = 3;
const LENGTH_LIMIT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::request::Part;

    fn form() -> UploadForm {
        let part = Part {
            name: "file".to_owned(),
            file: Some("vedette.txt".to_owned()),
            media: None,
            value: String::new(),
        };
        let request = Request {
            method: "POST".to_owned(),
            body: Body::Multipart(vec![part]),
            ..Request::get(&"http://192.0.2.7/shop/pictures".parse().unwrap())
        };
        let lead = Lead { request, token: None };
        forms(&[lead], ["/shop/pictures"].into_iter()).remove(0)
    }

    /// What comes of a site that keeps files under their names.
    fn judged(serve: impl Fn(&str, &str) -> Response) -> (Option<Shown>, Answers) {
        let (form, site) = (form(), Site::parse("http://192.0.2.7/").unwrap());
        let mut answers = Answers::new();
        let words = |number| format!("vq{number}z");
        loop {
            let question = match form.judge(&site, &words, &answers) {
                Ok(shown) => return (shown, answers),
                Err(question) => question,
            };
            let reply = match &question {
                Question::Send(file) => {
                    Response::answering(200, &[], &format!("<a href='../kept/{}'>It</a>", file.name()))
                }
                Question::Fetch { path, after } => {
                    assert!(path.starts_with("/kept/"), "{path}");
                    serve(path, &after.as_ref().unwrap().contents)
                }
            };
            answers.insert(question, reply);
        }
    }

    #[test]
    fn what_is_computed_or_shown_as_a_page_is_told_from_what_is_kept() {
        let run = |contents: &str| {
            let sum = |(one, other): (u64, u64)| (format!("<?php echo {one}*{other}; ?>"), one * other);
            let [(code, result), (other, another)] = NUMBERS.map(sum);
            contents
                .replace(&code, &result.to_string())
                .replace(&other, &another.to_string())
        };
        let gif = [("Content-Type", "image/gif")];
        let (shown, answers) = judged(|path, contents| match path.ends_with(".phtml") {
            true => Response::answering(200, &[], &run(contents)),
            false => Response::answering(200, &gif, contents),
        });
        let executed = Shown {
            type_: FindingType::WebUploadExecuted,
            ending: ".phtml",
        };
        assert_eq!(shown, Some(executed));
        let site = Site::parse("http://192.0.2.7/").unwrap();
        let removals = form().removals(&site, &answers);
        assert!(removals.iter().all(|lead| lead.request.method == "DELETE"));
        assert_eq!(removals.len(), 4, "{removals:?}");
        let by_type = |headers: &'static [(&str, &str)]| {
            judged(move |path, contents| match path.ends_with(".svg") {
                true => Response::answering(200, headers, contents),
                false => Response::answering(200, &gif, contents),
            })
            .0
            .map(|shown| shown.type_)
        };
        let page = Some(FindingType::WebUploadShownAsPage);
        let svg = ("Content-Type", "image/svg+xml");
        let rule = "Content-Security-Policy";
        assert_eq!(by_type(&[]), None);
        assert_eq!(by_type(&[("Content-Type", "image/svg+xml")]), page);
        assert_eq!(
            by_type(&[
                ("Content-Type", "image/svg+xml"),
                ("Content-Disposition", "attachment")
            ]),
            None
        );
        for (policy, expected) in [
            ("sandbox", None),
            ("default-src 'none'", None),
            ("img-src *", page),
            ("script-src 'unsafe-inline'", page),
        ] {
            let headers = vec![svg, (rule, policy)];
            assert_eq!(by_type(headers.leak()), expected, "{policy}");
        }
    }

    #[test]
    fn a_file_is_found_where_the_answer_says() {
        let site = Site::parse("http://192.0.2.7/").unwrap();
        let file = File {
            word: "vq7z".to_owned(),
            ending: ".gif",
            media: "image/gif",
            contents: String::new(),
        };
        let of = |reply: &Response| file.references(&site, "/shop/pictures", reply);
        let html =
            "<img src='/i/logo.gif'><p>vq7z.gif was stored as <a href=\"a/vq7z.gif?v=1&amp;w=2\">this</a>.";
        assert_eq!(
            of(&Response::answering(200, &[], html)),
            ["/shop/vq7z.gif", "/shop/a/vq7z.gif?v=1&w=2", "/i/logo.gif"]
        );
        let json = r#"{"name": "vq7z.gif", "files": [{"url": "\/kept\/0d.gif"}]}"#;
        assert_eq!(
            of(&Response::answering(200, &[], json)),
            ["/shop/vq7z.gif", "/kept/0d.gif"]
        );
        let moved = Response::answering(303, &[("Location", "http://192.0.2.7/f/vq7z.gif")], "");
        assert_eq!(of(&moved), ["/f/vq7z.gif"]);
        let elsewhere = Response::answering(303, &[("Location", "http://198.51.100.7/f/vq7z.gif")], "");
        assert!(of(&elsewhere).is_empty());
    }
}
