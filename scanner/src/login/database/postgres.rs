//! PostgreSQL's protocol (version 3.0, "Message Flow", "Start-up"), as far as to be let in. Pure.

use md5::{Digest as _, Md5};
use vedette_protocol::{credential::SecretText, finding::LoginOutcome};
use zeroize::Zeroizing;

use super::{Language, Step, Words, scram::Scram};
use crate::service::Identity;

/// Asks for TLS before all else; one byte answers: `S`, or `N`.
pub(super) const TLS_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];

/// Somebody who logs in.
#[derive(Debug)]
pub(super) struct Postgres {
    user: String,
    stage: Stage,
    /// What the server says that it is.
    version: Option<String>,
}

#[derive(Debug)]
enum Stage {
    /// It has said nothing of a password yet.
    Begun { password: SecretText, nonce: [u8; 16] },
    /// The password is being proven, and the server has to prove that it knows it.
    Proving(Box<Scram>),
    /// Whatever it wanted it has; there is nothing more to give.
    Given,
    /// It has let us in.
    Admitted,
}

impl Postgres {
    /// Prepares, with a nonce that was not used before.
    pub(super) fn new(user: String, password: SecretText, nonce: [u8; 16]) -> Self {
        Self {
            user,
            stage: Stage::Begun { password, nonce },
            version: None,
        }
    }

    fn identity(&self) -> Identity {
        // `15.18 (Debian 15.18-0+deb12u1)`
        let number = self
            .version
            .as_deref()
            .and_then(|version| version.split(' ').next());
        Identity::certain("postgresql").product("PostgreSQL", number)
    }

    /// How it wants to be told the password: the first time it says so, and no other.
    fn authentication(&mut self, body: &[u8]) -> Option<Step> {
        let (code, rest) = body.split_first_chunk()?;
        let stage = std::mem::replace(&mut self.stage, Stage::Given);
        Some(match (u32::from_be_bytes(*code), stage) {
            // Who has begun to prove that it knows the password must have come to the end of it.
            (OK, Stage::Begun { .. } | Stage::Given) => {
                self.stage = Stage::Admitted;
                Step::Listen
            }
            (CLEARTEXT, Stage::Begun { password, .. }) => {
                Step::Say(password.with(|password| message(b'p', &[password.as_bytes(), b"\0"])))
            }
            (MD5, Stage::Begun { password, .. }) => {
                let hash = self.hashed(&password, rest.first_chunk()?);
                Step::Say(message(b'p', &[hash.as_bytes(), b"\0"]))
            }
            (SASL, Stage::Begun { password, nonce }) => {
                if !rest.split(|byte| *byte == 0).any(|name| name == MECHANISM) {
                    return Some(Step::Out(LoginOutcome::MethodNotOffered));
                }
                let scram = Box::new(Scram::new(password, nonce));
                let first = scram.first();
                let length = u32::try_from(first.len()).ok()?.to_be_bytes();
                self.stage = Stage::Proving(scram);
                Step::Say(message(b'p', &[MECHANISM, b"\0", &length, first.as_bytes()]))
            }
            (SASL_CONTINUE, Stage::Proving(mut scram)) => {
                let proof = scram.proof(rest)?;
                self.stage = Stage::Proving(scram);
                Step::Say(message(b'p', &[proof.as_bytes()]))
            }
            (SASL_FINAL, Stage::Proving(scram)) if scram.is_proven_by(rest) => Step::Listen,
            (_, Stage::Begun { .. }) => Step::Out(LoginOutcome::MethodNotOffered),
            (_, Stage::Proving(_) | Stage::Given | Stage::Admitted) => return None,
        })
    }

    fn hashed(&self, password: &SecretText, salt: &[u8; 4]) -> Zeroizing<String> {
        let hex = |parts: &[&[u8]]| {
            let all = |hash: Md5, part: &&[u8]| hash.chain_update(part);
            let hash = parts.iter().fold(Md5::new(), all).finalize();
            Zeroizing::new(hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        };
        let known = password.with(|password| hex(&[password.as_bytes(), self.user.as_bytes()]));
        Zeroizing::new(format!("md5{}", *hex(&[known.as_bytes(), salt])))
    }

    /// Why it turns us away, by the SQLSTATE ("Error and Notice Message Fields").
    fn refusal(&self, body: &[u8]) -> Step {
        let mut fields = body.split(|byte| *byte == 0);
        let state = fields.find_map(|field| field.strip_prefix(b"C"));
        match (&self.stage, state) {
            // It only does not like where we want to go.
            (Stage::Admitted, _) => Step::In(self.identity()),
            (Stage::Begun { .. }, Some(b"28000")) => Step::Out(LoginOutcome::MethodNotOffered),
            (_, Some(b"28P01" | b"28000")) => Step::Out(LoginOutcome::WrongCredential),
            _ => Step::Out(LoginOutcome::NoAnswer),
        }
    }

    fn parameter(&mut self, body: &[u8]) {
        let mut texts = body.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        if let (Some(name), Some(value)) = (texts.next(), texts.next())
            && name == "server_version"
        {
            self.version = Some(value.into_owned());
        }
    }
}

impl Language for Postgres {
    const HEAD: usize = 5;
    const FAREWELL: &'static [u8] = b"X\0\0\0\x04";

    /// The length counts itself.
    fn length(head: &[u8]) -> Option<usize> {
        let length = u32::from_be_bytes(*head.get(1..)?.first_chunk()?);
        usize::try_from(length).ok()?.checked_sub(4)
    }

