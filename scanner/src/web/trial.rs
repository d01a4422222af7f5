//! One input under test: what was sent for it and what came back, and the questions that all classes ask.
//!
//! A test is a pure function of a [`Trial`]. Where it needs a reply that is not known it returns
//! [`Stop::Ask`]; the engine sends that, and calls the test again from its beginning. What one class has
//! asked for, the next has for nothing. What must stay true: a test asks the same questions in the same order
//! as long as the replies are the same.

use std::{collections::HashMap, sync::Arc, time::Duration};

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{
    input::{Input, Payload},
    request::Request,
    response::{Failure, Response},
    view::{View, Volatile},
};

/// An input, the request that it is in, and what the site answers when it is left alone.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The request.
    pub request: Request,
    /// The input.
    pub input: Input,
    /// Its value in the request.
    pub value: String,
    /// The replies to the request as it stands: two or more.
    pub base: Arc<Vec<Response>>,
    /// What of them changes by itself.
    pub volatile: Arc<Volatile>,
    /// What is known of the site.
    pub facts: Arc<Facts>,
    /// Its number in this scan, for tokens.
    pub number: usize,
}

impl Subject {
    /// The same without the pages that the site answers with.
    pub(crate) fn without_replies(&self) -> Self {
        Self {
            base: Arc::default(),
            ..self.clone()
        }
    }
}

/// What the tests need to know of the site.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its URL without a path: `http://host:port`.
    pub origin: String,
    /// Its port.
    pub port: u16,
    /// Begins every token of this scan.
    pub seed: String,
    /// Public keys that the site tells of itself, in PEM.
    pub keys: Vec<String>,
    /// A page that the site should not find by itself on another.
    pub beacons: Vec<Beacon>,
}

/// A page that can be recognised by texts on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beacon {
    /// Its path.
    pub path: String,
    /// Texts that stand on it.
    pub texts: Vec<String>,
}

/// What was sent for one input, and what came back.
pub type Exchanges = HashMap<Shot, Result<Response, Failure>>;

/// Something to send.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shot {
    /// What to put into the input.
    pub payload: Payload,
    /// How often the same was sent before.
    pub nth: u16,
    /// Whether nothing else may be under way meanwhile.
    pub company: Company,
}

/// Whether a request is sent beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Company {
    /// As it comes.
    Any,
    /// Its time is measured: nothing else is under way.
    Alone,
}

/// Why a test has no verdict yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// This must be sent first.
    Ask(Shot),
    /// This was sent, and there was no answer.
    Gap(Failure),
}

/// A test's verdict: a proof, or none.
pub type Verdict = Result<Option<Proof>, Stop>;

/// What a test has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Of what.
    pub type_: FindingType,
    /// How sure.
    pub confidence: Confidence,
    /// By what.
    pub shown_by: ShownBy,
    /// Which dialect or context; our words.
    pub detail: &'static str,
}

/// An input under test.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// The input.
    pub subject: &'a Subject,
    exchanges: &'a Exchanges,
}

impl<'a> Trial<'a> {
    /// A trial as far as it has come.
    pub fn new(subject: &'a Subject, exchanges: &'a Exchanges) -> Self {
        Self { subject, exchanges }
    }

