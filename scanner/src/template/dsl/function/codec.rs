//! Functions that write texts in other ways and back.

use std::io::{self, Cursor, Read, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{
    Compression,
    read::{DeflateDecoder, GzDecoder, ZlibDecoder},
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};

use super::{Function, MANY, Value, row, string, text};
use crate::{
    template::{dsl::LARGEST, hex},
    web::html,
};

pub(super) const FUNCTIONS: &[Function] = &[
    row("base64", (1, 1), |_, a| Some(STANDARD.encode(text(a, 0)?).into())),
    row("base64_decode", (1, 1), |_, a| {
        Some(STANDARD.decode(text(a, 0)?).ok()?.into())
    }),
    // Python ends lines after 76 characters, the last one too.
    row("base64_py", (1, 1), |_, a| {
        let whole = STANDARD.encode(text(a, 0)?);
        let mut lines = String::with_capacity(whole.len() + whole.len() / 76 + 1);
        let mut rest = whole.as_str();
        while !rest.is_empty() {
            let (line, behind) = rest.split_at(rest.len().min(76));
            lines.push_str(line);
            lines.push('\n');
            rest = behind;
        }
        Some(lines.into())
    }),
    row("hex_encode", (1, 1), |_, a| {
        Some(hex::encode(&text(a, 0)?).into())
    }),
    row("hex_decode", (1, 1), |_, a| {
        Some(hex::decode(&string(a, 0)?)?.into())
    }),
    row("url_encode", (1, 1), |_, a| {
        Some(url_encoded(&text(a, 0)?).into())
    }),
    row("url_decode", (1, 1), |_, a| {
        url_decoded(&text(a, 0)?).map(Value::from)
    }),
    row("html_escape", (1, 1), |_, a| {
        let escaped = string(a, 0)?
            .replace('&', "&amp;")
            .replace('\'', "&#39;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&#34;");
        Some(escaped.into())
    }),
    row("html_unescape", (1, 1), |_, a| {
        Some(html_unescaped(&string(a, 0)?).into())
    }),
    row("gzip", (1, 1), |_, a| {
        written(
            GzEncoder::new(Vec::new(), Compression::default()),
            &text(a, 0)?,
            GzEncoder::finish,
        )
    }),
    row("gzip_decode", (1, 1), |_, a| {
        bounded(GzDecoder::new(&*text(a, 0)?))
    }),
    row("zlib", (1, 1), |_, a| {
        written(
            ZlibEncoder::new(Vec::new(), Compression::default()),
            &text(a, 0)?,
            ZlibEncoder::finish,
        )
    }),
    row("zlib_decode", (1, 1), |_, a| {
        bounded(ZlibDecoder::new(&*text(a, 0)?))
    }),
    row("deflate", (1, 1), |_, a| {
        written(
            DeflateEncoder::new(Vec::new(), Compression::default()),
            &text(a, 0)?,
            DeflateEncoder::finish,
        )
    }),
    row("inflate", (1, 1), |_, a| {
        bounded(DeflateDecoder::new(&*text(a, 0)?))
    }),
    row("xor", (2, MANY), |_, a| {
        let mut sum = text(a, 0)?.to_vec();
        for value in &a[1..] {
            let other = value.to_text();
            if other.len() != sum.len() {
                return None;
            }
            for (byte, other) in sum.iter_mut().zip(&*other) {
                *byte ^= other;
            }
        }
        Some(sum.into())
    }),
    row("zip", (2, MANY), |_, a| archive(a)),
    row("unpack", (2, 2), |_, a| unpacked(&string(a, 0)?, &text(a, 1)?)),
];

/// As in a query (URL Standard's form encoding, as Go does it): a space becomes a plus.
fn url_encoded(text: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(*byte))
            }
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

fn url_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [*rest.next()?, *rest.next()?];
                *hex::decode(std::str::from_utf8(&digits).ok()?)?.first()?
            }
            b'+' => b' ',
            other => *other,
        });
    }
    Some(decoded)
}

