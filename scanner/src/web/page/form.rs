//! Forms, filled in as a person would.

use url::Url;

use super::Token;
use crate::web::{
    html::{Document, Element},
    request::{Body, FIELDS_LIMIT, Pair, Part, Request},
};

/// A form of a page.
pub(super) struct Form<'a> {
    element: Element<'a>,
    fields: Vec<Field>,
    /// Where its buttons lead that lead elsewhere than the form itself.
    other_actions: Vec<&'a str>,
}

/// A field of a form, filled in.
#[derive(Debug, Clone)]
struct Field {
    name: String,
    value: String,
    hidden: bool,
    file: bool,
}

/// The forms of a page, each with its fields; what stands outside of forms is sent nowhere.
pub(super) fn forms(document: &Document) -> Vec<Form<'_>> {
    let form = |element| Form {
        element,
        fields: Vec::new(),
        other_actions: Vec::new(),
    };
    let mut forms: Vec<Form<'_>> = document
        .elements()
        .filter(|element| element.name() == "form")
        .map(form)
        .take(FORMS_LIMIT)
        .collect();
    for element in document.elements() {
        let owner = match element.attribute("form") {
            Some(id) => forms
                .iter()
                .position(|form| form.element.attribute("id") == Some(id)),
            None => element
                .within("form")
                .and_then(|owner| forms.iter().position(|form| form.element.id() == owner.id())),
        };
        let Some(form) = owner.and_then(|owner| forms.get_mut(owner)) else {
            continue;
        };
        if matches!(element.name(), "button" | "input") {
            form.other_actions.extend(element.attribute("formaction"));
        }
        if let Some(field) = fill(element, document) {
            // One of the buttons of a group is chosen, and one button is pressed.
            let taken = form.fields.iter().any(|other| other.name == field.name)
                && !matches!(element.name(), "select" | "textarea");
            if !taken && form.fields.len() < FIELDS_LIMIT {
                form.fields.push(field);
            }
        }
    }
    forms
}

impl<'a> Form<'a> {
    /// Where it leads, with the first button and with those that lead elsewhere.
    pub(super) fn actions(&self) -> impl Iterator<Item = &'a str> {
        let own = self.element.attribute("action").unwrap_or_default();
        std::iter::once(own).chain(self.other_actions.iter().copied())
    }

    /// The request that sends it to a place.
    pub(super) fn request(&self, url: &Url) -> Request {
        let mut request = Request::get(url);
        let pairs: Vec<Pair> = self
            .fields
            .iter()
            .map(|field| (field.name.clone(), field.value.clone()))
            .collect();
        if self.is_posted() {
            request.method = "POST".to_owned();
            request.body = match self.element.attribute("enctype") {
                Some("multipart/form-data") => Body::Multipart(self.fields.iter().map(Field::part).collect()),
                _ => Body::Form(pairs),
            };
        } else {
            request.query = pairs;
        }
        request
    }

    /// Its token against forged requests, if it has one.
    pub(super) fn token(&self, page: &Url) -> Option<Token> {
        self.fields
            .iter()
            .find(|field| self.is_posted() && field.hidden && is_token(&field.name))
            .map(|field| Token {
                page: page.clone(),
                field: field.name.clone(),
            })
    }

    fn is_posted(&self) -> bool {
        self.element
            .attribute("method")
            .is_some_and(|method| method.eq_ignore_ascii_case("post"))
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
pub(in crate::web) fn guess(name: &str) -> &'static str {
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

const FORMS_LIMIT: usize = 100;
