//! Mass assignment: whether fields that the site sets itself can be set from outside. Pure; the engine asks.
//!
//! Tried on objects alone that the scan makes, by a request that the crawl has made already, and that are removed again
//! where the interface says how. What counts are fields of which the answer shows that the site has them, that the
//! request did not name, and whose names speak of rights, owners or money. One counts when a value of ours stands there
//! afterwards, each of two times, and the site's own again in an object that was made without.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    request::{Body, Request},
    response::Response,
    site::{Reference, Site},
    tests::speaks_of_change,
};

/// Its name on command lines.
pub(crate) const NAME: &str = "assignment";

/// A way to make an object, and what can be done with it then.
#[derive(Debug, Clone)]
pub(crate) struct Making {
    pub(crate) create: Request,
    read: Option<Request>,
    pub(crate) update: Option<Request>,
    remove: Option<Request>,
}

/// Something to ask the site.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// To make an object with these fields besides (JSON).
    Create { besides: String, nth: u8 },
    /// To change an object that was made, with these fields besides.
    Update { id: String, besides: String, nth: u8 },
    /// To show an object, after that was done to it.
    Read { place: String, after: String },
}

/// The answers so far.
pub(crate) type Answers = HashMap<Question, Response>;

/// What was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assigned {
    /// The field, as a pointer into what is sent.
    pub(crate) field: String,
    /// By which request.
    pub(crate) by: Way,
    pub(crate) seen: Seen,
}

/// When the field was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Create,
    Update,
}

/// Where its value was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// In the object, when it was asked for.
    InObject,
    /// In the answer alone.
    InAnswer,
}

/// A field that the site has set.
#[derive(Debug, Clone, PartialEq)]
struct Field {
    /// Where it stands in what is shown.
    shown: String,
    /// The object that it goes to in what is sent.
    parent: String,
    name: String,
    value: Value,
}

/// The ways to make objects among requests that were answered.
pub(crate) fn makings(known: &[Request]) -> Vec<Making> {
    let creates = known.iter().filter(|request| {
        request.method == "POST"
            && matches!(&request.body, Body::Json(Value::Object(_)) | Body::Form(_))
            && !speaks_of_change(request)
    });
    let of_one = |create: &Request, methods: &[&str]| {
        let parent = create.path.trim_end_matches('/');
        known
            .iter()
            .find(|request| {
                methods.contains(&request.method.as_str())
                    && request.path.rsplit_once('/').is_some_and(|(before, last)| {
                        before == parent && request.is_value(before.split('/').count(), last)
                    })
            })
            .cloned()
    };
    creates
        .take(MAKINGS_LIMIT)
        .map(|create| Making {
            read: of_one(create, &["GET"]),
            update: of_one(create, &["PATCH", "PUT"]),
            remove: of_one(create, &["DELETE"]),
            create: create.clone(),
        })
        .collect()
}

impl Making {
    /// The request that a question is, to this site.
    pub(crate) fn request_for(&self, question: &Question, site: &Site) -> Option<Request> {
        match question {
            Question::Create { besides, .. } => Some(with(&self.create, besides)),
            Question::Update { id, besides, .. } => {
                let update = self.update.as_ref()?;
                Some(with(&of(update, id), besides))
            }
            Question::Read { place, .. } => match place.strip_prefix("id:") {
                Some(id) => self.read.as_ref().map(|read| of(read, id)),
                None => match site.resolve(site.start(), place) {
                    Reference::Here(url) => Some(Request::get(&url)),
                    Reference::Elsewhere | Reference::Nothing => None,
                },
            },
        }
    }

    /// How to remove what an answer to the making says was made, if that is known.
    pub(crate) fn removal(&self, made: &Response) -> Option<Request> {
        let id = identifier(&document(made)?)?;
        self.remove.as_ref().map(|remove| of(remove, &id))
    }

