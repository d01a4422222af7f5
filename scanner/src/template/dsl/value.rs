//! What expressions compute with: numbers, texts of any bytes, truth values, lists of texts.

use std::sync::Arc;

/// A text of any bytes; bodies are shared, not copied.
pub type Text = Arc<[u8]>;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// All numbers are of this kind, as in the language's own interpreter.
    Number(f64),
    /// Text.
    Text(Text),
    /// True or false.
    Truth(bool),
    /// Several texts.
    List(Vec<Text>),
}

impl Value {
    /// A text.
    pub fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// As text, the way in which it is put into a request.
    pub fn to_text(&self) -> Text {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => shown(*number).into_bytes().into(),
            Self::Truth(true) => b"true".as_slice().into(),
            Self::Truth(false) => b"false".as_slice().into(),
            Self::List(items) => {
                let mut text = b"[".to_vec();
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        text.push(b' ');
                    }
                    text.extend_from_slice(item);
                }
                text.push(b']');
                text.into()
            }
        }
    }

    /// As a whole number, if it is one or is written as one.
    pub fn to_whole(&self) -> Option<i64> {
        match self {
            Self::Number(number) => whole(*number),
            Self::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
            Self::Truth(_) | Self::List(_) => None,
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into_bytes().into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(text: Vec<u8>) -> Self {
        Self::Text(text.into())
    }
}

/// The number without its fraction, if it lies where whole numbers are exact.
pub fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
    (number.abs() < EXACT).then_some(number as i64)
}

/// A count as a number.
pub fn number(count: usize) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "texts are far shorter than 2^52 bytes")]
    Value::Number(count as f64)
}

/// Numbers without a fraction are shown without a point.
fn shown(number: f64) -> String {
    format!("{number}")
}

/// 2^53: beyond it not every whole number has a place.
const EXACT: f64 = 9_007_199_254_740_992.0;
