//! Cipher suites: their numbers and names are IANA's table, what they are worth follows from the name.

mod table;

use std::fmt;

use vedette_protocol::finding::{Label, TlsVersion};

/// A cipher suite by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Suite(pub u16);

/// Says "I came back with less" in a list of suites (RFC 7507).
pub const FALLBACK: Suite = Suite(0x5600);
/// Says that the client renegotiates securely, where it sends no extensions (RFC 5746, section 3.3).
pub const RENEGOTIATION: Suite = Suite(0x00ff);

/// What is wrong with a suite. One suite may have several faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It encrypts nothing.
    NoEncryption,
    /// Nobody is authenticated.
    Anonymous,
    /// RSA with the 512 bits that could once be exported: FREAK.
    ExportRsa,
    /// Diffie-Hellman with them: LOGJAM.
    ExportDh,
    /// A key of less than 112 bits.
    ShortKey,
    /// RC4 (RFC 7465).
    Rc4,
    /// Blocks of 64 bits: SWEET32.
    SmallBlocks,
    /// The server's lasting key decrypts what was recorded.
    NoForwardSecrecy,
    /// CBC, whose first block is predictable in TLS 1.0 and before: BEAST, and the padding of SSLv3: POODLE.
    Cbc,
}

impl Suite {
    /// The suites that can be agreed on in a version of TLS.
    pub fn of(version: TlsVersion) -> Vec<Self> {
        let all = table::TABLE.iter().map(|(number, _)| Self(*number));
        all.filter(|suite| match version {
            TlsVersion::Ssl2 => false,
            TlsVersion::Ssl3 | TlsVersion::Tls10 | TlsVersion::Tls11 => {
                !suite.is_of_tls13() && !suite.needs_tls12()
            }
            TlsVersion::Tls12 => !suite.is_of_tls13(),
            TlsVersion::Tls13 => suite.is_of_tls13(),
        })
        .collect()
    }

    /// Its name, if it has one.
    pub fn name(self) -> Option<&'static str> {
        let at = table::TABLE
            .binary_search_by_key(&self.0, |(number, _)| *number)
            .ok()?;
        Some(table::TABLE[at].1)
    }

    /// The suite of that name.
    pub fn named(name: &str) -> Option<Self> {
        let row = table::TABLE.iter().find(|(_, found)| *found == name);
        row.map(|(number, _)| Self(*number))
    }

    /// Its name for a finding.
    pub fn label(self) -> Option<Label> {
        Label::cut(&self.to_string())
    }

    /// What is wrong with it.
    pub fn has(self, fault: Fault) -> bool {
        let name = self.name().unwrap_or_default();
        let has = |part: &str| name.contains(part);
        let export = has("_EXPORT_");
        match fault {
            Fault::NoEncryption => {
                has("_WITH_NULL_") || matches!(name, "TLS_SHA256_SHA256" | "TLS_SHA384_SHA384")
            }
            Fault::Anonymous => has("_anon_"),
            Fault::ExportRsa => name.starts_with("TLS_RSA_EXPORT_"),
            Fault::ExportDh => export && (has("_DH_") || has("_DHE_")),
            Fault::ShortKey => export || has("_WITH_DES_") || has("_40_"),
            Fault::Rc4 => has("_RC4_"),
            Fault::SmallBlocks => [
                "_3DES_", "_DES_", "_DES40_", "_IDEA_", "_RC2_", "_MAGMA_", "_28147_",
            ]
            .iter()
            .any(|cipher| has(cipher)),
            Fault::NoForwardSecrecy => !self.is_of_tls13() && !self.has_forward_secrecy(),
            Fault::Cbc => has("_CBC_"),
        }
    }

    /// Whether it rests on an RSA key exchange, in which the client encrypts for the server's key.
    pub fn encrypts_for_rsa(self) -> bool {
        self.name().is_some_and(|name| name.starts_with("TLS_RSA_WITH_"))
    }

    /// Whether the server sends a share of an elliptic curve.
    pub fn is_ecdhe(self) -> bool {
        self.name().is_some_and(|name| name.starts_with("TLS_ECDH")) && self.has_forward_secrecy()
    }

    /// Whether the server sends a share of a finite field.
    pub fn is_dhe(self) -> bool {
        self.name().is_some_and(|name| name.starts_with("TLS_DH")) && self.has_forward_secrecy()
    }

    /// The kind of key that the server shows a certificate for; none when it shows none.
    pub fn certificate(self) -> Option<&'static str> {
        let name = self.name()?;
        let (exchange, _) = name.split_once("_WITH_")?;
        ["ECDSA", "DSS", "RSA"]
            .into_iter()
            .find(|kind| exchange.contains(kind))
    }

    /// Whether a server may take it ahead of its own order for the sake of weak clients.
    pub fn is_chacha(self) -> bool {
        self.name().is_some_and(|name| name.contains("CHACHA20"))
    }

    fn has_forward_secrecy(self) -> bool {
        let name = self.name().unwrap_or_default();
        ["_DHE_", "_ECDHE_", "_anon_", "_ECCPWD_", "_SRP_"]
            .iter()
            .any(|exchange| name.contains(exchange))
    }

    fn is_of_tls13(self) -> bool {
        matches!(self.0, 0x1300..0x1400 | 0xc0b4 | 0xc0b5 | 0x00c6 | 0x00c7 | 0xc103..=0xc106)
    }

    /// AEAD and the hashes of RFC 5246 and after.
    pub(super) fn needs_tls12(self) -> bool {
        let name = self.name().unwrap_or_default();
        ["_GCM_", "_CCM", "_POLY1305_"]
            .iter()
            .any(|mode| name.contains(mode))
            || name.ends_with("_SHA256")
            || name.ends_with("_SHA384")
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:04X}", self.0),
        }
    }
}