    /// A field that can be set although it is the site's.
    ///
    /// # Errors
    /// What must be asked first.
    pub(crate) fn judge(&self, word: &str, answers: &Answers) -> Result<Option<Assigned>, Question> {
        let plain = self.made("{}", 0, answers)?;
        let Some(plain) = plain else {
            return Ok(None);
        };
        for field in self.fields(&plain.shown).into_iter().take(FIELDS_LIMIT) {
            let values = others(&field, word);
            let [one, another] = &values[..2] else { continue };
            let taken = |value: &Value, by, nth| -> Result<Option<Seen>, Question> {
                let besides = besides(&field, value);
                let object = match by {
                    Way::Create => self.made(&besides, nth, answers)?,
                    Way::Update => self.changed(&plain, &besides, nth, answers)?,
                };
                let shown = object.filter(|object| object.shown.pointer(&field.shown) == Some(value));
                Ok(shown.map(|object| object.seen))
            };
            for by in [Way::Create, Way::Update] {
                // Where any text is refused, one of those may be that the site knows.
                let mut right = taken(one, by, 0)?.map(|seen| (seen, another));
                for value in &values[2..] {
                    if right.is_none() {
                        right = taken(value, by, 0)?.map(|seen| (seen, value));
                    }
                }
                let Some((seen, again)) = right else { continue };
                let anew = self.made("{}", 1, answers)?;
                let own = anew.is_some_and(|anew| anew.shown.pointer(&field.shown) == Some(&field.value));
                if own && taken(again, by, 1)?.is_some() {
                    return Ok(Some(Assigned {
                        field: format!("{}/{}", field.parent, field.name),
                        by,
                        seen,
                    }));
                }
            }
        }
        Ok(None)
    }

    /// An object that was made, as it is shown.
    fn made(&self, besides: &str, nth: u8, answers: &Answers) -> Result<Option<Object>, Question> {
        let create = Question::Create {
            besides: besides.to_owned(),
            nth,
        };
        let after = format!("{besides}{nth}");
        let answer = asked(create, answers)?;
        if !(200..400).contains(&answer.status) {
            return Ok(None);
        }
        let told = document(answer);
        let id = told.as_ref().and_then(identifier);
        let place = match (&id, answer.header("location")) {
            (Some(id), _) if self.read.is_some() => Some(format!("id:{id}")),
            (_, Some(place)) => Some(place.to_owned()),
            _ => None,
        };
        let Some(place) = place else {
            return Ok(told.map(|shown| Object {
                shown,
                id,
                seen: Seen::InAnswer,
            }));
        };
        let read = asked(Question::Read { place, after }, answers)?;
        Ok(Some(read)
            .filter(|read| read.status == 200)
            .and_then(document)
            .map(|shown| Object {
                id: id.or_else(|| identifier(&shown)),
                shown,
                seen: Seen::InObject,
            }))
    }

    /// An object that was made and changed then, as it is shown.
    fn changed(
        &self,
        object: &Object,
        besides: &str,
        nth: u8,
        answers: &Answers,
    ) -> Result<Option<Object>, Question> {
        let (Some(id), true) = (&object.id, self.update.is_some() && self.read.is_some()) else {
            return Ok(None);
        };
        let update = Question::Update {
            id: id.clone(),
            besides: besides.to_owned(),
            nth,
        };
        if !(200..300).contains(&asked(update, answers)?.status) {
            return Ok(None);
        }
        let read = Question::Read {
            place: format!("id:{id}"),
            after: format!("update{besides}{nth}"),
        };
        let shown = Some(asked(read, answers)?)
            .filter(|read| read.status == 200)
            .and_then(document);
        Ok(shown.map(|shown| Object {
            shown,
            id: Some(id.clone()),
            seen: Seen::InObject,
        }))
    }

