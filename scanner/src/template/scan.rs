//! Runs a library of templates against one site: carries between [`Run`] and the wire, and keeps the books.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet};
use vedette_protocol::{
    Digest, Finding, Scope,
    finding::{Confidence, Evidence, FindingPlace, FindingType, Label, UrlPath},
    worker::Progress,
};

use super::{
    base::Base,
    feature::Feature,
    form::{Block, Template},
    http::{Draft, HttpRequest},
    library::Library,
    network::Conversation,
    report::{Books, LeftOut, TemplatesReport, WireTally},
    run::{Hit, Incoming, Outgoing, Run, Setting, Tally},
    share::{Share, Source},
    talk::talk,
};
use crate::{
    web::{
        Budget, Site, WebEvent,
        client::{Client, Unanswered},
        http::Http,
        report::Why,
        session::Session,
    },
    wire::Wire,
};

/// A run of templates against one site.
#[derive(Debug)]
pub struct TemplateScan {
    /// The site, at its addresses.
    pub site: Site,
    /// What may be connected to.
    pub scope: Scope,
    /// The templates.
    pub library: Library,
    /// How much of it.
    pub budget: Budget,
    /// What holds for every template.
    pub setting: Setting,
}

/// Runs the templates. Who no longer listens to events is no reason to stop.
pub async fn scan(scan: TemplateScan, events: mpsc::Sender<WebEvent>) -> TemplatesReport {
    let wire = Wire::new(Arc::new(scan.scope));
    let http = Http::new(wire.clone(), scan.site.clone());
    let client = Client::new(http, scan.site.clone(), scan.budget, Session::default(), None);
    let road = Arc::new(Road {
        client,
        wire,
        share: Share::default(),
        patience: scan.budget.patience,
    });
    let base = Arc::new(Base::new(scan.site));
    let mut books = Books::default();
    let mut found = HashSet::new();
    let mut waiting: Vec<Arc<Template>> = Vec::new();
    for template in &scan.library.templates {
        if template.calls_back {
            books.not_run.push(LeftOut {
                template: template.id.clone(),
                why: Feature::Callback.to_string(),
            });
        } else {
            waiting.push(template.clone());
        }
    }
    // Who begins with the same request comes one after the other, while its reply is kept.
    waiting.sort_by(|left, right| beginning(right).cmp(&beginning(left)));
    let mut progress = Progress {
        done: 0,
        total: waiting.len() as u64,
    };
    let mut under_way: JoinSet<Ended> = JoinSet::new();
    loop {
        while under_way.len() < scan.budget.at_once {
            let Some(template) = waiting.pop() else { break };
            let run = Run::new(template.clone(), base.clone(), &scan.setting);
            let road = road.clone();
            under_way.spawn(async move { road.travel(template, run).await });
        }
        let Some(ended) = under_way.join_next().await else {
            break;
        };
        let Ok(ended) = ended else { continue };
        progress.done += 1;
        books.add(&ended.tally, &ended.wire);
        match ended.cut_short {
            None => books.counts.run += 1,
            Some(why) => books.not_run.push(LeftOut {
                template: ended.template.id.clone(),
                why: why.to_owned(),
            }),
        }
        books.counts.hit += u64::from(!ended.hits.is_empty());
        for hit in &ended.hits {
            if let Some(finding) = finding(&base.site, &ended.template, hit)
                && found.insert(finding.id)
            {
                let _ = events.send(WebEvent::Found(finding)).await;
            }
        }
        let _ = events.send(WebEvent::Progress(progress)).await;
    }
    books.close(&scan.library, road.client.elapsed())
}

/// The way to the site.
#[derive(Debug)]
struct Road {
    client: Client,
    wire: Wire,
    share: Share,
    patience: Duration,
}

/// What a run came to.
struct Ended {
    template: Arc<Template>,
    hits: Vec<Hit>,
    tally: Tally,
    wire: WireTally,
    cut_short: Option<&'static str>,
}

