//! Asking for places that nothing leads to.

use tokio::task::JoinSet;
use vedette_protocol::{
    Finding,
    finding::{Confidence, Evidence, UrlPath},
};

use super::Course;
use crate::web::{
    client::{Client, Unanswered},
    crawl::Visited,
    exposed::{self, Place},
    report::What,
    request::Request,
    response::Response,
    tests::OfSite,
};

impl Course {
    /// Asks for places that nothing leads to.
    pub(super) async fn search(&mut self, visited: &[Visited]) {
        if !self.classes.has(OfSite::Exposed) {
            return;
        }
        let mut places = exposed::places(visited);
        places.retain(|place| !self.is_done(&["place", &place.path]));
        self.books.places.planned = places.len() as u64;
        let mut under_way = JoinSet::new();
        for place in places {
            let (client, word) = (self.client.clone(), self.facts.seed.clone());
            under_way.spawn(async move { (place.path.clone(), search(&client, place, &word).await) });
        }
        while let Some(Ok((path, searched))) = under_way.join_next().await {
            if searched.is_ok() {
                self.done(&["place", &path]);
            }
            match searched {
                Ok(Searched::Nothing) => self.books.places.done += 1,
                Ok(Searched::Exposed(place, length)) => {
                    self.books.places.done += 1;
                    let found = self.finding(place.type_, Confidence::Certain, "GET", &place.path, None);
                    let path = UrlPath::cut(&place.path);
                    if let (Some(finding), Some(path)) = (found, path) {
                        let evidence = vec![Evidence::Exposed {
                            path,
                            status: 200,
                            length,
                        }];
                        self.tell(Finding { evidence, ..finding }).await;
                    }
                }
                Err(unanswered) => self.books.not_done(What::Place, unanswered.why(), 1),
            }
        }
    }
}

/// What came of asking for a place.
enum Searched {
    /// Nothing that should not be there.
    Nothing,
    /// It is there, with a body of so many bytes, as far as they are read.
    Exposed(Place, u64),
}

/// Asks for a place; where something is shown there, for one of the same form that no server has, and for it again.
async fn search(client: &Client, place: Place, word: &str) -> Result<Searched, Unanswered> {
    let first = ask(client, &place.path).await?;
    let shown = place.is_shown_by(&first)
        && !place.is_shown_by(&ask(client, &place.control(word)).await?)
        && place.is_shown_by(&ask(client, &place.path).await?);
    Ok(match shown {
        true => Searched::Exposed(place, first.body.len() as u64),
        false => Searched::Nothing,
    })
}

/// Asks as a stranger does, outside of the session.
async fn ask(client: &Client, path: &str) -> Result<Response, Unanswered> {
    let mut request = Request::get(client.site.start());
    path.clone_into(&mut request.path);
    request.query.clear();
    let bytes = request.bytes(&client.site.authority(), &[]);
    client.send_bytes(&bytes, client.budget.patience).await
}
