//! Packets of SSH before encryption begins (RFC 4253, sections 4.2, 6 and 7). What is read is of a stranger's
//! choosing: lengths are believed only as far as there are bytes.

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flight {
    /// The version of the protocol: `2.0`, or `1.99` for servers that speak version 1 too.
    pub protocol: Option<String>,
    /// Its lists of algorithms.
    pub lists: Option<Lists>,
    /// The message that answers the beginning of a key exchange (number 31).
    pub answer: Option<Vec<u8>>,
    /// Whether it said goodbye.
    pub disconnected: bool,
}

/// The lists of a KEXINIT (RFC 4253, section 7.1), in the server's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lists {
    /// Key exchange.
    pub exchanges: Vec<String>,
    /// Signatures of host keys.
    pub host_keys: Vec<String>,
    /// Ciphers, of either direction.
    pub ciphers: Vec<String>,
    /// Message authentication, of either direction.
    pub macs: Vec<String>,
    /// Compression, of either direction.
    pub compressions: Vec<String>,
}

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The lists.
    Lists,
    /// The answer to the beginning of a key exchange.
    Answer,
}

impl Stage {
    /// Whether it is reached, or never will be.
    pub(crate) fn is_reached(self, heard: &[u8]) -> bool {
        match parse_flight(heard) {
            Err(NotSsh) => true,
            Ok(flight) => {
                flight.disconnected
                    || match self {
                        Self::Lists => flight.lists.is_some(),
                        Self::Answer => flight.answer.is_some(),
                    }
            }
        }
    }
}

/// Bytes that are not SSH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not SSH")]
pub struct NotSsh;

/// Reads what a server said; what is cut gives what is whole in it.
///
/// # Errors
/// When it is not SSH, or contradicts itself.
pub fn parse_flight(bytes: &[u8]) -> Result<Flight, NotSsh> {
    let mut flight = Flight::default();
    let mut rest = bytes;
    // Lines before the version are allowed (section 4.2).
    for _ in 0..LINES {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return if rest.len() > LINE_LENGTH {
                Err(NotSsh)
            } else {
                Ok(flight)
            };
        };
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(version) = line.strip_prefix(b"SSH-") {
            let protocol = version.split(|byte| *byte == b'-').next().unwrap_or_default();
            let protocol = std::str::from_utf8(protocol).map_err(|_| NotSsh)?;
            flight.protocol = Some(protocol.to_owned());
            break;
        }
    }
    let protocol = flight.protocol.as_deref().ok_or(NotSsh)?;
    // Packets of version 1 are others; nothing of them is wanted.
    if !protocol.starts_with("2.") && protocol != "1.99" {
        flight.disconnected = true;
        return Ok(flight);
    }
    while let [a, b, c, d, padding, after @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).map_err(|_| NotSsh)?;
        let payload = length
            .checked_sub(1 + usize::from(*padding))
            .filter(|payload| *payload > 0 && length <= PACKET_LENGTH)
            .ok_or(NotSsh)?;
        let Some(payload) = after.get(..payload) else {
            break;
        };
        match *payload {
            [DISCONNECT, ..] => flight.disconnected = true,
            [KEXINIT, ref body @ ..] => flight.lists = Some(lists(body).ok_or(NotSsh)?),
            [ANSWER, ref body @ ..] => flight.answer = Some(body.to_vec()),
            // New keys: what follows is encrypted.
            [21, ..] => break,
            _ => {}
        }
        rest = after.get(length - 1..).unwrap_or_default();
    }
    Ok(flight)
}

fn lists(body: &[u8]) -> Option<Lists> {
    let mut rest = body.get(16..)?;
    let mut next = || -> Option<Vec<String>> {
        let (names, after) = string(rest)?;
        rest = after;
        let names = std::str::from_utf8(names).ok()?;
        let names = names.split(',').filter(|name| !name.is_empty());
        Some(names.take(NAMES_LIMIT).map(str::to_owned).collect())
    };
    let (exchanges, host_keys) = (next()?, next()?);
    let mut both = || -> Option<Vec<String>> {
        let mut names = next()?;
        for name in next()? {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Some(names)
    };
    Some(Lists {
        exchanges,
        host_keys,
        ciphers: both()?,
        macs: both()?,
        compressions: both()?,
    })
}

/// A host key as it is shown (RFC 4253, section 6.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// Its kind, as `ssh-rsa`.
    pub kind: String,
    /// Its size in bits.
    pub bits: u32,
    /// The modulus of a key of RSA.
    pub modulus: Option<Vec<u8>>,
}

