//! What leads on and is no page: scripts and their sources, robots, sitemaps, documents of an API.

use serde_json::Value;

use super::{
    LEADS_LIMIT, PageReader,
    reference::{is_logout, looks_like_a_path},
};
use crate::web::{
    api::{Description, graphql},
    request::{Body, FIELDS_LIMIT, Request},
    script::{self, CallBody},
    site::Reference,
};

impl PageReader<'_> {
    pub(super) fn script(&mut self, source: &str) {
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

    pub(super) fn source_map(&mut self, source: &str) {
        let mark = "sourceMappingURL=";
        if let Some(at) = source.rfind(mark) {
            let reference = source[at + mark.len()..].split_whitespace().next();
            self.link(reference.unwrap_or_default());
        }
    }

    /// The sources in a source map (ECMA-426).
    pub(super) fn sources(&mut self, body: &[u8]) {
        let Ok(map) = serde_json::from_slice::<Value>(body) else {
            return;
        };
        let sources = map.get("sourcesContent").and_then(|sources| sources.as_array());
        for source in sources.into_iter().flatten().filter_map(|source| source.as_str()) {
            self.script(source);
        }
    }

    /// RFC 9309; what robots are asked to leave is in the grant all the same.
    pub(super) fn robots(&mut self, text: &str) {
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

    pub(super) fn description(&mut self, description: Option<Description>) {
        let Some(description) = description else { return };
        let operations = description.operations(self.site);
        self.page.logouts += operations.logouts;
        for lead in operations.leads {
            self.lead(lead.request, lead.token);
        }
    }

    pub(super) fn sitemap(&mut self, text: &str) {
        for part in text.split("<loc>").skip(1).take(LEADS_LIMIT) {
            let location = part.split("</loc>").next().unwrap_or_default();
            self.link(&location.replace("&amp;", "&"));
        }
    }

    /// A document of an API: it may describe it, and its texts may be references (`"self": "/orders/7"`).
    pub(super) fn json(&mut self, body: &[u8]) {
        let Ok(document) = serde_json::from_slice::<Value>(body) else {
            return;
        };
        if let Some((requests, logouts)) = graphql::requests(self.base.path(), &document) {
            self.page.logouts += logouts;
            for request in requests {
                self.lead(request, None);
            }
            return;
        }
        if ["openapi", "swagger"]
            .iter()
            .any(|name| document.get(name).is_some())
        {
            return self.description(Description::of(document));
        }
        let mut todo = vec![&document];
        while let Some(value) = todo.pop() {
            match value {
                Value::Object(fields) => todo.extend(fields.values()),
                Value::Array(items) => todo.extend(items),
                Value::String(text) if looks_like_a_path(text) && !is_logout(text, "") => self.link(text),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
    }
}
