//! What a response leads on to: links, forms, the requests of scripts, robots, sitemaps, source maps. Pure.

use std::time::Duration;

use url::Url;

use super::{
    html::{self, Document, Element},
    request::{Body, FIELDS_LIMIT, Pair, Part, Request},
    response::{Response, Whole},
    script::{self, CallBody},
    site::{Reference, Site},
};

/// Reads a page by itself, as if it were the first of a site.
pub fn read_alone(page: &[u8]) -> Page {
    let Ok(site) = Site::parse("http://192.0.2.1/") else {
        return Page::default();
    };
    let response = Response {
        status: 200,
        headers: Vec::new(),
        body: page.to_vec(),
        whole: Whole::Yes,
        took: Duration::ZERO,
    };
    Page::read(&site, site.start(), &response)
}

/// What was found in one response.
#[derive(Debug, Default)]
pub struct Page {
    /// Requests that it leads to.
    pub leads: Vec<Lead>,
    /// References to other servers.
    pub elsewhere: u64,
    /// References that would end the session.
    pub logouts: u64,
    /// Whether it asks for a password.
    pub asks_for_password: bool,
    /// A hash over the names of its elements.
    pub skeleton: u64,
}

/// A request to make, and what it takes to make it.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    /// The request.
    pub request: Request,
    /// The token against forged requests that its form has.
    pub token: Option<Token>,
}

/// A form's token: it is read anew from the page when the old one is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The page that the form stands on.
    pub page: Url,
    /// The field's name.
    pub field: String,
}

impl Page {
    /// Reads a response to a request for `base`.
    pub fn read(site: &Site, base: &Url, response: &Response) -> Self {
        let mut reader = PageReader {
            site,
            base: base.clone(),
            page: Self::default(),
        };
        if let Some(location) = response.location() {
            reader.link(location);
        }
        for link in response.all("link") {
            let target = link.split('>').next().unwrap_or_default();
            if let Some(target) = target.strip_prefix('<') {
                reader.link(target);
            }
        }
        let media = response.media();
        let path = base.path();
        if path.ends_with("/robots.txt") {
            reader.robots(&response.text());
        } else if media.contains("javascript") || path.ends_with(".js") {
            reader.script(&response.text());
            reader.source_map(&response.text());
        } else if path.ends_with(".map") {
            reader.sources(&response.body);
        } else if media.contains("xml") && !response.is_page() {
            reader.sitemap(&response.text());
        } else if response.is_page() {
            reader.html(&html::parse(&response.body));
        }
        reader.page
    }
}

struct PageReader<'a> {
    site: &'a Site,
    base: Url,
    page: Page,
}

