//! Reads one HTTP/1.1 response (RFC 9112) from bytes as they come. No I/O; bounded; lenient as browsers are.

/// A response under way.
#[derive(Debug)]
pub struct Reader {
    state: State,
    waiting: Vec<u8>,
    head: Head,
    body: Vec<u8>,
    limit: usize,
    /// A response to HEAD has no body, whatever it says.
    bodiless: bool,
}

/// What the head says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// Whether the connection can be used again.
    pub keep: bool,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    More,
    /// It is there.
    Done,
    /// As much as is kept is there.
    Full,
    /// This is not HTTP.
    Malformed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    UntilClose,
    Done,
}

impl Reader {
    /// Waits for a response of which at most `limit` bytes of body are kept.
    pub fn new(limit: usize, bodiless: bool) -> Self {
        Self {
            state: State::Head,
            waiting: Vec::new(),
            head: Head::default(),
            body: Vec::new(),
            limit,
            bodiless,
        }
    }

    /// Takes bytes in.
    pub fn feed(&mut self, bytes: &[u8]) -> Progress {
        self.waiting.extend_from_slice(bytes);
        loop {
            let progress = self.step();
            match progress {
                Some(progress) => return progress,
                None => continue,
            }
        }
    }

    /// Nothing more comes. Whether that is where it ends.
    pub fn close(&self) -> Progress {
        match self.state {
            State::Done | State::UntilClose => Progress::Done,
            State::Head => Progress::Malformed,
            _ => Progress::More,
        }
    }

    /// Whether a byte of an answer came.
    pub fn has_begun(&self) -> bool {
        self.state != State::Head || !self.waiting.is_empty()
    }

    /// Head and body, as far as they came; none before the head is whole.
    pub fn finish(self) -> Option<(Head, Vec<u8>)> {
        (self.state != State::Head).then_some((self.head, self.body))
    }

    /// Whether the connection can take the next request.
    pub fn leaves_it_open(&self) -> bool {
        self.state == State::Done && self.head.keep && self.waiting.is_empty()
    }

    /// One step; none when another can follow at once.
    fn step(&mut self) -> Option<Progress> {
        match self.state {
            State::Done => Some(Progress::Done),
            State::Head => {
                let Some((end, start)) = head_end(&self.waiting) else {
                    let hopeless = self.waiting.len() > HEAD_LIMIT
                        || !PREFIX.starts_with(&self.waiting[..self.waiting.len().min(PREFIX.len())]);
                    return Some(if hopeless {
                        Progress::Malformed
                    } else {
                        Progress::More
                    });
                };
                let Some(head) = parse_head(&self.waiting[..end]) else {
                    return Some(Progress::Malformed);
                };
                self.waiting.drain(..start);
                if (100..200).contains(&head.status) && head.status != 101 {
                    return None;
                }
                self.state = framing(&head, self.bodiless)?;
                self.head = head;
                None
            }
            State::Length(0) => {
                self.state = State::Done;
                None
            }
            State::Length(left) => self.take(left, State::Length),
            State::Chunk(left) => self.take(left, |left| match left {
                0 => State::ChunkEnd,
                left => State::Chunk(left),
            }),
            State::UntilClose => self.take(u64::MAX, |_| State::UntilClose),
            State::ChunkSize | State::ChunkEnd | State::Trailer => self.line(),
        }
    }

    /// Moves bytes of the body over.
    fn take(&mut self, left: u64, then: impl Fn(u64) -> State) -> Option<Progress> {
        if self.waiting.is_empty() {
            return Some(Progress::More);
        }
        let room = self.limit - self.body.len();
        if room == 0 {
            return Some(Progress::Full);
        }
        let count = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(self.waiting.len())
            .min(room);
        self.body.extend(self.waiting.drain(..count));
        self.state = then(left - count as u64);
        None
    }

    /// A line between chunks (RFC 9112, section 7.1).
    fn line(&mut self) -> Option<Progress> {
        let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') else {
            return Some(if self.waiting.len() > LINE_LIMIT {
                Progress::Malformed
            } else {
                Progress::More
            });
        };
        let line: Vec<u8> = self.waiting.drain(..=end).collect();
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        self.state = match self.state {
            State::ChunkSize => {
                let size = line.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(size, 16) {
                    Ok(0) => State::Trailer,
                    Ok(size) => State::Chunk(size),
                    Err(_) => return Some(Progress::Malformed),
                }
            }
            State::ChunkEnd => State::ChunkSize,
            _ if line.is_empty() => State::Done,
            other => other,
        };
        None
    }
}

