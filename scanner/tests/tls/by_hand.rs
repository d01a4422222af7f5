//! A TLS server whose words are made by hand, for what no library of today still says. It gets as far as the
//! end of its first flight, then does what its flaw makes it do.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use ring::{aead, hmac};

/// How a peer is.
#[derive(Debug, Clone)]
pub(crate) struct ByHand {
    version: u16,
    suites: Vec<u16>,
    certificate: Vec<u8>,
    flaw: Flaw,
}

/// What is wrong with a peer beside its suites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// Speaks SSLv2 too.
    Ssl2,
    /// Answers heartbeats whatever they claim.
    Heartbleed,
    /// Does heartbeats as it should.
    Heartbeat,
    /// Takes a ChangeCipherSpec at any time.
    EarlyKeys,
    /// Takes a ChangeCipherSpec at any time, makes keys of nothing for it, and says nothing to whoever does not have them.
    SilentEarlyKeys,
    /// Drops every ChangeCipherSpec, and hangs up without a word on what it cannot read.
    Silent,
    /// Gives tickets, and repeats a session's id in full length.
    Ticketbleed,
    /// Gives tickets, and repeats a session's id as it was.
    Tickets,
    /// Tells a wrong start of the padding from the rest; holds the key in this file.
    Oracle(PathBuf),
    /// Compresses.
    Compression,
    /// Does not know secure renegotiation.
    Renegotiation,
    /// Takes clients that fall back.
    Fallback,
}

