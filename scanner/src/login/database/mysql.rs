//! The protocol of MySQL and MariaDB ("Connection Phase", "COM_QUERY"), as far as to be let in and to ask for the
//! version. Pure.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use vedette_protocol::{credential::SecretText, finding::LoginOutcome};
use zeroize::Zeroizing;

use super::{Language, Step, Words};
use crate::service::{Identity, mysql::named};

/// Whether anybody on the way can read what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    Encrypted,
    InClear,
}

/// What the server says first. Over TLS it was said before, to anybody: a wrong challenge only makes the login fail.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    version: String,
    capabilities: u32,
    challenge: Vec<u8>,
    method: Vec<u8>,
}

impl Greeting {
    /// Reads it.
    ///
    /// # Errors
    /// When the server turns us away, or says something else.
    pub(super) fn read(body: &[u8]) -> Result<Self, LoginOutcome> {
        match body {
            [ERROR, ..] => Err(refusal(body)),
            [10, rest @ ..] => Self::fields(rest).ok_or(LoginOutcome::NoAnswer),
            _ => Err(LoginOutcome::NoAnswer),
        }
    }

    fn fields(body: &[u8]) -> Option<Self> {
        let (version, rest) = text(body)?;
        let (_thread, rest) = rest.split_first_chunk::<4>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (&[_, low, middle, _, _, _, high, top, _], rest) = rest.split_first_chunk::<9>()?;
        let (_reserved, rest) = rest.split_first_chunk::<10>()?;
        // Twelve bytes and a zero; a server with longer challenges has other methods.
        let (&[ref second @ .., _], rest) = rest.split_first_chunk::<13>()?;
        let method = text(rest).map_or(rest, |(method, _)| method);
        Some(Self {
            version: String::from_utf8_lossy(version).into_owned(),
            capabilities: u32::from_le_bytes([low, middle, high, top]),
            challenge: [first.as_slice(), second].concat(),
            method: method.to_vec(),
        })
    }

    /// Whether it speaks TLS.
    pub(super) fn offers_tls(&self) -> bool {
        self.capabilities & TLS != 0
    }
}

/// Asks for TLS: the beginning of the answer to the greeting.
pub(super) fn tls_request() -> Words {
    packet(1, &[&abilities(Privacy::Encrypted)])
}

/// Somebody who logs in.
#[derive(Debug)]
pub(super) struct Mysql {
    greeting: Greeting,
    user: String,
    password: SecretText,
    privacy: Privacy,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The password was shown as the greeting asks for it.
    Begun,
    /// In another way, which a server may ask for once.
    Switched,
    /// All of it was sent.
    Given,
    /// We are in, and have asked for the version: so much of the answer was heard.
    Asked(Heard),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Count,
    Column,
    End,
}

impl Mysql {
    /// Prepares.
    pub(super) fn new(greeting: Greeting, user: String, password: SecretText, privacy: Privacy) -> Self {
        Self {
            greeting,
            user,
            password,
            privacy,
            stage: Stage::Begun,
        }
    }

    fn let_in(&self, version: Option<&str>) -> Step {
        let told = version.unwrap_or(&self.greeting.version);
        Step::In(named(told).unwrap_or_else(|| Identity::certain("mysql")))
    }

    /// What comes of a message to somebody who is not in yet.
    fn admission(&mut self, sequence: u8, body: &[u8]) -> Step {
        match (self.stage, body) {
            (_, [OK, ..]) => {
                self.stage = Stage::Asked(Heard::Nothing);
                // A conversation of its own, and so are its numbers.
                Step::Say(packet(0, &[QUESTION]))
            }
            (_, [ERROR, ..]) => Step::Out(refusal(body)),
            (Stage::Begun, [SWITCH, rest @ ..]) => {
                self.stage = Stage::Switched;
                self.switched(sequence, rest)
            }
            (Stage::Begun | Stage::Switched, [MORE, KNOWN]) => Step::Listen,
            (Stage::Begun | Stage::Switched, [MORE, WHOLE]) => self.whole(sequence),
            _ => Step::Out(LoginOutcome::NoAnswer),
        }
    }

