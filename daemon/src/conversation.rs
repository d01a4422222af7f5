//! Frames on a Unix socket, each under a deadline for the whole of it, with at most one descriptor.
//!
//! The deadline is for a frame from its first byte to its last, so that a peer which drips bytes holds
//! nobody up. After any error the conversation is over.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use vedette_protocol::{
    Frame, FrameError,
    codec::{read_frame, write_frame},
};

/// How long a frame may take on its way.
pub const FRAME_LIMIT: Duration = Duration::from_secs(5);

/// One end of a conversation.
#[derive(Debug)]
pub struct Conversation {
    socket: UnixStream,
}

/// What came of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// There is something to read, or the peer is gone.
    Readable,
    /// The time is over.
    Over,
}

impl Conversation {
    /// Speaks over a connected socket.
    pub fn new(socket: UnixStream) -> Self {
        Self { socket }
    }

    /// Waits until there is something to read; for ever without a limit.
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<Waited> {
        let end = limit.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let timeout = left.map(|left| Timespec::try_from(left).unwrap_or_default());
            let mut sockets = [PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut sockets, timeout.as_ref()) {
                Ok(0) => return Ok(Waited::Over),
                Ok(_) => return Ok(Waited::Readable),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether the peer has closed, or says what nobody asked it for.
    pub fn is_over(&self) -> bool {
        !matches!(self.wait(Some(Duration::ZERO)), Ok(Waited::Over))
    }

    /// Reads one message.
    pub fn receive<T: DeserializeOwned>(&mut self, limit: Duration) -> Result<T, FrameError> {
        read_frame(&mut Timed::new(&self.socket, limit))
    }

    /// Reads one message that may carry a descriptor.
    pub fn receive_with_descriptor<T: DeserializeOwned>(
        &mut self,
        limit: Duration,
    ) -> Result<(T, Option<OwnedFd>), FrameError> {
        let mut timed = Timed::new(&self.socket, limit);
        let mut first = [0; 1];
        let descriptor = timed.read_with_descriptor(&mut first)?;
        let message = read_frame(&mut first.as_slice().chain(timed))?;
        Ok((message, descriptor))
    }

    /// Writes one message.
    pub fn send<T: Serialize>(&mut self, message: &T, limit: Duration) -> Result<(), FrameError> {
        write_frame(&mut Timed::new(&self.socket, limit), message)
    }

    /// Writes one message with a descriptor.
    pub fn send_with_descriptor<T: Serialize>(
        &mut self,
        message: &T,
        descriptor: BorrowedFd<'_>,
        limit: Duration,
    ) -> Result<(), FrameError> {
        let frame = Frame::of(message)?;
        let mut timed = Timed::new(&self.socket, limit);
        // The descriptor travels with the first byte.
        let sent = timed.write_with_descriptor(frame.bytes(), descriptor)?;
        timed.write_all(&frame.bytes()[sent..])?;
        Ok(())
    }
}

/// A socket whose reads and writes end at one point in time.
struct Timed<'a> {
    socket: &'a UnixStream,
    end: Instant,
}

impl<'a> Timed<'a> {
    fn new(socket: &'a UnixStream, limit: Duration) -> Self {
        Self {
            socket,
            end: Instant::now() + limit,
        }
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(left)
        }
    }

    fn read_with_descriptor(&mut self, bytes: &mut [u8]) -> io::Result<Option<OwnedFd>> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            self.socket.as_fd(),
            &mut [IoSliceMut::new(bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let descriptors = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        Ok(descriptors.flatten().next())
    }

    fn write_with_descriptor(&mut self, bytes: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor];
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let sent = sendmsg(
            self.socket.as_fd(),
            &[IoSlice::new(bytes)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?;
        Ok(sent)
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        let mut socket = self.socket;
        socket.read(bytes)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        let mut socket = self.socket;
        socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, thread};

    fn pair() -> (Conversation, Conversation) {
        let (one, two) = UnixStream::pair().unwrap();
        (Conversation::new(one), Conversation::new(two))
    }

    #[test]
    fn a_descriptor_travels_with_its_message() {
        let (mut one, mut two) = pair();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"workspace").unwrap();
        one.send_with_descriptor(&7u32, file.as_fd(), FRAME_LIMIT)
            .unwrap();
        let (message, descriptor): (u32, _) = two.receive_with_descriptor(FRAME_LIMIT).unwrap();
        assert_eq!(message, 7);
        let mut text = String::new();
        io::Seek::rewind(&mut file).unwrap();
        File::from(descriptor.unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "workspace");
        one.send(&8u32, FRAME_LIMIT).unwrap();
        let (message, descriptor): (u32, _) = two.receive_with_descriptor(FRAME_LIMIT).unwrap();
        assert!(message == 8 && descriptor.is_none());
    }

    #[test]
    fn a_peer_that_drips_bytes_does_not_hold_us_up() {
        let (one, mut two) = pair();
        let dripping = thread::spawn(move || {
            let mut socket = one.socket;
            for byte in [1, 200, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1] {
                if socket.write_all(&[byte]).is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(50));
            }
        });
        let started = Instant::now();
        assert!(two.receive::<Vec<u8>>(Duration::from_millis(200)).is_err());
        assert!(started.elapsed() < Duration::from_millis(400));
        drop(two);
        dripping.join().unwrap();
    }

    #[test]
    fn a_peer_that_is_gone_is_noticed() {
        let (one, two) = pair();
        assert!(!two.is_over());
        drop(one);
        assert!(two.is_over());
    }
}
