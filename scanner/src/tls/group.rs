//! Groups in which keys are agreed on: IANA's "TLS Supported Groups" registry.

use std::fmt;

use vedette_protocol::finding::Label;

/// A group by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub u16);

impl Group {
    /// Every group that has a name.
    pub fn all() -> Vec<Self> {
        TABLE.iter().map(|(number, _)| Self(*number)).collect()
    }

    /// Whether what is recorded today stays secret from tomorrow's quantum computer.
    pub fn is_post_quantum(self) -> bool {
        self.to_string().to_ascii_uppercase().contains("MLKEM") || self.0 == KYBER_DRAFT
    }

    /// Whether it gives less than 112 bits of strength.
    pub fn is_weak(self) -> bool {
        WEAK.contains(&self.0)
    }

    /// Its name for a finding.
    pub fn label(self) -> Option<Label> {
        Label::cut(&self.to_string())
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TABLE.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "0x{:04X}", self.0),
        }
    }
}

/// Curves below 224 bits (NIST SP 800-57 part 1, table 2).
const WEAK: &[u16] = &[1, 2, 3, 4, 5, 15, 16, 17, 18, 19];
const KYBER_DRAFT: u16 = 0x6399;

/// In the order in which a careful client would like them.
const TABLE: &[(u16, &str)] = &[
    (4588, "X25519MLKEM768"),
    (4587, "SecP256r1MLKEM768"),
    (4589, "SecP384r1MLKEM1024"),
    (512, "MLKEM512"),
    (513, "MLKEM768"),
    (514, "MLKEM1024"),
    (KYBER_DRAFT, "X25519Kyber768Draft00"),
    (29, "x25519"),
    (23, "secp256r1"),
    (30, "x448"),
    (24, "secp384r1"),
    (25, "secp521r1"),
    (31, "brainpoolP256r1tls13"),
    (32, "brainpoolP384r1tls13"),
    (33, "brainpoolP512r1tls13"),
    (26, "brainpoolP256r1"),
    (27, "brainpoolP384r1"),
    (28, "brainpoolP512r1"),
    (41, "curveSM2"),
    (256, "ffdhe2048"),
    (257, "ffdhe3072"),
    (258, "ffdhe4096"),
    (259, "ffdhe6144"),
    (260, "ffdhe8192"),
    (34, "GC256A"),
    (35, "GC256B"),
    (36, "GC256C"),
    (37, "GC256D"),
    (38, "GC512A"),
    (39, "GC512B"),
    (40, "GC512C"),
    (22, "secp256k1"),
    (20, "secp224k1"),
    (21, "secp224r1"),
    (18, "secp192k1"),
    (19, "secp192r1"),
    (15, "secp160k1"),
    (16, "secp160r1"),
    (17, "secp160r2"),
    (1, "sect163k1"),
    (2, "sect163r1"),
    (3, "sect163r2"),
    (4, "sect193r1"),
    (5, "sect193r2"),
    (6, "sect233k1"),
    (7, "sect233r1"),
    (8, "sect239k1"),
    (9, "sect283k1"),
    (10, "sect283r1"),
    (11, "sect409k1"),
    (12, "sect409r1"),
    (13, "sect571k1"),
    (14, "sect571r1"),
];