impl ByHand {
    pub(crate) fn of(version: u16, suites: &[u16]) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["host.example".to_owned()]).unwrap();
        Self {
            version,
            suites: suites.to_vec(),
            certificate: params.self_signed(&key).unwrap().der().to_vec(),
            flaw: Flaw::None,
        }
    }

    pub(crate) fn with(self, flaw: Flaw) -> Self {
        Self { flaw, ..self }
    }

    pub(crate) fn showing(self, certificate: Vec<u8>) -> Self {
        Self { certificate, ..self }
    }

    /// Serves for as long as the test runs.
    pub(crate) fn serve(self) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let endpoint = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let peer = self.clone();
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                thread::spawn(move || peer.meet(stream));
            }
        });
        endpoint
    }

    /// One client; nothing when it breaks off.
    fn meet(&self, mut stream: TcpStream) -> Option<()> {
        let mut head = [0; 5];
        stream.read_exact(&mut head).ok()?;
        if head[0] & 0x80 != 0 {
            return if self.flaw == Flaw::Ssl2 {
                stream.write_all(&ssl2_hello()).ok()
            } else {
                None
            };
        }
        let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        stream.read_exact(&mut hello).ok()?;
        let offered = u16::from_be_bytes([hello[4], hello[5]]);
        let session = usize::from(hello[38]);
        let suites = &hello[39 + session..];
        let length = usize::from(u16::from_be_bytes([suites[0], suites[1]]));
        let suites: Vec<u16> = suites[2..2 + length]
            .chunks(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect();
        let oldest = if self.flaw == Flaw::Fallback {
            self.version - 1
        } else {
            self.version
        };
        if offered < oldest {
            return self.alert(&mut stream, 70);
        }
        if suites.contains(&0x5600) && offered < self.version && self.flaw != Flaw::Fallback {
            return self.alert(&mut stream, 86);
        }
        let Some(suite) = suites.iter().find(|suite| self.suites.contains(suite)) else {
            return self.alert(&mut stream, 40);
        };
        let version = offered.min(self.version);
        let rest = &hello[39 + session + 2 + length..];
        if matches!(self.flaw, Flaw::Ticketbleed | Flaw::Tickets)
            && has_ticket(&rest[1 + usize::from(rest[0])..])
        {
            let mut id = hello[39..39 + session].to_vec();
            if self.flaw == Flaw::Ticketbleed {
                id.resize(32, 0xee);
            }
            let hello = self.server_hello(version, *suite, &id)?;
            stream.write_all(&record(22, version, &message(2, &hello))).ok()?;
            stream.write_all(&record(20, version, &[1])).ok()?;
            return stream.read_to_end(&mut Vec::new()).ok().map(drop);
        }
        self.flight(&mut stream, version, *suite)?;
        match self.flaw {
            Flaw::SilentEarlyKeys => serve_early(&mut stream, &hello[6..38]),
            Flaw::Ticketbleed | Flaw::Tickets => self.give_ticket(&mut stream),
            _ => self.misbehave(&mut stream),
        }
    }

    fn server_hello(&self, version: u16, suite: u16, session: &[u8]) -> Option<Vec<u8>> {
        let mut extensions = Vec::new();
        if self.flaw != Flaw::Renegotiation {
            extensions.extend([0xff, 0x01, 0, 1, 0]);
        }
        if matches!(self.flaw, Flaw::Heartbleed | Flaw::Heartbeat) {
            extensions.extend([0, 15, 0, 1, 1]);
        }
        if matches!(self.flaw, Flaw::Ticketbleed | Flaw::Tickets) {
            extensions.extend([0, 35, 0, 0]);
        }
        let mut hello = version.to_be_bytes().to_vec();
        hello.extend(RANDOM);
        hello.push(u8::try_from(session.len()).ok()?);
        hello.extend(session);
        hello.extend(suite.to_be_bytes());
        hello.push(u8::from(self.flaw == Flaw::Compression));
        hello.extend(u16::try_from(extensions.len()).ok()?.to_be_bytes());
        hello.extend(extensions);
        Some(hello)
    }

    fn flight(&self, stream: &mut TcpStream, version: u16, suite: u16) -> Option<()> {
        let mut messages = message(2, &self.server_hello(version, suite, &[])?);
        let certificate = long(&self.certificate);
        messages.extend(message(11, &long(&certificate)));
        match suite {
            // The base point of X25519 (RFC 7748, section 4.1).
            0xc000..0xd000 => messages.extend(message(12, &[&[3, 0, 29, 32, 9][..], &[0; 31]].concat())),
            0x0014 => messages.extend(message(
                12,
                &[&[0, 64][..], &[0xff; 64], &[0, 1, 2, 0, 1, 4]].concat(),
            )),
            0x0003 => messages.extend(message(12, &[&[0, 64][..], &[0xff; 64], &[0, 1, 3]].concat())),
            _ => {}
        }
        messages.extend(message(14, &[]));
        stream.write_all(&record(22, version, &messages)).ok()
    }

    fn misbehave(&self, stream: &mut TcpStream) -> Option<()> {
        let mut changes = 0;
        loop {
            let (kind, body) = hear(stream)?;
            match (kind, &self.flaw) {
                (20, Flaw::Silent) => {}
                (_, Flaw::Silent) => return None,
                (24, Flaw::Heartbleed) => {
                    let answer = [&[2, 0, 0][..], &[0; 16]].concat();
                    stream.write_all(&record(24, self.version, &answer)).ok()?;
                }
                (24, _) => {}
                (20, Flaw::EarlyKeys) if changes == 0 => changes = 1,
                (20, Flaw::EarlyKeys) => return self.alert(stream, 20),
                (20, Flaw::Oracle(_)) => {}
                (22, Flaw::Oracle(key)) if body[0] == 16 => {
                    let block = decrypt(key, &body[6..]);
                    if block[..2] != [0, 2] {
                        return self.alert(stream, 51);
                    }
                }
                (22, Flaw::Oracle(_)) => return self.alert(stream, 20),
                _ => return self.alert(stream, 10),
            }
        }
    }

    /// Takes a share, a ChangeCipherSpec and whatever is sealed then for a Finished, and gives a ticket for them.
    fn give_ticket(&self, stream: &mut TcpStream) -> Option<()> {
        for due in [22, 20, 22] {
            if hear(stream)?.0 != due {
                return self.alert(stream, 10);
            }
        }
        let ticket = [&[0, 0, 1, 0, 0, 40][..], &[0xaa; 40]].concat();
        stream
            .write_all(&record(22, self.version, &message(4, &ticket)))
            .ok()?;
        stream.write_all(&record(20, self.version, &[1])).ok()?;
        stream.write_all(&record(22, self.version, &[0x5a; 40])).ok()?;
        stream.read_to_end(&mut Vec::new()).ok().map(drop)
    }

    fn alert(&self, stream: &mut TcpStream, description: u8) -> Option<()> {
        stream
            .write_all(&record(21, self.version, &[2, description]))
            .ok()?;
        // Until the client is gone, lest a reset overtake the alert.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
        None
    }
}

