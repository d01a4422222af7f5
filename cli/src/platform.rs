//! The platform's API over HTTPS: one connection for each question, TLS 1.3, one trusted CA.
//!
//! Each step has a deadline and each answer a size bound. This file is all that speaks HTTP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::time_provider::DefaultTimeProvider;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use vedette_crypto::roots::{Dates, PinnedRoot, PinnedRoots};
use vedette_protocol::api::{Page, Problem};
use vedette_protocol::image::PlatformUrl;
use zeroize::Zeroizing;

use crate::login::Token;

/// A platform that can be asked.
pub(crate) struct Platform {
    url: PlatformUrl,
    tls: TlsConnector,
    token: Option<Token>,
}

/// The platform understood, and refused.
#[derive(Debug)]
pub(crate) struct ApiError {
    problem: Problem,
}

impl ApiError {
    /// Whether it is the problem of this name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.problem.type_.rsplit('/').next() == Some(name)
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is("unauthenticated") {
            return f.write_str(
                "not logged in: the token is unknown, has expired or was revoked; run `vedette login`, \
                 or check VEDETTE_TOKEN",
            );
        }
        let Problem { title, detail, .. } = &self.problem;
        let plain = |text: &str| {
            text.chars()
                .filter(|c| !c.is_control())
                .take(DETAIL)
                .collect::<String>()
        };
        write!(f, "{}", plain(title))?;
        if detail.is_empty() || detail == title {
            Ok(())
        } else {
            write!(f, ": {}", plain(detail))
        }
    }
}

impl std::error::Error for ApiError {}

/// The platform could not be asked, or did not answer. It may in a moment.
#[derive(Debug)]
pub(crate) struct Unreachable {
    url: PlatformUrl,
    cause: String,
}

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "no answer from {}: {}; is the address right, and does the platform run?",
            self.url, self.cause
        )
    }
}

impl std::error::Error for Unreachable {}

impl Platform {
    /// A platform whose certificate must come from this CA (PEM), and from no other.
    pub(crate) fn new(url: PlatformUrl, ca: &str, token: Option<Token>) -> Result<Self> {
        let certificates = ca.matches("-----BEGIN CERTIFICATE-----").count();
        ensure!(
            certificates <= 1,
            "{certificates} certificates given; give that of the one CA to trust"
        );
        let roots = PinnedRoots::new(vec![PinnedRoot::from_pem(ca)?])?;
        let clock = Arc::new(DefaultTimeProvider);
        let config = roots
            .client_config(clock, Dates::Clock, b"http/1.1", None)
            .context("setting TLS up")?;
        Ok(Self {
            url,
            tls: TlsConnector::from(Arc::new(config)),
            token,
        })
    }

