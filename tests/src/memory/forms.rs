//! The forms in which a secret may stand among other bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The secret as it is, in base64 and hexadecimal digits, and in UTF-16 of both orders; in base64 at each of the three
/// places where it may begin in a group, without what depends on its neighbours.
pub fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let mut forms = vec![
        bytes.to_vec(),
        secret.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        secret.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        bytes
            .iter()
            .flat_map(|byte| format!("{byte:02x}").into_bytes())
            .collect(),
        bytes
            .iter()
            .flat_map(|byte| format!("{byte:02X}").into_bytes())
            .collect(),
    ];
    for before in 0..3 {
        let text = STANDARD_NO_PAD.encode([&[0; 2][..before], bytes].concat());
        // The first character that is of the secret alone, and the last.
        let first = (before * 8).div_ceil(6);
        let end = (before + bytes.len()) * 8 / 6;
        forms.push(text.as_bytes()[first..end].to_vec());
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_wherever_it_stands_in_encoded_text() {
        let forms = forms("canary-7Q");
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "x", "xy", "\n--"] {
                let text = STANDARD_NO_PAD.encode(format!("{before}canary-7Q{after}"));
                let found = forms
                    .iter()
                    .any(|form| text.as_bytes().windows(form.len()).any(|at| at == form));
                assert!(found, "{before:?} {after:?}");
            }
        }
    }
}