/// Reads the host key in the answer to a Diffie-Hellman of any kind.
pub fn parse_host_key(answer: &[u8]) -> Option<HostKey> {
    let (key, _) = string(answer)?;
    let (kind, rest) = string(key)?;
    let kind = std::str::from_utf8(kind).ok()?;
    let first = || number(rest).map(|(number, _)| number);
    let (bits, modulus) = match kind {
        "ssh-rsa" => {
            let (_exponent, rest) = number(rest)?;
            let (modulus, _) = number(rest)?;
            (bits(modulus), Some(modulus.to_vec()))
        }
        "ssh-dss" => (bits(first()?), None),
        "ssh-ed25519" => (256, None),
        "ssh-ed448" => (456, None),
        "ecdsa-sha2-nistp256" => (256, None),
        "ecdsa-sha2-nistp384" => (384, None),
        "ecdsa-sha2-nistp521" => (521, None),
        _ => return None,
    };
    Some(HostKey {
        kind: kind.to_owned(),
        bits: u32::try_from(bits).ok()?,
        modulus,
    })
}

/// The size of the prime that a server chose for a group exchange (RFC 4419, section 3), in bits.
pub fn parse_group(answer: &[u8]) -> Option<u32> {
    let (prime, _) = number(answer)?;
    u32::try_from(bits(prime)).ok()
}

/// Behind its length in four bytes.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Without leading zeros.
fn number(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (number, rest) = string(bytes)?;
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    Some((&number[zeros..], rest))
}

fn bits(number: &[u8]) -> usize {
    8 * number.len() - number.first().map_or(0, |first| first.leading_zeros() as usize)
}

/// What a client says first: its version, its lists, and perhaps the beginning of the key exchange that these
/// lists lead to.
pub fn hello(lists: &Lists, begin: Option<&[u8]>) -> Vec<u8> {
    let mut payload = vec![KEXINIT];
    payload.extend(COOKIE);
    let directions = [&lists.ciphers, &lists.macs, &lists.compressions].map(|names| [names, names]);
    let languages: [&Vec<String>; 2] = [&Vec::new(), &Vec::new()];
    let names = [&lists.exchanges, &lists.host_keys].into_iter();
    for names in names.chain(directions.into_iter().flatten()).chain(languages) {
        extend_string(&mut payload, names.join(",").as_bytes());
    }
    payload.extend([0; 5]);
    let begin = begin.map(packet).unwrap_or_default();
    [VERSION, &packet(&payload), &begin].concat()
}

/// The beginning of a key exchange on a curve (RFC 5656, section 4; RFC 8731), or with a group (RFC 4253,
/// section 8), with a public value that nobody has the private one of; none for exchanges that need more.
pub fn beginning(exchange: &str) -> Option<Vec<u8>> {
    let value: Vec<u8> = match exchange {
        "curve25519-sha256" | "curve25519-sha256@libssh.org" => COOKIE.repeat(2),
        "ecdh-sha2-nistp256" => P256_GENERATOR.to_vec(),
        // Below each prime of 1024 bits and more, and with as many ones as zeros.
        name if name.starts_with("diffie-hellman-group") && !name.contains("exchange") => vec![0x55; 120],
        _ => return None,
    };
    let mut message = vec![30];
    extend_string(&mut message, &value);
    Some(message)
}

/// Asks for a group of 1024 bits, or what the server has that is next to it (RFC 4419, section 3).
pub fn group_request() -> Vec<u8> {
    let sizes = [1024_u32, 1024, 8192];
    [34].into_iter()
        .chain(sizes.into_iter().flat_map(u32::to_be_bytes))
        .collect()
}

