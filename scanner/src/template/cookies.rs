//! The cookies of one run of one template.

use crate::web::response::Response;

/// Cookies by name.
#[derive(Debug, Clone, Default)]
pub struct Cookies(Vec<(String, String)>);

impl Cookies {
    /// Takes over what a response sets (RFC 6265, as far as one server needs it).
    pub fn learn(&mut self, response: &Response) {
        for field in response.all("set-cookie") {
            let mut parts = field.split(';');
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            let gone = parts.any(|part| {
                let part = part.trim().to_ascii_lowercase();
                part == "max-age=0"
                    || part.starts_with("max-age=-")
                    || part.starts_with("expires=thu, 01 jan 1970")
            });
            self.0.retain(|(found, _)| found != name);
            if !gone && !name.is_empty() && value.len() <= VALUE_LIMIT && self.0.len() < COOKIES_LIMIT {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// The value of the `Cookie` field.
    pub fn field(&self) -> Option<String> {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The value of a `Cookie` field that the template writes itself: its own cookies win.
    pub fn beside(&self, own: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(own);
        let named: Vec<&str> = text
            .split(';')
            .filter_map(|pair| pair.split('=').next())
            .map(str::trim)
            .collect();
        let mut field = own.to_vec();
        for (name, value) in self.0.iter().filter(|(name, _)| !named.contains(&name.as_str())) {
            field.extend_from_slice(format!("; {name}={value}").as_bytes());
        }
        field
    }
}

const COOKIES_LIMIT: usize = 64;
const VALUE_LIMIT: usize = 4096;
