//! What the kernel counts of a TCP connection (tcp(7), `TCP_INFO`).

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd},
};

/// How many segments this end has sent, retransmissions and empty acknowledgements included.
///
/// # Errors
/// When the descriptor is no TCP socket, or the kernel is older than 4.2 and does not count.
#[expect(unsafe_code, reason = "rustix does not offer TCP_INFO")]
pub fn segments_sent(socket: impl AsFd) -> io::Result<u32> {
    let mut info = [0_u8; SPACE as usize];
    let mut length = libc::socklen_t::from(SPACE);
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: getsockopt(2) writes at most `length` bytes to `info`, which is that long, and the length
    // written to `length`; both are live for the call. The bytes have no alignment to keep.
    let rc = unsafe {
        libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if rc != 0 {
        return Err(io::Error::last_os_error());
    }
    let at = mem::offset_of!(libc::tcp_info, tcpi_segs_out);
    let written = usize::try_from(length).unwrap_or_default();
    let count = info
        .get(at..at + 4)
        .filter(|_| at + 4 <= written)
        .and_then(|bytes| bytes.try_into().ok());
    count
        .map(u32::from_ne_bytes)
        .ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
}

/// How many bytes that were sent the other end has not acknowledged yet (tcp(7), `SIOCOUTQ`).
///
/// # Errors
/// When the descriptor is no TCP socket.
#[expect(unsafe_code, reason = "rustix does not offer SIOCOUTQ")]
pub fn unacknowledged(socket: impl AsFd) -> io::Result<u32> {
    let mut left: libc::c_int = 0;
    // SAFETY: ioctl(2) with SIOCOUTQ, which has the number of TIOCOUTQ, writes one int to where its argument points:
    // to `left`, which is live for the call.
    let rc = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut left) };
    if rc == 0 {
        Ok(u32::try_from(left).unwrap_or_default())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// More than any kernel writes so far; the rest stays zero.
const SPACE: u16 = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_has_sent_its_handshake() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(segments_sent(&client).unwrap(), 2, "SYN and ACK");
    }

    #[test]
    fn what_the_other_end_has_no_room_for_is_not_acknowledged() {
        use std::io::{Read, Write};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(unacknowledged(&client).unwrap(), 0);
        client.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(length) = client.write(&[0; 65_536]) {
            sent += length;
        }
        assert!(unacknowledged(&client).unwrap() > 0);
        let (mut server, _) = listener.accept().unwrap();
        server.read_exact(&mut vec![0; sent]).unwrap();
        while unacknowledged(&client).unwrap() > 0 {
            std::thread::yield_now();
        }
        assert!(unacknowledged(std::fs::File::open("/dev/null").unwrap()).is_err());
    }

    #[test]
    fn what_is_no_tcp_socket_is_an_error() {
        assert!(segments_sent(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
