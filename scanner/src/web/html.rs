//! A page as a browser reads it: parsed by html5ever into nodes in an arena. Broken pages are read as the
//! HTML Standard says; the page's size is bounded by what is kept of a response.

use std::{
    borrow::Cow,
    cell::{Cell, Ref, RefCell},
    rc::Rc,
};

use html5ever::{
    Attribute, LocalName, Namespace, ParseOpts, QualName,
    interface::{ElemName, ElementFlags, NodeOrText, QuirksMode, TreeSink},
    parse_document,
    tendril::{StrTendril, TendrilSink},
};

/// A parsed page.
#[derive(Debug, Default)]
pub struct Document {
    nodes: Vec<Node>,
}

/// One node.
#[derive(Debug, Default)]
struct Node {
    parent: Option<usize>,
    children: Vec<usize>,
    depth: usize,
    content: Content,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    Nothing,
    Text(String),
    Comment,
    Element(QualName, Vec<(String, String)>),
}

/// An element of a page.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    document: &'a Document,
    id: usize,
    name: &'a str,
    attributes: &'a [(String, String)],
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// An element: its name and its attributes.
    Element(&'a str, &'a [(String, String)]),
    /// Text.
    Text(&'a str),
    /// The document itself, or a comment.
    Nothing,
}

/// Parses a page, up to where it is deeper or has more nodes than pages have: the parser's time grows with
/// the square of the depth.
pub fn parse(bytes: &[u8]) -> Document {
    let sink = Sink::default();
    let excess = sink.excess.clone();
    let text = String::from_utf8_lossy(bytes);
    let mut parser = parse_document(sink, ParseOpts::default());
    let mut rest = &*text;
    while !rest.is_empty() && !excess.get() {
        let part = &rest[..rest.floor_char_boundary(PART)];
        parser.process(StrTendril::from(part));
        rest = &rest[part.len()..];
    }
    parser.finish()
}

impl Document {
    /// Its elements, in the order in which they began.
    pub fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        self.nodes.iter().enumerate().filter_map(|(id, node)| {
            let Content::Element(name, attributes) = &node.content else {
                return None;
            };
            Some(Element {
                document: self,
                id,
                name: &name.local,
                attributes,
            })
        })
    }

    /// The texts that are shown: not those of scripts and styles.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(|node| {
            let Content::Text(text) = &node.content else {
                return None;
            };
            let hidden = node.parent.is_some_and(|parent| {
                matches!(&self.nodes[parent].content, Content::Element(name, _) if matches!(&*name.local, "script" | "style"))
            });
            (!hidden).then_some(text.as_str())
        })
    }

    /// What the node of that number is; the document itself is number 0.
    pub fn seen(&self, id: usize) -> Seen<'_> {
        match self.nodes.get(id).map(|node| &node.content) {
            Some(Content::Element(name, attributes)) => Seen::Element(&name.local, attributes),
            Some(Content::Text(text)) => Seen::Text(text),
            Some(Content::Nothing | Content::Comment) | None => Seen::Nothing,
        }
    }

    /// The numbers of the nodes directly inside of a node, in order.
    pub fn children(&self, id: usize) -> &[usize] {
        self.nodes.get(id).map_or(&[], |node| &node.children)
    }

    /// The names of its elements, in order: what kind of page it is, whatever it says.
    pub fn skeleton(&self) -> Vec<&str> {
        self.elements().map(|element| element.name).collect()
    }
}

impl<'a> Element<'a> {
    /// Its name, in lower case.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Its attributes.
    pub fn attributes(&self) -> &'a [(String, String)] {
        self.attributes
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The text directly inside of it.
    pub fn text(&self) -> String {
        let child = |id: &usize| match &self.document.nodes[*id].content {
            Content::Text(text) => Some(text.as_str()),
            _ => None,
        };
        self.document.nodes[self.id]
            .children
            .iter()
            .filter_map(child)
            .collect()
    }

    /// The nearest element of that name that it stands in.
    pub fn within(&self, name: &str) -> Option<Element<'a>> {
        let mut at = self.document.nodes[self.id].parent;
        // Parents form a tree, whose depth the parser does not bound.
        while let Some(id) = at {
            if let Content::Element(found, attributes) = &self.document.nodes[id].content
                && &*found.local == name
            {
                return Some(Element {
                    document: self.document,
                    id,
                    name: &found.local,
                    attributes,
                });
            }
            at = self.document.nodes[id].parent;
        }
        None
    }

    /// Says which element of the page it is.
    pub fn id(&self) -> usize {
        self.id
    }
}

/// Where the parser builds.
#[derive(Debug)]
struct Sink {
    nodes: RefCell<Vec<Node>>,
    /// Whether the page is more than pages are.
    excess: Rc<Cell<bool>>,
}

impl Default for Sink {
    fn default() -> Self {
        // The document itself.
        Self {
            nodes: RefCell::new(vec![Node::default()]),
            excess: Rc::default(),
        }
    }
}

impl Sink {
    fn add(&self, content: Content) -> usize {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node {
            content,
            ..Node::default()
        });
        nodes.len() - 1
    }

    fn detach(&self, id: usize) {
        let mut nodes = self.nodes.borrow_mut();
        if let Some(parent) = nodes[id].parent.take() {
            nodes[parent].children.retain(|child| *child != id);
        }
    }

    /// Puts a node or text into `parent` before its child number `at`.
    fn insert(&self, parent: usize, at: usize, child: NodeOrText<usize>) {
        let id = match child {
            NodeOrText::AppendNode(id) => {
                self.detach(id);
                id
            }
            NodeOrText::AppendText(text) => {
                let mut nodes = self.nodes.borrow_mut();
                let before = at
                    .checked_sub(1)
                    .and_then(|at| nodes[parent].children.get(at).copied());
                if let Some(Content::Text(before)) = before.map(|id| &mut nodes[id].content) {
                    before.push_str(&text);
                    return;
                }
                drop(nodes);
                self.add(Content::Text(text.into()))
            }
        };
        let mut nodes = self.nodes.borrow_mut();
        nodes[id].parent = Some(parent);
        nodes[id].depth = nodes[parent].depth + 1;
        if nodes[id].depth > DEPTH_LIMIT || nodes.len() > NODES_LIMIT {
            self.excess.set(true);
        }
        let at = at.min(nodes[parent].children.len());
        nodes[parent].children.insert(at, id);
    }
}

