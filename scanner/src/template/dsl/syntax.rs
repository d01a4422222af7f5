//! The expression language's syntax: text becomes a tree, within bounds on length and depth.
//!
//! It is the language of Knetic's govaluate, which templates are written in: a backslash in a text takes the
//! next character literally, a name may stand in brackets, the operators bind as listed in [`LEVELS`].

use std::{iter::Peekable, str::Chars};

use super::value::Value;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A number, text or truth value.
    Literal(Value),
    /// A name.
    Name(String),
    /// A call of a function.
    Call(String, Vec<Self>),
    /// `!`, `-` or `~` before something.
    Prefix(Prefix, Box<Self>),
    /// Two things and an operator between them.
    Infix(Infix, Box<Self>, Box<Self>),
    /// `condition ? then : otherwise`.
    Choice(Box<Self>, Box<Self>, Box<Self>),
    /// `(a, b, c)`, to look something up in.
    Several(Vec<Self>),
}

/// Operators before one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// `!`
    Not,
    /// `-`
    Minus,
    /// `~`
    Invert,
}

/// Operators between two things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Infix {
    /// `??`
    Else,
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
    /// `in`
    In,
    /// `&`
    BitAnd,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `<<`
    Left,
    /// `>>`
    Right,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Over,
    /// `%`
    Modulo,
    /// `**`
    Power,
}

/// Why text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// It is too long or too deep.
    #[error("the expression is longer than {LENGTH_LIMIT} bytes or deeper than {DEPTH_LIMIT} levels")]
    TooLarge,
    /// It ends too early.
    #[error("the expression ends in the middle")]
    Unfinished,
    /// Something stands where it cannot.
    #[error("{0:?} cannot stand where it does in the expression")]
    Misplaced(String),
}

/// Reads an expression.
///
/// # Errors
/// When it is none.
pub fn parse(text: &str) -> Result<Expr, SyntaxError> {
    if text.len() > LENGTH_LIMIT {
        return Err(SyntaxError::TooLarge);
    }
    let mut parser = Parser {
        tokens: tokens(text)?.into_iter().peekable(),
        depth: 0,
        operators: 0,
    };
    let expr = parser.choice()?;
    match parser.tokens.next() {
        None => Ok(expr),
        Some(token) => Err(misplaced(&token)),
    }
}

