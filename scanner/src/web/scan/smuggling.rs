//! Asking each server that the site's pages come from whether it and another one disagree.

use std::sync::Arc;

use tokio::task::JoinSet;
use vedette_protocol::{
    Finding,
    finding::{Confidence, Evidence, FindingType, Label, ShownBy},
};

use super::Course;
use crate::web::{
    client::{Client, Unanswered},
    report::What,
    request::Request,
    response::Response,
    smuggling::{Answers, PATIENCE, judge},
    tests::{OfSite, speaks_of_change},
};

impl Course {
    /// Notes a page of each server that answers: routes of one site may lead to several.
    pub(super) fn note_server(&mut self, request: &Request, response: &Response) {
        if request.method != "GET" || response.status != 200 || speaks_of_change(request) {
            return;
        }
        let says = |name| response.header(name).unwrap_or_default().to_owned();
        let server = ["server", "via", "x-powered-by"].map(says);
        if self.servers.len() < SERVERS_LIMIT {
            self.servers.entry(server).or_insert_with(|| request.clone());
        }
    }

    /// Whether two servers in a row disagree where a request ends.
    pub(super) async fn smuggle(&mut self) {
        if !self.classes.has(OfSite::Smuggling) {
            return;
        }
        let pages: Vec<Request> = std::mem::take(&mut self.servers).into_values().collect();
        let mut under_way = JoinSet::new();
        for page in pages {
            self.books.tests.planned += 1;
            let client = self.client.clone();
            under_way.spawn(async move {
                let verdict = try_page(client, &page).await;
                (page, verdict)
            });
        }
        while let Some(Ok((page, verdict))) = under_way.join_next().await {
            match verdict {
                Ok(shown) => {
                    self.books.tests.done += 1;
                    if let Some((detail, requests)) = shown {
                        self.accuse_of_smuggling(&page, detail, requests).await;
                    }
                }
                Err(unanswered) => self.books.not_done(What::Test, unanswered.why(), 1),
            }
        }
    }

    async fn accuse_of_smuggling(&mut self, page: &Request, detail: &str, requests: u32) {
        let finding = self.finding(
            FindingType::WebRequestSmuggling,
            Confidence::Firm,
            "POST",
            &page.template(),
            Label::cut("header:Transfer-Encoding"),
        );
        if let Some(finding) = finding {
            let evidence = vec![Evidence::Injected {
                shown_by: ShownBy::UnendedRequest,
                detail: Label::cut(detail),
                requests,
            }];
            self.tell(Finding { evidence, ..finding }).await;
        }
    }
}

async fn try_page(client: Arc<Client>, page: &Request) -> Result<Option<(&'static str, u32)>, Unanswered> {
    let mut answers = Answers::new();
    loop {
        let question = match judge(&answers) {
            Ok(shown) => {
                let requests = u32::try_from(answers.len()).unwrap_or(u32::MAX);
                return Ok(shown.map(|detail| (detail, requests)));
            }
            Err(question) => question,
        };
        let bytes = question.bytes(page, &client.site.authority());
        let answer = match client.send_apart(&bytes, PATIENCE).await {
            Ok(answer) => Ok(answer),
            Err(Unanswered::Failed(failure)) => Err(failure),
            Err(not_sent @ Unanswered::NotSent(_)) => return Err(not_sent),
        };
        answers.insert(question, answer);
    }
}

const SERVERS_LIMIT: usize = 64;