impl PageReader<'_> {
    fn html(&mut self, document: &Document) {
        let base = document.elements().find(|element| element.name() == "base");
        if let Some(Reference::Here(base)) = base
            .and_then(|base| base.attribute("href"))
            .map(|href| self.site.resolve(&self.base, href))
        {
            self.base = base;
        }
        self.page.skeleton = hash(document.skeleton());
        for element in document.elements() {
            self.element(element);
        }
        let fields = Fields::of(document);
        for (form, fields) in fields.forms {
            self.form(form, &fields);
        }
    }

    fn element(&mut self, element: Element<'_>) {
        let reference = match element.name() {
            "a" | "area" => element.attribute("href"),
            "iframe" | "frame" | "embed" => element.attribute("src"),
            "object" => element.attribute("data"),
            "link" => element.attribute("href").filter(|_| {
                let relation = element.attribute("rel").unwrap_or_default();
                ["alternate", "next", "prev", "canonical", "search"].contains(&relation)
            }),
            "script" => {
                self.script(&element.text());
                element.attribute("src")
            }
            "meta" => element
                .attribute("content")
                .filter(|_| {
                    element
                        .attribute("http-equiv")
                        .is_some_and(|name| name.eq_ignore_ascii_case("refresh"))
                })
                .and_then(refresh_target),
            "input" => {
                self.page.asks_for_password |= element
                    .attribute("type")
                    .is_some_and(|kind| kind.eq_ignore_ascii_case("password"));
                None
            }
            _ => None,
        };
        if let Some(reference) = reference {
            if is_logout(reference, &element.text()) {
                self.page.logouts += 1;
            } else {
                self.link(reference);
            }
        }
        for (name, value) in element.attributes() {
            match name.as_str() {
                "data-url" | "data-href" | "data-src" | "data-action" => self.link(value),
                name if name.starts_with("on") => self.script(value),
                _ => {}
            }
        }
    }

    fn link(&mut self, reference: &str) {
        if reference.trim_start().starts_with('#') || is_static(reference) {
            return;
        }
        match self.site.resolve(&self.base, reference) {
            Reference::Here(url) if is_logout(url.path(), url.query().unwrap_or_default()) => {
                self.page.logouts += 1;
            }
            Reference::Here(url) => self.lead(Request::get(&url), None),
            Reference::Elsewhere => self.page.elsewhere += 1,
            Reference::Nothing => {}
        }
    }

    fn lead(&mut self, request: Request, token: Option<Token>) {
        if self.page.leads.len() < LEADS_LIMIT {
            self.page.leads.push(Lead { request, token });
        }
    }

    fn form(&mut self, form: Option<Element<'_>>, fields: &[Field]) {
        let attribute = |name: &str| form.and_then(|form| form.attribute(name)).unwrap_or_default();
        let action = attribute("action");
        if is_logout(action, "") {
            self.page.logouts += 1;
            return;
        }
        let Reference::Here(url) = self.site.resolve(&self.base, action) else {
            self.page.elsewhere += 1;
            return;
        };
        let mut request = Request::get(&url);
        let pairs: Vec<Pair> = fields
            .iter()
            .map(|field| (field.name.clone(), field.value.clone()))
            .collect();
        let post = attribute("method").eq_ignore_ascii_case("post");
        if !post {
            request.query = pairs;
        } else {
            request.method = "POST".to_owned();
            request.body = match attribute("enctype") {
                "multipart/form-data" => Body::Multipart(fields.iter().map(Field::part).collect()),
                _ => Body::Form(pairs),
            };
        }
        let token = fields
            .iter()
            .find(|field| post && field.hidden && is_token(&field.name))
            .map(|field| Token {
                page: self.base.clone(),
                field: field.name.clone(),
            });
        self.lead(request, token);
    }

    fn script(&mut self, source: &str) {
        for call in script::calls(source) {
            let Reference::Here(url) = self.site.resolve(&self.base, &call.url) else {
                continue;
            };
            let mut request = Request::get(&url);
            request.method = call.method;
            request.body = match call.body {
                CallBody::None => Body::None,
                CallBody::Json(value) => Body::Json(value),
                CallBody::Form(text) => Body::Form(
                    url::form_urlencoded::parse(text.as_bytes())
                        .into_owned()
                        .take(FIELDS_LIMIT)
                        .collect(),
                ),
                CallBody::Xml(text) => Body::Text("text/xml".to_owned(), text),
            };
            if !is_logout(&request.path, "") {
                self.lead(request, None);
            }
        }
        for text in script::strings(source)
            .iter()
            .filter(|text| looks_like_a_path(text))
        {
            self.link(text);
        }
    }

    fn source_map(&mut self, source: &str) {
        let mark = "sourceMappingURL=";
        if let Some(at) = source.rfind(mark) {
            let reference = source[at + mark.len()..].split_whitespace().next();
            self.link(reference.unwrap_or_default());
        }
    }

    /// The sources in a source map (ECMA-426).
    fn sources(&mut self, body: &[u8]) {
        let Ok(map) = serde_json::from_slice::<serde_json::Value>(body) else {
            return;
        };
        let sources = map.get("sourcesContent").and_then(|sources| sources.as_array());
        for source in sources.into_iter().flatten().filter_map(|source| source.as_str()) {
            self.script(source);
        }
    }

    /// RFC 9309; what robots are asked to leave is in the grant all the same.
    fn robots(&mut self, text: &str) {
        for line in text.lines().take(LEADS_LIMIT) {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.split('#').next().unwrap_or_default().trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "allow" | "disallow" if !value.is_empty() && !value.contains(['*', '$']) => self.link(value),
                "sitemap" => self.link(value),
                _ => {}
            }
        }
    }

    fn sitemap(&mut self, text: &str) {
        for part in text.split("<loc>").skip(1).take(LEADS_LIMIT) {
            let location = part.split("</loc>").next().unwrap_or_default();
            self.link(&location.replace("&amp;", "&"));
        }
    }
}