/// The browser's own parser knows all the names.
fn html_unescaped(text: &str) -> String {
    let mut unescaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        unescaped.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(';').filter(|end| *end < 34).map_or(1, |end| end + 1);
        let (reference, behind) = rest.split_at(end);
        let page = html::parse(reference.as_bytes());
        match page.texts().next() {
            Some(read) if end > 1 && !reference.contains('<') => unescaped.push_str(read),
            _ => unescaped.push_str(reference),
        }
        rest = behind;
    }
    unescaped.push_str(rest);
    unescaped
}

fn written<W: Write>(mut encoder: W, text: &[u8], finish: fn(W) -> io::Result<Vec<u8>>) -> Option<Value> {
    encoder.write_all(text).ok()?;
    Some(finish(encoder).ok()?.into())
}

fn bounded(decoder: impl Read) -> Option<Value> {
    let mut decoded = Vec::new();
    decoder.take(LARGEST as u64 + 1).read_to_end(&mut decoded).ok()?;
    (decoded.len() <= LARGEST).then(|| decoded.into())
}

/// An archive of stored files (PKWARE's APPNOTE, sections 4.3.7 and 4.3.12).
fn archive(a: &[Value]) -> Option<Value> {
    if !a.len().is_multiple_of(2) {
        return None;
    }
    let (mut files, mut directory) = (Vec::new(), Vec::new());
    let mut entries = 0_u16;
    for pair in a.chunks(2) {
        let (name, content) = (pair[0].to_text(), pair[1].to_text());
        let mut crc = flate2::Crc::new();
        crc.update(&content);
        let length = u32::try_from(content.len()).ok()?.to_le_bytes();
        let start = u32::try_from(files.len()).ok()?;
        // Version 2.0, no flags, stored, 1980-01-01 00:00.
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend_from_slice(&crc.sum().to_le_bytes());
        common.extend_from_slice(&length);
        common.extend_from_slice(&length);
        common.extend_from_slice(&u16::try_from(name.len()).ok()?.to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        files.extend_from_slice(b"PK\x03\x04");
        files.extend_from_slice(&common);
        files.extend_from_slice(&name);
        files.extend_from_slice(&content);
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&start.to_le_bytes());
        directory.extend_from_slice(&name);
        entries += 1;
    }
    let (start, length) = (
        u32::try_from(files.len()).ok()?,
        u32::try_from(directory.len()).ok()?,
    );
    files.append(&mut directory);
    files.extend_from_slice(b"PK\x05\x06\x00\x00\x00\x00");
    files.extend_from_slice(&entries.to_le_bytes());
    files.extend_from_slice(&entries.to_le_bytes());
    files.extend_from_slice(&length.to_le_bytes());
    files.extend_from_slice(&start.to_le_bytes());
    files.extend_from_slice(&[0, 0]);
    (files.len() <= LARGEST).then(|| files.into())
}

/// One number by Python's `struct` format: an order of bytes and a letter.
fn unpacked(format: &str, bytes: &[u8]) -> Option<Value> {
    let (little, letter) = match format.as_bytes() {
        [b'>' | b'!', letter] => (false, *letter),
        [b'<' | b'=' | b'@', letter] | [letter] => (true, *letter),
        _ => return None,
    };
    let width = match letter {
        b'b' | b'B' | b'?' => 1,
        b'h' | b'H' => 2,
        b'i' | b'I' | b'l' | b'L' | b'f' => 4,
        b'q' | b'Q' | b'd' => 8,
        _ => return None,
    };
    let mut wide = [0; 8];
    let mut read = Cursor::new(bytes);
    read.read_exact(&mut wide[8 - width..]).ok()?;
    if little {
        wide[8 - width..].reverse();
    }
    let unsigned = u64::from_be_bytes(wide);
    #[expect(
        clippy::cast_precision_loss,
        reason = "all numbers of the language are of this kind"
    )]
    let number = match letter {
        b'f' => f64::from(f32::from_bits(u32::try_from(unsigned).ok()?)),
        b'd' => f64::from_bits(unsigned),
        b'b' | b'h' | b'i' | b'l' | b'q' => {
            let unused = 64 - 8 * u32::try_from(width).ok()?;
            (unsigned.cast_signed() << unused >> unused) as f64
        }
        _ => unsigned as f64,
    };
    Some(number.into())
}