impl Road {
    /// A conversation, in its turn among the requests.
    async fn talk(&self, conversation: &Conversation) -> Result<Vec<Vec<u8>>, Why> {
        let _place = self.client.turn().await.map_err(Unanswered::why)?;
        talk(&self.wire, &self.client.site, conversation).await
    }

    async fn travel(&self, template: Arc<Template>, mut run: Run) -> Ended {
        let mut wire = WireTally::default();
        // What was asked so far changed nothing, and nothing was asked twice.
        let mut innocent = true;
        let mut asked: HashSet<Digest> = HashSet::new();
        let mut cut_short = None;
        while let Some(outgoing) = run.outgoing() {
            let request = match outgoing {
                Outgoing::Http(request) => request,
                Outgoing::Tcp(conversation) => {
                    innocent = false;
                    match self.talk(&conversation).await {
                        Ok(heard) => {
                            wire.answered += 1;
                            run.heard(Incoming::Tcp(heard));
                        }
                        Err(why) => {
                            *wire.failed.entry(why).or_default() += 1;
                            run.heard(Incoming::Nothing);
                        }
                    }
                    continue;
                }
            };
            innocent &= changes_nothing(&request) && asked.insert(Digest::of(&request.bytes));
            let patience = request.patience.unwrap_or(self.patience);
            let (answer, source) = if innocent {
                self.share.ask(&self.client, &request.bytes, patience).await
            } else {
                let answer = self.client.send_bytes(&request.bytes, patience).await;
                (answer.map(Arc::new), Source::Own)
            };
            match answer {
                Ok(response) => {
                    match source {
                        Source::Own => wire.answered += 1,
                        Source::Another => wire.shared += 1,
                    }
                    run.heard(Incoming::Http(response, Vec::new()));
                }
                Err(unanswered) => {
                    *wire.failed.entry(unanswered.why()).or_default() += 1;
                    if let Unanswered::NotSent(why) = unanswered {
                        cut_short = Some(over(why));
                        break;
                    }
                    run.heard(Incoming::Nothing);
                }
            }
        }
        let (hits, tally) = run.finish();
        Ended {
            template,
            hits,
            tally,
            wire,
            cut_short,
        }
    }
}

fn over(why: Why) -> &'static str {
    match why {
        Why::Time => "time was up",
        Why::Requests => "the budget of requests was used up",
        Why::SiteDied => "the site stopped answering",
        _ => "it could not be sent",
    }
}

fn changes_nothing(request: &HttpRequest) -> bool {
    matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS")
}

/// What a template begins with, to tell who begins alike.
fn beginning(template: &Template) -> (&str, &str) {
    match template.blocks.first() {
        Some(Block::Http(block)) => match block.drafts.first() {
            Some(Draft::Url { method, url, .. }) => (method, url),
            Some(Draft::Raw { text, .. }) => ("", text),
            None => ("", ""),
        },
        Some(Block::Network(_)) | None => ("", ""),
    }
}

fn finding(site: &Site, template: &Template, hit: &Hit) -> Option<Finding> {
    let id = Label::cut(&template.id)?;
    let matcher = hit.matcher.as_deref().and_then(Label::cut);
    let path = UrlPath::cut(&hit.path).or_else(|| UrlPath::cut("/"))?;
    let mut place = FindingPlace::path(site.host()?, site.port(), Label::cut(&hit.method)?, path);
    // Two templates that hit at one path have found two things.
    place.parameter = match &matcher {
        Some(matcher) => Label::cut(&format!("{id} ({matcher})")),
        None => Some(id.clone()),
    };
    let mut finding = Finding::new(FindingType::TemplateHit, place, Confidence::Firm);
    finding.severity = template.severity;
    finding.cwe = template.cwe;
    finding.evidence = vec![Evidence::Template { id, matcher }];
    Some(finding)
}