/// A response that is there as a whole, or its beginning.
pub fn read(bytes: &[u8]) -> Option<(Head, Vec<u8>)> {
    let mut reader = Reader::new(WHOLE_LIMIT, false);
    reader.feed(bytes);
    reader.finish()
}

/// What follows the head (RFC 9112, section 6.3).
fn framing(head: &Head, bodiless: bool) -> Option<State> {
    let header = |name: &str| {
        head.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_ascii_lowercase())
    };
    if bodiless || matches!(head.status, 101 | 204 | 304) {
        return Some(State::Done);
    }
    if header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        return Some(State::ChunkSize);
    }
    Some(match header("content-length").map(|length| length.parse()) {
        Some(Ok(length)) => State::Length(length),
        Some(Err(_)) | None => State::UntilClose,
    })
}

fn head_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let seen = &bytes[..bytes.len().min(HEAD_LIMIT)];
    let mark = |mark: &[u8]| {
        seen.windows(mark.len())
            .position(|window| window == mark)
            .map(|at| (at, at + mark.len()))
    };
    mark(b"\r\n\r\n").into_iter().chain(mark(b"\n\n")).min()
}

fn parse_head(bytes: &[u8]) -> Option<Head> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    let (version, rest) = lines.next()?.split_once(' ')?;
    let minor = version.strip_prefix("HTTP/1.")?;
    let status = rest.get(..3)?.parse().ok()?;
    if !(100..=999).contains(&status) {
        return None;
    }
    let headers: Vec<(String, String)> = lines
        .take(HEADERS_LIMIT)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let connection = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("connection"))
        .map(|(_, value)| value.to_ascii_lowercase())
        .unwrap_or_default();
    let keep = match minor {
        "0" => connection.contains("keep-alive"),
        _ => !connection.contains("close"),
    };
    Some(Head {
        status,
        headers,
        keep,
    })
}

const PREFIX: &[u8] = b"HTTP/1.";
const HEAD_LIMIT: usize = 64 * 1024;
const HEADERS_LIMIT: usize = 128;
const LINE_LIMIT: usize = 4096;
const WHOLE_LIMIT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8], step: usize) -> (Progress, Option<(Head, Vec<u8>)>, bool) {
        let mut reader = Reader::new(64, false);
        let mut progress = Progress::More;
        for part in bytes.chunks(step) {
            progress = reader.feed(part);
            if progress != Progress::More {
                break;
            }
        }
        let open = reader.leaves_it_open();
        (progress, reader.finish(), open)
    }

    #[test]
    fn however_it_comes_it_is_the_same() {
        let chunked: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x\r\nWiki\r\n5\r\npedia\r\n0\r\nA: b\r\n\r\n";
        let sized: &[u8] = b"HTTP/1.1 200 OK\nContent-Length: 9\n\nWikipedia";
        for (bytes, step) in [
            (chunked, 1),
            (chunked, 7),
            (chunked, 500),
            (sized, 1),
            (sized, 500),
        ] {
            let (progress, read, open) = read(bytes, step);
            assert_eq!((progress, open), (Progress::Done, true));
            assert_eq!(read.unwrap().1, b"Wikipedia");
        }
    }

    #[test]
    fn an_endless_body_is_full() {
        let bytes = [
            b"HTTP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n".as_slice(),
            &[b'a'; 500],
        ]
        .concat();
        let (progress, read, open) = read(&bytes, 50);
        assert_eq!(
            (progress, read.unwrap().1.len(), open),
            (Progress::Full, 64, false)
        );
    }

    #[test]
    fn what_is_not_http_is_said_so_at_once() {
        assert_eq!(read(b"SSH-2.0-x\r\n", 3).0, Progress::Malformed);
        assert_eq!(read(b"HTTP/1.1 xyz\r\n\r\n", 3).0, Progress::Malformed);
        let chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
        assert_eq!(read(chunk, 3).0, Progress::Malformed);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            head in "HTTP/1.[01] [0-9]{3} \r\n(transfer-encoding: chunked\r\n|content-length: [0-9]{1,25}\r\n)?\r\n",
            tail: Vec<u8>,
            step in 1usize..64,
        ) {
            let bytes = [head.as_bytes(), &tail].concat();
            let _ = (read(&bytes, step), read(&tail, step));
        }
    }
}