/// A cipher of SSLv2 by its number of three bytes ("The SSL Protocol", Hickman 1995, section C.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssl2Cipher(pub [u8; 3]);

impl Ssl2Cipher {
    /// All that there are.
    pub const ALL: &[(Self, &str)] = &[
        (Self([1, 0, 0x80]), "SSL2_RC4_128_WITH_MD5"),
        (Self([2, 0, 0x80]), "SSL2_RC4_128_EXPORT40_WITH_MD5"),
        (Self([3, 0, 0x80]), "SSL2_RC2_128_CBC_WITH_MD5"),
        (Self([4, 0, 0x80]), "SSL2_RC2_128_CBC_EXPORT40_WITH_MD5"),
        (Self([5, 0, 0x80]), "SSL2_IDEA_128_CBC_WITH_MD5"),
        (Self([6, 0, 0x40]), "SSL2_DES_64_CBC_WITH_MD5"),
        (Self([7, 0, 0xc0]), "SSL2_DES_192_EDE3_CBC_WITH_MD5"),
        (Self([8, 0, 0x80]), "SSL2_RC4_64_WITH_MD5"),
    ];

    /// Its name for a finding.
    pub fn label(self) -> Option<Label> {
        let known = Self::ALL.iter().find(|(cipher, _)| *cipher == self);
        Label::cut(known.map(|(_, name)| *name)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Suite {
        Suite::named(name).unwrap_or_else(|| panic!("no {name}"))
    }

    #[test]
    fn the_table_is_in_order_and_each_version_has_its_share() {
        assert!(table::TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(named("TLS_RSA_WITH_AES_128_CBC_SHA"), Suite(0x002f));
        assert_eq!(Suite(0x1301).to_string(), "TLS_AES_128_GCM_SHA256");
        assert_eq!(Suite(0xfefe).to_string(), "0xFEFE");
        assert!(Suite::of(TlsVersion::Tls13).contains(&Suite(0x1303)));
        assert!(!Suite::of(TlsVersion::Tls12).contains(&Suite(0x1303)));
        assert!(Suite::of(TlsVersion::Tls12).contains(&Suite(0xc02f)));
        assert!(!Suite::of(TlsVersion::Tls10).contains(&Suite(0xc02f)));
        assert!(Suite::of(TlsVersion::Ssl3).contains(&Suite(0x0003)));
    }

    #[test]
    fn faults_follow_from_names() {
        for (name, faults) in [
            (
                "TLS_RSA_EXPORT_WITH_RC4_40_MD5",
                [
                    Fault::ExportRsa,
                    Fault::ShortKey,
                    Fault::Rc4,
                    Fault::NoForwardSecrecy,
                ]
                .as_slice(),
            ),
            (
                "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA",
                &[Fault::ExportDh, Fault::ShortKey, Fault::SmallBlocks, Fault::Cbc],
            ),
            (
                "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
                &[Fault::SmallBlocks, Fault::NoForwardSecrecy, Fault::Cbc],
            ),
            (
                "TLS_DHE_RSA_WITH_DES_CBC_SHA",
                &[Fault::ShortKey, Fault::SmallBlocks, Fault::Cbc],
            ),
            (
                "TLS_ECDH_anon_WITH_NULL_SHA",
                &[Fault::NoEncryption, Fault::Anonymous],
            ),
            ("TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256", &[Fault::NoForwardSecrecy]),
            ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", &[]),
            ("TLS_AES_256_GCM_SHA384", &[]),
        ] {
            for fault in [
                Fault::NoEncryption,
                Fault::Anonymous,
                Fault::ExportRsa,
                Fault::ExportDh,
                Fault::ShortKey,
                Fault::Rc4,
                Fault::SmallBlocks,
                Fault::NoForwardSecrecy,
                Fault::Cbc,
            ] {
                assert_eq!(
                    named(name).has(fault),
                    faults.contains(&fault),
                    "{name} {fault:?}"
                );
            }
        }
    }
}
