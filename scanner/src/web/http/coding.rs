//! Content codings (RFC 9110, section 8.4): gzip, deflate and br, each only up to a bound.

use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::web::response::Whole;

/// Takes the codings off a body. What is not coded as it says is left as it is; of what becomes larger than
/// `limit` the beginning is kept.
pub fn decode(codings: &str, body: Vec<u8>, limit: usize) -> (Vec<u8>, Whole) {
    let mut body = body;
    let mut whole = Whole::Yes;
    // The last named was applied last.
    for coding in codings.rsplit(',').take(CODINGS_LIMIT) {
        let decoded = match coding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => bounded(MultiGzDecoder::new(&*body), limit),
            // Some send the bare stream, although zlib's format is meant.
            "deflate" => bounded(ZlibDecoder::new(&*body), limit)
                .or_else(|| bounded(DeflateDecoder::new(&*body), limit)),
            "br" => bounded(Decompressor::new(&*body, PART), limit),
            _ => None,
        };
        match decoded {
            Some((decoded, end)) => {
                body = decoded;
                if end != Whole::Yes {
                    whole = end;
                }
            }
            None => break,
        }
    }
    (body, whole)
}

/// What a decoder gives, up to the bound; none when it gives nothing but an error.
fn bounded(decoder: impl Read, limit: usize) -> Option<(Vec<u8>, Whole)> {
    let mut decoded = Vec::new();
    let ended: io::Result<usize> = decoder.take(limit as u64 + 1).read_to_end(&mut decoded);
    let cut = decoded.len() > limit;
    decoded.truncate(limit);
    match (ended, cut) {
        (_, true) => Some((decoded, Whole::CutAtBound)),
        (Ok(_), false) => Some((decoded, Whole::Yes)),
        (Err(_), false) if decoded.is_empty() => None,
        (Err(_), false) => Some((decoded, Whole::BrokenOff)),
    }
}

/// Nobody means more.
const CODINGS_LIMIT: usize = 2;
const PART: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_coded_body_is_read() {
        assert_eq!(
            decode("gzip", gzip(b"hello"), 99),
            (b"hello".to_vec(), Whole::Yes)
        );
        assert_eq!(decode("", b"hello".to_vec(), 99), (b"hello".to_vec(), Whole::Yes));
        assert_eq!(decode("gzip", b"hello".to_vec(), 99).0, b"hello");
    }

    #[test]
    fn a_bomb_is_cut_at_the_bound() {
        let bomb = gzip(&gzip(&vec![0; 50 << 20]));
        assert!(bomb.len() < 1 << 16);
        let (body, whole) = decode("gzip, gzip", bomb, 1 << 20);
        assert_eq!((body.len(), whole), (1 << 20, Whole::CutAtBound));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            for coding in ["gzip", "deflate", "br", "br, gzip"] {
                let (body, _) = decode(coding, bytes.clone(), 1000);
                prop_assert!(body.len() <= 1000.max(bytes.len()));
            }
        }
    }
}
