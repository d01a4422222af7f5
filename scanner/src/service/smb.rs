//! SMB 2 (MS-SMB2, section 2.2.3): offered its dialects, the server answers before anyone logs in.

use super::{Heard, Identity, Question, Service};

pub(crate) const SERVICE: Service = Service {
    ports: &[445, 139],
    question: Some(question),
    follow: None,
    recognise,
    datagram: None,
};

/// NEGOTIATE with the dialects 2.0.2, 2.1, 3.0 and 3.0.2, behind the four bytes of its length.
fn question(_: &str) -> Question {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(MAGIC);
    header[4] = 64;
    let mut body = vec![36, 0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    // Our id, which is nobody's; no start time; the dialects.
    body.extend_from_slice(b"vedette-vedette-");
    body.extend_from_slice(&[0; 8]);
    body.extend_from_slice(&[0x02, 0x02, 0x10, 0x02, 0x00, 0x03, 0x02, 0x03]);
    let length = u8::try_from(header.len() + body.len()).expect("a short message of our own");
    Question::saying([&[0, 0, 0, length], header.as_slice(), &body].concat())
}

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_answer(heard.bytes)
}

/// Reads the answer to NEGOTIATE.
pub fn parse_answer(bytes: &[u8]) -> Option<Identity> {
    let message = bytes.strip_prefix(b"\0\0")?.get(2..)?;
    let (header, body) = message.split_first_chunk::<HEADER>()?;
    let is_answer = header.starts_with(MAGIC) && header[12..14] == [0, 0] && header[16] & 1 == 1;
    let [65, 0, _, _, _, _, _, _, rest @ ..] = body else {
        return is_answer.then(|| Identity::certain("smb"));
    };
    if !is_answer {
        return None;
    }
    // Windows makes its id at random. Samba writes the computer's name into it, filled up with zeros.
    let (id, rest) = rest.split_first_chunk::<16>()?;
    let name = id.iter().take_while(|byte| **byte != 0).count();
    let is_name = (1..16).contains(&name)
        && id[..name].iter().all(u8::is_ascii_graphic)
        && id[name..].iter().all(|byte| *byte == 0);
    // And it offers NTLM with a hint that only it and its kin give.
    let hint = b"not_defined_in_RFC4178@please_ignore";
    let hinted = rest.windows(hint.len()).any(|part| part == hint);
    Some(if is_name && hinted {
        Identity::firm("smb").product("Samba", None)
    } else {
        Identity::certain("smb")
    })
}

const MAGIC: &[u8; 4] = b"\xfeSMB";
const HEADER: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// What smbd 4.17.12 of Debian 12 answered.
    const SMBD: &[u8] = b"\x00\x00\x00\xca\xfeSMB@\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00A\x00\x01\x00\x10\x02\x00\x00vm\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x80\x00\x00\x00\x80\x00\x00\x00\x80\x00\xa6?\xeb'\x80z\xdd\x01\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00J\x00\x00\x00\x00\x00`H\x06\x06+\x06\x01\x05\x05\x02\xa0>0<\xa0\x0e0\x0c\x06\x0a+\x06\x01\x04\x01\x827\x02\x02\x0a\xa3*0(\xa0&\x1b$not_defined_in_RFC4178@please_ignore";

    #[test]
    fn samba_is_told_from_what_only_speaks_the_protocol() {
        assert_eq!(
            parse_answer(SMBD),
            Some(Identity::firm("smb").product("Samba", None))
        );
        let mut random = SMBD.to_vec();
        random[76..92].copy_from_slice(b"\x01\x80\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10");
        assert_eq!(parse_answer(&random), Some(Identity::certain("smb")));
    }

    #[test]
    fn an_echo_and_other_bytes_are_not() {
        assert_eq!(parse_answer(&question("").say), None);
        assert_eq!(parse_answer(b"\0\0\0\x04\xfeSMB"), None);
        for cut in 0..SMBD.len() {
            let _ = parse_answer(&SMBD[..cut]);
        }
    }
}