impl Expr {
    /// Calls `see` with this expression and everything in it.
    pub fn walk(&self, see: &mut dyn FnMut(&Self)) {
        see(self);
        match self {
            Self::Literal(_) | Self::Name(_) => {}
            Self::Call(_, inner) | Self::Several(inner) => inner.iter().for_each(|expr| expr.walk(see)),
            Self::Prefix(_, inner) => inner.walk(see),
            Self::Infix(_, left, right) => {
                left.walk(see);
                right.walk(see);
            }
            Self::Choice(condition, then, otherwise) => {
                condition.walk(see);
                then.walk(see);
                otherwise.walk(see);
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Literal(Value),
    Name(String),
    Sign(&'static str),
}

fn tokens(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut rest = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(&next) = rest.peek() {
        match next {
            c if c.is_whitespace() => drop(rest.next()),
            '"' | '\'' => {
                rest.next();
                tokens.push(Token::Literal(Value::from(quoted(&mut rest, next)?)));
            }
            '[' => {
                rest.next();
                tokens.push(Token::Name(quoted(&mut rest, ']')?));
            }
            c if c.is_ascii_digit() => tokens.push(Token::Literal(Value::Number(number(&mut rest)?))),
            c if c.is_alphabetic() || c == '_' => tokens.push(word(&mut rest)),
            _ => tokens.push(sign(&mut rest)?),
        }
    }
    Ok(tokens)
}

fn quoted(rest: &mut Peekable<Chars<'_>>, end: char) -> Result<String, SyntaxError> {
    let mut text = String::new();
    while let Some(next) = rest.next() {
        match next {
            '\\' => text.push(rest.next().ok_or(SyntaxError::Unfinished)?),
            c if c == end => return Ok(text),
            c => text.push(c),
        }
    }
    Err(SyntaxError::Unfinished)
}

fn number(rest: &mut Peekable<Chars<'_>>) -> Result<f64, SyntaxError> {
    let mut text = String::new();
    while let Some(next) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '.') {
        text.push(next);
    }
    let wrong = || SyntaxError::Misplaced(text.chars().take(32).collect());
    match text.strip_prefix("0x") {
        Some(hex) => {
            let number = u32::from_str_radix(hex, 16).map_err(|_| wrong())?;
            Ok(f64::from(number))
        }
        None => text.parse().map_err(|_| wrong()),
    }
}

fn word(rest: &mut Peekable<Chars<'_>>) -> Token {
    let mut text = String::new();
    while let Some(next) = rest.next_if(|c| c.is_alphanumeric() || *c == '_' || *c == '.') {
        text.push(next);
    }
    match text.as_str() {
        "true" => Token::Literal(Value::Truth(true)),
        "false" => Token::Literal(Value::Truth(false)),
        "in" | "IN" => Token::Sign("in"),
        _ => Token::Name(text),
    }
}

fn sign(rest: &mut Peekable<Chars<'_>>) -> Result<Token, SyntaxError> {
    let ahead: String = rest.clone().take(2).collect();
    let found = SIGNS
        .iter()
        .find(|sign| ahead.starts_with(**sign))
        .ok_or_else(|| SyntaxError::Misplaced(ahead.chars().take(1).collect()))?;
    for _ in found.chars() {
        rest.next();
    }
    Ok(Token::Sign(found))
}

struct Parser {
    tokens: Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
    operators: usize,
}

impl Parser {
    fn choice(&mut self) -> Result<Expr, SyntaxError> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(SyntaxError::TooLarge);
        }
        let condition = self.infix(0)?;
        let expr = if self.next_is("?") {
            let then = self.choice()?;
            self.demand(":")?;
            let otherwise = self.choice()?;
            Expr::Choice(Box::new(condition), Box::new(then), Box::new(otherwise))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn infix(&mut self, level: usize) -> Result<Expr, SyntaxError> {
        let Some(operators) = LEVELS.get(level) else {
            return self.prefix();
        };
        let mut left = self.infix(level + 1)?;
        while let Some(operator) = self.next_of(operators) {
            // A long row is a deep tree.
            self.operators += 1;
            if self.operators > OPERATORS_LIMIT {
                return Err(SyntaxError::TooLarge);
            }
            let right = self.infix(level + 1)?;
            left = Expr::Infix(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Expr, SyntaxError> {
        let prefix = match self.tokens.peek() {
            Some(Token::Sign("!")) => Prefix::Not,
            Some(Token::Sign("-")) => Prefix::Minus,
            Some(Token::Sign("~")) => Prefix::Invert,
            _ => return self.value(),
        };
        self.tokens.next();
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(SyntaxError::TooLarge);
        }
        let inner = self.prefix()?;
        self.depth -= 1;
        Ok(Expr::Prefix(prefix, Box::new(inner)))
    }

    fn value(&mut self) -> Result<Expr, SyntaxError> {
        match self.tokens.next().ok_or(SyntaxError::Unfinished)? {
            Token::Literal(value) => Ok(Expr::Literal(value)),
            Token::Name(name) if self.next_is("(") => Ok(Expr::Call(name, self.list()?)),
            Token::Name(name) => Ok(Expr::Name(name)),
            Token::Sign("(") => {
                let mut inner = self.list()?;
                match inner.pop() {
                    Some(only) if inner.is_empty() => Ok(only),
                    Some(last) => {
                        inner.push(last);
                        Ok(Expr::Several(inner))
                    }
                    None => Err(SyntaxError::Misplaced(")".to_owned())),
                }
            }
            token @ Token::Sign(_) => Err(misplaced(&token)),
        }
    }

    /// What stands between parentheses, whose first was read.
    fn list(&mut self) -> Result<Vec<Expr>, SyntaxError> {
        let mut list = Vec::new();
        if self.next_is(")") {
            return Ok(list);
        }
        loop {
            list.push(self.choice()?);
            if self.next_is(")") {
                return Ok(list);
            }
            self.demand(",")?;
        }
    }

    fn next_is(&mut self, sign: &str) -> bool {
        self.tokens
            .next_if(|token| matches!(token, Token::Sign(found) if *found == sign))
            .is_some()
    }

    fn next_of(&mut self, operators: &[(&str, Infix)]) -> Option<Infix> {
        let Some(Token::Sign(sign)) = self.tokens.peek() else {
            return None;
        };
        let (_, infix) = operators.iter().find(|(found, _)| found == sign)?;
        self.tokens.next();
        Some(*infix)
    }

    fn demand(&mut self, sign: &str) -> Result<(), SyntaxError> {
        match self.tokens.next() {
            Some(Token::Sign(found)) if found == sign => Ok(()),
            Some(token) => Err(misplaced(&token)),
            None => Err(SyntaxError::Unfinished),
        }
    }
}

fn misplaced(token: &Token) -> SyntaxError {
    SyntaxError::Misplaced(match token {
        Token::Sign(sign) => (*sign).to_owned(),
        Token::Name(name) => name.chars().take(64).collect(),
        Token::Literal(value) => String::from_utf8_lossy(&value.to_text())
            .chars()
            .take(64)
            .collect(),
    })
}

/// Longer ones first.
const SIGNS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "=~", "!~", "<<", ">>", "**", "??", "(", ")", ",", "?", ":", "!",
    "<", ">", "&", "|", "^", "+", "-", "*", "/", "%", "~",
];

/// Operators from those that bind least to those that bind most.
const LEVELS: &[&[(&str, Infix)]] = &[
    &[("??", Infix::Else)],
    &[("||", Infix::Or)],
    &[("&&", Infix::And)],
    &[
        ("==", Infix::Equal),
        ("!=", Infix::Unequal),
        ("<", Infix::Less),
        ("<=", Infix::AtMost),
        (">", Infix::Greater),
        (">=", Infix::AtLeast),
        ("=~", Infix::Matches),
        ("!~", Infix::MatchesNot),
        ("in", Infix::In),
    ],
    &[("&", Infix::BitAnd), ("|", Infix::BitOr), ("^", Infix::BitXor)],
    &[("<<", Infix::Left), (">>", Infix::Right)],
    &[("+", Infix::Plus), ("-", Infix::Minus)],
    &[("*", Infix::Times), ("/", Infix::Over), ("%", Infix::Modulo)],
    &[("**", Infix::Power)],
];
const LENGTH_LIMIT: usize = 128 * 1024;
const DEPTH_LIMIT: usize = 48;
const OPERATORS_LIMIT: usize = 600;