    /// The value of the input when it is left alone.
    pub fn value(&self) -> &'a str {
        &self.subject.value
    }

    /// A word that stands nowhere else, the same for the same number.
    pub fn token(&self, n: u32) -> String {
        token(&self.subject.facts.seed, self.subject.number, n)
    }

    /// The reply to this text in the input's place.
    ///
    /// # Errors
    /// When it was not sent yet, or not answered.
    pub fn reply(&self, text: &str) -> Result<&'a Response, Stop> {
        self.shot(Payload::Value(text.to_owned()), 0, Company::Any)
    }

    /// The reply when the same is sent once more.
    ///
    /// # Errors
    /// When it was not sent yet, or not answered.
    pub fn again(&self, text: &str, nth: u16) -> Result<&'a Response, Stop> {
        self.shot(Payload::Value(text.to_owned()), nth, Company::Any)
    }

    /// The reply to a payload.
    ///
    /// # Errors
    /// When it was not sent yet, or not answered.
    pub fn shot(&self, payload: Payload, nth: u16, company: Company) -> Result<&'a Response, Stop> {
        let shot = Shot {
            payload,
            nth,
            company,
        };
        match self.exchanges.get(&shot) {
            Some(Ok(response)) => Ok(response),
            Some(Err(failure)) => Err(Stop::Gap(*failure)),
            None => Err(Stop::Ask(shot)),
        }
    }

    /// What the reply to this text shows.
    ///
    /// # Errors
    /// When it was not sent yet, or not answered.
    pub fn view(&self, text: &str) -> Result<View, Stop> {
        Ok(self.look(self.reply(text)?, text))
    }

    /// What it shows when it is sent once more.
    ///
    /// # Errors
    /// When it was not sent yet, or not answered.
    pub fn view_again(&self, text: &str, nth: u16) -> Result<View, Stop> {
        Ok(self.look(self.again(text, nth)?, text))
    }

    /// What the site shows when the input is left alone.
    pub fn base_view(&self) -> View {
        self.look(&self.subject.base[0], "")
    }

    /// Whether left alone it shows the same each time; where not, comparing shows nothing.
    pub fn is_stable(&self) -> bool {
        let first = self.base_view();
        self.subject
            .base
            .iter()
            .all(|response| self.look(response, "") == first)
    }

    /// What a reply shows that repeats this text.
    pub fn look(&self, response: &Response, payload: &str) -> View {
        View::of(response, payload, self.value(), &self.subject.volatile)
    }

    /// Whether a text stands in a reply although it does not when the input is left alone.
    pub fn is_new(&self, response: &Response, text: &str) -> bool {
        response.text().contains(text) && !self.subject.base.iter().any(|base| base.text().contains(text))
    }

    /// Whether two pairs of texts part the site's answers: all of `yes` are answered alike, all of `no` are,
    /// and the two apart; and both again when they are sent again.
    ///
    /// # Errors
    /// When something was not sent yet, or not answered.
    pub fn parts(&self, yes: [&str; 2], no: [&str; 2]) -> Result<bool, Stop> {
        let (first_yes, first_no) = (self.view(yes[0])?, self.view(no[0])?);
        if first_yes == first_no {
            return Ok(false);
        }
        Ok(self.view(yes[1])? == first_yes
            && self.view(no[1])? == first_no
            && self.view_again(yes[0], 1)? == first_yes
            && self.view_again(no[0], 1)? == first_no)
    }

    /// Whether two texts are answered alike and two others otherwise, each time: errors may name what is wrong, and the time.
    ///
    /// # Errors
    /// When something was not sent yet, or not answered.
    pub fn sets_apart(&self, yes: [&str; 2], no: [&str; 2]) -> Result<bool, Stop> {
        let usual = self.view(yes[0])?;
        Ok(self.view(no[0])? != usual
            && self.view(yes[1])? == usual
            && self.view(no[1])? != usual
            && self.view_again(yes[0], 1)? == usual
            && self.view_again(no[0], 1)? != usual)
    }

    /// Whether the answer is as late as the payload says, for several delays, with nothing else under way.
    ///
    /// # Errors
    /// When something was not sent yet, or not answered.
    pub fn delays(&self, payload: impl Fn(u32) -> String) -> Result<bool, Stop> {
        let usual = self
            .subject
            .base
            .iter()
            .map(|base| base.took)
            .max()
            .unwrap_or_default();
        let send = |seconds: u32, nth, company| self.shot(Payload::Value(payload(seconds)), nth, company);
        if send(SCREEN, 0, Company::Any)?.took < Duration::from_secs(SCREEN.into()).max(usual) {
            return Ok(false);
        }
        let mut least = [Duration::MAX; DELAYS.len()];
        let mut nth = 0..;
        // Whoever is busy answers late, never early: of each delay the earliest answer counts.
        'rounds: for _ in 0..ROUNDS {
            for (seconds, least) in DELAYS.into_iter().zip(&mut least) {
                let took = send(seconds, nth.next().unwrap_or(u16::MAX), Company::Alone)?.took;
                if took < Duration::from_secs(seconds.into()) {
                    return Ok(false);
                }
                *least = took.min(*least);
                if seconds == 0 && *least > usual + PROMPT {
                    continue 'rounds;
                }
            }
            let point = |(seconds, took): (u32, &Duration)| (f64::from(seconds), took.as_secs_f64());
            if is_line(&DELAYS.into_iter().zip(&least).map(point).collect::<Vec<_>>()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The token number `n` of input number `number`.
pub fn token(seed: &str, number: usize, n: u32) -> String {
    format!("{seed}{number:04x}{n:x}z")
}

/// The number of the input that a token in a text belongs to, for each token in it, and the token.
pub fn tokens<'a>(seed: &str, text: &'a str) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(seed) {
        let rest = &text[at + seed.len()..];
        let Some(end) = rest.bytes().take(12).position(|byte| byte == b'z') else {
            continue;
        };
        let number = rest
            .get(..4)
            .and_then(|number| usize::from_str_radix(number, 16).ok());
        if let Some(number) = number.filter(|_| end > 4) {
            found.push((number, &text[at..at + seed.len() + end + 1]));
        }
    }
    found
}

