//! The syntax of paths: text becomes a tree, within bounds.

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A function of the core library.
    Call(&'static str, Vec<Self>),
    /// Two things and an operator.
    Operator(&'static str, Box<Self>, Box<Self>),
    /// `-`
    Minus(Box<Self>),
    /// A path from the document or from where one is.
    Path(Start, Vec<Step>),
}

/// Where a path begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Start {
    /// At the document.
    Root,
    /// Where one is.
    Here,
    /// At what an expression finds, less what predicates leave out.
    At(Box<Expr>, Vec<Expr>),
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) axis: Axis,
    pub(super) test: Test,
    pub(super) predicates: Vec<Expr>,
}

/// Which way a step goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    Child,
    Descendant,
    DescendantOrSelf,
    Parent,
    Ancestor,
    AncestorOrSelf,
    FollowingSibling,
    PrecedingSibling,
    Attribute,
    Itself,
}

/// What a step keeps.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// `*`
    Named,
    /// A name.
    Name(String),
    /// `text()`
    Text,
    /// `node()`
    Anything,
}

/// Reads an expression.
pub(super) fn parse(text: &str) -> Option<Expr> {
    if text.len() > LENGTH_LIMIT {
        return None;
    }
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        depth: 0,
    };
    let expr = parser.level(0)?;
    parser.tokens.is_empty().then_some(expr)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Text(String),
    Number(f64),
    Name(String),
    Sign(&'static str),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length;
        if first == '"' || first == '\'' {
            let end = rest[1..].find(first)? + 1;
            tokens.push(Token::Text(rest[1..end].to_owned()));
            length = end + 1;
        } else if first.is_ascii_digit() {
            length = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len());
            tokens.push(Token::Number(rest[..length].parse().ok()?));
        } else if first.is_alphabetic() || first == '_' {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && !"_-.:".contains(c))
                .unwrap_or(rest.len());
            // Two colons behind a name name an axis.
            length = rest[..end].find("::").unwrap_or(end);
            tokens.push(Token::Name(rest[..length].to_owned()));
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign))?;
            tokens.push(Token::Sign(sign));
            length = sign.len();
        }
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

struct Parser<'a> {
    tokens: &'a [Token],
    depth: usize,
}

