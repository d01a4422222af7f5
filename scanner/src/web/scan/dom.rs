//! Trying what pages read in the browser: payloads in their address, messages and the like.

use std::collections::HashSet;

use vedette_protocol::{
    Finding,
    finding::{Confidence, Evidence, FindingType, Label, ShownBy},
};

use super::Course;
use crate::web::{
    report::{What, Why},
    request::Request,
    tests::OfSite,
};

impl Course {
    /// Tries each page with scripts of its own, as far as there is a browser and time.
    pub(super) async fn try_scripts(&mut self) {
        if !self.classes.has(OfSite::Dom) {
            return;
        }
        let mut known = HashSet::new();
        let mut pages = self.views.take_scripted();
        // Views of one application have one script.
        pages.retain(|page| known.insert((page.code, page.names.clone())));
        let planned = pages.len() as u64;
        self.books.tests.planned += planned;
        let Some(browser) = self.browser.clone() else {
            return self.books.not_done(What::Test, Why::NoBrowser, planned);
        };
        for (number, page) in pages.iter().enumerate() {
            let seed = self.facts.seed.clone();
            let word = |n| crate::web::trial::token(&seed, FIRST - number.min(FIRST), n);
            let (hits, ended) = browser
                .lock()
                .await
                .try_sources(&self.client, &page.url, word)
                .await;
            match ended {
                Ok(()) => self.books.tests.done += 1,
                Err(why) => self.books.not_done(What::Test, why, 1),
            }
            for hit in hits {
                let path = Request::get(&page.url).template();
                let parameter = Label::cut(&hit.place);
                let found = self.finding(
                    FindingType::WebXssDom,
                    Confidence::Certain,
                    "GET",
                    &path,
                    parameter,
                );
                if let Some(finding) = found {
                    let evidence = vec![Evidence::Injected {
                        shown_by: ShownBy::ExecutedScript,
                        detail: Label::cut(hit.source.title()),
                        requests: hit.loads,
                    }];
                    self.tell(Finding { evidence, ..finding }).await;
                }
            }
        }
    }
}

/// Inputs are numbered from below, these pages from above.
const FIRST: usize = 0xffff;
