//! YAML: a tree of texts, lists and maps, read within bounds; [`json`] makes of it the JSON that it stands for.
//!
//! Scalars stay text: what they mean follows from the field that holds them, or from how they are spelled. Anchors
//! are shared, never copied, and what they stand for counts each time that they are named, in number and depth, so
//! that a few lines cannot become a million.

pub mod json;

use std::{collections::HashMap, sync::Arc};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Counted from 1.
    pub line: usize,
    /// What it is.
    pub kind: NodeKind,
    /// How much it stands for, itself included: a value counts one, and so do so many bytes of text.
    weight: usize,
    /// How many levels it has, itself included.
    depth: usize,
}

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of text.
    pub length: usize,
    /// Levels, one inside the other.
    pub depth: usize,
    /// Values, those that aliases stand for included; so many bytes of text count as one more.
    pub weight: usize,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// Text, a number or a truth value.
    Scalar(String, Spelling),
    /// A list.
    List(Vec<Arc<Node>>),
    /// A map, in its order.
    Map(Vec<(String, Arc<Node>)>),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// As it is: perhaps a number.
    Plain,
    /// In quotes or as a block: text.
    Quoted,
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
    /// It is larger than any that is read.
    #[error("{length} bytes are more than the {most} that are read")]
    TooLong {
        /// Its length.
        length: usize,
        /// What is read.
        most: usize,
    },
    /// It is nested too deeply.
    #[error("line {line}: values are nested deeper than {most} levels")]
    TooDeep {
        /// Where.
        line: usize,
        /// What is read.
        most: usize,
    },
    /// It stands for more than it may.
    #[error("line {line}: with its aliases this stands for more than {most} values")]
    TooMany {
        /// Where.
        line: usize,
        /// What is read.
        most: usize,
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
            NodeKind::Scalar(..) | NodeKind::List(_) => None,
        }
    }
}

/// Reads the first document.
///
/// # Errors
/// When it is not YAML or not within bounds.
pub fn parse(text: &str, bounds: Bounds) -> Result<Arc<Node>, YamlError> {
    if text.len() > bounds.length {
        return Err(YamlError::TooLong {
            length: text.len(),
            most: bounds.length,
        });
    }
    let mut tree = Tree {
        bounds,
        open: Vec::new(),
        anchors: Vec::new(),
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax(&error))?;
        if let Some(root) = tree.take(event, span.start.line())? {
            return Ok(root);
        }
    }
    Err(YamlError::Empty)
}

/// A tree under construction.
struct Tree {
    bounds: Bounds,
    open: Vec<Open>,
    /// What anchors stand for, by the parser's numbers.
    anchors: Vec<Option<Arc<Node>>>,
}

struct Open {
    line: usize,
    anchor: usize,
    weight: usize,
    /// Of the deepest of what it holds.
    depth: usize,
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
            Event::Scalar(text, style, anchor, _) => {
                let spelling = match style {
                    ScalarStyle::Plain => Spelling::Plain,
                    _ => Spelling::Quoted,
                };
                let node = Node {
                    line,
                    weight: 1 + text.len() / TEXT_WEIGHT,
                    depth: 0,
                    kind: NodeKind::Scalar(text.into_owned(), spelling),
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
                    depth: open.depth + 1,
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
        if self.open.len() >= self.bounds.depth {
            return Err(self.too_deep(line));
        }
        self.open.push(Open {
            line,
            anchor,
            weight: 1,
            depth: 0,
            kind,
        });
        Ok(None)
    }

    fn too_deep(&self, line: usize) -> YamlError {
        YamlError::TooDeep {
            line,
            most: self.bounds.depth,
        }
    }

    fn put(&mut self, node: Arc<Node>, anchor: usize) -> Result<Option<Arc<Node>>, YamlError> {
        if anchor > 0 {
            if self.anchors.len() <= anchor {
                self.anchors.resize(anchor + 1, None);
            }
            self.anchors[anchor] = Some(node.clone());
        }
        // An alias may bring more levels than stand here.
        if self.open.len() + node.depth > self.bounds.depth {
            return Err(self.too_deep(node.line));
        }
        let most = self.bounds.weight;
        let Some(open) = self.open.last_mut() else {
            return Ok(Some(node));
        };
        open.weight += node.weight;
        open.depth = open.depth.max(node.depth);
        if open.weight > most {
            return Err(YamlError::TooMany {
                line: node.line,
                most,
            });
        }
        match &mut open.kind {
            OpenKind::List(items) => items.push(node),
            OpenKind::Map(fields, name @ Some(_)) => {
                if let Some(name) = name.take() {
                    fields.push((name, node));
                }
            }
            OpenKind::Map(_, name @ None) => match &node.kind {
                NodeKind::Scalar(text, _) => *name = Some(text.clone()),
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
    let mut places: HashMap<String, usize> = HashMap::with_capacity(fields.len());
    let mut brought = Vec::new();
    for (name, node) in fields {
        if name == "<<" && bring(&node, &mut brought) {
            continue;
        }
        match places.get(&name) {
            Some(place) => map[*place].1 = node,
            None => {
                places.insert(name.clone(), map.len());
                map.push((name, node));
            }
        }
    }
    for (name, node) in brought {
        if !places.contains_key(&name) {
            places.insert(name.clone(), map.len());
            map.push((name, node));
        }
    }
    map
}

/// The fields of a map, or of each of a list of maps; false when it is something else.
fn bring(node: &Node, brought: &mut Vec<(String, Arc<Node>)>) -> bool {
    match &node.kind {
        NodeKind::Map(fields) => brought.extend(fields.iter().cloned()),
        NodeKind::List(nodes) if nodes.iter().all(|node| matches!(node.kind, NodeKind::Map(_))) => {
            for node in nodes {
                bring(node, brought);
            }
        }
        NodeKind::List(_) | NodeKind::Scalar(..) => return false,
    }
    true
}

fn syntax(error: &ScanError) -> YamlError {
    YamlError::Syntax {
        line: error.marker().line(),
        problem: error.info().chars().take(120).collect(),
    }
}

/// So many bytes of text count as a value.
const TEXT_WEIGHT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds {
        length: 1 << 20,
        depth: 32,
        weight: 50_000,
    };

    fn parse(text: &str) -> Result<Arc<Node>, YamlError> {
        super::parse(text, BOUNDS)
    }

    fn text(node: &Node) -> &str {
        match &node.kind {
            NodeKind::Scalar(text, _) => text,
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
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 16), "*a, ".repeat(1000));
        assert!(matches!(parse(&long), Err(YamlError::TooMany { .. })));
    }

    #[test]
    fn levels_that_aliases_bring_count() {
        let mut stair = String::from("a0: &a0 [x]\n");
        for level in 1..200 {
            stair.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert!(matches!(parse(&stair), Err(YamlError::TooDeep { .. })));
    }

    #[test]
    fn a_map_of_many_fields_is_read_in_good_time() {
        let many: String = (0..20_000).map(|number| format!("f{number}: 1\n")).collect();
        let NodeKind::Map(fields) = &parse(&many).unwrap().kind else {
            panic!("no map")
        };
        assert_eq!(fields.len(), 20_000);
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
