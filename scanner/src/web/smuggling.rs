//! Request smuggling: whether two servers in a row disagree where a request ends. Pure; the engine asks.
//!
//! The technique is that of J. Kettle, "HTTP Desync Attacks" (2019), by time: a request that one reading of its framing
//! (RFC 9112, section 6) finds whole and the other one does not. Where the server in front takes the former and the one
//! behind the latter, no answer comes. A server alone answers either way.
//!
//! What must stay true: nothing is left on a connection that others use. What ends by chunks is followed by a line end
//! alone, which servers pass over in front of a request (section 2.2); what ends by its length goes on with a chunk that
//! nobody hands on. Each request has a connection of its own; where one reading was late, the other is not tried.

use std::{collections::HashMap, time::Duration};

use super::{
    request::{Body, Request},
    response::{Failure, Response},
};

/// Its name on command lines.
pub(crate) const NAME: &str = "smuggling";

/// Something to ask the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    /// How the field is spelled: a row of [`SPELLINGS`].
    spelling: usize,
    shape: Shape,
    nth: u8,
}

/// A request with both fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    /// Both readings find it whole.
    Whole,
    /// Whole by its length, which a broken chunk is in.
    Broken,
    /// Whole by its length, not by its chunks.
    UnendedByChunks,
    /// Whole by its chunks, not by its length.
    UnendedByLength,
}

/// The answers so far.
pub(crate) type Answers = HashMap<Question, Result<Response, Failure>>;

/// How soon an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Soon,
    Late,
    /// Neither, or the connection was closed without one.
    Unclear,
}

/// Which servers disagree, as `requests` have shown; none if none do.
///
/// # Errors
/// What must be asked first.
pub(crate) fn judge(answers: &Answers) -> Result<Option<&'static str>, Question> {
    if !is_soon(answers, 0, Shape::Whole, 0)? {
        return Ok(None);
    }
    for spelling in 0..SPELLINGS.len() {
        let late = |shape, nth| Ok::<_, Question>(when(answers, spelling, shape, nth)? == When::Late);
        let soon = |shape, round| is_soon(answers, spelling, shape, round);
        if late(Shape::UnendedByChunks, 0)? {
            let shown = soon(Shape::Whole, 1)?
                && soon(Shape::Broken, 0)?
                && late(Shape::UnendedByChunks, 1)?
                && soon(Shape::Whole, 2)?
                && soon(Shape::Broken, 1)?
                && late(Shape::UnendedByChunks, 2)?;
            // Who behaves so may do worse with what follows.
            return Ok(shown.then_some("by length in front, by chunks behind"));
        }
        if late(Shape::UnendedByLength, 0)? {
            let shown = soon(Shape::Whole, 1)?
                && late(Shape::UnendedByLength, 1)?
                && soon(Shape::Whole, 2)?
                && late(Shape::UnendedByLength, 2)?;
            return Ok(shown.then_some("by chunks in front, by length behind"));
        }
    }
    Ok(None)
}

/// Whether an answer comes soon; who is busy is late at times.
fn is_soon(answers: &Answers, spelling: usize, shape: Shape, round: u8) -> Result<bool, Question> {
    for nth in round * TRIES..(round + 1) * TRIES {
        if when(answers, spelling, shape, nth)? == When::Soon {
            return Ok(true);
        }
    }
    Ok(false)
}

fn when(answers: &Answers, spelling: usize, shape: Shape, nth: u8) -> Result<When, Question> {
    let question = Question { spelling, shape, nth };
    Ok(match answers.get(&question).ok_or(question)? {
        Ok(response) if response.took < SOON => When::Soon,
        Ok(response) if response.took >= LATE => When::Late,
        Err(Failure::TooSlow) => When::Late,
        Ok(_) | Err(_) => When::Unclear,
    })
}

impl Question {
    /// The bytes that ask it of a path of the site.
    pub(crate) fn bytes(self, page: &Request, authority: &str) -> Vec<u8> {
        let (length, body) = match self.shape {
            Shape::Whole => (5, "0\r\n\r\n"),
            Shape::Broken => (11, "1\r\nA\r\nX\r\n\r\n"),
            Shape::UnendedByChunks => (4, "1\r\nA\r\nX\r\n\r\n"),
            Shape::UnendedByLength => (7, "0\r\n\r\n\r\n"),
        };
        let request = Request {
            method: "POST".to_owned(),
            body: Body::None,
            headers: vec![("Connection".to_owned(), "close".to_owned())],
            ..page.clone()
        };
        let head = String::from_utf8_lossy(&request.bytes(authority, &[])).into_owned();
        let head = head.replace("Content-Length: 0\r\n\r\n", "");
        let field = SPELLINGS[self.spelling];
        format!("{head}Content-Length: {length}\r\n{field}\r\n\r\n{body}").into_bytes()
    }
}

