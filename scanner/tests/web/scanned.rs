//! A scan of a fixture from its beginning to its end, and what it says.

use serde_json::Value;
use tokio::sync::mpsc;
use vedette_protocol::finding::Finding;
use vedette_scanner::web::{ApiSource, Budget, Listening, Site, WebEvent, WebReport, WebScan, scan};

/// What a scan says.
pub(crate) struct Scanned {
    pub(crate) found: Vec<Finding>,
    pub(crate) report: WebReport,
}

/// Scans for these classes; `api` is where the site describes its interface, `logins` are its users as login files have them.
pub(crate) async fn scanned(url: &str, classes: &str, api: Option<&str>, logins: &[Value]) -> Scanned {
    let site = Site::parse(url).unwrap();
    let (tell, mut told) = mpsc::channel(64);
    let login = |number: usize| {
        logins
            .get(number)
            .map(|login| serde_json::from_value(login.clone()).unwrap())
    };
    let scanning = scan(
        WebScan {
            scope: site.scope(&[], &[]),
            site,
            headers: Vec::new(),
            credential: login(0),
            other: login(1),
            api: api.map(|reference| ApiSource::At(reference.to_owned())),
            listening: Listening::Own,
            classes: classes.parse().unwrap(),
            budget: Budget::default(),
            seed: 7,
            browser: None,
            pause: None,
        },
        tell,
    );
    let listening = async {
        let mut found = Vec::new();
        while let Some(event) = told.recv().await {
            if let WebEvent::Found(finding) = event {
                found.push(finding);
            }
        }
        found
    };
    let (report, found) = tokio::join!(scanning, listening);
    Scanned { found, report }
}

impl Scanned {
    /// Where it says that something is: path and parameter.
    pub(crate) fn accused(&self) -> Vec<(String, String)> {
        let text = |finding: &Finding| {
            let parameter = finding.parameter.as_ref().map(ToString::to_string);
            let path = finding.url.as_ref().unwrap().to_string();
            (path, parameter.unwrap_or_default())
        };
        self.found.iter().map(text).collect()
    }
}