/// Whether points lie on a line that rises by one or more (a row each may have waited), by least squares.
fn is_line(points: &[(f64, f64)]) -> bool {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>();
    let xx = sum(&|point| (point.0 - x).powi(2));
    let yy = sum(&|point| (point.1 - y).powi(2));
    let xy = sum(&|point| (point.0 - x) * (point.1 - y));
    if xx == 0.0 || yy == 0.0 {
        return false;
    }
    xy / xx >= LEAST_SLOPE && xy * xy / (xx * yy) >= LEAST_FIT
}

const SCREEN: u32 = 2;
const DELAYS: [u32; 5] = [0, 3, 1, 0, 2];
/// So often they are measured when something else may have been in the way.
const ROUNDS: usize = 3;
/// What an answer without a delay may take beyond the usual.
const PROMPT: Duration = Duration::from_millis(900);
const LEAST_SLOPE: f64 = 0.9;
/// The coefficient of determination.
const LEAST_FIT: f64 = 0.95;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::{input::inputs, response::Whole};

    #[test]
    fn a_line_is_told_from_noise() {
        assert!(is_line(&[
            (0.0, 0.02),
            (3.0, 3.05),
            (1.0, 1.01),
            (0.0, 0.02),
            (2.0, 2.2)
        ]));
        assert!(is_line(&[
            (0.0, 0.1),
            (3.0, 9.3),
            (1.0, 3.0),
            (0.0, 0.1),
            (2.0, 6.1)
        ]));
        assert!(!is_line(&[
            (0.0, 0.9),
            (3.0, 3.1),
            (1.0, 3.2),
            (0.0, 0.9),
            (2.0, 3.1)
        ]));
        assert!(!is_line(&[
            (0.0, 1.0),
            (3.0, 1.0),
            (1.0, 1.0),
            (0.0, 1.0),
            (2.0, 1.0)
        ]));
    }

    /// The verdict about a site that takes so many milliseconds when it is told to wait so many seconds, for the nth time;
    /// and how often it was asked.
    fn verdict(takes: impl Fn(u64, usize) -> u64) -> (bool, usize) {
        let request = Request::get(&"http://192.0.2.7/?q=1".parse().unwrap());
        let answer = |millis| Response {
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
            whole: Whole::Yes,
            took: Duration::from_millis(millis),
        };
        let subject = Subject {
            input: inputs(&request).remove(0),
            value: "1".to_owned(),
            base: Arc::new(vec![answer(10), answer(20)]),
            volatile: Arc::default(),
            facts: Arc::default(),
            number: 0,
            request,
        };
        let mut exchanges = Exchanges::new();
        loop {
            match Trial::new(&subject, &exchanges).delays(|seconds| seconds.to_string()) {
                Ok(verdict) => return (verdict, exchanges.len()),
                Err(Stop::Ask(shot)) => {
                    let Payload::Value(text) = &shot.payload else {
                        panic!("{shot:?}");
                    };
                    let took = takes(text.parse().unwrap(), exchanges.len());
                    assert!(exchanges.insert(shot, Ok(answer(took))).is_none());
                }
                Err(Stop::Gap(failure)) => panic!("{failure:?}"),
            }
        }
    }

    #[test]
    fn delays_that_are_obeyed_are_told_from_a_busy_site() {
        assert_eq!(verdict(|seconds, _| seconds * 1000 + 15), (true, 6));
        // Something else was in the way once, and another time.
        assert!(verdict(|seconds, nth| seconds * 1000 + if nth == 1 { 2500 } else { 15 }).0);
        assert!(verdict(|seconds, nth| seconds * 1000 + if [1, 6].contains(&nth) { 1700 } else { 15 }).0);
        // Busy all the time, busy at times, busy by itself.
        assert_eq!(verdict(|_, _| 4000), (false, 4));
        assert!(!verdict(|_, nth| if nth % 2 == 0 { 3100 } else { 15 }).0);
        assert!(!verdict(|seconds, _| if seconds > 0 { 3100 } else { 15 }).0);
        assert_eq!(verdict(|_, _| 15), (false, 1));
    }

    #[test]
    fn a_token_says_whose_it_is() {
        let text = format!(
            "<a>{}</a>{}vq12",
            token("vq12ab", 0x2f, 11),
            token("vq12ab", 3, 0)
        );
        let found: Vec<(usize, &str)> = tokens("vq12ab", &text);
        assert_eq!(found, [(0x2f, "vq12ab002fbz"), (3, "vq12ab00030z")]);
    }
}
