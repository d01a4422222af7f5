//! The encrypted workspace as it lies on the disk: which key opens it, and what it says then.

use aes::Aes256;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

/// The first sectors of a volume in AES-256-XTS with plain sector numbers, as dm-crypt's `aes-xts-plain64` writes them.
#[derive(Debug, Clone)]
pub struct Ciphertext(Vec<u8>);

/// A key that was seen to open a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeKey {
    data: [u8; 32],
    tweak: [u8; 32],
    /// The file system's UUID: sixteen random bytes of this boot that the kernel keeps with the mount.
    pub uuid: [u8; 16],
}

impl Ciphertext {
    /// At least the first four sectors.
    pub fn new(sectors: Vec<u8>) -> Self {
        assert!(
            sectors.len() >= 4 * SECTOR,
            "the superblock is in the third sector"
        );
        Self(sectors)
    }

    /// The pair of these keys under which this is an ext4 file system.
    pub fn key_among(&self, keys: &[[u8; 32]]) -> Option<VolumeKey> {
        let pairs = keys
            .iter()
            .flat_map(|data| keys.iter().map(move |tweak| (data, tweak)));
        for (data, tweak) in pairs {
            let superblock = self.sector(SUPERBLOCK, data, tweak);
            // ext4(5), "On-disk format": magic number, revision, and a first inode of 11.
            if superblock[56..58] == [0x53, 0xef]
                && superblock[76..80] == [1, 0, 0, 0]
                && superblock[84..88] == [11, 0, 0, 0]
            {
                return Some(VolumeKey {
                    data: *data,
                    tweak: *tweak,
                    uuid: superblock[104..120].try_into().expect("sixteen bytes"),
                });
            }
        }
        None
    }

    /// IEEE 1619: each block is decrypted between two additions of the sector's tweak, which doubles from block to block.
    fn sector(&self, number: usize, data: &[u8; 32], tweak: &[u8; 32]) -> [u8; SECTOR] {
        let (data, tweak) = (
            Aes256::new(&Array::from(*data)),
            Aes256::new(&Array::from(*tweak)),
        );
        let mut mask = Array::from((number as u128).to_le_bytes());
        tweak.encrypt_block(&mut mask);
        let mut mask = u128::from_le_bytes(mask.into());
        let mut plain = [0; SECTOR];
        let sector = &self.0[number * SECTOR..(number + 1) * SECTOR];
        for (block, plain) in sector.chunks_exact(16).zip(plain.chunks_exact_mut(16)) {
            let block = u128::from_le_bytes(block.try_into().expect("sixteen bytes"));
            let mut block = Array::from((block ^ mask).to_le_bytes());
            data.decrypt_block(&mut block);
            let block = u128::from_le_bytes(block.into()) ^ mask;
            plain.copy_from_slice(&block.to_le_bytes());
            mask = (mask << 1) ^ if mask >> 127 == 0 { 0 } else { 0x87 };
        }
        plain
    }
}

impl VolumeKey {
    /// Its halves, for a search of memory.
    pub fn halves(&self) -> [&[u8]; 2] {
        [&self.data, &self.tweak]
    }
}

const SECTOR: usize = 512;
/// ext4 begins at byte 1024.
const SUPERBLOCK: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_one_under_which_it_is_a_file_system() {
        // An ext4 superblock's beginning, encrypted by this file's own inverse below.
        let (data, tweak, other) = ([1; 32], [2; 32], [3; 32]);
        let mut plain = [0; SECTOR];
        plain[56..58].copy_from_slice(&[0x53, 0xef]);
        plain[76] = 1;
        plain[84] = 11;
        plain[104..120].copy_from_slice(b"sixteen bytes..!");
        let mut sectors = vec![0; 4 * SECTOR];
        sectors[2 * SECTOR..3 * SECTOR].copy_from_slice(&encrypt(2, &plain, &data, &tweak));
        let volume = Ciphertext::new(sectors);
        let found = volume.key_among(&[other, tweak, data]).unwrap();
        assert_eq!((found.data, found.tweak), (data, tweak));
        assert_eq!(&found.uuid, b"sixteen bytes..!");
        assert_eq!(volume.key_among(&[other, tweak]), None);
        assert_eq!(volume.key_among(&[]), None);
    }

    #[test]
    fn the_mode_is_the_standards() {
        // IEEE 1619-2007, appendix B, vector 10: AES-256, data unit ff, the first block of 512 bytes 00 01 02 …
        let data = hex("2718281828459045235360287471352662497757247093699959574966967627");
        let tweak = hex("3141592653589793238462643383279502884197169399375105820974944592");
        let plain: Vec<u8> = (0..SECTOR)
            .map(|byte| u8::try_from(byte % 256).unwrap())
            .collect();
        let cipher = encrypt(
            0xff,
            &plain.clone().try_into().unwrap(),
            &data.try_into().unwrap(),
            &tweak.try_into().unwrap(),
        );
        assert_eq!(cipher[..16], hex("1c3b3a102f770386e4836c99e370cf9b"));
    }

    fn encrypt(number: u128, plain: &[u8; SECTOR], data: &[u8; 32], tweak: &[u8; 32]) -> [u8; SECTOR] {
        let (data, tweak) = (
            Aes256::new(&Array::from(*data)),
            Aes256::new(&Array::from(*tweak)),
        );
        let mut mask = Array::from(number.to_le_bytes());
        tweak.encrypt_block(&mut mask);
        let mut mask = u128::from_le_bytes(mask.into());
        let mut cipher = *plain;
        for block in cipher.chunks_exact_mut(16) {
            let mut masked =
                Array::from((u128::from_le_bytes((&*block).try_into().unwrap()) ^ mask).to_le_bytes());
            data.encrypt_block(&mut masked);
            block.copy_from_slice(&(u128::from_le_bytes(masked.into()) ^ mask).to_le_bytes());
            mask = (mask << 1) ^ if mask >> 127 == 0 { 0 } else { 0x87 };
        }
        cipher
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }
}
