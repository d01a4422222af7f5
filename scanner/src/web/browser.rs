//! A real browser for what scripts make: Chromium without a window, told what to do over a pair of pipes (the DevTools
//! protocol), each page in a tab of its own.
//!
//! It has no network: [`process`] starts it in an empty network namespace. Whatever a page asks for is handed to
//! [`attendant`], which sends it through the scan's own client, within scope, session, pace and budget, or refuses and
//! counts it. [`visit`] loads a page and presses what there is to press; [`line`] carries messages and decides nothing.
//!
//! What must stay true: nothing leaves but through the client; nothing is pressed or sent that would end the session or
//! take something away; a page that comes to no end is ended with its browser, and that is said.
//!
//! Read [`visit`] first.

mod asked;
mod attendant;
mod line;
mod press;
mod process;
mod provoke;
mod sight;
mod visit;

use std::{os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};

use tokio::time::timeout;
use url::Url;

pub(super) use self::attendant::Seen;
pub use self::process::BrowserError;
pub use self::{asked::read_alone as read_asked, sight::read_alone as read_sight};
use self::{
    attendant::Attendant,
    line::{Event, Line},
    process::Process,
    provoke::listening,
    visit::{Place, Visit},
};
use super::{client::Client, page::Lead, report::Why, response::Response, tests::dom::Source};

/// A browser, which is started when it is needed first and anew when a page has broken it.
#[derive(Debug)]
pub struct Browser {
    program: PathBuf,
    running: Option<Running>,
    starts: u32,
}

#[derive(Debug)]
struct Running {
    line: Arc<Line>,
    events: tokio::sync::mpsc::Receiver<Event>,
    /// Ends with it.
    _process: Process,
}

/// What a page is once its scripts have run and what can be pressed was pressed.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    /// Requests that it leads to and that its scripts make.
    pub(super) leads: Vec<Lead>,
    /// Views of the same page that their fragments name.
    pub(super) views: Vec<Url>,
    /// What was refused, and the like.
    pub(super) seen: Seen,
    /// Why it is not all of it, if so.
    pub(super) partial: Option<Why>,
}

/// A word that ran.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) source: Source,
    /// Where it was put.
    pub(super) place: String,
    /// How often the page was loaded for it.
    pub(super) loads: u32,
}

impl Browser {
    /// The browser that this program is.
    ///
    /// # Errors
    /// When it is none.
    pub fn at(program: PathBuf) -> Result<Self, BrowserError> {
        let is_program = program
            .metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        if !is_program {
            return Err(BrowserError::NoProgram { path: program });
        }
        Ok(Self {
            program,
            running: None,
            starts: 0,
        })
    }

    /// Starts it unless it runs.
    ///
    /// # Errors
    /// When it cannot be started where it has no network, or does not answer.
    pub async fn start(&mut self) -> Result<(), BrowserError> {
        if self.running.is_some() {
            return Ok(());
        }
        if self.starts >= STARTS {
            return Err(BrowserError::TooOften { starts: STARTS });
        }
        // Who cannot start it once cannot start it again.
        let before = std::mem::replace(&mut self.starts, STARTS);
        let (process, line, events) = process::start(&self.program).await?;
        self.starts = before + 1;
        self.running = Some(Running {
            line,
            events,
            _process: process,
        });
        Ok(())
    }

    /// Has a page rendered, fills in and presses what there is, and says what came of it.
    pub(super) async fn render(&mut self, client: &Arc<Client>, url: &Url) -> Rendered {
        let attendant = Arc::new(Attendant::new(client.clone(), None));
        let place = Place {
            url: url.clone(),
            referrer: None,
        };
        let mut rendered = Rendered::default();
        let ended = self
            .visit(&attendant, place, async |visit| {
                visit.explore(&mut rendered).await
            })
            .await;
        rendered.partial = ended.err().or(rendered.partial);
        rendered.leads.extend(attendant.take_leads());
        rendered.seen = attendant.take_seen();
        rendered
    }

    /// Whether one of these words runs as code on a page that was answered so.
    pub(super) async fn runs(
        &mut self,
        client: &Arc<Client>,
        url: &Url,
        answer: &Response,
        words: &[String],
    ) -> Result<bool, Why> {
        let attendant = Arc::new(Attendant::new(client.clone(), Some(answer.clone())));
        let place = Place {
            url: url.clone(),
            referrer: None,
        };
        self.visit(&attendant, place, async |visit| {
            visit.provoke(&visit.place, &listening(words), "", words).await
        })
        .await?;
        let marks = attendant.take_seen().marks;
        Ok(words.iter().any(|word| marks.contains(word)))
    }

    /// Puts payloads into each source that a page reads; `word` gives the word of a number. What ran, and whether all of it
    /// was tried.
    pub(super) async fn try_sources(
        &mut self,
        client: &Arc<Client>,
        url: &Url,
        word: impl Fn(u32) -> String,
    ) -> (Vec<Hit>, Result<(), Why>) {
        let attendant = Arc::new(Attendant::new(client.clone(), None));
        let place = Place {
            url: url.clone(),
            referrer: None,
        };
        let mut hits = Vec::new();
        let ended = self
            .visit(&attendant, place, async |visit| {
                visit.try_sources(word, &mut hits).await
            })
            .await;
        (hits, ended)
    }

    /// Opens a page in a tab of its own and does this with it, in bounded time. Whoever does not come to an end is
    /// ended with the browser.
    async fn visit(
        &mut self,
        attendant: &Arc<Attendant>,
        place: Place,
        look: impl AsyncFnOnce(&Visit) -> Result<(), Why>,
    ) -> Result<(), Why> {
        if let Some(why) = attendant.client.is_over() {
            return Err(why);
        }
        if self.start().await.is_err() {
            return Err(Why::BrowserFailed);
        }
        let running = self.running.as_mut().ok_or(Why::BrowserFailed)?;
        let left = attendant
            .client
            .budget
            .time
            .saturating_sub(attendant.client.elapsed());
        let bound = attendant.client.budget.page_time.min(left);
        let course = async {
            let visit = Visit::open(running.line.clone(), attendant.clone(), place).await?;
            let pump = attendant.attend(&visit.tab, &mut running.events);
            let looked = tokio::select! {
                looked = look(&visit) => looked,
                why = pump => Err(why),
            };
            visit.close().await?;
            looked
        };
        match timeout(bound, course).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => {
                if why == Why::Restless {
                    self.running = None;
                }
                Err(why)
            }
            Err(_) => {
                self.running = None;
                Err(match left <= attendant.client.budget.page_time {
                    true => Why::Time,
                    false => Why::Restless,
                })
            }
        }
    }
}

/// So often it is started in one scan.
const STARTS: u32 = 30;
/// A start under load; a browser that has not answered then will not.
const START_PATIENCE: Duration = Duration::from_secs(180);