    fn switched(&mut self, sequence: u8, rest: &[u8]) -> Step {
        let (method, challenge) = text(rest).unwrap_or((rest, &[]));
        match self.shown(method, challenge.strip_suffix(b"\0").unwrap_or(challenge)) {
            Some(shown) => Step::Say(packet(sequence, &[&shown])),
            None if method == b"mysql_clear_password" => self.whole(sequence),
            None => Step::Out(LoginOutcome::MethodNotOffered),
        }
    }

    /// The password itself, which goes over TLS alone: other methods would hide it from who listens.
    fn whole(&mut self, sequence: u8) -> Step {
        if self.privacy == Privacy::InClear {
            return Step::Out(LoginOutcome::MethodNotOffered);
        }
        self.stage = Stage::Given;
        Step::Say(
            self.password
                .with(|password| packet(sequence, &[password.as_bytes(), b"\0"])),
        )
    }

    /// What shows that we know the password, without telling it; none by a method that is not ours.
    fn shown(&self, method: &[u8], challenge: &[u8]) -> Option<Words> {
        let algorithm = match method {
            b"mysql_native_password" => &SHA1_FOR_LEGACY_USE_ONLY,
            b"caching_sha2_password" => &SHA256,
            _ => return None,
        };
        let hash = |parts: &[&[u8]]| {
            let joined = Zeroizing::new(parts.concat());
            Zeroizing::new(digest(algorithm, &joined).as_ref().to_vec())
        };
        let mut shown = self.password.with(|password| match password {
            // Who has no password shows none.
            "" => Words::default(),
            password => hash(&[password.as_bytes()]),
        });
        let twice = hash(&[&shown]);
        let mask = match method {
            b"mysql_native_password" => hash(&[challenge, &twice]),
            _ => hash(&[&twice, challenge]),
        };
        for (byte, mask) in shown.iter_mut().zip(mask.iter()) {
            *byte ^= mask;
        }
        Some(shown)
    }

    /// Reads what answers our question: the number of columns, one column, an end, and one row (of one text).
    fn answer(&mut self, heard: Heard, body: &[u8]) -> Step {
        let next = match (heard, body) {
            // It lets in who may ask nothing: a password that has run out.
            (_, [ERROR, ..]) => return self.let_in(None),
            (Heard::Nothing, [1]) => Heard::Count,
            (Heard::Count, _) => Heard::Column,
            (Heard::Column, [SWITCH, ..]) => Heard::End,
            (Heard::End, [length @ 0..=250, rest @ ..]) => {
                let version = rest.get(..usize::from(*length));
                return self.let_in(version.map(String::from_utf8_lossy).as_deref());
            }
            _ => return self.let_in(None),
        };
        self.stage = Stage::Asked(next);
        Step::Listen
    }
}

impl Language for Mysql {
    const HEAD: usize = 4;
    const FAREWELL: &'static [u8] = &[1, 0, 0, 0, 1];

    fn length(head: &[u8]) -> Option<usize> {
        let [low, middle, high, _] = *head.first_chunk()?;
        usize::try_from(u32::from_le_bytes([low, middle, high, 0])).ok()
    }

    fn begin(&mut self) -> Words {
        let Greeting {
            challenge, method, ..
        } = &self.greeting;
        let (method, shown) = match self.shown(method, challenge) {
            Some(shown) => (method.as_slice(), shown),
            // The server then says which it wants of this user.
            None => (b"mysql_native_password".as_slice(), Words::default()),
        };
        let number = match self.privacy {
            Privacy::Encrypted => 2,
            Privacy::InClear => 1,
        };
        let length = u8::try_from(shown.len()).unwrap_or(0);
        packet(
            number,
            &[
                &abilities(self.privacy),
                self.user.as_bytes(),
                b"\0",
                &[length],
                &shown,
                method,
                b"\0",
            ],
        )
    }

    fn hear(&mut self, head: &[u8], body: &[u8]) -> Step {
        let sequence = head.last().copied().unwrap_or_default().wrapping_add(1);
        match self.stage {
            Stage::Asked(heard) => self.answer(heard, body),
            Stage::Begun | Stage::Switched | Stage::Given => self.admission(sequence, body),
        }
    }
}

