//! A whole file, from a reader to a writer, with one chunk in memory.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use super::{CHUNK, FileKey, FileRefusal, HEADER, TAG};

/// A sealed file was not opened: what came out before is to be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read, or what it says cannot be written.
    #[error("reading a sealed file")]
    Io(#[from] io::Error),
    /// It is not what was sealed.
    #[error(transparent)]
    Refused(#[from] FileRefusal),
}

/// Seals all that `content` says as the file of that name: the bytes that were sealed.
///
/// # Errors
/// Those of reader and writer. What was written then is no file: it has no end.
pub fn seal(key: &FileKey, name: &[u8], content: &mut impl Read, sealed: &mut impl Write) -> io::Result<u64> {
    let (header, mut sealer) = key.sealer(name);
    sealed.write_all(&header)?;
    // One byte more than a chunk shows whether another follows; there is room for the tag.
    let mut buffer = Zeroizing::new(vec![0; CHUNK + TAG]);
    let mut filled = 0;
    let mut total = 0;
    loop {
        filled += read_up_to(content, &mut buffer[filled..=CHUNK])?;
        let length = filled.min(CHUNK);
        total += length as u64;
        let next = buffer[CHUNK];
        let tag = match buffer.first_chunk_mut::<CHUNK>() {
            Some(chunk) if filled > CHUNK => sealer.seal(chunk).map_err(io::Error::other)?,
            _ => {
                let tag = sealer
                    .seal_last(&mut buffer[..length])
                    .map_err(io::Error::other)?;
                buffer[length..length + TAG].copy_from_slice(&tag);
                sealed.write_all(&buffer[..length + TAG])?;
                return Ok(total);
            }
        };
        buffer[CHUNK..].copy_from_slice(&tag);
        sealed.write_all(&buffer)?;
        buffer[0] = next;
        filled = 1;
    }
}

/// Opens the file of that name, if it has no more than `limit` bytes: how many it has.
///
/// # Errors
/// On any deviation from what was sealed; only at the end is it known that there is none.
pub fn open(
    key: &FileKey,
    name: &[u8],
    sealed: &mut impl Read,
    content: &mut impl Write,
    limit: u64,
) -> Result<u64, OpenError> {
    let mut header = [0; HEADER];
    if read_up_to(sealed, &mut header)? < HEADER {
        return Err(FileRefusal::CutOff.into());
    }
    let mut opener = key.opener(name, &header)?;
    let mut buffer = Zeroizing::new(vec![0; CHUNK + TAG + 1]);
    let mut filled = 0;
    let mut total = 0;
    loop {
        filled += read_up_to(sealed, &mut buffer[filled..])?;
        let next = buffer[CHUNK + TAG];
        total += filled.min(CHUNK + TAG).saturating_sub(TAG) as u64;
        if total > limit {
            return Err(FileRefusal::TooLong.into());
        }
        match buffer.first_chunk_mut::<{ CHUNK + TAG }>() {
            Some(chunk) if filled > CHUNK + TAG => content.write_all(opener.open(chunk)?)?,
            // A file that ends where a chunk would begin, or within its tag.
            _ if filled < TAG => return Err(FileRefusal::CutOff.into()),
            _ => {
                content.write_all(opener.open_last(&mut buffer[..filled])?)?;
                return Ok(total);
            }
        }
        buffer[0] = next;
        filled = 1;
    }
}

/// Fills the buffer as far as there is something to read.
fn read_up_to(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
