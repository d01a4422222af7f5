//! Secret bytes: boxed, so that a move leaves no copy; wiped on drop; read only inside a closure.

use std::fmt;

use zeroize::Zeroizing;

/// `N` secret bytes. What they are for is said by the type that wraps them.
///
/// Not `Clone`, `Copy`, `Default`, `Display`, `Serialize` or `PartialEq`; `Debug` prints the length.
pub struct Secret<const N: usize>(Box<Zeroizing<[u8; N]>>);

impl<const N: usize> Secret<N> {
    /// Fresh random bytes.
    pub fn random() -> Self {
        Self::filled(|bytes| crate::fill_random(bytes))
    }

    /// Filled in place.
    pub fn filled(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new(Zeroizing::new([0; N])));
        fill(&mut secret.0);
        secret
    }

    /// A copy of `bytes`, if there are just `N`; wiping the original is the caller's.
    pub fn copied(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == N).then(|| Self::filled(|secret| secret.copy_from_slice(bytes)))
    }

    /// Lends the bytes.
    pub fn with<R>(&self, use_bytes: impl FnOnce(&[u8; N]) -> R) -> R {
        use_bytes(&self.0)
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({N} bytes)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_no_byte() {
        let secret = Secret::<4>::filled(|bytes| *bytes = [17; 4]);
        assert_eq!(format!("{secret:?}"), "Secret(4 bytes)");
    }

    #[test]
    fn only_the_right_length_is_copied() {
        assert!(Secret::<4>::copied(&[1, 2, 3]).is_none());
        assert!(Secret::<4>::copied(&[1, 2, 3, 4]).is_some());
    }
}