/// A field of a form, filled in.
#[derive(Debug, Clone)]
struct Field {
    name: String,
    value: String,
    hidden: bool,
    file: bool,
}

/// The fields of a page, form by form; those outside of forms are one of their own.
struct Fields<'a> {
    forms: Vec<(Option<Element<'a>>, Vec<Field>)>,
}

impl<'a> Fields<'a> {
    fn of(document: &'a Document) -> Self {
        let mut forms: Vec<(Option<Element<'a>>, Vec<Field>)> = document
            .elements()
            .filter(|element| element.name() == "form")
            .map(|form| (Some(form), Vec::new()))
            .take(FORMS_LIMIT)
            .collect();
        for element in document.elements() {
            let owner = match element.attribute("form") {
                Some(id) => forms
                    .iter()
                    .position(|(form, _)| form.is_some_and(|form| form.attribute("id") == Some(id))),
                None => element.within("form").and_then(|form| {
                    forms
                        .iter()
                        .position(|(found, _)| found.is_some_and(|found| found.id() == form.id()))
                }),
            };
            let Some((_, fields)) = owner.and_then(|owner| forms.get_mut(owner)) else {
                continue;
            };
            if let Some(field) = fill(element, document) {
                // One of the buttons of a group is chosen, and one button is pressed.
                let taken = fields.iter().any(|other| other.name == field.name)
                    && !matches!(element.name(), "select" | "textarea");
                if !taken && fields.len() < FIELDS_LIMIT {
                    fields.push(field);
                }
            }
        }
        Self { forms }
    }
}

impl Field {
    fn part(&self) -> Part {
        Part {
            name: self.name.clone(),
            file: self.file.then(|| "vedette.txt".to_owned()),
            media: self.file.then(|| "text/plain".to_owned()),
            value: self.value.clone(),
        }
    }
}

/// What a person would fill in.
fn fill(element: Element<'_>, document: &Document) -> Option<Field> {
    let name = element
        .attribute("name")
        .filter(|name| !name.is_empty())?
        .to_owned();
    let given = element.attribute("value").unwrap_or_default();
    let or = |value: &str| {
        if given.is_empty() {
            value.to_owned()
        } else {
            given.to_owned()
        }
    };
    let kind = element.attribute("type").unwrap_or_default().to_ascii_lowercase();
    let value = match element.name() {
        "textarea" => match element.text().trim() {
            "" => "vedette".to_owned(),
            text => text.to_owned(),
        },
        "select" => document
            .elements()
            .filter(|option| option.name() == "option")
            .filter(|option| {
                option
                    .within("select")
                    .is_some_and(|select| select.id() == element.id())
            })
            .map(|option| {
                option
                    .attribute("value")
                    .map_or_else(|| option.text(), ToOwned::to_owned)
            })
            .find(|value| !value.is_empty())
            .unwrap_or_default(),
        "input" => match kind.as_str() {
            "hidden" => given.to_owned(),
            "email" => or("vedette@vedette.example"),
            "number" | "range" => or(element.attribute("min").unwrap_or("1")),
            "url" => or("http://vedette.example/"),
            "tel" => or("5550100"),
            "date" => or("2026-01-01"),
            "time" => or("12:00"),
            "color" => or("#336699"),
            "checkbox" | "radio" => or("on"),
            "reset" | "image" => return None,
            "submit" | "button" => or("1"),
            "file" => "vedette".to_owned(),
            _ => or(guess(&name)),
        },
        "button" if kind != "reset" && kind != "button" => or("1"),
        _ => return None,
    };
    Some(Field {
        name,
        value,
        hidden: kind == "hidden",
        file: kind == "file",
    })
}

/// By the name, where the type says nothing.
fn guess(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if has(&["mail"]) {
        "vedette@vedette.example"
    } else if name == "id" || has(&["_id", "count", "amount", "qty", "age", "year", "num", "page"]) {
        "1"
    } else if has(&["url", "link"]) {
        "http://vedette.example/"
    } else {
        "vedette"
    }
}

/// Whether a field's name says that it protects against forged requests.
fn is_token(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["csrf", "xsrf", "token", "nonce", "authenticity", "verification"]
        .iter()
        .any(|part| name.contains(part))
}

/// Whether a link or form would end the session.
pub fn is_logout(reference: &str, text: &str) -> bool {
    let squeeze = |text: &str| {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .take(4096)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    let (reference, text) = (squeeze(reference), squeeze(text));
    [
        "logout",
        "logoff",
        "signout",
        "signoff",
        "abmelden",
        "deconnexion",
        "cerrarsesion",
        "endsession",
    ]
    .iter()
    .any(|word| reference.contains(word) || text == *word || (text.contains(word) && text.len() < 40))
}

/// Whether it leads to a file that leads nowhere.
fn is_static(reference: &str) -> bool {
    let path = reference.split(['?', '#']).next().unwrap_or_default();
    let Some((_, extension)) = path.rsplit_once('.') else {
        return false;
    };
    !reference.contains('?')
        && [
            "css", "png", "jpg", "jpeg", "gif", "webp", "ico", "svg", "woff", "woff2", "ttf", "eot", "mp3",
            "mp4", "webm", "avi", "zip", "gz", "tar", "7z", "rar", "exe", "pdf", "doc", "docx", "xls",
            "xlsx", "ppt", "pptx",
        ]
        .contains(&extension.to_ascii_lowercase().as_str())
}

/// Whether a script's string is the path of something.
fn looks_like_a_path(text: &str) -> bool {
    let plain = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || "/._-~%?&=:#+@,;".contains(c))
    };
    let path = text.split('?').next().unwrap_or_default();
    (2..2048).contains(&text.len())
        && plain(text)
        && (text.starts_with("http://")
            || text.starts_with("https://")
            || (text.starts_with('/')
                && !text.starts_with("//")
                && text[1..].starts_with(|c: char| c.is_ascii_alphanumeric() || "_.".contains(c)))
            || text.starts_with("./")
            || text.starts_with("../")
            || [
                ".php", ".asp", ".aspx", ".jsp", ".do", ".action", ".html", ".htm", ".cgi", ".json",
            ]
            .iter()
            .any(|extension| path.ends_with(extension) && path.len() > extension.len()))
}

