//! Having a page do what it does with what it is given: whether words of ours run as code on it.
//!
//! A word is code when it is looked up: it is made a property of the page's global object that says so when it is read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Hit,
    visit::{BINDING, Place, Visit},
};
use crate::web::{
    report::Why,
    tests::dom::{Load, SHAPES, Survey},
};

/// A script by which words say that they are looked up.
pub(super) fn listening(words: &[String]) -> String {
    format!(
        "for (const word of {}) Object.defineProperty(globalThis, word, {{configurable: true, get() {{ {BINDING}(word); return 0; }}}});",
        json!(words)
    )
}

impl Visit {
    /// Loads a page with scripts around it, and does what a visitor might where these words stand.
    pub(super) async fn provoke(
        &self,
        place: &Place,
        before: &str,
        after: &str,
        words: &[String],
    ) -> Result<(), Why> {
        let added = self.run_before(before).await?;
        self.load(place).await?;
        if !after.is_empty() {
            // In the page's own world: it is the page that hears it.
            self.ask("Runtime.evaluate", json!({"expression": after})).await?;
        }
        self.look(&format!("vedette.provoke({}, 150, 3000)", json!(words)))
            .await?;
        let parameters = json!({"identifier": added});
        self.ask("Page.removeScriptToEvaluateOnNewDocument", parameters)
            .await?;
        Ok(())
    }

    /// Puts payloads into each source that the page reads, until one of them runs, twice.
    pub(super) async fn try_sources(
        &self,
        word: impl Fn(u32) -> String,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Why> {
        let survey = self.survey().await?;
        let mut number = 0;
        let mut next = || {
            number += 1;
            word(number)
        };
        for source in survey.sources() {
            let mut loads = 0;
            for shape in SHAPES {
                let load = survey.load(&self.place.url, source, *shape, &mut next);
                loads += 1;
                let first = self.ran(&load).await?;
                if first.is_empty() {
                    continue;
                }
                let load = survey.load(&self.place.url, source, *shape, &mut next);
                loads += 1;
                let again = self.ran(&load).await?;
                // Where one field is in the place of another, both may run: what is all of it says less than a field.
                let mut both: Vec<&String> = first.intersection(&again).collect();
                both.sort_by_key(|place| place.as_str() == "query:search");
                if let Some(place) = both.first() {
                    let place = (*place).clone();
                    hits.push(Hit { source, place, loads });
                    break;
                }
            }
        }
        Ok(())
    }

    /// Where the words of a load ran that were put there.
    async fn ran(&self, load: &Load) -> Result<BTreeSet<String>, Why> {
        let words: Vec<String> = load.words.iter().map(|(word, _)| word.clone()).collect();
        let before = format!("{}\n{}", listening(&words), load.before);
        let place = Place {
            url: load.url.clone(),
            referrer: load.referrer.clone(),
        };
        // What servers are told may change the page.
        if load.url.query() != self.place.url.query() {
            self.attendant.show(None);
        } else {
            self.attendant.show_as_surveyed();
        }
        self.provoke(&place, &before, &load.after, &words).await?;
        let marks = self.attendant.take_marks();
        Ok(load
            .words
            .iter()
            .filter(|(word, _)| marks.contains(word))
            .map(|(_, place)| place.clone())
            .collect())
    }

    /// Loads the page as it is, to see what it reads.
    async fn survey(&self) -> Result<Survey, Why> {
        let spy = self.run_before(&SPY.replace("BINDING", BINDING)).await?;
        self.load(&self.place).await?;
        self.look("vedette.look(150, 3000)").await?;
        let parameters = json!({"identifier": spy});
        self.ask("Page.removeScriptToEvaluateOnNewDocument", parameters)
            .await?;
        let inline = json!({"expression": INLINE, "returnByValue": true});
        let mut inline = self.ask("Runtime.evaluate", inline).await?;
        let inline = match inline["result"]["value"].take() {
            Value::String(text) => text,
            _ => String::new(),
        };
        let marks = self.attendant.take_marks();
        let named = |kind: &str| -> BTreeSet<String> {
            marks
                .iter()
                .filter_map(|mark| mark.strip_prefix(kind))
                .map(ToOwned::to_owned)
                .collect()
        };
        Ok(Survey {
            code: format!("{inline}\n{}", self.attendant.code_text()),
            fields: named("field:"),
            keys: named("key:"),
        })
    }
}

/// Says what a page looks for in addresses and in its stores.
const SPY: &str = "for (const name of ['get', 'getAll', 'has']) {
    const own = URLSearchParams.prototype[name];
    URLSearchParams.prototype[name] = function (...rest) { BINDING('field:' + rest[0]); return Reflect.apply(own, this, rest); };
}
const own = Storage.prototype.getItem;
Storage.prototype.getItem = function (...rest) { BINDING('key:' + rest[0]); return Reflect.apply(own, this, rest); };";
/// The scripts that stand in the page itself, and its handlers.
const INLINE: &str = "(() => {
    const handlers = [...document.querySelectorAll('*')].slice(0, 5000).flatMap((element) =>
        [...element.attributes].filter((attribute) => attribute.name.startsWith('on')).map((attribute) => attribute.value));
    return [...document.scripts].map((script) => script.text).concat(handlers).join('\\n').slice(0, 1 << 20);
})()";
