//! The documented line on the serial console, read the way anybody outside would read it.

use std::net::IpAddr;

/// `vedette state=… reason=… address=… code=… fingerprint=… owner=…`, where `-` stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusLine {
    pub state: String,
    pub reason: Option<String>,
    pub address: Option<IpAddr>,
    pub code: Option<String>,
    pub fingerprint: Option<String>,
    pub owner: Option<String>,
}

impl StatusLine {
    /// Reads a console line, if it is one.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("vedette ")?.split(' ');
        let mut value = |key: &str| {
            let value = words.next()?.strip_prefix(key)?.strip_prefix('=')?;
            Some((value != "-").then(|| value.to_owned()))
        };
        let status = Self {
            state: value("state")??,
            reason: value("reason")?,
            address: match value("address")? {
                Some(address) => Some(address.parse().ok()?),
                None => None,
            },
            code: value("code")?,
            fingerprint: value("fingerprint")?,
            owner: value("owner")?,
        };
        words.next().is_none().then_some(status)
    }
}

#[cfg(test)]
mod tests {
    use vedette_protocol::status::{State, Status};

    use super::*;

    #[test]
    fn what_the_console_prints_is_what_is_read() {
        let status = Status::new(State::Activating)
            .at("198.18.0.100".parse().ok())
            .code("BCDF-GHJK");
        let line = StatusLine::parse(&status.to_string()).unwrap();
        assert_eq!(line.state, "activating");
        assert_eq!(line.reason, None);
        assert_eq!(line.address, "198.18.0.100".parse().ok());
        assert_eq!(line.code.as_deref(), Some("BCDF-GHJK"));
    }

    #[test]
    fn other_lines_are_no_status() {
        for line in [
            "",
            "vedette",
            "vedette state=",
            "[ 0.1] vedette state=serving",
            "vedette state=- reason=-",
        ] {
            assert_eq!(StatusLine::parse(line), None, "{line}");
        }
    }
}