    /// The fields that the site has set by itself and that strangers should not.
    fn fields(&self, shown: &Value) -> Vec<Field> {
        let sent = match &self.create.body {
            Body::Json(value) => value.clone(),
            Body::Form(pairs) => {
                let pair = |(name, value): &(String, String)| (name.clone(), Value::from(value.as_str()));
                Value::Object(pairs.iter().map(pair).collect())
            }
            Body::None | Body::Multipart(_) | Body::Text(..) => return Vec::new(),
        };
        let mut found = Vec::new();
        let mut todo = vec![(String::new(), shown, 0)];
        while let Some((place, value, depth)) = todo.pop() {
            let Value::Object(fields) = value else { continue };
            for (name, value) in fields {
                let shown = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                if value.is_object() && depth < DEPTH_LIMIT {
                    todo.push((shown, value, depth + 1));
                    continue;
                }
                let parent = match sent.pointer(&place) {
                    Some(Value::Object(held)) => match held.iter().next() {
                        // What wraps an object is not the object.
                        Some((name, Value::Object(_))) if held.len() == 1 => format!("{place}/{name}"),
                        _ => place.clone(),
                    },
                    _ => String::new(),
                };
                let named = sent
                    .pointer(&parent)
                    .and_then(Value::as_object)
                    .is_some_and(|sent| sent.keys().any(|own| squeezed(own) == squeezed(name)));
                if !named && is_privileged(name) && !(value.is_null() || value.is_object()) {
                    found.push(Field {
                        shown,
                        parent,
                        name: name.clone(),
                        value: value.clone(),
                    });
                }
            }
        }
        found
    }
}

/// An object of ours.
#[derive(Debug)]
struct Object {
    shown: Value,
    id: Option<String>,
    seen: Seen,
}

fn asked(question: Question, answers: &Answers) -> Result<&Response, Question> {
    answers.get(&question).ok_or(question)
}

fn document(answer: &Response) -> Option<Value> {
    serde_json::from_slice(&answer.body).ok().filter(Value::is_object)
}

