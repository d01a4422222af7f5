//! XPath 1.0 (W3C, 1999) over pages and XML documents: location paths, predicates, and the core functions.
//!
//! Left out are variables, namespaces beyond the prefix as it is written, and comments and processing
//! instructions as nodes. What is not understood is refused when the template is loaded; a search that takes
//! too many steps finds nothing.

mod evaluate;
mod syntax;
mod tree;

pub use self::tree::Tree;
use self::{
    evaluate::{Search, Value},
    syntax::Expr,
};

/// A path.
#[derive(Debug, Clone, PartialEq)]
pub struct XPath(Expr);

impl XPath {
    /// Reads a path; none when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        syntax::parse(text).map(Self)
    }

    /// Whether it finds something.
    pub fn is_in(&self, tree: &Tree) -> bool {
        match Search::new(tree).run(&self.0) {
            Some(Value::Nodes(nodes)) => !nodes.is_empty(),
            Some(Value::Truth(truth)) => truth,
            Some(Value::Text(text)) => !text.is_empty(),
            Some(Value::Number(number)) => number != 0.0,
            None => false,
        }
    }

    /// The texts of what it finds, or an attribute's values there; at most `limit`.
    pub fn texts(&self, tree: &Tree, attribute: Option<&str>, limit: usize) -> Vec<String> {
        match Search::new(tree).run(&self.0) {
            Some(Value::Nodes(nodes)) => nodes
                .into_iter()
                .filter_map(|node| match attribute {
                    Some(name) => tree.attribute(node, name).map(ToOwned::to_owned),
                    None => Some(tree.text(node)),
                })
                .take(limit)
                .collect(),
            Some(Value::Text(text)) => vec![text],
            Some(Value::Number(number)) => vec![number.to_string()],
            Some(Value::Truth(truth)) => vec![truth.to_string()],
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<!doctype html><html><head><title>Some Panel</title></head><body>\
        <form><div><input id='__VIEWSTATE' value='v1'><input id=x value=y></div></form>\
        <div class=\" arfajax-file-upload\" id=d7>a<b>c</b></div><a href='/p'>1</a><img src='/q'></body></html>";
    const DOCUMENT: &str = "<?xml version=\"1.0\"?><config><global><db><host><![CDATA[h]]></host><name>n</name></db>\
        <db><host>i</host></db></global></config>";

    fn found(path: &str, text: &str, attribute: Option<&str>) -> Vec<String> {
        let path = XPath::parse(path).unwrap_or_else(|| panic!("{path}"));
        path.texts(&Tree::of(text.as_bytes()), attribute, 9)
    }

    #[test]
    fn pages_are_searched() {
        for (path, attribute, expected) in [
            (
                "/html/body/form/div/input[@id='__VIEWSTATE']",
                Some("value"),
                vec!["v1"],
            ),
            ("//input[@id='x'][1]", Some("value"), vec!["y"]),
            ("//*/@href|//*/@src", None, vec!["/p", "/q"]),
            ("//div[@class=\" arfajax-file-upload\"]", Some("id"), vec!["d7"]),
            (
                "/html/head/title[contains(text(), 'Panel')]",
                None,
                vec!["Some Panel"],
            ),
            ("//title[starts-with(., 'Other')]", None, vec![]),
            ("//div[@id='d7']", None, vec!["ac"]),
            ("//b/../@id", None, vec!["d7"]),
            ("(//input)[last()]/@value", None, vec!["y"]),
            ("//input[position()=1 and @value]/@id", None, vec!["__VIEWSTATE"]),
            ("count(//input)", None, vec!["2"]),
            ("//a/following-sibling::img/@src", None, vec!["/q"]),
            ("//img/ancestor::html/head/title", None, vec!["Some Panel"]),
            ("//*[local-name()='a' or name()='b']", None, vec!["c", "1"]),
            (
                "normalize-space(concat(' ', string(//title), ' '))",
                None,
                vec!["Some Panel"],
            ),
            ("//input[not(@id='x')]/@value", None, vec!["v1"]),
            ("substring-after(//title, 'Some ')", None, vec!["Panel"]),
        ] {
            assert_eq!(found(path, PAGE, attribute), expected, "{path}");
        }
    }

    #[test]
    fn documents_are_searched() {
        assert_eq!(found("/config/global/db/host", DOCUMENT, None), ["h", "i"]);
        assert_eq!(
            found("/config/global/db[name='n']/host/text()", DOCUMENT, None),
            ["h"]
        );
        assert_eq!(found("/config/global/db[2]", DOCUMENT, None), ["i"]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "//",
            "/a[",
            "a]",
            "$x",
            "unknown()",
            "/a/b[c",
            "document('/etc/passwd')",
            &"(".repeat(500),
        ] {
            assert_eq!(XPath::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_search_without_end_is_given_up() {
        let deep = "<a>".repeat(400);
        let path = XPath::parse("//a[.//a[.//a[.//a[.//a]]]]").unwrap();
        assert_eq!(
            path.texts(&Tree::of(deep.as_bytes()), None, 9),
            Vec::<String>::new()
        );
    }
}
