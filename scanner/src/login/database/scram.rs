//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side, without binding to the channel: that is known by its key. Pure.

use std::num::NonZeroU32;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{digest::SHA256_OUTPUT_LEN, hmac, pbkdf2};
use vedette_protocol::credential::SecretText;
use zeroize::Zeroizing;

/// A login that is being proven.
#[derive(Debug)]
pub(super) struct Scram {
    /// As whom; PostgreSQL is told elsewhere.
    user: &'static str,
    password: SecretText,
    nonce: String,
    /// What proves that the server knows the password as well: the key and what it signs.
    expected: Option<(hmac::Key, String)>,
}

impl Scram {
    /// Begins with a nonce that was not used before.
    pub(super) fn new(password: SecretText, nonce: [u8; 16]) -> Self {
        Self {
            user: "",
            password,
            nonce: STANDARD.encode(nonce),
            expected: None,
        }
    }

    /// The client's first message.
    pub(super) fn first(&self) -> String {
        format!("{UNBOUND}{}", self.bare())
    }

    fn bare(&self) -> String {
        format!("n={},r={}", self.user, self.nonce)
    }

    /// The client's final message, which proves that it knows the password, to the server's first one.
    pub(super) fn proof(&mut self, challenge: &[u8]) -> Option<Zeroizing<String>> {
        let challenge = std::str::from_utf8(challenge).ok()?;
        let mut parts = challenge.split(',');
        let mut part = |key: &str| parts.next()?.strip_prefix(key);
        let (nonce, salt, rounds) = (part("r=")?, part("s=")?, part("i=")?);
        // Whoever answers somebody else's beginning is not who was begun with.
        nonce.strip_prefix(&self.nonce).filter(|rest| !rest.is_empty())?;
        let salt = STANDARD.decode(salt).ok()?;
        let rounds = rounds
            .parse()
            .ok()
            .and_then(NonZeroU32::new)
            .filter(|rounds| rounds.get() <= ROUNDS_LIMIT)?;
        let salted = self.salted(&salt, rounds);
        let key = |name: &[u8]| sign(&hmac::Key::new(hmac::HMAC_SHA256, &*salted), name);
        let client = key(b"Client Key");
        let stored = ring::digest::digest(&ring::digest::SHA256, &*client);
        let unproven = format!("c={},r={nonce}", STANDARD.encode(UNBOUND));
        let said = format!("{},{challenge},{unproven}", self.bare());
        let signature = sign(
            &hmac::Key::new(hmac::HMAC_SHA256, stored.as_ref()),
            said.as_bytes(),
        );
        let mut proof = client;
        for (byte, mask) in proof.iter_mut().zip(signature.iter()) {
            *byte ^= mask;
        }
        self.expected = Some((hmac::Key::new(hmac::HMAC_SHA256, &*key(b"Server Key")), said));
        Some(Zeroizing::new(format!(
            "{unproven},p={}",
            STANDARD.encode(proof.as_slice())
        )))
    }

    /// Whether the server's final message proves that it knows the password.
    pub(super) fn is_proven_by(&self, answer: &[u8]) -> bool {
        let signature = answer
            .strip_prefix(b"v=")
            .and_then(|text| STANDARD.decode(text).ok());
        match (&self.expected, signature) {
            (Some((key, said)), Some(signature)) => hmac::verify(key, said.as_bytes(), &signature).is_ok(),
            (None, _) | (_, None) => false,
        }
    }

    fn salted(&self, salt: &[u8], rounds: NonZeroU32) -> Zeroizing<[u8; SHA256_OUTPUT_LEN]> {
        let mut salted = Zeroizing::new([0; SHA256_OUTPUT_LEN]);
        self.password.with(|password| {
            // As PostgreSQL does: what cannot be prepared is taken as it is.
            let prepared = stringprep::saslprep(password).unwrap_or_else(|_| password.into());
            // What was prepared may be a copy.
            let prepared = Zeroizing::new(prepared.into_owned());
            pbkdf2::derive(
                pbkdf2::PBKDF2_HMAC_SHA256,
                rounds,
                salt,
                prepared.as_bytes(),
                &mut *salted,
            );
        });
        salted
    }
}

fn sign(key: &hmac::Key, bytes: &[u8]) -> Zeroizing<[u8; SHA256_OUTPUT_LEN]> {
    let mut signature = Zeroizing::new([0; SHA256_OUTPUT_LEN]);
    signature.copy_from_slice(hmac::sign(key, bytes).as_ref());
    signature
}

/// RFC 5802, section 7: the client knows of no binding to the channel.
const UNBOUND: &str = "n,,";
/// Some hundred times what servers ask for; about a second.
const ROUNDS_LIMIT: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    fn begun() -> Scram {
        let password = SecretText::new(Zeroizing::new("pencil".to_owned()));
        Scram {
            user: "user",
            nonce: "rOprNGfwEbeRWgbNEkqO".to_owned(),
            ..Scram::new(password, [0; 16])
        }
    }

    const CHALLENGE: &[u8] =
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn a_password_is_proven_both_ways() {
        let mut scram = begun();
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let proof = scram.proof(CHALLENGE).unwrap();
        assert_eq!(*proof, PROOF);
        assert!(scram.is_proven_by(ANSWER));
        assert!(!scram.is_proven_by(b"v=AAAA"));
        assert!(!scram.is_proven_by(b"e=other-error"));
        assert!(!begun().is_proven_by(ANSWER), "nothing was asked yet");
    }

    #[test]
    fn a_challenge_that_is_none_gets_no_proof() {
        let challenge = std::str::from_utf8(CHALLENGE).unwrap();
        for wrong in [
            "",
            "e=unknown-user",
            &challenge.replace("rOpr", "xOpr"),
            // Nothing of its own behind what we said.
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            &challenge.replace("s=", "s=!"),
            &challenge.replace("4096", "0"),
            // Hours.
            &challenge.replace("4096", "4294967295"),
        ] {
            assert!(begun().proof(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert!(begun().proof(b"\xff").is_none());
    }

    const PROOF: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const ANSWER: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
}
