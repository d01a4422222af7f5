//! What an SSH client signs to log in with a key (RFC 4252, section 7). Pure.

/// The request, as it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Userauth<'a> {
    /// Who logs in.
    pub user: &'a str,
    /// By which algorithm the signature is to be made.
    pub algorithm: &'a str,
    /// The public key.
    pub key: &'a [u8],
}

impl<'a> Userauth<'a> {
    /// Reads the bytes that are to be signed: the session's identifier and the request, to their last byte. What is
    /// anything else, as the signature of a file or of another service is, is none.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let session = string(&mut rest)?;
        // A hash of the key exchange: SHA-1, SHA-256, SHA-384 or SHA-512.
        if !matches!(session.len(), 20 | 32 | 48 | 64) {
            return None;
        }
        rest = rest.strip_prefix(&[SSH_MSG_USERAUTH_REQUEST])?;
        let user = std::str::from_utf8(string(&mut rest)?).ok()?;
        let (service, method) = (string(&mut rest)?, string(&mut rest)?);
        if service != b"ssh-connection" || method != b"publickey" {
            return None;
        }
        rest = rest.strip_prefix(&[TRUE])?;
        let algorithm = std::str::from_utf8(string(&mut rest)?).ok()?;
        let key = string(&mut rest)?;
        rest.is_empty().then_some(Self { user, algorithm, key })
    }
}

/// RFC 4251, section 5.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (content, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(content)
}

const SSH_MSG_USERAUTH_REQUEST: u8 = 50;
const TRUE: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put(parts: &[&[u8]]) -> Vec<u8> {
        let string = |part: &&[u8]| [&u32::try_from(part.len()).unwrap().to_be_bytes(), *part].concat();
        parts.iter().flat_map(string).collect()
    }

    fn request(session: &[u8], number: u8, service: &str, method: &str, signed: u8) -> Vec<u8> {
        let parts = put(&[b"scanner", service.as_bytes(), method.as_bytes()]);
        let key = put(&[b"ssh-ed25519", b"a key"]);
        [put(&[session]), vec![number], parts, vec![signed], key].concat()
    }

    #[test]
    fn only_a_login_with_a_key_is_read() {
        for length in [20, 32, 48, 64] {
            let bytes = request(&vec![7; length], 50, "ssh-connection", "publickey", 1);
            let read = Userauth::read(&bytes).unwrap();
            assert_eq!((read.user, read.algorithm), ("scanner", "ssh-ed25519"));
            assert_eq!(read.key, b"a key");
            assert!(Userauth::read(&[bytes.as_slice(), b"\0"].concat()).is_none());
            assert!((0..bytes.len()).all(|end| Userauth::read(&bytes[..end]).is_none()));
        }
        let session = [7; 32];
        for wrong in [
            request(&[7; 31], 50, "ssh-connection", "publickey", 1),
            request(&[], 50, "ssh-connection", "publickey", 1),
            request(&session, 51, "ssh-connection", "publickey", 1),
            request(&session, 50, "ssh-userauth", "publickey", 1),
            request(&session, 50, "ssh-connection", "hostbased", 1),
            request(&session, 50, "ssh-connection", "publickey", 0),
            // What `ssh-keygen -Y sign` signs (PROTOCOL.sshsig).
            [b"SSHSIG".to_vec(), put(&[b"file", b"", b"sha512", &[7; 64]])].concat(),
        ] {
            assert!(Userauth::read(&wrong).is_none());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Userauth::read(&bytes);
        }
    }
}
