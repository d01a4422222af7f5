//! Folders whose contents the server lists: `/`, those that its page refers to, and a few usual ones.

use std::collections::BTreeSet;

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Evidence, FindingType, UrlPath},
    job::Check,
};

use super::{
    Audit, Subject,
    site::{Site, path, references},
};
use crate::{probe::Probe, service::http::Response};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Http,
    probes,
    judge,
};

const USUAL: [&str; 5] = ["/files/", "/uploads/", "/backup/", "/images/", "/static/"];
/// A folder that no server has: where it is listed, every path is, and nobody is accused.
const CONTROL: &str = "/vedette-control/";
const REFERRED_LIMIT: usize = 8;

fn probes(subject: &Subject<'_>) -> Vec<Probe> {
    let Some(site) = Site::of(subject) else {
        return Vec::new();
    };
    folders(&site)
        .iter()
        .chain([&path(CONTROL)])
        .map(|folder| site.fetch(folder))
        .collect()
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(site) = Site::of(subject) else {
        return Vec::new();
    };
    let listed = |folder: &UrlPath| {
        site.response(folder)
            .filter(|response| is_listing(response, folder.as_str()))
    };
    let Some(control) = site.response(&path(CONTROL)) else {
        return Vec::new();
    };
    if is_listing(&control, CONTROL) {
        return Vec::new();
    }
    folders(&site)
        .iter()
        .filter_map(|folder| {
            let response = listed(folder)?;
            let mut finding = site.finding(FindingType::HttpDirectoryListing, folder, None)?;
            let length = response.body.len() as u64;
            finding.evidence = vec![Evidence::Exposed {
                path: folder.clone(),
                status: response.status,
                length,
            }];
            Some(finding)
        })
        .collect()
}

fn folders(site: &Site<'_>) -> BTreeSet<UrlPath> {
    let root = path("/");
    let page = site.response(&root);
    let text = page
        .as_ref()
        .map(|page| String::from_utf8_lossy(&page.body))
        .unwrap_or_default();
    let referred: BTreeSet<UrlPath> = references(&text)
        .filter_map(|reference| site.local(reference, &root))
        .filter_map(|path| {
            path.as_str()
                .rsplit_once('/')
                .and_then(|(folder, _)| format!("{folder}/").parse().ok())
        })
        .filter(|folder| *folder != root)
        .take(REFERRED_LIMIT)
        .collect();
    USUAL
        .into_iter()
        .map(path)
        .chain(referred)
        .chain([root])
        .collect()
}

/// Whether a response lists the folder it was asked for, as Apache, nginx, lighttpd, Python and IIS do.
fn is_listing(response: &Response<'_>, folder: &str) -> bool {
    let text = String::from_utf8_lossy(&response.body[..response.body.len().min(PAGE_LIMIT)]);
    response.status == 200 && is_listing_page(&text, folder)
}

/// Whether a page is the listing of a folder.
pub fn is_listing_page(page: &str, folder: &str) -> bool {
    let Some((_, rest)) = page.split_once("<title>") else {
        // IIS gives its listings no title of their own.
        return page.contains("[To Parent Directory]</A>");
    };
    let title = rest.split("</title>").next().unwrap_or_default().trim();
    let named = ["Index of ", "Directory listing for "]
        .iter()
        .find_map(|start| title.strip_prefix(start))
        .is_some_and(|name| name.trim_end_matches('/') == folder.trim_end_matches('/'));
    let links = page.contains("<a href=") || page.contains("<A HREF=") || page.contains("<li>");
    named && links
}

const PAGE_LIMIT: usize = 64 * 1024;