/// What we can do, the longest packet, a character set, and 23 bytes for nothing.
fn abilities(privacy: Privacy) -> Vec<u8> {
    let tls = match privacy {
        Privacy::Encrypted => TLS,
        Privacy::InClear => 0,
    };
    let mut fields = Vec::new();
    fields.extend_from_slice(&(ABILITIES | tls).to_le_bytes());
    fields.extend_from_slice(&(1_u32 << 24).to_le_bytes());
    fields.push(UTF8);
    fields.extend_from_slice(&[0; 23]);
    fields
}

fn packet(sequence: u8, parts: &[&[u8]]) -> Words {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut words = Zeroizing::new(Vec::with_capacity(length + 4));
    words.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()[..3]);
    words.push(sequence);
    for part in parts {
        words.extend_from_slice(part);
    }
    words
}

/// A text that ends with a zero, and what stands behind it.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Why the server turns us away, by the number of its error ("Server Error Message Reference").
fn refusal(body: &[u8]) -> LoginOutcome {
    let number = match body {
        [_, low, high, ..] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    };
    match number {
        // Access denied, in three ways; locked, in the ways of MySQL and of MariaDB; run out.
        1045 | 1698 | 3955 | 3118 | 4151 | 1820 | 1862 => LoginOutcome::WrongCredential,
        // Not from our address, not by a method of ours, not without TLS.
        1129 | 1130 | 1251 | 1524 | 2059 | 3159 => LoginOutcome::MethodNotOffered,
        _ => LoginOutcome::NoAnswer,
    }
}

/// Hears messages one after the other, as a server might send them.
pub fn hear_alone(bytes: &[u8]) {
    if let Some((_, body, rest)) = super::split::<Mysql>(bytes)
        && let Ok(greeting) = Greeting::read(body)
    {
        let password = SecretText::new(Zeroizing::new("pencil".to_owned()));
        let mut language = Mysql::new(greeting, "user".to_owned(), password, Privacy::Encrypted);
        super::hear_all(&mut language, rest);
    }
}

