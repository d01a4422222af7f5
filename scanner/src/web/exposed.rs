//! Files and consoles that nothing leads to and no stranger should see: a table of paths, each with what proves that it is
//! there, and the copies that editors and people leave beside the pages of the crawl. Pure.
//!
//! A status proves nothing: the body must be what such a file holds, twice, and that of a path of the same form which no
//! server has must not. What the audit of exposed files asks for ([`crate::audit`]) is not asked for again.

mod copy;
mod table;

use vedette_protocol::finding::FindingType;

use super::{crawl::Visited, response::Response};

use self::table::PLACES;

/// Its name on command lines.
pub(crate) const NAME: &str = "exposed";

/// Somewhere that something may lie.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) path: String,
    /// Whether a body is what should not be seen there.
    pub(crate) holds: fn(&[u8]) -> bool,
    pub(crate) type_: FindingType,
}

/// Where to look on a site of which these pages are known.
pub(crate) fn places(visited: &[Visited]) -> Vec<Place> {
    let usual = PLACES.iter().flat_map(|(type_, rows)| {
        rows.iter().map(|(path, holds)| Place {
            path: (*path).to_owned(),
            holds: *holds,
            type_: *type_,
        })
    });
    usual.chain(copy::places(visited)).collect()
}

impl Place {
    /// Whether an answer shows it.
    pub(crate) fn is_shown_by(&self, response: &Response) -> bool {
        response.status == 200 && (self.holds)(&response.body)
    }

    /// A path of the same form that no server has.
    pub(crate) fn control(&self, word: &str) -> String {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let ending = name.find('.').map_or("", |dot| &name[dot..]);
        match name.starts_with('.') {
            // Hidden files are often refused by their first character.
            true => format!("{folder}/.{word}"),
            false => format!("{folder}/{word}{ending}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_has_the_form_of_its_path() {
        let control = |path: &str| {
            let place = Place {
                path: path.to_owned(),
                holds: |_| true,
                type_: FindingType::WebExposedFile,
            };
            place.control("word")
        };
        assert_eq!(control("/backup.tar.gz"), "/word.tar.gz");
        assert_eq!(control("/.aws/credentials"), "/.aws/word");
        assert_eq!(control("/.npmrc"), "/.word");
        assert_eq!(control("/shop/cart.php~"), "/shop/word.php~");
        assert_eq!(control("/debug/pprof/"), "/debug/pprof/word");
    }
}