/// An element's name, borrowed from the arena; of what is no element, an empty one.
#[derive(Debug)]
enum Name<'a> {
    Of(Ref<'a, QualName>),
    Nothing(QualName),
}

impl Name<'_> {
    fn qualified(&self) -> &QualName {
        match self {
            Self::Of(name) => name,
            Self::Nothing(name) => name,
        }
    }
}

impl ElemName for Name<'_> {
    fn ns(&self) -> &Namespace {
        &self.qualified().ns
    }

    fn local_name(&self) -> &LocalName {
        &self.qualified().local
    }
}

impl TreeSink for Sink {
    type Handle = usize;
    type Output = Document;
    type ElemName<'a> = Name<'a>;

    fn finish(self) -> Document {
        Document {
            nodes: self.nodes.into_inner(),
        }
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> usize {
        0
    }

    fn elem_name<'a>(&'a self, target: &'a usize) -> Name<'a> {
        let name = Ref::filter_map(self.nodes.borrow(), |nodes| match &nodes[*target].content {
            Content::Element(name, _) => Some(name),
            Content::Nothing | Content::Text(_) | Content::Comment => None,
        });
        name.map_or_else(
            |_| Name::Nothing(QualName::new(None, Namespace::default(), LocalName::default())),
            Name::Of,
        )
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> usize {
        let attributes = attributes
            .into_iter()
            .map(|attribute| (attribute.name.local.to_string(), attribute.value.into()))
            .collect();
        self.add(Content::Element(name, attributes))
    }

    fn create_comment(&self, _: StrTendril) -> usize {
        self.add(Content::Comment)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> usize {
        self.add(Content::Comment)
    }

    fn append(&self, parent: &usize, child: NodeOrText<usize>) {
        let end = self.nodes.borrow()[*parent].children.len();
        self.insert(*parent, end, child);
    }

    fn append_based_on_parent_node(&self, element: &usize, previous: &usize, child: NodeOrText<usize>) {
        let placed = self.nodes.borrow()[*element].parent.is_some();
        if placed {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    /// A template's contents are kept in the template itself: they are looked at, not rendered.
    fn get_template_contents(&self, target: &usize) -> usize {
        *target
    }

    fn same_node(&self, one: &usize, other: &usize) -> bool {
        one == other
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &usize, child: NodeOrText<usize>) {
        if let NodeOrText::AppendNode(id) = &child {
            self.detach(*id);
        }
        let place = {
            let nodes = self.nodes.borrow();
            nodes[*sibling].parent.and_then(|parent| {
                let at = nodes[parent].children.iter().position(|child| child == sibling)?;
                Some((parent, at))
            })
        };
        if let Some((parent, at)) = place {
            self.insert(parent, at, child);
        }
    }

    fn add_attrs_if_missing(&self, target: &usize, attributes: Vec<Attribute>) {
        if let Content::Element(_, present) = &mut self.nodes.borrow_mut()[*target].content {
            for attribute in attributes {
                let name = attribute.name.local.to_string();
                if !present.iter().any(|(found, _)| *found == name) {
                    present.push((name, attribute.value.into()));
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &usize) {
        self.detach(*target);
    }

    fn reparent_children(&self, node: &usize, new_parent: &usize) {
        let mut nodes = self.nodes.borrow_mut();
        let children = std::mem::take(&mut nodes[*node].children);
        for child in &children {
            nodes[*child].parent = Some(*new_parent);
        }
        nodes[*new_parent].children.extend(children);
    }
}

const PART: usize = 4096;
/// Where browsers stop as well.
const DEPTH_LIMIT: usize = 512;
const NODES_LIMIT: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_pages_are_read_as_browsers_do() {
        let page = parse(
            b"<p>a<b>b<p>c</b><table><form><tr><input name=x></table><textarea><svg onload=1></textarea>",
        );
        let input = page.elements().find(|element| element.name() == "input").unwrap();
        assert_eq!(input.attribute("name"), Some("x"));
        assert!(
            page.elements().all(|element| element.name() != "svg"),
            "text of a textarea is no element"
        );
        let script = parse(b"<script>var a = '<b>';</script>x");
        assert_eq!(
            script
                .elements()
                .find(|element| element.name() == "script")
                .unwrap()
                .text(),
            "var a = '<b>';"
        );
        assert_eq!(script.texts().collect::<Vec<_>>(), ["x"]);
    }

    #[test]
    fn a_deep_page_is_only_deep() {
        let deep = "<a href=x>".to_owned() + &"<div><b>".repeat(100_000) + "<i>";
        let page = parse(deep.as_bytes());
        let count = page.elements().count();
        assert!((500..3000).contains(&count), "{count}");
        assert!(
            page.elements()
                .any(|element| element.attribute("href") == Some("x"))
        );
    }

    proptest! {
        #[test]
        fn no_page_makes_it_panic(page in "(<(/?(table|td|b|a|p|form|select|option|template|svg|math|script|textarea|title|frameset|body|html|i))( x=y)?>|[a-z ])*") {
            let _ = parse(page.as_bytes()).skeleton().len();
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes).skeleton().len();
        }
    }
}
