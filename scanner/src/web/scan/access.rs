//! Asking as two users for what is the one's or the other's.

use std::collections::HashSet;

use vedette_protocol::{
    Finding,
    finding::{Confidence, Evidence, FindingType, Label, ShownBy},
};

use super::{Course, read};
use crate::web::{
    access::{Answers, Pair, Sights, Visitor, references},
    client::{Client, Unanswered},
    crawl::{Visited, is_asked_by_ourselves},
    credential::Credential,
    page::Lead,
    report::{What, Why},
    request::{Pair as Field, Request},
    response::Response,
    session::Session,
    tests::{OfSite, speaks_of_change},
    trial::Company,
};

/// The other users of a scan.
struct Users {
    second: Client,
    stranger: Client,
}

impl Course {
    /// Whether one user is shown what is another's. `headers` are the operator's own.
    pub(super) async fn compare_users(
        &mut self,
        visited: &[Visited],
        other: Option<Credential>,
        headers: Vec<Field>,
    ) {
        if !self.classes.has(OfSite::Access) {
            return;
        }
        let Some(other) = other else {
            // Without any login nothing is anybody's.
            let alone = u64::from(self.client.has_login());
            self.books.not_done(What::Access, Why::NoSecondLogin, alone);
            return;
        };
        let mut fields = headers.clone();
        fields.extend(other.header());
        let users = Users {
            second: self.client.beside(Session::new(fields), Some(other)),
            stranger: self.client.beside(Session::new(headers), None),
        };
        if let Err(why) = users.second.log_in().await {
            self.books.not_done(What::Login, why, 1);
            return;
        }
        let sights = match self.see_as_both(visited, &users.second).await {
            Ok(sights) => sights,
            Err(unanswered) => {
                self.books.not_done(What::Access, unanswered.why(), 1);
                return;
            }
        };
        let mut told = HashSet::new();
        for pair in sights.pairs() {
            self.books.tests.planned += 1;
            match self.try_pair(&sights, &pair, &users).await {
                Ok(proven) => {
                    self.books.tests.done += 1;
                    if let Some(requests) = proven
                        && told.insert((pair.request.template(), pair.input.to_string()))
                    {
                        self.accuse_of_access(&pair, requests).await;
                    }
                }
                Err(unanswered) => self.books.not_done(What::Test, unanswered.why(), 1),
            }
        }
    }

    /// Fetches the pages as both users.
    async fn see_as_both(&self, visited: &[Visited], second: &Client) -> Result<Sights, Unanswered> {
        let known: Vec<Request> = visited
            .iter()
            .map(|page| page.lead.request.clone())
            .filter(|request| request.method == "GET")
            .collect();
        let mut sights = Sights::default();
        let mut seen = HashSet::new();
        let lists = visited.iter().filter(|page| {
            let request = &page.lead.request;
            page.status == 200
                && request.method == "GET"
                && !is_asked_by_ourselves(request)
                && !speaks_of_change(request)
        });
        for page in lists.take(PAGES_LIMIT) {
            if !seen.insert(page.lead.request.target()) {
                continue;
            }
            let request = &page.lead.request;
            let mut led = Vec::new();
            let mut answers = Vec::new();
            for client in [&*self.client, second] {
                let answer = get(client, request.clone()).await?;
                let leads = read(&client.site, request, &answer);
                led.push(match answer.status {
                    200 => references(request, &answer, &leads, &known),
                    _ => Vec::new(),
                });
                answers.push(answer);
            }
            if let ([first, other], true) = (&answers[..], request.path == self.client.site.start().path()) {
                sights.frame(first, other);
            }
            if let (Some(of_second), Some(of_first)) = (led.pop(), led.pop()) {
                sights.add(of_first, of_second);
            }
        }
        Ok(sights)
    }

    /// Asks for both objects, as often as the verdict takes. How many requests it rests on, if it is one.
    async fn try_pair(&self, sights: &Sights, pair: &Pair, users: &Users) -> Result<Option<u32>, Unanswered> {
        let mut answers = Answers::new();
        loop {
            let question = match sights.judge(pair, &answers) {
                Ok(true) => return Ok(Some(u32::try_from(answers.len()).unwrap_or(u32::MAX))),
                Ok(false) => return Ok(None),
                Err(question) => question,
            };
            let client = match question.by {
                Visitor::First => &*self.client,
                Visitor::Second => &users.second,
                Visitor::Stranger => &users.stranger,
            };
            let answer = get(client, pair.request_for(question.of)).await?;
            answers.insert(question, answer);
        }
    }

    async fn accuse_of_access(&mut self, pair: &Pair, requests: u32) {
        let finding = self.finding(
            FindingType::WebObjectAccess,
            Confidence::Firm,
            "GET",
            &pair.request.template(),
            Label::cut(&pair.input.to_string()),
        );
        if let Some(finding) = finding {
            let evidence = vec![Evidence::Injected {
                shown_by: ShownBy::OthersObject,
                detail: Label::cut("two users, each the other's"),
                requests,
            }];
            self.tell(Finding { evidence, ..finding }).await;
        }
    }
}

async fn get(client: &Client, request: Request) -> Result<Response, Unanswered> {
    let lead = Lead { request, token: None };
    client.send(&lead, Company::Any).await
}

const PAGES_LIMIT: usize = 300;
