//! A page in a tab of its own: loaded, looked at once it rests, filled in and pressed.

use std::sync::Arc;

use serde_json::{Value, json};
use url::Url;

use super::{
    Rendered,
    attendant::{Attendant, Tab},
    line::{Line, LineError},
    press::Presses,
    sight::Sight,
};
use crate::web::{
    page::Page,
    report::Why,
    response::{Response, Whole},
    site::Reference,
};

/// What is to be looked at.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) url: Url,
    /// From which page it is come to.
    pub(super) referrer: Option<String>,
}

/// A page that is being looked at.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) tab: Tab,
    pub(super) attendant: Arc<Attendant>,
    pub(super) place: Place,
}

impl From<LineError> for Why {
    fn from(error: LineError) -> Self {
        match error {
            // The page has changed under us, again and again, or has ended its browser.
            LineError::Ended | LineError::Refused => Self::Restless,
        }
    }
}

impl Visit {
    /// Opens a tab, with the session's cookies, that is attended to.
    pub(super) async fn open(line: Arc<Line>, attendant: Arc<Attendant>, place: Place) -> Result<Self, Why> {
        let made = line
            .ask(None, "Target.createTarget", json!({"url": "about:blank"}))
            .await?;
        let target = made["targetId"].as_str().ok_or(Why::Restless)?.to_owned();
        let parameters = json!({"targetId": target, "flatten": true});
        let attached = line.ask(None, "Target.attachToTarget", parameters).await?;
        let session = attached["sessionId"].as_str().ok_or(Why::Restless)?.to_owned();
        let tab = Tab {
            line,
            session,
            target,
        };
        let visit = Self {
            tab,
            attendant,
            place,
        };
        visit.ask("Page.enable", json!({})).await?;
        let enabled = json!({"enabled": true});
        visit.ask("Page.setLifecycleEventsEnabled", enabled).await?;
        visit.ask("Inspector.enable", json!({})).await?;
        let all = json!({"patterns": [{"urlPattern": "*"}]});
        visit.ask("Fetch.enable", all).await?;
        // Without it the binding is not there.
        visit.ask("Runtime.enable", json!({})).await?;
        visit.ask("Runtime.addBinding", json!({"name": BINDING})).await?;
        visit.run_before(PAGE).await?;
        let client = &visit.attendant.client;
        for cookie in client.cookies() {
            let parameters = json!({
                "name": cookie.name, "value": cookie.value(), "url": client.site.start().as_str(),
                "path": cookie.path, "httpOnly": cookie.http_only,
            });
            // One that it does not take is sent by the client all the same.
            let _ = visit.ask("Network.setCookie", parameters).await;
        }
        Ok(visit)
    }

    /// Closes the tab.
    pub(super) async fn close(&self) -> Result<(), Why> {
        let parameters = json!({"targetId": self.tab.target});
        self.tab.line.ask(None, "Target.closeTarget", parameters).await?;
        Ok(())
    }

    /// Loads the page, looks at it, and presses what there is to press.
    pub(super) async fn explore(&self, rendered: &mut Rendered) -> Result<(), Why> {
        self.load(&self.place).await?;
        let mut presses = Presses::default();
        let sight = self.look("vedette.look(250, 4000)").await?;
        self.learn(&sight, rendered);
        presses.see(&[], &sight.buttons);
        let mut here: Vec<String> = Vec::new();
        while let Some(way) = presses.next() {
            let (last, led) = way.split_last().ok_or(Why::Restless)?;
            let mut sight = None;
            // What shows more is pressed on from there; else from the beginning.
            if led.starts_with(&here) || here == led {
                sight = self.press(last).await?;
            }
            if sight.is_none() {
                self.load(&self.place).await?;
                self.look("vedette.look(100, 4000)").await?;
                for key in led {
                    self.press(key).await?;
                }
                sight = self.press(last).await?;
            }
            here.clone_from(&way);
            if let Some(sight) = sight {
                self.learn(&sight, rendered);
                presses.see(&way, &sight.buttons);
            }
        }
        self.attendant.spare(presses.destructive, presses.logouts);
        if presses.excess > 0 {
            rendered.partial = Some(Why::Pages);
        }
        Ok(())
    }

