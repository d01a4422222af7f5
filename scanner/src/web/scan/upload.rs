//! Sending files, fetching them again, and removing them.

use vedette_protocol::{
    Finding,
    finding::{Confidence, Evidence, Label, ShownBy},
};

use super::Course;
use crate::web::{
    client::Unanswered,
    crawl::Visited,
    report::{What, Why},
    tests::OfSite,
    trial::Company,
    upload::{Answers, Shown, UploadForm, forms},
};

impl Course {
    /// Whether files that the site takes are executed or shown as its pages.
    pub(super) async fn upload(&mut self, visited: &[Visited]) {
        if !self.classes.has(OfSite::Upload) {
            return;
        }
        // The crawl's own file may be refused where a picture is not.
        let answered = visited
            .iter()
            .filter(|page| !matches!(page.status, 404 | 405 | 410 | 501));
        let known: Vec<_> = answered.map(|page| page.lead.clone()).collect();
        let paths = visited.iter().map(|page| page.lead.request.path.as_str());
        for (number, form) in forms(&known, paths).into_iter().enumerate() {
            self.books.tests.planned += 1;
            match self.try_upload(&form, number).await {
                Ok(shown) => {
                    self.books.tests.done += 1;
                    if let Some((shown, requests)) = shown {
                        self.accuse_of_upload(&form, &shown, requests).await;
                    }
                }
                Err(unanswered) => self.books.not_done(What::Test, unanswered.why(), 1),
            }
        }
    }

    async fn try_upload(
        &mut self,
        form: &UploadForm,
        number: usize,
    ) -> Result<Option<(Shown, u32)>, Unanswered> {
        let seed = self.facts.seed.clone();
        // No token of an input's: what is read off pages as one is another class's.
        let words = |n: u32| format!("{seed}up{number}n{n}");
        let site = self.client.site.clone();
        let mut answers = Answers::new();
        let verdict = loop {
            let question = match form.judge(&site, &words, &answers) {
                Ok(shown) => break Ok(shown),
                Err(question) => question,
            };
            let Some(lead) = form.request_for(&question, &site) else {
                break Ok(None);
            };
            match self.client.send(&lead, Company::Any).await {
                Ok(answer) => answers.insert(question, answer),
                Err(unanswered) => break Err(unanswered),
            };
        };
        let requests = u32::try_from(answers.len()).unwrap_or(u32::MAX);
        for removal in form.removals(&site, &answers) {
            let removed = self.client.send(&removal, Company::Any).await;
            if !removed.is_ok_and(|answer| answer.status < 400) {
                self.books.not_done(What::Removal, Why::Kept, 1);
            }
        }
        Ok(verdict?.map(|shown| (shown, requests)))
    }

    async fn accuse_of_upload(&mut self, form: &UploadForm, shown: &Shown, requests: u32) {
        let request = &form.lead.request;
        let finding = self.finding(
            shown.type_,
            Confidence::Certain,
            &request.method,
            &request.template(),
            Label::cut(&format!("filename:{}", form.field())),
        );
        if let Some(finding) = finding {
            let evidence = vec![Evidence::Injected {
                shown_by: ShownBy::OwnFile,
                detail: Label::cut(shown.ending),
                requests,
            }];
            self.tell(Finding { evidence, ..finding }).await;
        }
    }
}
