//! The one binary codec: bincode with a size bound, and length-framed records on Unix sockets.
//!
//! Every decode is bounded by [`MESSAGE_LIMIT`], consumes its whole input and never panics. Replacing
//! bincode means replacing this file.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

/// The longest encoded message, in bytes: the body of one HTTP exchange, the payload of one frame.
pub const MESSAGE_LIMIT: usize = 1 << 20;

/// Version of the frames between processes; the first byte of each.
pub const FRAME_VERSION: u8 = 1;

fn format() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MESSAGE_LIMIT>()
}

/// A message could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are no valid encoding of the type.
    #[error("decoding a message")]
    Malformed(#[source] bincode::error::DecodeError),
    /// Bytes are left over behind a valid encoding.
    #[error("a message with {0} bytes behind its end")]
    Trailing(usize),
}

/// Encodes a message.
///
/// # Panics
/// Never for the types of this crate: they hold nothing that bincode refuses, and writing to memory
/// does not fail.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(message, bincode::config::standard())
        .expect("plain data encodes into memory")
}

/// Decodes a message that takes up all of `bytes`.
///
/// # Errors
/// When the bytes are malformed, too long, or longer than the message.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (message, used) =
        bincode::serde::decode_from_slice(bytes, format()).map_err(DecodeError::Malformed)?;
    match bytes.len() - used {
        0 => Ok(message),
        rest => Err(DecodeError::Trailing(rest)),
    }
}

/// A frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The socket failed, or its deadline passed.
    #[error("reading or writing a frame")]
    Io(#[from] io::Error),
    /// The peer speaks another version.
    #[error("frame version {0}, expected {FRAME_VERSION}")]
    Version(u8),
    /// The announced length is over the bound.
    #[error("a frame of {0} bytes, more than {MESSAGE_LIMIT}")]
    TooLong(usize),
    /// The payload is no message of the expected type.
    #[error(transparent)]
    Payload(#[from] DecodeError),
}

/// One length-framed record: version byte, payload length (u32, little endian), payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Vec<u8>);

impl Frame {
    /// Length of the header in bytes.
    pub const HEADER: usize = 5;

    /// Frames a message.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] when its encoding is over the bound.
    pub fn of<T: Serialize>(message: &T) -> Result<Self, FrameError> {
        let payload = encode(message);
        let length = u32::try_from(payload.len())
            .ok()
            .filter(|_| payload.len() <= MESSAGE_LIMIT)
            .ok_or(FrameError::TooLong(payload.len()))?;
        let mut bytes = Vec::with_capacity(Self::HEADER + payload.len());
        bytes.push(FRAME_VERSION);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&payload);
        Ok(Self(bytes))
    }

    /// The frame as it goes over a socket.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Judges a header: the length of the payload that follows.
    ///
    /// # Errors
    /// On another version or a length over the bound.
    pub fn payload_length(header: [u8; Self::HEADER]) -> Result<usize, FrameError> {
        let [version, length @ ..] = header;
        if version != FRAME_VERSION {
            return Err(FrameError::Version(version));
        }
        match usize::try_from(u32::from_le_bytes(length)) {
            Ok(length) if length <= MESSAGE_LIMIT => Ok(length),
            Ok(length) => Err(FrameError::TooLong(length)),
            Err(_) => Err(FrameError::TooLong(usize::MAX)),
        }
    }
}

/// Writes one framed message.
///
/// # Errors
/// When the message is too long or the socket fails.
pub fn write_frame<T: Serialize>(socket: &mut impl Write, message: &T) -> Result<(), FrameError> {
    socket.write_all(Frame::of(message)?.bytes())?;
    Ok(())
}

/// Reads one framed message. The deadline is the socket's own.
///
/// # Errors
/// On any deviation from the format; the caller ends the connection.
pub fn read_frame<T: DeserializeOwned>(socket: &mut impl Read) -> Result<T, FrameError> {
    let mut header = [0; Frame::HEADER];
    socket.read_exact(&mut header)?;
    let mut payload = vec![0; Frame::payload_length(header)?];
    socket.read_exact(&mut payload)?;
    Ok(decode(&payload)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_round_trips() {
        let mut wire = Vec::new();
        write_frame(&mut wire, &("scan", 7u32)).unwrap();
        let back: (String, u32) = read_frame(&mut wire.as_slice()).unwrap();
        assert_eq!(back, ("scan".to_owned(), 7));
    }

    #[test]
    fn a_length_over_the_bound_is_refused_before_memory_is_taken() {
        let header = [FRAME_VERSION, 0xff, 0xff, 0xff, 0xff];
        assert!(matches!(
            Frame::payload_length(header),
            Err(FrameError::TooLong(_))
        ));
    }

    #[test]
    fn another_version_is_refused() {
        assert!(matches!(
            Frame::payload_length([9, 0, 0, 0, 0]),
            Err(FrameError::Version(9))
        ));
    }

    #[test]
    fn bytes_behind_the_end_are_refused() {
        let mut bytes = encode(&1u8);
        bytes.push(0);
        assert!(matches!(decode::<u8>(&bytes), Err(DecodeError::Trailing(1))));
    }

    #[test]
    fn a_vector_that_claims_more_than_the_bound_is_refused() {
        let claim = encode(&(u64::MAX >> 8));
        assert!(decode::<Vec<u64>>(&claim).is_err());
    }
}
