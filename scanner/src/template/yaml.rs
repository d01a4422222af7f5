//! YAML as templates use it: a tree of texts, lists and maps, read within bounds.
//!
//! Scalars stay text: what they mean follows from the field that holds them. Anchors are shared, never copied,
//! and what they stand for counts each time that they are named, so that a few lines cannot become a million.

use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScanError};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Counted from 1.
    pub line: usize,
    /// What it is.
    pub kind: NodeKind,
    /// How many values it stands for, itself included.
    weight: usize,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// Text, a number or a truth value.
    Scalar(String),
    /// A list.
    List(Vec<Arc<Node>>),
    /// A map, in its order.
    Map(Vec<(String, Arc<Node>)>),
}

/// Why text is no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// It breaks the syntax.
    #[error("line {line}: this is not YAML: {problem}")]
    Syntax {
        /// Where.
        line: usize,
        /// In the parser's words.
        problem: String,
    },
    /// It is larger than any template.
    #[error("{length} bytes are more than the {TEXT_LIMIT} that a template may have")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// It is nested too deeply.
    #[error("line {line}: values are nested deeper than {DEPTH_LIMIT} levels")]
    TooDeep {
        /// Where.
        line: usize,
    },
    /// It stands for more values than it may.
    #[error("line {line}: with its aliases this stands for more than {WEIGHT_LIMIT} values")]
    TooMany {
        /// Where.
        line: usize,
    },
    /// A name that is not one.
    #[error("line {line}: the name of a field must be text")]
    NameIsNoText {
        /// Where.
        line: usize,
    },
    /// An alias names itself or nothing.
    #[error("line {line}: this alias stands for nothing that is complete")]
    Alias {
        /// Where.
        line: usize,
    },
    /// There is nothing.
    #[error("the file holds no document")]
    Empty,
}

impl Node {
    /// The field of that name, if this is a map that has it.
    pub fn field(&self, name: &str) -> Option<&Arc<Self>> {
        match &self.kind {
            NodeKind::Map(fields) => fields
                .iter()
                .find(|(found, _)| found == name)
                .map(|(_, node)| node),
            NodeKind::Scalar(_) | NodeKind::List(_) => None,
        }
    }
}

/// Reads the first document.
///
/// # Errors
/// When it is not YAML or not within bounds.
pub fn parse(text: &str) -> Result<Arc<Node>, YamlError> {
    if text.len() > TEXT_LIMIT {
        return Err(YamlError::TooLong { length: text.len() });
    }
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax(&error))?;
        if let Some(root) = tree.take(event, span.start.line())? {
            return Ok(root);
        }
    }
    Err(YamlError::Empty)
}

/// A tree under construction.
#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    /// What anchors stand for, by the parser's numbers.
    anchors: Vec<Option<Arc<Node>>>,
}

struct Open {
    line: usize,
    anchor: usize,
    weight: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Arc<Node>>),
    Map(Vec<(String, Arc<Node>)>, Option<String>),
}

impl Tree {
    /// Takes the next event in; the root, when it is complete.
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<Option<Arc<Node>>, YamlError> {
        match event {
            Event::Scalar(text, _, anchor, _) => {
                let node = Node {
                    line,
                    kind: NodeKind::Scalar(text.into_owned()),
                    weight: 1,
                };
                self.put(Arc::new(node), anchor)
            }
            Event::SequenceStart(anchor, _) => self.start(OpenKind::List(Vec::new()), anchor, line),
            Event::MappingStart(anchor, _) => self.start(OpenKind::Map(Vec::new(), None), anchor, line),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Ok(None);
                };
                let kind = match open.kind {
                    OpenKind::List(items) => NodeKind::List(items),
                    OpenKind::Map(fields, _) => NodeKind::Map(merged(fields)),
                };
                let node = Node {
                    line: open.line,
                    kind,
                    weight: open.weight,
                };
                self.put(Arc::new(node), open.anchor)
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(anchor).cloned().flatten();
                self.put(node.ok_or(YamlError::Alias { line })?, 0)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(None),
        }
    }

    fn start(&mut self, kind: OpenKind, anchor: usize, line: usize) -> Result<Option<Arc<Node>>, YamlError> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(YamlError::TooDeep { line });
        }
        self.open.push(Open {
            line,
            anchor,
            weight: 1,
            kind,
        });
        Ok(None)
    }

    fn put(&mut self, node: Arc<Node>, anchor: usize) -> Result<Option<Arc<Node>>, YamlError> {
        if anchor > 0 {
            if self.anchors.len() <= anchor {
                self.anchors.resize(anchor + 1, None);
            }
            self.anchors[anchor] = Some(node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            return Ok(Some(node));
        };
        open.weight += node.weight;
        if open.weight > WEIGHT_LIMIT {
            return Err(YamlError::TooMany { line: node.line });
        }
        match &mut open.kind {
            OpenKind::List(items) => items.push(node),
            OpenKind::Map(fields, name @ Some(_)) => {
                if let Some(name) = name.take() {
                    fields.push((name, node));
                }
            }
            OpenKind::Map(_, name @ None) => match &node.kind {
                NodeKind::Scalar(text) => *name = Some(text.clone()),
                NodeKind::List(_) | NodeKind::Map(_) => {
                    return Err(YamlError::NameIsNoText { line: node.line });
                }
            },
        }
        Ok(None)
    }
}

