//! Making objects with fields that are the site's, and removing them again.

use vedette_protocol::{
    Finding,
    finding::{Confidence, Evidence, FindingType, Label, ShownBy},
};

use super::Course;
use crate::web::{
    assignment::{Answers, Assigned, Making, Question, Seen, Way, makings},
    client::Unanswered,
    crawl::Visited,
    page::Lead,
    report::What,
    request::{Body, Request},
    response::Response,
    tests::OfSite,
    trial::{Company, token},
};

impl Course {
    /// Whether fields that are the site's can be set.
    pub(super) async fn assign(&mut self, visited: &[Visited]) {
        if !self.classes.has(OfSite::Assignment) {
            return;
        }
        let answered =
            |page: &&Visited| (200..300).contains(&page.status) || page.lead.request.method != "POST";
        let known: Vec<Request> = visited
            .iter()
            .filter(answered)
            .filter(|page| page.lead.token.is_none())
            .map(|page| page.lead.request.clone())
            .collect();
        for (number, making) in makings(&known).into_iter().enumerate() {
            self.books.tests.planned += 1;
            let word = token(&self.facts.seed, number, 0xa5);
            match self.try_making(&making, &word).await {
                Ok(assigned) => {
                    self.books.tests.done += 1;
                    if let Some((assigned, requests)) = assigned {
                        self.accuse_of_assignment(&making, &assigned, requests).await;
                    }
                }
                Err(unanswered) => self.books.not_done(What::Test, unanswered.why(), 1),
            }
        }
    }

    async fn try_making(&self, making: &Making, word: &str) -> Result<Option<(Assigned, u32)>, Unanswered> {
        let mut answers = Answers::new();
        let verdict = loop {
            let question = match making.judge(word, &answers) {
                Ok(assigned) => break Ok(assigned),
                Err(question) => question,
            };
            let answer = match making.request_for(&question, &self.client.site) {
                Some(request) => self.ask(request).await,
                // It says that the object lies on another server.
                None => break Ok(None),
            };
            match answer {
                Ok(answer) => answers.insert(question, answer),
                Err(unanswered) => break Err(unanswered),
            };
        };
        let requests = u32::try_from(answers.len()).unwrap_or(u32::MAX);
        let made = answers
            .iter()
            .filter(|(question, _)| matches!(question, Question::Create { .. }));
        for removal in made.filter_map(|(_, answer)| making.removal(answer)) {
            // What cannot be removed is one object more of those that the crawl has made.
            let _ = self.ask(removal).await;
        }
        Ok(verdict?.map(|assigned| (assigned, requests)))
    }

    async fn ask(&self, request: Request) -> Result<Response, Unanswered> {
        let lead = Lead { request, token: None };
        self.client.send(&lead, Company::Any).await
    }

    async fn accuse_of_assignment(&mut self, making: &Making, assigned: &Assigned, requests: u32) {
        let place = match making.create.body {
            Body::Form(_) => "form:",
            _ => "json:",
        };
        let confidence = match assigned.seen {
            Seen::InObject => Confidence::Certain,
            Seen::InAnswer => Confidence::Tentative,
        };
        let (detail, method, path) = match (assigned.by, &making.update) {
            (Way::Update, Some(update)) => ("change", &update.method, update.template()),
            _ => ("creation", &making.create.method, making.create.template()),
        };
        let field = match making.create.body {
            Body::Form(_) => assigned.field.trim_start_matches('/'),
            _ => &assigned.field,
        };
        let parameter = Label::cut(&format!("{place}{field}"));
        let finding = self.finding(
            FindingType::WebMassAssignment,
            confidence,
            method,
            &path,
            parameter,
        );
        if let Some(finding) = finding {
            let evidence = vec![Evidence::Injected {
                shown_by: ShownBy::SetField,
                detail: Label::cut(detail),
                requests,
            }];
            self.tell(Finding { evidence, ..finding }).await;
        }
    }
}