    /// One thing.
    pub(crate) async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.typed(Method::GET, path, None).await
    }

    /// All things of a list, page by page.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let mut items = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..PAGES {
            let mut query = Query::new(path);
            if let Some(cursor) = &next {
                query.with("cursor", cursor);
            }
            let page: Page<T> = self.typed(Method::GET, query.as_str(), None).await?;
            items.extend(page.items);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        ensure!(
            next.is_none(),
            "the list at {path} does not end after {PAGES} pages; narrow it down"
        );
        Ok(items)
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let body = Zeroizing::new(serde_json::to_vec(body).context("writing the question as JSON")?);
        self.typed(Method::POST, path, Some(&body)).await
    }

    /// Posts something to which there is no answer.
    pub(crate) async fn tell(&self, path: &str, body: &impl Serialize) -> Result<()> {
        self.send(Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &impl Serialize) -> Result<()> {
        self.send(Method::PUT, path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &impl Serialize) -> Result<()> {
        self.send(Method::PATCH, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: &impl Serialize) -> Result<()> {
        let body = Zeroizing::new(serde_json::to_vec(body).context("writing the question as JSON")?);
        self.ask(method, path, Some(&body)).await.map(drop)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        self.ask(Method::DELETE, path, None).await.map(drop)
    }

    /// Deletes something, and returns what the platform says to it.
    pub(crate) async fn delete_for<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.typed(Method::DELETE, path, None).await
    }

    async fn typed<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&[u8]>) -> Result<T> {
        let answer = self.ask(method, path, body).await?;
        serde_json::from_slice(&answer).with_context(|| {
            format!(
                "{} answered at {path} with something unknown; is it as old as this program?",
                self.url
            )
        })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&[u8]>) -> Result<Bytes> {
        let (status, answer) = match timeout(ANSWER, self.exchange(method, path, body)).await {
            Ok(answer) => answer?,
            Err(_) => {
                return Err(self
                    .unreachable(format!("nothing within {} s", ANSWER.as_secs()))
                    .into());
            }
        };
        if status.is_success() {
            return Ok(answer);
        }
        match serde_json::from_slice(&answer) {
            Ok(problem) => Err(ApiError { problem }.into()),
            Err(_) => anyhow::bail!(
                "{} answered at {path} with {status}; is it a Vedette platform?",
                self.url
            ),
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&[u8]>) -> Result<(StatusCode, Bytes)> {
        let tcp = match timeout(CONNECT, TcpStream::connect((self.url.host(), self.url.port()))).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(error)) => return Err(self.unreachable(error.to_string()).into()),
            Err(_) => {
                return Err(self
                    .unreachable(format!("no connection within {} s", CONNECT.as_secs()))
                    .into());
            }
        };
        let name = ServerName::try_from(self.url.host().to_owned()).context("reading the platform's name")?;
        let tls = self
            .tls
            .connect(name, tcp)
            .await
            .map_err(|error| self.tls_failed(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls))
            .await
            .context("speaking HTTP")?;
        let driven = tokio::spawn(connection);

        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(HOST, self.url.authority())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            let mut bearer = token
                .with(|token| HeaderValue::try_from(format!("Bearer {token}")))
                .context(
                    "the token holds characters that no token has; log in again, or check VEDETTE_TOKEN",
                )?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        let body = Full::new(Bytes::copy_from_slice(body.unwrap_or_default()));
        let request = request.body(body).with_context(|| format!("asking for {path}"))?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| self.unreachable(error.to_string()))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST).collect().await;
        driven.abort();
        match body {
            Ok(body) => Ok((status, body.to_bytes())),
            Err(error) => Err(self.unreachable(format!("the answer broke off, {error}")).into()),
        }
    }

    fn unreachable(&self, cause: String) -> Unreachable {
        Unreachable {
            url: self.url.clone(),
            cause,
        }
    }

    /// A peer that cannot show the right certificate will not in a moment either.
    fn tls_failed(&self, error: &io::Error) -> anyhow::Error {
        let verdict = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match verdict {
            Some(verdict) => anyhow::anyhow!("{verdict}").context(format!(
                "{} is not the platform that you trust; check --url and --ca (or VEDETTE_URL and VEDETTE_CA)",
                self.url
            )),
            None => self.unreachable(error.to_string()).into(),
        }
    }
}

/// A path with a query.
#[derive(Debug)]
pub(crate) struct Query(String);

impl Query {
    pub(crate) fn new(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// One more parameter, its value encoded (RFC 3986, section 2.1).
    pub(crate) fn with(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.0.push(char::from(byte));
            } else {
                self.0.push_str(&format!("%{byte:02X}"));
            }
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);
const LARGEST: usize = 16 << 20;
const PAGES: usize = 10_000;
const DETAIL: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_add_a_parameter() {
        let mut query = Query::new("/findings");
        query.with("target", "a&limit=1#x y/ü");
        query.with("cursor", "abc_-.~");
        assert_eq!(
            query.as_str(),
            "/findings?target=a%26limit%3D1%23x%20y%2F%C3%BC&cursor=abc_-.~"
        );
    }

    #[test]
    fn a_refusal_shows_the_detail_and_what_to_do() {
        let problem = |name: &str| ApiError {
            problem: Problem {
                type_: format!("/problems/{name}"),
                title: "The request is not valid".into(),
                status: 400,
                detail: "`ports` must be\x1b[2J numbers".into(),
            },
        };
        assert_eq!(
            problem("bad-request").to_string(),
            "The request is not valid: `ports` must be[2J numbers"
        );
        assert!(problem("unauthenticated").to_string().contains("vedette login"));
        assert!(problem("token-expired").is("token-expired") && !problem("token-expired").is("expired"));
    }

    #[test]
    fn more_than_one_trusted_ca_is_refused() {
        let two = "-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n";
        let url: PlatformUrl = "https://platform.example".parse().unwrap();
        assert!(Platform::new(url.clone(), two, None).is_err());
        assert!(Platform::new(url, "", None).is_err());
    }
}
