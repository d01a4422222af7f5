//! A line of the copy: RFC 5424 within a frame of RFC 5425, and JSON within that.
//!
//! Pure. The JSON is ASCII, whatever a message holds, so that it is one line to every collector, and needs no byte order
//! mark (RFC 5424, section 6.4).

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};
use vedette_protocol::{
    ApplianceId, BootId, VerifyError,
    copy::{Copied, Remark},
    keeper::Exchange,
    link::{BootRequest, ConfirmRequest, EventsRequest, KeysRequest, PollRequest, Request, TimeRequest},
};

use super::queue::{Line, What};

/// Who says it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Origin {
    pub(super) appliance: Option<ApplianceId>,
    pub(super) boot: Option<BootId>,
}

/// A message as JSON; none of an activation, which is not copied.
pub(super) fn json(exchange: Exchange, body: &[u8]) -> Result<Option<Vec<u8>>, VerifyError> {
    Ok(Some(match exchange {
        Exchange::Activate => return Ok(None),
        Exchange::Time => text(&Copied::of_time(body)?),
        Exchange::Boot => text(&Copied::<BootRequest>::of(BootRequest::PATH, body)?),
        Exchange::Confirm => text(&Copied::<ConfirmRequest>::of(ConfirmRequest::PATH, body)?),
        Exchange::Keys => text(&Copied::<KeysRequest>::of(KeysRequest::PATH, body)?),
        Exchange::Poll => text(&Copied::<PollRequest>::of(PollRequest::PATH, body)?),
        Exchange::Events => text(&Copied::<EventsRequest>::of(EventsRequest::PATH, body)?),
    }))
}

/// Something as JSON, in ASCII and without a line's end.
///
/// # Panics
/// Never for the protocol's types: they have no map with other keys than text.
pub(super) fn text(value: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut text, Ascii))
        .expect("plain data is written to memory");
    text
}

/// The frame of a line: its length in octets, a space, and the message (RFC 5425, section 4.3).
pub(super) fn frame(origin: &Origin, line: &Line) -> Vec<u8> {
    let (severity, kind, json) = match &line.what {
        What::Message { exchange, json } => (INFORMATIONAL, path(*exchange), json.clone()),
        What::Remark(remark) => {
            let (severity, kind) = match remark {
                Remark::Begin { .. } => (NOTICE, "begin"),
                Remark::Gap { .. } => (WARNING, "gap"),
                Remark::End { .. } => (NOTICE, "end"),
            };
            (severity, kind, text(remark))
        }
    };
    let nobody = || "-".to_owned();
    let mut message = format!(
        "<{}>1 {} {} vedette {} {kind} [origin software=\"vedetted\" swVersion=\"{}\"][meta sequenceId=\"{}\"] ",
        LOG_AUDIT * 8 + severity,
        line.at,
        origin.appliance.map_or_else(nobody, |appliance| appliance.to_string()),
        origin.boot.map_or_else(nobody, |boot| boot.to_string()),
        env!("CARGO_PKG_VERSION"),
        // From 1 to 2^31 - 1, and then from 1 again (RFC 5424, section 7.3.1).
        (line.number - 1) % SEQUENCE_LIMIT + 1,
    )
    .into_bytes();
    message.extend_from_slice(&json);
    let mut frame = format!("{} ", message.len()).into_bytes();
    frame.append(&mut message);
    frame
}

fn path(exchange: Exchange) -> &'static str {
    match exchange {
        Exchange::Time => TimeRequest::PATH,
        Exchange::Activate => "-",
        Exchange::Boot => BootRequest::PATH,
        Exchange::Confirm => ConfirmRequest::PATH,
        Exchange::Poll => PollRequest::PATH,
        Exchange::Events => EventsRequest::PATH,
        Exchange::Keys => KeysRequest::PATH,
    }
}

/// Writes no character but those of ASCII.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        for character in fragment.chars() {
            if character.is_ascii() && character != '\u{7f}' {
                write!(to, "{character}")?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(to, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, to: &mut W, escape: CharEscape) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(to, escape)
    }
}

/// Facility 13 of RFC 5424, section 6.2.1.
const LOG_AUDIT: u8 = 13;

// Severities of the same section.
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const INFORMATIONAL: u8 = 6;

const SEQUENCE_LIMIT: u64 = (1 << 31) - 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vedette_protocol::{Timestamp, copy::Delivery};

    use super::*;

    #[test]
    fn a_frame_is_counted_and_says_who_when_and_what() {
        let origin = Origin {
            appliance: Some(ApplianceId([0xab; 16])),
            boot: None,
        };
        let line = Line {
            number: 1 << 31,
            at: Timestamp(1_795_338_000),
            what: What::Remark(Remark::Begin {
                order: 7,
                delivery: Delivery::BestEffort,
            }),
        };
        let frame = String::from_utf8(frame(&origin, &line)).unwrap();
        let (length, message) = frame.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), message.len());
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            message,
            format!(
                "<109>1 2026-11-22T09:00:00Z abababababababababababababababab vedette - begin \
                 [origin software=\"vedetted\" swVersion=\"{version}\"][meta sequenceId=\"1\"] \
                 {{\"copy\":\"begin\",\"order\":7,\"delivery\":\"best-effort\"}}"
            )
        );
    }

    #[test]
    fn bytes_that_are_no_message_are_an_error_and_an_activation_is_not_written_down() {
        for exchange in [
            Exchange::Time,
            Exchange::Boot,
            Exchange::Poll,
            Exchange::Events,
            Exchange::Keys,
        ] {
            assert!(json(exchange, &[0xff; 40]).is_err(), "{exchange:?}");
        }
        assert_eq!(json(Exchange::Activate, b"a token").unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_one_line_of_ascii_and_is_read_back(said in any::<String>()) {
            let written = text(&said);
            prop_assert!(written.iter().all(|byte| (0x20..0x7f).contains(byte)), "{written:?}");
            prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), said);
        }
    }
}
