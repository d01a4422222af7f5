//! Replies that several templates share: a request that is the same byte for byte is sent once.
//!
//! Shared are requests that change nothing, and only as long as a run has sent nothing else: what comes after a
//! change, or a second time, is asked anew. What is kept is bounded; what was kept first goes first.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::OnceCell;

use crate::web::{
    client::{Client, Unanswered},
    response::Response,
};

type Answer = Result<Arc<Response>, Unanswered>;
type Place = Arc<OnceCell<Answer>>;

/// The replies so far.
#[derive(Debug, Default)]
pub(super) struct Share {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    places: HashMap<Vec<u8>, Place>,
    /// Keys in the order in which they came, with what they weigh in bytes.
    order: VecDeque<(Vec<u8>, usize)>,
    weight: usize,
}

/// Whether a reply was made for this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// It was.
    Own,
    /// Another template's request brought it.
    Another,
}

impl Share {
    /// The reply to a request, which is sent unless the same was before.
    pub(super) async fn ask(&self, client: &Client, bytes: &[u8], patience: Duration) -> (Answer, Source) {
        let place = self.place(bytes);
        let mut source = Source::Another;
        let answer = place
            .get_or_init(|| async {
                source = Source::Own;
                client.send_bytes(bytes, patience).await.map(Arc::new)
            })
            .await
            .clone();
        if source == Source::Own {
            let weight = answer.as_ref().map_or(0, |response| response.body.len());
            self.weigh(bytes, weight + bytes.len() + OVERHEAD);
        }
        (answer, source)
    }

    fn place(&self, bytes: &[u8]) -> Place {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.places.get(bytes) {
            return place.clone();
        }
        let place = Place::default();
        kept.places.insert(bytes.to_vec(), place.clone());
        place
    }

    fn weigh(&self, bytes: &[u8], weight: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.order.push_back((bytes.to_vec(), weight));
        kept.weight += weight;
        while kept.weight > WEIGHT_LIMIT {
            let Some((first, weight)) = kept.order.pop_front() else {
                break;
            };
            kept.weight -= weight;
            kept.places.remove(&first);
        }
    }
}

/// Of all that is kept, in bytes.
const WEIGHT_LIMIT: usize = 16 << 20;
/// Headers, keys and the map itself.
const OVERHEAD: usize = 1024;
