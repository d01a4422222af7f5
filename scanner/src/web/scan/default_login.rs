//! Trying the logins of products that pages have shown, each on its own.

use std::sync::Arc;

use tokio::{task::JoinSet, time::sleep};
use vedette_protocol::{
    Finding,
    finding::{Confidence, FindingType, Label},
};

use super::Course;
use crate::web::{
    client::{Client, Unanswered},
    default_login::{APART, Product, Verdict, folder},
    looks::feature,
    report::{What, Why},
    request::Request,
    response::Response,
    tests::OfSite,
};

impl Course {
    /// Notes where a product shows itself.
    pub(super) fn note_products(&mut self, request: &Request, response: &Response) {
        if request.method != "GET" {
            return;
        }
        for product in Product::shown_by(response) {
            let place = folder(&request.path).split('/').nth(1).unwrap_or_default();
            if self.products.len() < PRODUCTS_LIMIT {
                self.products
                    .entry((product.name, place.to_owned()))
                    .or_insert_with(|| (product, request.clone()));
            }
        }
    }

    /// Whether products take the logins that their makers document.
    pub(super) async fn try_default_logins(&mut self) {
        if !self.classes.has(OfSite::DefaultLogin) {
            return;
        }
        let mut under_way = JoinSet::new();
        for (product, page) in std::mem::take(&mut self.products).into_values() {
            self.books.tests.planned += 1;
            let (client, nobody) = (self.client.clone(), format!("{}nobody", self.facts.seed));
            under_way.spawn(async move {
                let verdict = enter(client, product, &page, &nobody).await;
                (product, page, verdict)
            });
        }
        while let Some(Ok((product, page, verdict))) = under_way.join_next().await {
            match verdict {
                Ok(Verdict::Limited) => self.books.not_done(What::Test, Why::LoginLimited, 1),
                Ok(Verdict::Refused) => self.books.tests.done += 1,
                Ok(Verdict::Taken) => {
                    self.books.tests.done += 1;
                    self.accuse_of_default_login(product, &page).await;
                }
                Err(unanswered) => self.books.not_done(What::Test, unanswered.why(), 1),
            }
        }
    }

    async fn accuse_of_default_login(&mut self, product: &Product, page: &Request) {
        let path = page.template();
        let finding = self.finding(
            FindingType::WebDefaultLogin,
            Confidence::Certain,
            "GET",
            &path,
            Label::cut("login"),
        );
        if let Some(finding) = finding {
            let evidence = feature("product", product.name).into_iter().collect();
            self.tell(Finding { evidence, ..finding }).await;
        }
    }
}

/// Attempts, well apart, outside of the session.
async fn enter(
    client: Arc<Client>,
    product: &Product,
    page: &Request,
    nobody: &str,
) -> Result<Verdict, Unanswered> {
    let mut answers = Vec::new();
    loop {
        let request = match product.judge(page, nobody, &answers) {
            Ok(verdict) => return Ok(verdict),
            Err(request) => request,
        };
        if !answers.is_empty() {
            sleep(APART).await;
        }
        let bytes = request.bytes(&client.site.authority(), &[]);
        answers.push(client.send_bytes(&bytes, client.budget.patience).await?);
    }
}

const PRODUCTS_LIMIT: usize = 64;
