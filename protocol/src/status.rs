//! The status of an appliance, for people: what the console draws and the serial line says.
//!
//! One line for each change: `vedette state=… reason=… address=… code=… fingerprint=… owner=…`. A value without
//! content is `-`; spaces in a reason are `_`. Control characters never appear.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

/// Where vedetted keeps it, replaced by rename.
pub const STATUS_PATH: &str = "/run/vedette/link/status";

/// The longest record that is read, in bytes.
pub const STATUS_LIMIT: usize = 4096;

const REASON_LIMIT: usize = 200;

/// Where the boot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for the network.
    Sealed,
    /// Has an address.
    Online,
    /// Waits for activation; shows the code.
    Activating,
    /// Belongs to an account.
    Activated,
    /// The platform knows it.
    Authenticated,
    /// The workspace is open.
    Unlocked,
    /// Waits for work or does it.
    Serving,
    /// The platform refused it; nothing is open.
    Refused,
}

/// The status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Where the boot stands.
    pub state: State,
    /// Why it does not go on, if it does not.
    reason: Option<String>,
    /// The appliance's address.
    pub address: Option<IpAddr>,
    /// The device code to type into the account.
    code: Option<String>,
    /// The identity key's fingerprint.
    fingerprint: Option<String>,
    /// The fingerprint of the owner key that is pinned.
    #[serde(default)]
    owner: Option<String>,
}

impl Status {
    /// A status with nothing but its state.
    pub fn new(state: State) -> Self {
        Self {
            state,
            reason: None,
            address: None,
            code: None,
            fingerprint: None,
            owner: None,
        }
    }

    /// Says why it does not go on.
    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        Self {
            reason: Some(plain(reason)),
            ..self
        }
    }

    /// Shows an address.
    #[must_use]
    pub fn at(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// Shows a device code.
    #[must_use]
    pub fn code(self, code: &str) -> Self {
        Self {
            code: Some(plain(code)),
            ..self
        }
    }

    /// Shows a fingerprint.
    #[must_use]
    pub fn fingerprint(self, fingerprint: &str) -> Self {
        Self {
            fingerprint: Some(plain(fingerprint)),
            ..self
        }
    }

    /// Shows the fingerprint of the owner key.
    #[must_use]
    pub fn owner(self, owner: &str) -> Self {
        Self {
            owner: Some(plain(owner)),
            ..self
        }
    }

    /// Reason, code, fingerprint and owner, for the console's drawing.
    pub fn texts(&self) -> [Option<&str>; 4] {
        [
            self.reason.as_deref(),
            self.code.as_deref(),
            self.fingerprint.as_deref(),
            self.owner.as_deref(),
        ]
    }

    /// Reads a record: bounded, and cleaned again, since another process wrote it.
    ///
    /// # Errors
    /// When it is no status.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let bounded = bytes.get(..STATUS_LIMIT).unwrap_or(bytes);
        let raw: Self = serde_json::from_slice(bounded)?;
        let clean = |text: Option<String>| text.as_deref().map(plain);
        Ok(Self {
            reason: clean(raw.reason),
            code: clean(raw.code),
            fingerprint: clean(raw.fingerprint),
            owner: clean(raw.owner),
            ..raw
        })
    }

    /// The record.
    ///
    /// # Panics
    /// Never: it is plain data.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a status is plain data")
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sealed => "sealed",
            Self::Online => "online",
            Self::Activating => "activating",
            Self::Activated => "activated",
            Self::Authenticated => "authenticated",
            Self::Unlocked => "unlocked",
            Self::Serving => "serving",
            Self::Refused => "refused",
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |text: &Option<String>| text.as_deref().unwrap_or("-").replace(' ', "_");
        let address = self
            .address
            .map_or_else(|| "-".to_owned(), |address| address.to_string());
        write!(
            f,
            "vedette state={} reason={} address={address} code={} fingerprint={} owner={}",
            self.state,
            word(&self.reason),
            word(&self.code),
            word(&self.fingerprint),
            word(&self.owner)
        )
    }
}

/// Printable ASCII, bounded.
fn plain(text: &str) -> String {
    let shown = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    text.chars().take(REASON_LIMIT).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_as_documented() {
        let status = Status::new(State::Refused)
            .because("expired root")
            .at("192.0.2.7".parse().ok());
        assert_eq!(
            status.to_string(),
            "vedette state=refused reason=expired_root address=192.0.2.7 code=- fingerprint=- owner=-"
        );
        assert_eq!(Status::from_json(&status.to_json()).unwrap(), status);
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        let text = r#"{"state":"serving","reason":"\u001b[2J\nroot:","address":null,"code":null,"fingerprint":null}"#;
        assert!(
            Status::from_json(text.as_bytes())
                .unwrap()
                .to_string()
                .contains("?[2J?root:")
        );
    }
}