/// Spellings of one field of which servers see one or none.
const SPELLINGS: &[&str] = &[
    "Transfer-Encoding: chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding:\r\n chunked",
    "X-Vedette: 1\r\n Transfer-Encoding: chunked",
];
const TRIES: u8 = 3;
const SOON: Duration = Duration::from_secs(3);
const LATE: Duration = Duration::from_secs(5);
/// How long an answer is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(6);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::response::Whole;

    fn took(millis: u64) -> Result<Response, Failure> {
        Ok(Response {
            status: 400,
            headers: Vec::new(),
            body: Vec::new(),
            whole: Whole::Yes,
            took: Duration::from_millis(millis),
        })
    }

    fn verdict(answer: impl Fn(Question) -> Result<Response, Failure>) -> (Option<&'static str>, usize) {
        let mut answers = Answers::new();
        loop {
            match judge(&answers) {
                Ok(verdict) => return (verdict, answers.len()),
                Err(question) => answers.insert(question, answer(question)),
            };
        }
    }

    #[test]
    fn servers_that_disagree_are_told_from_a_slow_one() {
        let late = |is_late: bool| if is_late { Err(Failure::TooSlow) } else { took(10) };
        let (shown, asked) = verdict(|q| late(q.spelling == 1 && q.shape == Shape::UnendedByChunks));
        assert_eq!((shown, asked), (Some("by length in front, by chunks behind"), 10));
        let (shown, _) = verdict(|q| late(q.shape == Shape::UnendedByLength));
        assert_eq!(shown, Some("by chunks in front, by length behind"));
        assert_eq!(verdict(|_| took(10)), (None, 1 + 2 * SPELLINGS.len()));
        assert_eq!(verdict(|_| late(true)), (None, 3));
        // Busy at times.
        let busy = |q: Question| q.nth.is_multiple_of(TRIES) && q.shape == Shape::Whole;
        assert!(
            verdict(|q| late(busy(q) || q.shape == Shape::UnendedByLength))
                .0
                .is_some()
        );
        // Whatever is broken, and once in a while.
        assert_eq!(verdict(|q| late(!matches!(q.shape, Shape::Whole))).0, None);
        assert_eq!(
            verdict(|q| late(q.nth == 0 && q.shape == Shape::UnendedByChunks)).0,
            None
        );
        assert_eq!(
            verdict(|q| if q.shape == Shape::Whole {
                took(10)
            } else {
                Err(Failure::HungUp)
            })
            .0,
            None
        );
    }

    #[test]
    fn each_reading_ends_where_it_should() {
        let page = Request::get(&"http://192.0.2.7/shop?q=1".parse().unwrap());
        for (shape, left_by_length, is_whole_by_chunks) in [
            (Shape::Whole, Some(""), true),
            (Shape::Broken, Some(""), false),
            (Shape::UnendedByChunks, Some("\r\nX\r\n\r\n"), false),
            (Shape::UnendedByLength, Some(""), true),
        ] {
            let question = Question {
                spelling: 0,
                shape,
                nth: 0,
            };
            let bytes = String::from_utf8(question.bytes(&page, "192.0.2.7")).unwrap();
            assert!(bytes.starts_with("POST /shop?q=1 HTTP/1.1\r\nHost: 192.0.2.7\r\n"));
            let (head, body) = bytes.split_once("\r\n\r\n").unwrap();
            let lengths: Vec<&str> = head.split("Content-Length: ").skip(1).collect();
            let [length] = &lengths[..] else { panic!("{head}") };
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            assert_eq!(body.get(length..), left_by_length, "{shape:?}");
            assert_eq!(body.starts_with("0\r\n\r\n"), is_whole_by_chunks, "{shape:?}");
            if is_whole_by_chunks {
                assert_eq!(body[5..].trim_matches(['\r', '\n']), "", "{shape:?}");
            }
        }
    }
}
