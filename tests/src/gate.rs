//! A gate before a server: what the server answers waits there until it is let through, so that a test can look at a
//! client in the midst of an exchange, step by step.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use vedette_protocol::finding::Transport;

/// A gate, shut at first. It is open once it is dropped.
#[derive(Debug)]
pub struct Gate(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many answers wait.
    waiting: usize,
    /// How many of them may go on.
    let_through: usize,
    open: bool,
    over: bool,
}

impl Gate {
    /// A gate at an endpoint, before a server at another, where this thread stands.
    pub fn before(server: SocketAddr, transport: Transport, endpoint: SocketAddr) -> Result<Self> {
        let shared = Arc::<Shared>::default();
        let of_thread = Arc::clone(&shared);
        let at = || format!("listening at {endpoint}");
        match transport {
            Transport::Tcp => {
                let listener = TcpListener::bind(endpoint).with_context(at)?;
                listener.set_nonblocking(true)?;
                thread::spawn(move || accept(&listener, server, &of_thread));
            }
            Transport::Udp => {
                let socket = UdpSocket::bind(endpoint).with_context(at)?;
                socket.set_read_timeout(Some(PAUSE))?;
                thread::spawn(move || pass_datagrams(&socket, server, &of_thread));
            }
        }
        Ok(Self(shared))
    }

    /// Lets the answers through that wait now, and none that comes after.
    pub fn step(&self) {
        let mut state = self.0.lock();
        state.let_through = state.waiting;
        self.0.changed.notify_all();
    }

    /// Lets everything through from now on, or holds it again.
    pub fn set_open(&self, open: bool) {
        self.0.lock().open = open;
        self.0.changed.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        (state.open, state.over) = (true, true);
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        let mut state = self.lock();
        state.waiting += 1;
        while !state.open && state.let_through == 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        state.let_through = state.let_through.saturating_sub(1);
    }
}

fn accept(listener: &TcpListener, server: SocketAddr, shared: &Arc<Shared>) {
    while !shared.lock().over {
        match listener.accept() {
            Ok((client, _)) => {
                let shared = Arc::clone(shared);
                thread::spawn(move || join(&client, server, &shared));
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Both ways end with either.
fn join(client: &TcpStream, server: SocketAddr, shared: &Shared) -> io::Result<()> {
    client.set_nonblocking(false)?;
    let server = TcpStream::connect(server)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = pass(client, &server, || ());
            let _ = server.shutdown(Shutdown::Write);
        });
        let _ = pass(&server, client, || shared.wait());
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    });
    Ok(())
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, wait: impl Fn()) -> io::Result<()> {
    let mut bytes = [0; 1 << 16];
    loop {
        let count = from.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        wait();
        to.write_all(&bytes[..count])?;
    }
}

fn pass_datagrams(socket: &UdpSocket, server: SocketAddr, shared: &Arc<Shared>) {
    let mut bytes = [0; 1 << 16];
    while !shared.lock().over {
        let (count, client) = match socket.recv_from(&mut bytes) {
            Ok(received) => received,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return,
        };
        let (Ok(socket), question) = (socket.try_clone(), bytes[..count].to_vec()) else {
            return;
        };
        let shared = Arc::clone(shared);
        thread::spawn(move || -> io::Result<()> {
            let asking = UdpSocket::bind((server.ip(), 0))?;
            asking.set_read_timeout(Some(ANSWER))?;
            asking.send_to(&question, server)?;
            let mut answer = [0; 1 << 16];
            let count = asking.recv(&mut answer)?;
            shared.wait();
            socket.send_to(&answer[..count], client)?;
            Ok(())
        });
    }
}

const PAUSE: Duration = Duration::from_millis(20);
/// How long a server may take over a datagram.
const ANSWER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_wait_until_they_are_let_through() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut byte = [0];
            while stream.read(&mut byte).unwrap() == 1 {
                stream.write_all(&byte).unwrap();
            }
        });
        let endpoint = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let gate = Gate::before(server, Transport::Tcp, endpoint).unwrap();
        let mut client = TcpStream::connect(endpoint).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut byte = [0];
        client.write_all(b"a").unwrap();
        assert!(client.read(&mut byte).is_err(), "shut");
        gate.step();
        assert_eq!((client.read(&mut byte).unwrap(), byte), (1, *b"a"));
        client.write_all(b"b").unwrap();
        assert!(client.read(&mut byte).is_err(), "a step is one step");
        gate.set_open(true);
        assert_eq!((client.read(&mut byte).unwrap(), byte), (1, *b"b"));
    }
}
