//! A request's body that must have come within a time, however it is split.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// A body with a deadline.
pub(super) struct Timely {
    body: Incoming,
    end: Pin<Box<Sleep>>,
}

/// A body did not come whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body took too long")]
    TooSlow,
    #[error("receiving the body")]
    Broken(#[source] hyper::Error),
}

/// Whether an error has come of a body that took too long.
pub fn is_too_slow(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(BodyError::TooSlow)) || error.source().is_some_and(is_too_slow)
}

impl Timely {
    pub(super) fn new(body: Incoming, time: Duration) -> Self {
        Self {
            body,
            end: Box::pin(sleep(time)),
        }
    }
}

impl Body for Timely {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