/// Protocol 4.1, long passwords, transactions, 20 bytes of challenge, methods by name.
const ABILITIES: u32 = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
const TLS: u32 = 0x800;
/// utf8mb4_general_ci
const UTF8: u8 = 45;
const QUESTION: &[u8] = b"\x03SELECT VERSION()";
const OK: u8 = 0;
const MORE: u8 = 1;
const SWITCH: u8 = 0xfe;
const ERROR: u8 = 0xff;
/// Of caching_sha2_password: the server remembers this password, or wants all of it.
const KNOWN: u8 = 3;
const WHOLE: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(method: &str) -> Greeting {
        let body = [
            b"\x0a8.0.36\0\x01\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\xff\x15".as_slice(),
            &[0; 10],
            b"ijklmnopqrst\0",
            method.as_bytes(),
            b"\0",
        ];
        Greeting::read(&body.concat()).unwrap()
    }

    fn begun(method: &str, privacy: Privacy) -> Mysql {
        let password = SecretText::new(Zeroizing::new("hunter2".to_owned()));
        Mysql::new(greeting(method), "scan".to_owned(), password, privacy)
    }

    fn hex(text: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digit).collect()
    }

    #[test]
    fn a_password_is_shown_and_not_told() {
        // Worked out by Python's `hashlib`.
        for (method, shown) in [
            (
                "mysql_native_password",
                "fb30830c3ec1c2161c75ef8c45977d684a38d8d4",
            ),
            (
                "caching_sha2_password",
                "38c32b38723affcda57b368b565bac628d5a852428b402c25c4ae036a4fd904f",
            ),
        ] {
            let said = begun(method, Privacy::InClear).begin();
            let expected = [
                b"scan\0".as_slice(),
                &[u8::try_from(shown.len() / 2).unwrap()],
                &hex(shown),
            ];
            let expected = [expected.concat().as_slice(), method.as_bytes(), b"\0"].concat();
            assert!(said.ends_with(&expected), "{method}: {said:?}");
            assert_eq!((said.len() - 4, said[3]), (usize::from(said[0]), 1));
        }
        // Asked for by a method that is not ours, nothing is shown.
        let said = begun("client_ed25519", Privacy::Encrypted).begin();
        assert!(said.ends_with(b"scan\0\0mysql_native_password\0"), "{said:?}");
    }

    #[test]
    fn the_password_itself_goes_over_tls_alone() {
        let head = [0, 0, 0, 2];
        let wants: [&[u8]; 2] = [&[MORE, WHOLE], b"\xfemysql_clear_password\0"];
        for asked in wants {
            let mut language = begun("caching_sha2_password", Privacy::Encrypted);
            assert_eq!(language.hear(&head, asked).said(), b"\x08\0\0\x03hunter2\0");
            assert_eq!(language.hear(&head, asked).out(), LoginOutcome::NoAnswer, "once");
            let mut language = begun("caching_sha2_password", Privacy::InClear);
            assert_eq!(language.hear(&head, asked).out(), LoginOutcome::MethodNotOffered);
        }
    }

    #[test]
    fn another_method_is_asked_for_once() {
        let (head, asked) = ([0, 0, 0, 2], b"\xfemysql_native_password\0abcdefghijklmnopqrst\0");
        let mut language = begun("client_ed25519", Privacy::Encrypted);
        let shown = [
            b"\x14\0\0\x03".as_slice(),
            &hex("fb30830c3ec1c2161c75ef8c45977d684a38d8d4"),
        ]
        .concat();
        assert_eq!(language.hear(&head, asked).said(), shown);
        assert_eq!(language.hear(&head, asked).out(), LoginOutcome::NoAnswer);
        let mut language = begun("caching_sha2_password", Privacy::Encrypted);
        let foreign = b"\xfeauth_gssapi_client\0";
        assert_eq!(
            language.hear(&head, foreign).out(),
            LoginOutcome::MethodNotOffered
        );
    }

    #[test]
    fn who_is_let_in_hears_the_version() {
        let column = b"\x03def\0\0\0\x09VERSION()\0\x0c\x2d\0\x64\0\0\0\xfd\0\0\x27\0\0";
        let messages: [&[u8]; 4] = [&[1], column, b"\xfe\0\0\x02\0", b"\x1a10.11.19-MariaDB-0+deb12u1"];
        let mut language = begun("mysql_native_password", Privacy::InClear);
        let asked = language.hear(&[0, 0, 0, 2], &[OK, 0, 0, 2, 0, 0, 0]).said();
        assert_eq!(asked, b"\x11\0\0\0\x03SELECT VERSION()");
        let mut steps = messages
            .map(|message| language.hear(&[0, 0, 0, 1], message))
            .into_iter();
        let Some(Step::In(identity)) = steps.next_back() else {
            panic!("not let in")
        };
        assert!(steps.all(|step| matches!(step, Step::Listen)));
        assert_eq!(
            identity,
            Identity::certain("mysql").product("MariaDB", Some("10.11.19"))
        );
        // Who may ask nothing knows what the greeting said.
        let mut language = begun("mysql_native_password", Privacy::InClear);
        language.hear(&[0, 0, 0, 2], &[OK]);
        let Step::In(identity) = language.hear(&[0, 0, 0, 1], b"\xff\x1c\x07no") else {
            panic!("not let in")
        };
        assert_eq!(
            identity,
            Identity::certain("mysql").product("MySQL", Some("8.0.36"))
        );
    }

    #[test]
    fn each_refusal_is_told_from_the_others() {
        for (number, outcome) in [
            (1045_u16, LoginOutcome::WrongCredential),
            (3159, LoginOutcome::MethodNotOffered),
            (1040, LoginOutcome::NoAnswer),
        ] {
            let [low, high] = number.to_le_bytes();
            let body = [ERROR, low, high, b'#'];
            let step = begun("mysql_native_password", Privacy::InClear).hear(&[0, 0, 0, 2], &body);
            assert_eq!(step.out(), outcome);
            assert_eq!(Greeting::read(&body), Err(outcome));
        }
        assert_eq!(Greeting::read(b""), Err(LoginOutcome::NoAnswer));
        assert_eq!(Greeting::read(b"\x0a8.0.36\0"), Err(LoginOutcome::NoAnswer));
    }
}
