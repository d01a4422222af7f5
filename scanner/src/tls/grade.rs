//! The grade of an endpoint: each weakness puts a lid on it, and the lowest lid is the grade. The rule is
//! this table; docs/TLS.md prints it, and a test compares the two.

use std::fmt;

use vedette_protocol::{
    Finding,
    finding::{Evidence, FindingType, Label},
};

/// From best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nothing to mend.
    APlus,
    /// Small things.
    A,
    /// Things that help an attacker who has much already.
    B,
    /// Things that help an attacker.
    C,
    /// Things that break it with effort.
    D,
    /// Broken.
    F,
}

/// The best grade that is left with a weakness. A weakness that is not named here leaves all.
pub const LIDS: &[(FindingType, Grade)] = &[
    (FindingType::TlsNoTls13, Grade::A),
    (FindingType::TlsBrokenChain, Grade::A),
    (FindingType::TlsNoFallbackProtection, Grade::A),
    (FindingType::TlsClientRenegotiation, Grade::A),
    (FindingType::TlsOldVersions, Grade::B),
    (FindingType::TlsBeast, Grade::B),
    (FindingType::TlsNoForwardSecrecy, Grade::B),
    (FindingType::TlsWeakGroup, Grade::B),
    (FindingType::TlsWeakDh, Grade::B),
    (FindingType::TlsSweet32, Grade::B),
    (FindingType::TlsStapleMissing, Grade::B),
    (FindingType::TlsCertificateNotYetValid, Grade::C),
    (FindingType::TlsRc4, Grade::C),
    (FindingType::TlsPoodle, Grade::C),
    (FindingType::TlsCompression, Grade::C),
    (FindingType::TlsWideWildcard, Grade::C),
    (FindingType::TlsInsecureRenegotiation, Grade::C),
    (FindingType::TlsCertificateExpired, Grade::D),
    (FindingType::TlsCertificateSelfSigned, Grade::D),
    (FindingType::TlsCertificateWrongName, Grade::D),
    (FindingType::TlsWeakKey, Grade::D),
    (FindingType::TlsWeakSignature, Grade::D),
    (FindingType::TlsShortKeys, Grade::F),
    (FindingType::TlsNoEncryption, Grade::F),
    (FindingType::TlsAnonymous, Grade::F),
    (FindingType::TlsFreak, Grade::F),
    (FindingType::TlsLogjam, Grade::F),
    (FindingType::TlsDrown, Grade::F),
    (FindingType::TlsRobot, Grade::F),
    (FindingType::TlsCcsInjection, Grade::F),
    (FindingType::TlsTicketbleed, Grade::F),
    (FindingType::TlsHeartbleed, Grade::F),
];

impl Grade {
    /// The grade that these leave.
    pub fn of(types: impl IntoIterator<Item = FindingType>) -> Self {
        let lid = |type_| {
            LIDS.iter()
                .find(|(lidded, _)| *lidded == type_)
                .map(|(_, lid)| *lid)
        };
        types.into_iter().filter_map(lid).max().unwrap_or(Self::APlus)
    }
}

/// The grade as evidence.
pub(crate) fn evidence(findings: &[Finding]) -> Option<Evidence> {
    let grade = Grade::of(findings.iter().map(|finding| finding.type_));
    Some(Evidence::Grade {
        grade: Label::cut(&grade.to_string())?,
    })
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::APlus => "A+",
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::F => "F",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_lid_is_the_grade() {
        assert_eq!(Grade::of([]), Grade::APlus);
        assert_eq!(Grade::of([FindingType::OpenPort]), Grade::APlus);
        let both = [FindingType::TlsOldVersions, FindingType::TlsNoTls13];
        assert_eq!(Grade::of(both), Grade::B);
        assert_eq!(
            Grade::of([FindingType::TlsHeartbleed, FindingType::TlsRc4]),
            Grade::F
        );
    }

    #[test]
    fn every_weakness_of_tls_has_a_lid_and_the_document_says_the_same() {
        use vedette_protocol::finding::Kind;
        let document = include_str!("../../../docs/TLS.md");
        for type_ in FindingType::ALL {
            let is_tls = type_.name().starts_with("tls-") && type_.kind() == Kind::Weakness;
            let lid = LIDS.iter().find(|(lidded, _)| lidded == type_);
            assert_eq!(lid.is_some(), is_tls, "{type_}");
            if let Some((_, lid)) = lid {
                let row = format!("| `{type_}` | {lid} |");
                assert!(document.contains(&row), "docs/TLS.md lacks {row}");
            }
        }
    }
}