/// Padded to a multiple of eight bytes with four at least.
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
    let length = u32::try_from(1 + payload.len() + padding).expect("a message of ours, short by its making");
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).expect("below twelve"));
    packet.extend(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

fn extend_string(to: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a list of ours, short by its making");
    to.extend(length.to_be_bytes());
    to.extend(bytes);
}

const VERSION: &[u8] = b"SSH-2.0-Vedette\r\n";
/// Fixed, so that the same question is the same bytes; nothing here is secret.
const COOKIE: [u8; 16] = *b"vedette asks ssh";
/// SEC 2, section 2.4.2: the base point of P-256, uncompressed.
const P256_GENERATOR: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f,
    0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce,
    0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

const DISCONNECT: u8 = 1;
const KEXINIT: u8 = 20;
const ANSWER: u8 = 31;
/// RFC 4253, section 6.1.
const PACKET_LENGTH: usize = 35_000;
const LINES: usize = 32;
const LINE_LENGTH: usize = 1024;
const NAMES_LIMIT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some() -> Lists {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Lists {
            exchanges: names(&["curve25519-sha256", "kex-strict-s-v00@openssh.com"]),
            host_keys: names(&["ssh-ed25519"]),
            ciphers: names(&["aes128-ctr", "aes256-ctr"]),
            macs: names(&["hmac-sha2-256"]),
            compressions: names(&["none"]),
        }
    }

    #[test]
    fn what_is_written_is_read_in_any_cut() {
        let begin = beginning("curve25519-sha256").unwrap();
        let bytes = hello(&some(), Some(&begin));
        assert_eq!((bytes.len() - VERSION.len()) % 8, 0);
        let flight = parse_flight(&bytes).unwrap();
        assert_eq!(
            (flight.protocol.as_deref(), flight.lists),
            (Some("2.0"), Some(some()))
        );
        for length in 0..bytes.len() {
            assert!(parse_flight(&bytes[..length]).is_ok(), "{length}");
        }
        assert!(!Stage::Lists.is_reached(&bytes[..40]) && Stage::Lists.is_reached(&bytes));
    }

    #[test]
    fn sizes_of_keys_and_groups_are_read() {
        let mut key = Vec::new();
        extend_string(&mut key, b"ssh-rsa");
        extend_string(&mut key, &[1, 0, 1]);
        extend_string(&mut key, &[&[0, 0x80][..], &[1; 127]].concat());
        let mut answer = Vec::new();
        extend_string(&mut answer, &key);
        let key = parse_host_key(&answer).unwrap();
        assert_eq!((key.kind.as_str(), key.bits), ("ssh-rsa", 1024));
        let mut group = Vec::new();
        extend_string(&mut group, &[0x40; 256]);
        assert_eq!(parse_group(&group), Some(2047));
        assert_eq!(parse_host_key(b"\xff\xff\xff\xff"), None);
    }

    #[test]
    fn other_protocols_and_packets_that_lie_are_not_ssh() {
        let long = [b"SSH-2.0-x\r\n".as_slice(), &[0x7f, 0xff, 0xff, 0xff, 4, 20]].concat();
        assert_eq!(parse_flight(&long), Err(NotSsh));
        let short = [b"SSH-2.0-x\r\n".as_slice(), &[0, 0, 0, 1, 4, 20]].concat();
        assert_eq!(parse_flight(&short), Err(NotSsh));
        assert_eq!(parse_flight(&[b'x'; 2000]), Err(NotSsh));
        assert!(parse_flight(b"SSH-1.5-old\n\0\0\0\0").unwrap().disconnected);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = (parse_flight(&bytes), parse_host_key(&bytes), parse_group(&bytes));
            let _ = parse_flight(&[b"SSH-2.0-x\r\n".as_slice(), &bytes].concat());
            let _ = parse_flight(&[b"SSH-2.0-x\r\n".as_slice(), &packet(&[&[KEXINIT], bytes.as_slice()].concat())].concat());
        }
    }
}