/// A map with what `<<` brings into it (YAML's merge key); its own fields win, and of two the later.
fn merged(fields: Vec<(String, Arc<Node>)>) -> Vec<(String, Arc<Node>)> {
    let mut map: Vec<(String, Arc<Node>)> = Vec::with_capacity(fields.len());
    let mut brought = Vec::new();
    for (name, node) in fields {
        match &node.kind {
            NodeKind::Map(inner) if name == "<<" => brought.extend(inner.iter().cloned()),
            _ => match map.iter_mut().find(|(found, _)| *found == name) {
                Some((_, held)) => *held = node,
                None => map.push((name, node)),
            },
        }
    }
    for (name, node) in brought {
        if !map.iter().any(|(found, _)| *found == name) {
            map.push((name, node));
        }
    }
    map
}

fn syntax(error: &ScanError) -> YamlError {
    YamlError::Syntax {
        line: error.marker().line(),
        problem: error.info().chars().take(120).collect(),
    }
}

/// The largest known has a third of it.
pub const TEXT_LIMIT: usize = 1 << 20;
const DEPTH_LIMIT: usize = 32;
const WEIGHT_LIMIT: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(node: &Node) -> &str {
        match &node.kind {
            NodeKind::Scalar(text) => text,
            _ => "",
        }
    }

    #[test]
    fn a_document_becomes_a_tree() {
        let root = parse("a: 1\nb:\n  - x\n  - {c: \"d: e\"}\nf: |\n  g\n  h\n# digest: 00\n").unwrap();
        assert_eq!(text(root.field("a").unwrap()), "1");
        let NodeKind::List(items) = &root.field("b").unwrap().kind else {
            panic!("no list")
        };
        assert_eq!(text(items[1].field("c").unwrap()), "d: e");
        assert_eq!(text(root.field("f").unwrap()), "g\nh\n");
        assert_eq!(root.field("a").unwrap().line, 1);
    }

    #[test]
    fn aliases_are_shared_and_merged() {
        let root = parse("a: &x {p: 1, q: 2}\nb: *x\nc:\n  <<: *x\n  p: 3\n").unwrap();
        assert!(Arc::ptr_eq(root.field("a").unwrap(), root.field("b").unwrap()));
        let merged = root.field("c").unwrap();
        assert_eq!(
            (text(merged.field("p").unwrap()), text(merged.field("q").unwrap())),
            ("3", "2")
        );
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for level in 1..9 {
            let before = level - 1;
            let names = vec![format!("*a{before}"); 9].join(",");
            bomb.push_str(&format!("a{level}: &a{level} [{names}]\n"));
        }
        assert!(matches!(parse(&bomb), Err(YamlError::TooMany { .. })));
    }

    #[test]
    fn what_is_too_deep_too_long_or_circular_is_refused() {
        assert!(matches!(
            parse(&"[".repeat(100_000)),
            Err(YamlError::TooDeep { .. } | YamlError::Syntax { .. })
        ));
        let indented: String = (0..200)
            .map(|depth| format!("{}a:\n", " ".repeat(depth)))
            .collect();
        assert!(matches!(parse(&indented), Err(YamlError::TooDeep { .. })));
        assert!(matches!(
            parse(&" ".repeat(10 << 20)),
            Err(YamlError::TooLong { .. })
        ));
        assert!(matches!(
            parse("a: &a [*a]"),
            Err(YamlError::Alias { .. } | YamlError::Syntax { .. })
        ));
        assert!(matches!(parse(""), Err(YamlError::Empty)));
        assert!(matches!(parse("a: [b"), Err(YamlError::Syntax { .. })));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-a:\\[\\]{}&*!|>'\"%@,? \n\t#<0-9]{0,200}") {
            let _ = parse(&text);
        }
    }
}
