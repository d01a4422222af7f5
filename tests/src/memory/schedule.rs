//! AES-256 key schedules (FIPS 197, section 5.2) among other bytes.

/// Adds the keys of the schedules in `memory` to `keys`, each once.
pub(super) fn find(memory: &[u8], keys: &mut Vec<[u8; 32]>) {
    for at in (0..memory.len().saturating_sub(SCHEDULE - 1)).step_by(ALIGNMENT) {
        let bytes = &memory[at..at + SCHEDULE];
        if !begins_like_one(bytes) {
            continue;
        }
        let key: [u8; 32] = bytes[..32].try_into().expect("of 240 bytes the first 32");
        if expand(&key) == bytes && !keys.contains(&key) {
            keys.push(key);
        }
    }
}

/// Only the first word that is derived from the key: nearly nothing else gets past it.
fn begins_like_one(bytes: &[u8]) -> bool {
    let derived = bytes[0] ^ SUBSTITUTE[usize::from(bytes[29])] ^ 1;
    bytes[32] == derived
        && bytes[33] == bytes[1] ^ SUBSTITUTE[usize::from(bytes[30])]
        && bytes[34] == bytes[2] ^ SUBSTITUTE[usize::from(bytes[31])]
        && bytes[35] == bytes[3] ^ SUBSTITUTE[usize::from(bytes[28])]
}

fn expand(key: &[u8; 32]) -> [u8; SCHEDULE] {
    let mut bytes = [0; SCHEDULE];
    bytes[..32].copy_from_slice(key);
    let mut round = 1;
    for at in (32..SCHEDULE).step_by(4) {
        let mut word = [bytes[at - 4], bytes[at - 3], bytes[at - 2], bytes[at - 1]];
        if at % 32 == 0 {
            word.rotate_left(1);
            word = word.map(substitute);
            word[0] ^= round;
            round <<= 1;
        } else if at % 32 == 16 {
            word = word.map(substitute);
        }
        for (offset, byte) in word.into_iter().enumerate() {
            bytes[at + offset] = bytes[at + offset - 32] ^ byte;
        }
    }
    bytes
}

fn substitute(byte: u8) -> u8 {
    SUBSTITUTE[usize::from(byte)]
}

/// The S-box: the inverse in GF(2^8), then an affine map.
const SUBSTITUTE: [u8; 256] = {
    let mut table = [0; 256];
    let (mut power, mut inverse) = (1u8, 1u8);
    loop {
        // Multiplied by 3, and divided by 3.
        power ^= (power << 1) ^ if power & 0x80 == 0 { 0 } else { 0x1b };
        inverse ^= inverse << 1;
        inverse ^= inverse << 2;
        inverse ^= inverse << 4;
        if inverse & 0x80 != 0 {
            inverse ^= 0x09;
        }
        table[power as usize] = 0x63
            ^ inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4);
        if power == 1 {
            break;
        }
    }
    table[0] = 0x63;
    table
};

/// Of 60 words.
const SCHEDULE: usize = 240;
/// The kernel keeps schedules as words.
const ALIGNMENT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expansion_is_the_standards() {
        // FIPS 197, appendix A.3.
        let key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let schedule = expand(&key.try_into().unwrap());
        assert_eq!(schedule[32..48], hex("9ba354118e6925afa51a8b5f2067fcde"));
        assert_eq!(schedule[224..], hex("fe4890d1e6188d0b046df344706c631e"));
    }

    #[test]
    fn a_schedule_is_found_and_a_bare_key_is_not() {
        let keys = |memory: &[u8]| {
            let mut keys = Vec::new();
            find(memory, &mut keys);
            keys
        };
        let key = [7; 32];
        let mut memory = vec![0xa5; 4096];
        memory[100..132].copy_from_slice(&key);
        assert!(keys(&memory).is_empty());
        memory[1024..1264].copy_from_slice(&expand(&key));
        memory[2048..2288].copy_from_slice(&expand(&key));
        assert_eq!(keys(&memory), [key]);
        memory[1030] ^= 1;
        memory[2048 + 239] ^= 1;
        assert!(keys(&memory).is_empty());
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }
}