    /// The database of this name is every server's own.
    fn begin(&mut self) -> Words {
        let parts: [&[u8]; 4] = [
            &VERSION.to_be_bytes(),
            b"user\0",
            self.user.as_bytes(),
            b"\0database\0postgres\0application_name\0vedette\0\0",
        ];
        // The first message has no kind.
        let mut words = message(0, &parts);
        words.remove(0);
        words
    }

    fn hear(&mut self, head: &[u8], body: &[u8]) -> Step {
        match head.first() {
            Some(b'R') => self
                .authentication(body)
                .unwrap_or(Step::Out(LoginOutcome::NoAnswer)),
            Some(b'S') => {
                self.parameter(body);
                Step::Listen
            }
            Some(b'Z') if matches!(self.stage, Stage::Admitted) => Step::In(self.identity()),
            Some(b'E') => self.refusal(body),
            // A key to cancel with, notices, what it does not know of our version.
            Some(b'K' | b'N' | b'v') => Step::Listen,
            _ => Step::Out(LoginOutcome::NoAnswer),
        }
    }
}

fn message(kind: u8, parts: &[&[u8]]) -> Words {
    let length = parts.iter().map(|part| part.len()).sum::<usize>() + 4;
    let mut words = Zeroizing::new(Vec::with_capacity(length + 1));
    words.push(kind);
    words.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    for part in parts {
        words.extend_from_slice(part);
    }
    words
}

/// Hears messages one after the other, as a server might send them.
pub fn hear_alone(bytes: &[u8]) {
    let password = SecretText::new(Zeroizing::new("pencil".to_owned()));
    super::hear_all(&mut Postgres::new("user".to_owned(), password, [0; 16]), bytes);
}

const VERSION: u32 = 3 << 16;
const MECHANISM: &[u8] = b"SCRAM-SHA-256";
const OK: u32 = 0;
const CLEARTEXT: u32 = 3;
const MD5: u32 = 5;
const SASL: u32 = 10;
const SASL_CONTINUE: u32 = 11;
const SASL_FINAL: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Postgres {
        let password = SecretText::new(Zeroizing::new("hunter2".to_owned()));
        Postgres::new("scan".to_owned(), password, [0; 16])
    }

    fn asks(code: u32, rest: &[u8]) -> Vec<u8> {
        [&code.to_be_bytes(), rest].concat()
    }

    #[test]
    fn a_password_is_told_in_the_way_that_is_asked_for_and_once() {
        let mut language = begun();
        assert_eq!(
            &language.begin()[4..],
            b"\0\x03\0\0user\0scan\0database\0postgres\0application_name\0vedette\0\0"
        );
        assert_eq!(
            language.hear(b"R", &asks(CLEARTEXT, b"")).said(),
            b"p\0\0\0\x0chunter2\0"
        );
        assert_eq!(
            language.hear(b"R", &asks(CLEARTEXT, b"")).out(),
            LoginOutcome::NoAnswer
        );
        // Worked out by Python's `hashlib`.
        let hashed = begun().hear(b"R", &asks(MD5, &[1, 2, 3, 4])).said();
        assert_eq!(hashed, b"p\0\0\0\x28md5f2c741630a1b65652935ea304c2ae187\0");
        let unknown = asks(7, b"");
        assert_eq!(begun().hear(b"R", &unknown).out(), LoginOutcome::MethodNotOffered);
        let bound_alone = asks(SASL, b"SCRAM-SHA-256-PLUS\0\0");
        assert_eq!(
            begun().hear(b"R", &bound_alone).out(),
            LoginOutcome::MethodNotOffered
        );
    }

    #[test]
    fn a_server_that_does_not_prove_that_it_knows_the_password_lets_nobody_in() {
        let mut language = begun();
        language
            .hear(b"R", &asks(SASL, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"))
            .said();
        assert_eq!(language.hear(b"R", &asks(OK, b"")).out(), LoginOutcome::NoAnswer);
        let mut language = begun();
        language.hear(b"R", &asks(SASL, b"SCRAM-SHA-256\0\0")).said();
        assert_eq!(
            language.hear(b"R", &asks(SASL_FINAL, b"v=AAAA")).out(),
            LoginOutcome::NoAnswer
        );
    }

    #[test]
    fn who_is_let_in_hears_the_version() {
        let mut language = begun();
        assert!(matches!(language.hear(b"Z", b"I"), Step::Out(_)), "not yet");
        let mut language = begun();
        language.hear(b"R", &asks(OK, b""));
        language.hear(b"S", b"server_version\x0015.18 (Debian 15.18-0+deb12u1)\0");
        let Step::In(identity) = language.hear(b"Z", b"I") else {
            panic!("not let in")
        };
        assert_eq!(
            identity,
            Identity::certain("postgresql").product("PostgreSQL", Some("15.18"))
        );
    }

    #[test]
    fn each_refusal_is_told_from_the_others() {
        let error = |state: &str| format!("SFATAL\0VFATAL\0C{state}\0Mno\0\0");
        let refused = |language: &mut Postgres, state| language.hear(b"E", error(state).as_bytes());
        for (state, outcome) in [
            ("28P01", LoginOutcome::WrongCredential),
            // No line of pg_hba.conf is for us: nothing was told.
            ("28000", LoginOutcome::MethodNotOffered),
            ("53300", LoginOutcome::NoAnswer),
        ] {
            assert_eq!(refused(&mut begun(), state).out(), outcome, "{state}");
        }
        let mut told = begun();
        told.hear(b"R", &asks(CLEARTEXT, b""));
        assert_eq!(refused(&mut told, "28000").out(), LoginOutcome::WrongCredential);
        let mut admitted = begun();
        admitted.hear(b"R", &asks(OK, b""));
        assert!(matches!(refused(&mut admitted, "3D000"), Step::In(_)));
    }
}
