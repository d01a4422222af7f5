//! What our script says of a page: its text, where it is, what there is to press. The page shares its process with
//! that script and may lie. Pure.

use serde::Deserialize;
use serde_json::Value;

use super::press::Button;

/// A page as it is now.
#[derive(Debug, Deserialize)]
pub(super) struct Sight {
    /// Whether what was to be pressed was there.
    pub(super) found: bool,
    /// Where it is.
    pub(super) url: String,
    /// Its text, forms taken apart; none where it is as it was.
    pub(super) text: Option<String>,
    /// Views of itself that it links to by their fragments.
    pub(super) views: Vec<String>,
    /// What can be pressed.
    pub(super) buttons: Vec<Button>,
}

impl Sight {
    /// Reads what the script says.
    pub(super) fn read(value: Value) -> Option<Self> {
        let mut sight: Self = serde_json::from_value(value).ok()?;
        sight.views.truncate(VIEWS);
        sight.buttons.truncate(BUTTONS);
        Some(sight)
    }
}

/// Reads what a page says of itself.
pub fn read_alone(message: &[u8]) {
    if let Ok(value) = serde_json::from_slice(message) {
        Sight::read(value);
    }
}

const VIEWS: usize = 200;
const BUTTONS: usize = 300;