/// What a document says that it is: by its own identifier, or by that of the one object in it.
fn identifier(document: &Value) -> Option<String> {
    let own = |value: &Value| {
        let names = ["id", "uuid", "_id", "key", "number"];
        let value = names.iter().find_map(|name| value.get(name))?;
        match value {
            Value::String(text) if text.len() <= 64 && !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    };
    let inside = || document.as_object()?.values().find_map(own);
    own(document).or_else(inside)
}

/// A request for one object, for this one.
fn of(request: &Request, id: &str) -> Request {
    let mut request = request.clone();
    let before = request.path.rsplit_once('/').map_or("", |(before, _)| before);
    request.path = format!("{before}/{}", super::input::percent(id));
    request
}

/// A request with fields besides: a document of the objects that they go to.
fn with(request: &Request, besides: &str) -> Request {
    let mut request = request.clone();
    let Ok(Value::Object(objects)) = serde_json::from_str::<Value>(besides) else {
        return request;
    };
    for (parent, fields) in objects {
        let Value::Object(fields) = fields else { continue };
        match &mut request.body {
            Body::Json(value) => {
                if let Some(Value::Object(held)) = value.pointer_mut(&parent) {
                    held.extend(fields);
                }
            }
            Body::Form(pairs) => pairs.extend(fields.into_iter().map(|(name, value)| match value {
                Value::String(text) => (name, text),
                other => (name, other.to_string()),
            })),
            Body::None | Body::Multipart(_) | Body::Text(..) => {}
        }
    }
    request
}

fn besides(field: &Field, value: &Value) -> String {
    let fields: Map<String, Value> = [(field.name.clone(), value.clone())].into_iter().collect();
    let objects: Map<String, Value> = [(field.parent.clone(), Value::Object(fields))]
        .into_iter()
        .collect();
    Value::Object(objects).to_string()
}

/// Other values of the same type: two that mean nothing, then those that a site may know.
fn others(field: &Field, word: &str) -> Vec<Value> {
    let texts = [format!("{word}a"), format!("{word}b")];
    match &field.value {
        Value::Bool(value) => vec![Value::Bool(!value), Value::Bool(!value)],
        Value::Number(number) => {
            // What names somebody must name nobody.
            let step = match squeezed(&field.name).ends_with("id") {
                true => 900_000_007,
                false => 41,
            };
            let number = number.as_f64().unwrap_or_default();
            match field.value.as_i64() {
                Some(whole) => vec![
                    Value::from(whole.saturating_add(step)),
                    Value::from(whole.saturating_add(step + 1)),
                ],
                None => vec![Value::from(number + 41.0), Value::from(number + 42.0)],
            }
        }
        Value::Array(_) => texts.map(|text| Value::from(vec![text])).to_vec(),
        _ => {
            let known = KNOWN.iter().copied().filter(|known| field.value != **known);
            let texts = texts.into_iter().map(Value::from);
            texts.chain(known.map(Value::from)).collect()
        }
    }
}

fn squeezed(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase()
}

/// Whether a name speaks of rights, owners or money.
fn is_privileged(name: &str) -> bool {
    let name = squeezed(name);
    let stem = name.strip_prefix("is").unwrap_or(&name);
    PRIVILEGED.contains(&stem) || PRIVILEGED.contains(&name.as_str())
}

const PRIVILEGED: &[&str] = &[
    "role",
    "roles",
    "admin",
    "administrator",
    "superuser",
    "staff",
    "permission",
    "permissions",
    "privilege",
    "privileges",
    "scope",
    "scopes",
    "accesslevel",
    "usertype",
    "accounttype",
    "groups",
    "verified",
    "emailverified",
    "confirmed",
    "approved",
    "balance",
    "credit",
    "credits",
    "owner",
    "ownerid",
    "userid",
    "createdby",
    "tenant",
    "tenantid",
    "accountid",
    "organisationid",
    "organizationid",
    "paid",
];
/// Words for roles that a site may know, the harmless first.
const KNOWN: &[&str] = &["staff", "editor", "admin"];
const FIELDS_LIMIT: usize = 4;
const MAKINGS_LIMIT: usize = 64;
const DEPTH_LIMIT: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::response::Whole;
    use std::time::Duration;
    use url::Url;

    fn get(url: &str, method: &str, body: Body) -> Request {
        Request {
            method: method.to_owned(),
            body,
            ..Request::get(&url.parse::<Url>().unwrap())
        }
    }

    #[test]
    fn a_creation_is_found_with_what_belongs_to_it() {
        let json = |text: &str| Body::Json(serde_json::from_str(text).unwrap());
        let known = [
            get("http://a/users", "POST", json(r#"{"name": "x"}"#)),
            get("http://a/users/1", "GET", Body::None),
            get("http://a/users/1", "DELETE", Body::None),
            get("http://a/users/1/orders", "GET", Body::None),
            get("http://a/transfer", "POST", json(r#"{"to": "x"}"#)),
            get("http://a/words", "POST", json(r#"["x"]"#)),
        ];
        let [making] = &makings(&known)[..] else {
            panic!("one way")
        };
        assert!(making.read.is_some() && making.remove.is_some() && making.update.is_none());
        let made = Response {
            status: 201,
            headers: Vec::new(),
            body: br#"{"user": {"id": 17, "role": "user", "profile": {"verified": false}, "name": "x"}}"#
                .to_vec(),
            whole: Whole::Yes,
            took: Duration::ZERO,
        };
        assert_eq!(making.removal(&made).unwrap().path, "/users/17");
        let mut fields: Vec<String> = making
            .fields(&document(&made).unwrap())
            .into_iter()
            .map(|field| field.shown)
            .collect();
        fields.sort();
        assert_eq!(fields, ["/user/profile/verified", "/user/role"]);
    }

    #[test]
    fn fields_go_where_they_belong() {
        let request = get(
            "http://a/u",
            "POST",
            Body::Json(serde_json::json!({"user": {"name": "x"}})),
        );
        let field = Field {
            shown: "/user/role".to_owned(),
            parent: "/user".to_owned(),
            name: "role".to_owned(),
            value: Value::from("user"),
        };
        let sent = with(&request, &besides(&field, &Value::from("w")));
        assert_eq!(
            sent.body,
            Body::Json(serde_json::json!({"user": {"name": "x", "role": "w"}}))
        );
    }
}