    /// Loads the page, again if it is there already.
    pub(super) async fn load(&self, place: &Place) -> Result<(), Why> {
        // A page of the same address would not be loaded but scrolled.
        self.ask("Page.navigate", json!({"url": "about:blank"})).await?;
        self.attendant.begin_loading();
        let mut parameters = json!({"url": place.url.as_str()});
        if let Some(referrer) = &place.referrer {
            parameters["referrer"] = referrer.as_str().into();
            parameters["referrerPolicy"] = "unsafeUrl".into();
        }
        let begun = self.ask("Page.navigate", parameters).await?;
        match (begun["loaderId"].as_str(), begun.get("errorText")) {
            (Some(loader), None) => self.attendant.until_loaded(loader).await,
            _ => return Err(Why::NoAnswer),
        }
        Ok(())
    }

    /// Presses something; nothing where it is not there.
    async fn press(&self, key: &str) -> Result<Option<Sight>, Why> {
        let script = format!("vedette.press({}, 120, 2000)", Value::from(key));
        let sight = self.look(&script).await?;
        Ok(sight.found.then_some(sight))
    }

    /// What the page is after this, once it rests.
    pub(super) async fn look(&self, script: &str) -> Result<Sight, Why> {
        let mut before = self.attendant.turns();
        let mut sight = Sight::read(self.run(script).await?).ok_or(Why::Restless)?;
        for _ in 0..ROUNDS {
            self.attendant.until_quiet().await;
            let after = self.attendant.turns();
            if before == after {
                break;
            }
            before = after;
            let (found, text) = (sight.found, sight.text.take());
            sight = Sight::read(self.run("vedette.look(120, 2000)").await?).ok_or(Why::Restless)?;
            sight.found = found;
            sight.text = sight.text.or(text);
        }
        Ok(sight)
    }

    /// What a script gives in the world of its own.
    async fn run(&self, script: &str) -> Result<Value, Why> {
        for _ in 0..WORLDS {
            match self.run_once(script).await {
                // The world ends with its document, which the page may have replaced meanwhile.
                Err(LineError::Refused) => {}
                given => return Ok(given?),
            }
        }
        Err(Why::Restless)
    }

    async fn run_once(&self, script: &str) -> Result<Value, LineError> {
        let world = json!({"frameId": self.tab.target, "worldName": "vedette"});
        let world = self.ask("Page.createIsolatedWorld", world).await?;
        let expression = format!("globalThis.vedette || {EXPLORE}\n{script}");
        let parameters = json!({
            "contextId": world["executionContextId"], "expression": expression,
            "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let mut given = self.ask("Runtime.evaluate", parameters).await?;
        Ok(given["result"]["value"].take())
    }

    fn learn(&self, sight: &Sight, rendered: &mut Rendered) {
        let site = &self.attendant.client.site;
        let Reference::Here(base) = site.resolve(&self.place.url, &sight.url) else {
            return;
        };
        if let Some(text) = &sight.text {
            let response = Response {
                status: 200,
                headers: vec![("Content-Type".to_owned(), "text/html".to_owned())],
                body: text.clone().into_bytes(),
                whole: Whole::Yes,
                took: std::time::Duration::ZERO,
            };
            rendered.leads.extend(Page::read(site, &base, &response).leads);
        }
        let views = sight.views.iter().chain(Some(&sight.url));
        rendered.views.extend(
            views
                .filter_map(|view| Url::parse(view).ok())
                .filter(|view| matches!(site.resolve(&base, view.as_str()), Reference::Here(_))),
        );
    }

    /// Has a script run before those of each page from now on; its number.
    pub(super) async fn run_before(&self, source: &str) -> Result<Value, LineError> {
        let parameters = json!({"source": source});
        let mut added = self
            .ask("Page.addScriptToEvaluateOnNewDocument", parameters)
            .await?;
        Ok(added["identifier"].take())
    }

    pub(super) async fn ask(&self, method: &str, parameters: Value) -> Result<Value, LineError> {
        self.tab
            .line
            .ask(Some(&self.tab.session), method, parameters)
            .await
    }
}

/// What scripts of ours say a mark through.
pub(super) const BINDING: &str = "vedetteMark";
const PAGE: &str = include_str!("page.js");
const EXPLORE: &str = include_str!("explore.js");
/// A page that asks again after each answer is looked at as it is then.
const ROUNDS: usize = 6;
const WORLDS: usize = 4;
