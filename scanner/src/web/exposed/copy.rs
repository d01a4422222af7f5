//! Copies of pages that editors and people leave beside them: served as text, they show the code.

use std::collections::BTreeSet;

use vedette_protocol::finding::FindingType;

use super::Place;
use crate::web::crawl::Visited;

/// The copies that pages of the crawl may have, of the first pages that are written in a language of servers.
pub(super) fn places(visited: &[Visited]) -> Vec<Place> {
    let pages: BTreeSet<&str> = visited
        .iter()
        .filter(|page| page.status == 200)
        .map(|page| page.lead.request.path.as_str())
        .filter(|path| is_code(path))
        .take(PAGES_LIMIT)
        .collect();
    let place = |path: String, holds: fn(&[u8]) -> bool| Place {
        path,
        holds,
        type_: FindingType::WebExposedCopy,
    };
    let mut places = Vec::new();
    for path in pages {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let named = ENDINGS
            .iter()
            .map(|ending| place(format!("{path}{ending}"), is_source));
        places.extend(named);
        places.push(place(format!("{folder}/.{name}.swp"), is_swap_file));
    }
    places
}

fn is_code(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.')
        .is_some_and(|(_, ending)| LANGUAGES.contains(&ending.to_ascii_lowercase().as_str()))
}

/// How a file begins that a server would run: a page that was run has none of it.
fn is_source(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&body[..body.len().min(HEAD)]);
    let start = text.trim_start_matches('\u{feff}').trim_start();
    ["<?php", "<?=", "<%@", "<%", "#!/"]
        .iter()
        .any(|mark| start.starts_with(mark))
}

/// The first block of a swap file of Vim (`:help swap-file`; `b0_id` in memline.c).
fn is_swap_file(body: &[u8]) -> bool {
    body.starts_with(b"b0VIM ")
}

const LANGUAGES: &[&str] = &["php", "phtml", "asp", "aspx", "jsp", "cgi", "pl", "inc"];
const ENDINGS: &[&str] = &["~", ".bak", ".old"];
const PAGES_LIMIT: usize = 6;
const HEAD: usize = 1024;