/// `5; url=/next`.
pub fn refresh_target(content: &str) -> Option<&str> {
    let (_, rest) = content.split_once([';', ','])?;
    let rest = rest.trim_start();
    let rest = match rest.get(..3) {
        Some(start) if start.eq_ignore_ascii_case("url") => rest[3..].trim_start().strip_prefix('=')?,
        _ => rest,
    };
    Some(rest.trim().trim_matches(['"', '\'']))
}

fn hash(names: Vec<&str>) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    hasher.finish()
}

/// More leads of one page belong to a trap.
const LEADS_LIMIT: usize = 2000;
const FORMS_LIMIT: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::{input, response::Whole};
    use std::time::Duration;

    fn read(path: &str, media: &str, body: &str) -> Page {
        let site = Site::parse("http://192.0.2.7/").unwrap();
        let response = Response {
            status: 200,
            headers: vec![("Content-Type".to_owned(), media.to_owned())],
            body: body.as_bytes().to_vec(),
            whole: Whole::Yes,
            took: Duration::ZERO,
        };
        Page::read(&site, &site.start().join(path).unwrap(), &response)
    }

    fn targets(page: &Page) -> Vec<String> {
        page.leads
            .iter()
            .map(|lead| format!("{} {}", lead.request.method, lead.request.target()))
            .collect()
    }

    #[test]
    fn links_forms_and_scripts_lead_on_and_logout_does_not() {
        let page = read(
            "/a/",
            "text/html",
            "<base href=/b/><a href='x?id=1&amp;y=2'>x</a><a href=/bye>Log out</a><a href=/user/log-out>bye</a>\
             <a href=//elsewhere.example>e</a><a href=mailto:x@y>m</a><img src=/i.png>\
             <meta http-equiv=refresh content='0; url=/next'><div onclick=\"location='/clicked'\"></div>\
             <script>fetch('/api', {method: 'POST', body: JSON.stringify({a: 1})}); let s = \"/in/string\"</script>",
        );
        assert_eq!(
            targets(&page),
            [
                "GET /b/x?id=1&y=2",
                "GET /next",
                "GET /clicked",
                "POST /api",
                "GET /api",
                "GET /in/string"
            ]
        );
        assert_eq!((page.logouts, page.elsewhere), (2, 1));
    }

    #[test]
    fn a_form_is_filled_by_type() {
        let page = read(
            "/",
            "text/html",
            "<form method=post action=/save><input type=hidden name=csrf_token value=t><input name=mail type=email>\
             <input name=n type=number min=3><select name=s><option value=''>-<option value=b>B</select>\
             <textarea name=t></textarea><input type=radio name=r value=1><input type=radio name=r value=2>\
             <input type=password name=p></form><input form=f name=outside><form id=f action=/search></form>",
        );
        let [post, get] = &page.leads[..] else {
            panic!("{:?}", page.leads)
        };
        let values: Vec<String> = input::inputs(&post.request)
            .iter()
            .map(|input| format!("{}={}", input.name, input.value(&post.request)))
            .collect();
        assert_eq!(
            values,
            [
                "csrf_token=t",
                "mail=vedette@vedette.example",
                "n=3",
                "s=b",
                "t=vedette",
                "r=1",
                "p=vedette"
            ]
        );
        assert_eq!(post.token.as_ref().unwrap().field, "csrf_token");
        assert_eq!(get.request.target(), "/search?outside=vedette");
        assert!(page.asks_for_password);
    }

    #[test]
    fn robots_sitemaps_and_source_maps_are_read() {
        let robots = read(
            "/robots.txt",
            "text/plain",
            "User-agent: *\nDisallow: /private/ # x\nDisallow: /*.gif$\nSitemap: http://192.0.2.7/map.xml\n",
        );
        assert_eq!(targets(&robots), ["GET /private/", "GET /map.xml"]);
        let sitemap = read(
            "/map.xml",
            "application/xml",
            "<urlset><url><loc>http://192.0.2.7/s?a=1&amp;b=2</loc></url></urlset>",
        );
        assert_eq!(targets(&sitemap), ["GET /s?a=1&b=2"]);
        let script = read(
            "/app.js",
            "text/javascript",
            "x()\n//# sourceMappingURL=app.js.map\n",
        );
        assert_eq!(targets(&script), ["GET /app.js.map"]);
        let map = read(
            "/app.js.map",
            "application/json",
            r#"{"sourcesContent": ["call('/hidden/api')", null]}"#,
        );
        assert_eq!(targets(&map), ["GET /hidden/api"]);
    }
}
