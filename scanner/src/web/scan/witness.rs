//! Asking the browser whether code of ours runs on a page.

use std::sync::Arc;

use tokio::sync::Mutex;
use url::Url;
use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use crate::web::{
    browser::Browser,
    client::Client,
    request::Request,
    response::Response,
    trial::{Exchanges, Proof, Subject, tokens},
};

/// A browser that sees what runs.
#[derive(Debug, Clone)]
pub(super) struct Witness {
    pub(super) browser: Arc<Mutex<Browser>>,
    pub(super) client: Arc<Client>,
}

impl Witness {
    /// Has the answer that showed code of ours rendered; says in the proof what came of it.
    pub(super) async fn hear(&self, proof: &mut Proof, subject: &Subject, exchanges: &Exchanges) {
        if proof.type_ != FindingType::WebXssReflected {
            return;
        }
        let seed = &subject.facts.seed;
        // The last that was sent is the one that it was shown by.
        let shown = exchanges
            .values()
            .filter_map(|reply| reply.as_ref().ok())
            .filter_map(|reply| {
                let text = reply.text();
                let last = tokens(seed, &text)
                    .into_iter()
                    .map(|(_, word)| word.to_owned())
                    .max_by_key(|word| (word.len(), word.clone()))?;
                Some((last, reply))
            })
            .max_by_key(|(word, _)| (word.len(), word.clone()));
        if let Some((word, reply)) = shown {
            self.see(proof, &subject.request, reply, &[word]).await;
        }
    }

    /// Whether one of these words runs on a page that answers a request.
    pub(super) async fn see(
        &self,
        proof: &mut Proof,
        request: &Request,
        answer: &Response,
        words: &[String],
    ) {
        let Ok(url) = self.client.site.start().join(&request.target()) else {
            return;
        };
        let ran = self.ran(&url, answer, words).await;
        match ran {
            Some(true) => {
                proof.confidence = Confidence::Certain;
                proof.shown_by = ShownBy::ExecutedScript;
            }
            // It stands there as code; what keeps it from running may be the visitor's browser.
            Some(false) => proof.confidence = proof.confidence.min(Confidence::Firm),
            None => {}
        }
    }

    async fn ran(&self, url: &Url, answer: &Response, words: &[String]) -> Option<bool> {
        let mut browser = self.browser.lock().await;
        browser.runs(&self.client, url, answer, words).await.ok()
    }
}