/// The next record.
fn hear(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).ok()?;
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut body).ok()?;
    Some((head[0], body))
}

/// Whether there is a ticket among the extensions of a hello.
fn has_ticket(block: &[u8]) -> bool {
    let mut rest = &block[2..];
    while let [high, low, length @ ..] = rest {
        let (length, body) = (
            usize::from(u16::from_be_bytes([length[0], length[1]])),
            &length[2..],
        );
        if [*high, *low] == [0, 35] && length > 0 {
            return true;
        }
        rest = &body[length..];
    }
    false
}

/// Goes on with who has the keys that are made of an empty master secret, for AES-128 in GCM.
fn serve_early(stream: &mut TcpStream, client: &[u8]) -> Option<()> {
    let seed = [b"key expansion", &RANDOM[..], client].concat();
    let mac = |message: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[]), message);
    let first = mac(&seed);
    let second = mac(first.as_ref());
    let block = [&first, &second].map(|a| mac(&[a.as_ref(), &seed].concat()).as_ref().to_vec());
    let block = block.concat();
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &block[..16]).ok()?);
    let open = |kind: u8, sequence: u64, mut body: Vec<u8>| -> Option<Vec<u8>> {
        let nonce = [&block[32..36], body.get(..8)?].concat();
        let length = u16::try_from(body.len().checked_sub(24)?).ok()?;
        let about = [&sequence.to_be_bytes()[..], &[kind, 3, 3], &length.to_be_bytes()].concat();
        let nonce = aead::Nonce::try_assume_unique_for_key(&nonce).ok()?;
        let opened = key
            .open_in_place(nonce, aead::Aad::from(about), &mut body[8..])
            .ok()?;
        Some(opened.to_vec())
    };
    while hear(stream)?.0 != 20 {}
    let mut opened = Vec::new();
    // Our share, the second ChangeCipherSpec, and the Finished, counted anew.
    for (kind, sequence) in [(22, 0), (20, 1), (22, 0)] {
        let (heard, body) = hear(stream)?;
        match open(heard, sequence, body) {
            Some(message) if heard == kind => opened.push(message[0]),
            _ => return stream.read_to_end(&mut Vec::new()).ok().map(drop),
        }
    }
    assert_eq!(opened, [16, 1, 20]);
    stream.write_all(&record(20, 0x0303, &[1])).ok()?;
    stream.read_to_end(&mut Vec::new()).ok().map(drop)
}

fn ssl2_hello() -> Vec<u8> {
    let ciphers = [1, 0, 0x80, 2, 0, 0x80, 7, 0, 0xc0];
    let body = [&[4, 0, 1, 0, 2, 0, 3, 0, 9, 0, 2][..], b"der", &ciphers, b"id"].concat();
    [&[0x80, u8::try_from(body.len()).unwrap()][..], &body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &long(body)].concat()
}

/// Behind its length in three bytes.
fn long(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&length[1..], body].concat()
}

pub(crate) fn record(kind: u8, version: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind][..], &version.to_be_bytes(), &length, body].concat()
}

/// The whole block, padding and all, by the private key.
fn decrypt(key: &PathBuf, secret: &[u8]) -> Vec<u8> {
    let mut process = Command::new("openssl")
        .args([
            "pkeyutl",
            "-decrypt",
            "-pkeyopt",
            "rsa_padding_mode:none",
            "-inkey",
        ])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(secret).unwrap();
    process.wait_with_output().unwrap().stdout
}

const RANDOM: [u8; 32] = [7; 32];
