//! Runs a library of templates against one site: carries between [`Run`] and the wire, and keeps the books.

use std::{collections::HashSet, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use vedette_protocol::{
    Digest, Finding, Scope,
    finding::{Confidence, Evidence, FindingPlace, FindingType, Label, UrlPath},
    worker::Progress,
};

use super::{
    base::Base,
    exchange::{Exchange, Heard},
    feature::Feature,
    form::{Block, Template},
    http::{Draft, HttpRequest},
    library::Library,
    placement::CallsBack,
    report::{Books, LeftOut, TemplatesReport, WireTally},
    run::{Hit, Incoming, Outgoing, Run, Setting, Tally},
    share::{Share, Source},
    talk,
};
use crate::{
    callback::{Callbacks, Watch, WatchError},
    causes::one_line,
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
    /// Who is asked about the site's names; without one nothing is asked about them.
    pub resolver: Option<SocketAddr>,
    /// What holds for every template.
    pub setting: Setting,
}

/// Runs the templates. Who no longer listens to events is no reason to stop.
pub async fn scan(mut scan: TemplateScan, events: mpsc::Sender<WebEvent>) -> TemplatesReport {
    let mut books = Books::default();
    // Callbacks are seen for as long as the watch is kept.
    let (waiting, _watch) = choose(&mut scan, &mut books);
    run(scan, waiting, books, events).await
}

/// The templates that can be run, the next one last, and who watches for their callbacks.
fn choose(scan: &mut TemplateScan, books: &mut Books) -> (Vec<Arc<Template>>, Option<Watch>) {
    let mut watch: Option<Result<Watch, WatchError>> = None;
    let mut waiting = Vec::new();
    for template in &scan.library.templates {
        let lacks = match template.calls_back {
            CallsBack::Never => None,
            CallsBack::Contact(_) => {
                let targets = || scan.site.endpoints().map(|endpoint| endpoint.ip()).collect();
                let watch = watch.get_or_insert_with(|| Watch::open(targets()));
                let error = watch.as_ref().err();
                error.map(|error| format!("{}: {}", Feature::Callback, one_line(error)))
            }
            other => other.lacks().map(|feature| feature.to_string()),
        };
        let asks = template.blocks.iter().any(|block| matches!(block, Block::Dns(_)));
        let lacks =
            lacks.or_else(|| (asks && scan.resolver.is_none()).then(|| Feature::Resolver.to_string()));
        match lacks {
            None => waiting.push(template.clone()),
            Some(why) => books.not_run.push(LeftOut {
                template: template.id.clone(),
                why,
            }),
        }
    }
    // Who begins with the same request comes one after the other, while its reply is kept.
    waiting.sort_by(|left, right| beginning(right).cmp(&beginning(left)));
    let watch = watch.and_then(Result::ok);
    scan.setting.callbacks = watch.as_ref().map(Watch::callbacks);
    (waiting, watch)
}

async fn run(
    scan: TemplateScan,
    mut waiting: Vec<Arc<Template>>,
    mut books: Books,
    events: mpsc::Sender<WebEvent>,
) -> TemplatesReport {
    let wire = Wire::new(Arc::new(scan.scope));
    let http = Http::new(wire.clone(), scan.site.clone());
    let client = Client::new(
        http,
        scan.site.clone(),
        scan.budget,
        Session::default(),
        None,
        None,
    );
    let road = Arc::new(Road {
        client,
        wire,
        share: Share::default(),
        patience: scan.budget.patience,
        resolver: scan.resolver,
        places: Arc::new(Semaphore::new(scan.budget.at_once)),
        callbacks: scan.setting.callbacks.clone(),
    });
    let base = Arc::new(Base::new(scan.site));
    let mut found = HashSet::new();
    let mut progress = Progress {
        done: 0,
        total: waiting.len() as u64,
    };
    let mut under_way: JoinSet<Ended> = JoinSet::new();
    loop {
        let ended = tokio::select! {
            Some(ended) = under_way.join_next() => ended,
            Some(place) = road.place(), if !waiting.is_empty() => {
                if let Some(template) = waiting.pop() {
                    let run = Run::new(template.clone(), base.clone(), &scan.setting);
                    let road = road.clone();
                    under_way.spawn(async move { road.travel(template, run, place).await });
                }
                continue;
            }
            else => break,
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
    resolver: Option<SocketAddr>,
    /// For runs that do more than wait.
    places: Arc<Semaphore>,
    callbacks: Option<Callbacks>,
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
    /// An exchange outside of HTTP, in its turn among the requests.
    async fn exchange(&self, exchange: &Exchange) -> Result<Heard, Why> {
        let _place = self.client.turn().await.map_err(Unanswered::why)?;
        let heard = match exchange {
            Exchange::Tcp(conversation) => {
                let heard = talk::converse(&self.wire, &self.client.site, conversation).await;
                heard.map(Heard::Tcp)
            }
            Exchange::Ssl(greeting) => talk::greet(&self.wire, &self.client.site, greeting)
                .await
                .map(Heard::Ssl),
            Exchange::Dns(question) => match self.resolver {
                Some(resolver) => talk::ask(resolver, question).await.map(Heard::Dns),
                None => None,
            },
        };
        heard.ok_or(Why::NoAnswer)
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    /// Who comes to these ports; meanwhile others have the place.
    async fn wait(&self, ports: &[u16], place: &mut Option<OwnedSemaphorePermit>) -> Incoming {
        let Some(callbacks) = &self.callbacks else {
            return Incoming::Callbacks(Vec::new());
        };
        drop(place.take());
        let contacts = callbacks.contacts(ports, LATE).await;
        *place = self.place().await;
        Incoming::Callbacks(contacts)
    }

    async fn travel(&self, template: Arc<Template>, mut run: Run, place: OwnedSemaphorePermit) -> Ended {
        let mut place = Some(place);
        let mut wire = WireTally::default();
        // What was asked so far changed nothing, and nothing was asked twice.
        let mut innocent = true;
        let mut asked: HashSet<Digest> = HashSet::new();
        let mut cut_short = None;
        while let Some(outgoing) = run.outgoing() {
            let request = match outgoing {
                Outgoing::Http(request) => request,
                Outgoing::Other(exchange) => {
                    innocent = false;
                    match self.exchange(&exchange).await {
                        Ok(heard) => {
                            wire.answered += 1;
                            run.heard(Incoming::Other(heard));
                        }
                        Err(why) => {
                            *wire.failed.entry(why).or_default() += 1;
                            run.heard(Incoming::Nothing);
                        }
                    }
                    continue;
                }
                Outgoing::Callbacks(ports) => {
                    let incoming = self.wait(&ports, &mut place).await;
                    run.heard(incoming);
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
                    run.heard(Incoming::Http(response));
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
        Some(Block::Network(_) | Block::Dns(_) | Block::Ssl(_)) | None => ("", ""),
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

/// So long after a block's last request somebody may still come to an address that it names.
const LATE: Duration = Duration::from_secs(5);
