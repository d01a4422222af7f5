//! Passwords: Argon2id hashes, a rule for new ones, and the one that `init` makes.

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::{sync::Semaphore, task::spawn_blocking};
use zeroize::Zeroizing;

/// The fewest characters of a new password (NIST SP 800-63B, section 3.1.1.2).
pub const SHORTEST: usize = 15;

/// The most bytes: longer text only costs time.
pub const LONGEST: usize = 256;

/// Each hash takes 19 MiB while it is made: this many at a time.
static HASHING: Semaphore = Semaphore::const_new(2);

/// A password as someone typed it.
pub struct Password(Zeroizing<String>);

/// A password's hash, as a PHC string.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

/// A new password is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too short.
    #[error("the new password is too short: give at least {SHORTEST} characters")]
    Short,
    /// Too long.
    #[error("the new password is too long: give at most {LONGEST} bytes")]
    Long,
    /// The same as before.
    #[error("the new password is the old one: give another")]
    Same,
}

/// Whether a password is the one that was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Right,
    /// It is not.
    Wrong,
}

impl Password {
    /// Takes what was typed.
    pub fn typed(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// A fresh one for the first login: 25 characters, 120 bits.
    pub fn random() -> Self {
        // No letters and digits that look alike; 32 symbols, five bits each.
        const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
        let bytes: Zeroizing<[u8; 25]> = Zeroizing::new(vedette_crypto::random());
        let symbols = bytes
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
        Self(Zeroizing::new(symbols.collect()))
    }

    /// The text, to write it where only its owner reads.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Judges it as the one that shall replace `old`.
    ///
    /// # Errors
    /// When it is too short, too long or the old one.
    pub fn replacing(self, old: &Self) -> Result<Self, WeakPassword> {
        if self.0.chars().count() < SHORTEST {
            Err(WeakPassword::Short)
        } else if self.0.len() > LONGEST {
            Err(WeakPassword::Long)
        } else if self.0 == old.0 {
            Err(WeakPassword::Same)
        } else {
            Ok(self)
        }
    }

    /// Hashes it with a fresh salt.
    ///
    /// # Panics
    /// When the hashing task is aborted, which nothing does.
    pub async fn hash(self) -> PasswordHash {
        let _turn = HASHING.acquire().await.expect("the semaphore is never closed");
        spawn_blocking(move || self.hash_now())
            .await
            .expect("hashing does not panic")
    }

    /// The same, where no runtime runs.
    ///
    /// # Panics
    /// Never: the default parameters are valid, and the salt is Argon2's own.
    pub fn hash_now(&self) -> PasswordHash {
        let hash = Argon2::default()
            .hash_password(self.0.as_bytes())
            .expect("the default parameters are valid");
        PasswordHash(hash.to_string())
    }

    /// Compares it with a hash; without one it takes as long, and is wrong, so that the time does not
    /// tell which accounts exist.
    ///
    /// # Panics
    /// As [`Self::hash`].
    pub async fn verify(self, hash: Option<PasswordHash>) -> (Self, Verdict) {
        if self.0.len() > LONGEST {
            return (self, Verdict::Wrong);
        }
        let _turn = HASHING.acquire().await.expect("the semaphore is never closed");
        spawn_blocking(move || {
            let verdict = match &hash {
                Some(hash) => self.matches(hash),
                None => {
                    self.hash_now();
                    Verdict::Wrong
                }
            };
            (self, verdict)
        })
        .await
        .expect("hashing does not panic")
    }

    fn matches(&self, hash: &PasswordHash) -> Verdict {
        match Argon2::default().verify_password(self.0.as_bytes(), hash.0.as_str()) {
            Ok(()) => Verdict::Right,
            Err(_) => Verdict::Wrong,
        }
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_accepts_its_password_only() {
        let password = Password::random();
        let hash = password.hash_now();
        assert!(hash.0.starts_with("$argon2id$v=19$"));
        assert_eq!(password.matches(&hash), Verdict::Right);
        assert_eq!(Password::random().matches(&hash), Verdict::Wrong);
    }

    #[test]
    fn weak_passwords_are_refused() {
        let old = Password::typed("correct horse battery".to_owned());
        let new = |text: &str| Password::typed(text.to_owned()).replacing(&old).map(|_| ());
        assert_eq!(new("short"), Err(WeakPassword::Short));
        assert_eq!(new(&"x".repeat(257)), Err(WeakPassword::Long));
        assert_eq!(new("correct horse battery"), Err(WeakPassword::Same));
        assert_eq!(new("another horse battery"), Ok(()));
    }

    #[test]
    fn debug_prints_no_password() {
        assert_eq!(format!("{:?}", Password::random()), "Password");
    }
}
