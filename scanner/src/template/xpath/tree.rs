//! A page or document as a tree of elements and texts.

use quick_xml::{Reader, events::Event};

use crate::web::html::{self, Seen};

/// A node: its number, and which of its attributes, if it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) node: usize,
    pub(super) attribute: Option<usize>,
}

/// A tree; its nodes are numbered in the order of the document.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    parent: Option<usize>,
    children: Vec<usize>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Root,
    Element(String, Vec<(String, String)>),
    Text(String),
}

impl Tree {
    /// The tree of a text: of XML when it begins as such, else of a page.
    pub fn of(text: &[u8]) -> Self {
        let mut tree = Self {
            nodes: vec![Node {
                parent: None,
                children: Vec::new(),
                content: Content::Root,
            }],
        };
        if text.trim_ascii_start().starts_with(b"<?xml") {
            tree.read_xml(&String::from_utf8_lossy(text));
        } else {
            tree.read_page(text);
        }
        tree
    }

    fn read_page(&mut self, text: &[u8]) {
        let page = html::parse(text);
        let mut todo: Vec<(usize, usize)> = page.children(0).iter().rev().map(|id| (*id, 0)).collect();
        while let Some((id, parent)) = todo.pop() {
            let content = match page.seen(id) {
                Seen::Element(name, attributes) => Content::Element(name.to_owned(), attributes.to_vec()),
                Seen::Text(text) => Content::Text(text.to_owned()),
                Seen::Nothing => continue,
            };
            let number = self.add(parent, content);
            todo.extend(page.children(id).iter().rev().map(|child| (*child, number)));
        }
    }

    /// As far as it is sound; no entity but the five of XML is known, and nothing is loaded.
    fn read_xml(&mut self, text: &str) {
        let mut reader = Reader::from_str(text);
        let mut open = vec![0];
        while let Ok(event) = reader.read_event() {
            let parent = open.last().copied().unwrap_or(0);
            if self.nodes.len() > NODES_LIMIT || open.len() > DEPTH_LIMIT {
                return;
            }
            match event {
                Event::Start(ref element) | Event::Empty(ref element) => {
                    let name = element.name().as_ref().to_owned();
                    let attributes = element
                        .attributes()
                        .flatten()
                        .map(|attribute| {
                            let name = attribute.key.as_ref().to_owned();
                            (name, unescaped(&attribute.value))
                        })
                        .collect();
                    let number = self.add(parent, Content::Element(name, attributes));
                    if matches!(event, Event::Start(_)) {
                        open.push(number);
                    }
                }
                Event::End(_) => drop(open.pop()),
                Event::Text(text) => self.add_text(parent, &text),
                Event::CData(text) => self.add_text(parent, &text),
                Event::GeneralRef(name) => {
                    self.add_text(parent, &unescaped(&format!("&{};", &*name)));
                }
                Event::Eof => return,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    fn add(&mut self, parent: usize, content: Content) -> usize {
        let number = self.nodes.len();
        self.nodes.push(Node {
            parent: Some(parent),
            children: Vec::new(),
            content,
        });
        self.nodes[parent].children.push(number);
        number
    }

    fn add_text(&mut self, parent: usize, more: &str) {
        let last = self.nodes[parent].children.last().copied();
        if let Some(Content::Text(text)) = last.map(|last| &mut self.nodes[last].content) {
            text.push_str(more);
        } else {
            self.add(parent, Content::Text(more.to_owned()));
        }
    }

    pub(super) fn parent(&self, place: Place) -> Option<Place> {
        match place.attribute {
            Some(_) => Some(Place {
                attribute: None,
                ..place
            }),
            None => self.nodes[place.node].parent.map(at),
        }
    }

    pub(super) fn children(&self, place: Place) -> &[usize] {
        match place.attribute {
            Some(_) => &[],
            None => &self.nodes[place.node].children,
        }
    }

    pub(super) fn is_text(&self, place: Place) -> bool {
        place.attribute.is_none() && matches!(self.nodes[place.node].content, Content::Text(_))
    }

    /// The name of an element or attribute.
    pub(super) fn name(&self, place: Place) -> Option<&str> {
        match (&self.nodes[place.node].content, place.attribute) {
            (Content::Element(_, attributes), Some(index)) => {
                attributes.get(index).map(|(name, _)| name.as_str())
            }
            (Content::Element(name, _), None) => Some(name),
            (Content::Root | Content::Text(_), _) => None,
        }
    }

    pub(super) fn attributes(&self, place: Place) -> &[(String, String)] {
        match (&self.nodes[place.node].content, place.attribute) {
            (Content::Element(_, attributes), None) => attributes,
            _ => &[],
        }
    }

    /// The value of an attribute of an element.
    pub(super) fn attribute(&self, place: Place, name: &str) -> Option<&str> {
        self.attributes(place)
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The text of a node and of everything in it.
    pub(super) fn text(&self, place: Place) -> String {
        if let (Content::Element(_, attributes), Some(index)) =
            (&self.nodes[place.node].content, place.attribute)
        {
            return attributes
                .get(index)
                .map(|(_, value)| value.clone())
                .unwrap_or_default();
        }
        let mut text = String::new();
        let mut todo = vec![place.node];
        while let Some(node) = todo.pop() {
            if let Content::Text(part) = &self.nodes[node].content {
                text.push_str(part);
            }
            todo.extend(self.nodes[node].children.iter().rev());
        }
        text
    }
}

/// A node that is no attribute.
pub(super) fn at(node: usize) -> Place {
    Place {
        node,
        attribute: None,
    }
}

fn unescaped(text: &str) -> String {
    quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}

const NODES_LIMIT: usize = 100_000;
const DEPTH_LIMIT: usize = 512;
