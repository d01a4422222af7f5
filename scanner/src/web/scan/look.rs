//! Looking at what came anyway: at each answer of the crawl, and at the cookies of the session.

use vedette_protocol::{Finding, finding::Label};

use super::Course;
use crate::web::{
    html,
    looks::{Look, PageSight, Sight, Transport},
    request::Request,
    response::Response,
    site::Reference,
};

impl Course {
    /// Looks at an answer of the crawl as it is.
    pub(super) async fn look_at(&mut self, request: &Request, response: &Response) {
        let site = &self.client.site;
        if request.path == "/"
            && let Some(Reference::Here(next)) = response.location().map(|to| site.resolve(site.start(), to))
        {
            self.landing.insert(next.path().to_owned());
        }
        self.note_server(request, response);
        self.note_issuer(request, response);
        self.note_products(request, response);
        if !response.is_page() {
            return;
        }
        let document = html::parse(&response.body);
        let sight = Sight::Page(PageSight {
            response,
            document: &document,
            transport: self.transport(),
            is_landing: self.landing.contains(&request.path),
        });
        self.see(&sight, &request.method, &request.template()).await;
    }

    /// Looks at the cookies that the session has come to have.
    pub(super) async fn look_at_cookies(&mut self) {
        for cookie in self.client.cookies() {
            let sight = Sight::Cookie(&cookie, self.transport());
            self.see(&sight, "GET", &cookie.path).await;
        }
    }

    async fn see(&mut self, sight: &Sight<'_>, method: &str, path: &str) {
        let looks: Vec<&Look> = self.classes.looks().collect();
        for fault in looks.into_iter().flat_map(|look| (look.see)(sight)) {
            let new = fault
                .once
                .is_none_or(|same| self.told.insert((fault.type_, same)));
            let finding = self.finding(
                fault.type_,
                fault.confidence,
                method,
                path,
                Label::cut(&fault.part),
            );
            if let Some(finding) = finding.filter(|_| new) {
                let evidence = fault.evidence;
                self.tell(Finding { evidence, ..finding }).await;
            }
        }
    }

    fn transport(&self) -> Transport {
        match self.client.site.start().scheme() {
            "https" => Transport::Tls,
            _ => Transport::Plain,
        }
    }
}