impl Parser<'_> {
    fn level(&mut self, level: usize) -> Option<Expr> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return None;
        }
        let mut left = self.level(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.operator(operator)) {
            let right = self.level(level + 1)?;
            left = Expr::Operator(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Some(left)
    }

    fn operator(&mut self, name: &str) -> bool {
        let found = match self.tokens.first() {
            Some(Token::Sign(sign)) => *sign == name,
            Some(Token::Name(word)) => word == name,
            _ => false,
        };
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn unary(&mut self) -> Option<Expr> {
        if self.operator("-") {
            return Some(Expr::Minus(Box::new(self.path()?)));
        }
        self.path()
    }

    fn path(&mut self) -> Option<Expr> {
        match self.tokens {
            [Token::Sign("/"), ..] => {
                self.tokens = &self.tokens[1..];
                let steps = if self.begins_step() {
                    self.steps()?
                } else {
                    Vec::new()
                };
                Some(Expr::Path(Start::Root, steps))
            }
            [Token::Sign("//"), ..] => {
                self.tokens = &self.tokens[1..];
                let mut steps = vec![anything_below()];
                steps.extend(self.steps()?);
                Some(Expr::Path(Start::Root, steps))
            }
            [Token::Name(name), Token::Sign("("), ..] if !matches!(name.as_str(), "text" | "node") => {
                self.filtered()
            }
            [Token::Text(_) | Token::Number(_) | Token::Sign("("), ..] => self.filtered(),
            _ => Some(Expr::Path(Start::Here, self.steps()?)),
        }
    }

    /// Something in parentheses, a call or a literal, with predicates and steps behind it.
    fn filtered(&mut self) -> Option<Expr> {
        let (first, behind) = self.tokens.split_first()?;
        self.tokens = behind;
        let expr = match first {
            Token::Text(text) => Expr::Text(text.clone()),
            Token::Number(number) => Expr::Number(*number),
            Token::Sign("(") => {
                let inner = self.level(0)?;
                if !self.operator(")") {
                    return None;
                }
                inner
            }
            Token::Name(name) => self.call(name)?,
            Token::Sign(_) => return None,
        };
        let predicates = self.predicates()?;
        let steps = match self.tokens.first() {
            Some(Token::Sign("/")) => {
                self.tokens = &self.tokens[1..];
                self.steps()?
            }
            Some(Token::Sign("//")) => {
                self.tokens = &self.tokens[1..];
                let mut steps = vec![anything_below()];
                steps.extend(self.steps()?);
                steps
            }
            _ => Vec::new(),
        };
        if predicates.is_empty() && steps.is_empty() {
            return Some(expr);
        }
        Some(Expr::Path(Start::At(Box::new(expr), predicates), steps))
    }

    fn call(&mut self, name: &str) -> Option<Expr> {
        let mut arguments = Vec::new();
        if !self.operator("(") {
            return None;
        }
        if !self.operator(")") {
            loop {
                arguments.push(self.level(0)?);
                if self.operator(")") {
                    break;
                }
                if !self.operator(",") {
                    return None;
                }
            }
        }
        let (name, (fewest, most)) = FUNCTIONS.iter().find(|(found, _)| *found == name)?;
        (*fewest..=*most)
            .contains(&arguments.len())
            .then_some(Expr::Call(name, arguments))
    }

    fn steps(&mut self) -> Option<Vec<Step>> {
        let mut steps = vec![self.step()?];
        loop {
            if self.operator("/") {
                steps.push(self.step()?);
            } else if self.operator("//") {
                steps.push(anything_below());
                steps.push(self.step()?);
            } else {
                return Some(steps);
            }
        }
    }

    fn begins_step(&self) -> bool {
        matches!(
            self.tokens.first(),
            Some(Token::Name(_) | Token::Sign("." | ".." | "@" | "*"))
        )
    }

    fn step(&mut self) -> Option<Step> {
        let plain = |axis| Step {
            axis,
            test: Test::Anything,
            predicates: Vec::new(),
        };
        if self.operator("..") {
            return Some(plain(Axis::Parent));
        }
        if self.operator(".") {
            return Some(plain(Axis::Itself));
        }
        let mut axis = Axis::Child;
        if self.operator("@") {
            axis = Axis::Attribute;
        } else if let [Token::Name(name), Token::Sign("::"), ..] = self.tokens {
            axis = AXES.iter().find(|(found, _)| found == name)?.1;
            self.tokens = &self.tokens[2..];
        }
        let test = match self.tokens {
            [Token::Sign("*"), ..] => Test::Named,
            [Token::Name(name), Token::Sign("("), Token::Sign(")"), ..] => {
                let test = match name.as_str() {
                    "text" => Test::Text,
                    "node" => Test::Anything,
                    _ => return None,
                };
                self.tokens = &self.tokens[2..];
                test
            }
            [Token::Name(name), ..] => Test::Name(name.clone()),
            _ => return None,
        };
        self.tokens = &self.tokens[1..];
        Some(Step {
            axis,
            test,
            predicates: self.predicates()?,
        })
    }

    fn predicates(&mut self) -> Option<Vec<Expr>> {
        let mut predicates = Vec::new();
        while self.operator("[") {
            predicates.push(self.level(0)?);
            if !self.operator("]") {
                return None;
            }
        }
        Some(predicates)
    }
}

/// What `//` stands for.
fn anything_below() -> Step {
    Step {
        axis: Axis::DescendantOrSelf,
        test: Test::Anything,
        predicates: Vec::new(),
    }
}

const AXES: &[(&str, Axis)] = &[
    ("child", Axis::Child),
    ("descendant", Axis::Descendant),
    ("descendant-or-self", Axis::DescendantOrSelf),
    ("parent", Axis::Parent),
    ("ancestor", Axis::Ancestor),
    ("ancestor-or-self", Axis::AncestorOrSelf),
    ("following-sibling", Axis::FollowingSibling),
    ("preceding-sibling", Axis::PrecedingSibling),
    ("attribute", Axis::Attribute),
    ("self", Axis::Itself),
];
/// Names, with the fewest and the most arguments.
const FUNCTIONS: &[(&str, (usize, usize))] = &[
    ("last", (0, 0)),
    ("position", (0, 0)),
    ("count", (1, 1)),
    ("name", (0, 1)),
    ("local-name", (0, 1)),
    ("string", (0, 1)),
    ("concat", (2, 64)),
    ("starts-with", (2, 2)),
    ("contains", (2, 2)),
    ("substring-before", (2, 2)),
    ("substring-after", (2, 2)),
    ("substring", (2, 3)),
    ("string-length", (0, 1)),
    ("normalize-space", (0, 1)),
    ("translate", (3, 3)),
    ("boolean", (1, 1)),
    ("not", (1, 1)),
    ("true", (0, 0)),
    ("false", (0, 0)),
    ("number", (0, 1)),
    ("sum", (1, 1)),
    ("floor", (1, 1)),
    ("ceiling", (1, 1)),
    ("round", (1, 1)),
];
/// Longer ones first.
const SIGNS: &[&str] = &[
    "//", "..", "::", "!=", "<=", ">=", "/", ".", "@", "*", "(", ")", "[", "]", ",", "|", "=", "<", ">", "+",
    "-",
];
/// Operators from those that bind least to those that bind most.
const LEVELS: &[&[&str]] = &[
    &["or"],
    &["and"],
    &["=", "!="],
    &["<=", ">=", "<", ">"],
    &["+", "-"],
    &["*", "div", "mod"],
    &["|"],
];
const LENGTH_LIMIT: usize = 1024;
const DEPTH_LIMIT: usize = 160;
