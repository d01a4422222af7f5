//! Asking as one stranger after another for what a site knows a session by.

use vedette_protocol::{
    Finding,
    finding::{Confidence, FindingType, Label},
};

use super::Course;
use crate::web::{
    client::Unanswered,
    identifier::{Issued, SAMPLES, is_identifier, weakness},
    looks::feature,
    report::What,
    request::Request,
    response::Response,
    session::session_cookies,
    tests::{OfSite, speaks_of_change},
};

impl Course {
    /// Notes where a cookie of the session is set first.
    pub(super) fn note_issuer(&mut self, request: &Request, response: &Response) {
        if request.method != "GET" || speaks_of_change(request) {
            return;
        }
        for (cookie, _) in session_cookies(response) {
            if is_identifier(&cookie.name) && self.issuers.len() < ISSUERS_LIMIT {
                let place = (cookie.name, cookie.path);
                self.issuers.entry(place).or_insert_with(|| request.clone());
            }
        }
    }

    /// Whether identifiers of sessions can be guessed.
    pub(super) async fn sample_identifiers(&mut self) {
        if !self.classes.has(OfSite::Identifier) {
            return;
        }
        for ((cookie, _), request) in std::mem::take(&mut self.issuers) {
            self.books.tests.planned += 1;
            match self.sample(&cookie, &request).await {
                Ok(issued) => {
                    self.books.tests.done += 1;
                    if let Some(why) = weakness(&issued) {
                        self.accuse_of_identifier(&cookie, &request, why).await;
                    }
                }
                Err(unanswered) => self.books.not_done(What::Test, unanswered.why(), 1),
            }
        }
    }

    /// What strangers are given, until one is given nothing.
    async fn sample(&self, cookie: &str, request: &Request) -> Result<Vec<Issued>, Unanswered> {
        let mut request = request.clone();
        request.cookies.clear();
        let bytes = request.bytes(&self.client.site.authority(), &[]);
        let mut issued = Vec::new();
        while issued.len() < SAMPLES {
            let answer = self
                .client
                .send_bytes(&bytes, self.client.budget.patience)
                .await?;
            let given = session_cookies(&answer)
                .into_iter()
                .find(|(given, _)| given.name == cookie);
            let Some((_, value)) = given else { break };
            issued.push(Issued::new(value, &answer));
        }
        Ok(issued)
    }

    async fn accuse_of_identifier(&mut self, cookie: &str, request: &Request, why: &str) {
        let finding = self.finding(
            FindingType::WebSessionGuessable,
            Confidence::Firm,
            "GET",
            &request.template(),
            Label::cut(&format!("cookie:{cookie}")),
        );
        if let Some(finding) = finding {
            let evidence = feature("identifier", why).into_iter().collect();
            self.tell(Finding { evidence, ..finding }).await;
        }
    }
}

/// Each costs as many requests as samples.
const ISSUERS_LIMIT: usize = 48;
