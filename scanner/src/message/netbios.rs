//! The NetBIOS name service's node status (RFC 1002, 4.2.17 and 4.2.18): the names that a Windows or Samba
//! host has registered for itself.

use vedette_protocol::finding::MacAddress;

/// The question for all names of a node.
pub fn status_question(id: u16) -> Vec<u8> {
    let mut question = id.to_be_bytes().to_vec();
    question.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 32]);
    // The name `*`, filled up with zeros: each half of a byte is a letter from A on (RFC 1001, 14.1).
    question.extend(b"CK");
    question.extend([b'A'; 30]);
    question.extend([0, 0, 0x21, 0, 1]);
    question
}

/// What a node has registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// The question that it answers.
    pub id: u16,
    /// Its names.
    pub names: Vec<NetbiosName>,
    /// Its interface; zeros where it does not say (Samba).
    pub mac: MacAddress,
}

/// One registered name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetbiosName {
    /// The name without its padding.
    pub name: String,
    /// What it is for: the sixteenth byte.
    pub suffix: u8,
    /// Whether it belongs to one node or to many.
    pub owner: Owner,
}

/// Who may bear a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This node alone.
    Unique,
    /// A group of nodes.
    Group,
}

impl NodeStatus {
    /// The name of the machine.
    pub fn machine(&self) -> Option<&str> {
        self.unique(WORKSTATION).or_else(|| self.unique(FILE_SERVER))
    }

    /// Whether it offers files.
    pub fn serves_files(&self) -> bool {
        self.unique(FILE_SERVER).is_some()
    }

    /// Whether it is a domain controller.
    pub fn is_domain_controller(&self) -> bool {
        let controllers =
            |name: &&NetbiosName| name.suffix == DOMAIN_CONTROLLERS && name.owner == Owner::Group;
        self.names.iter().any(|name| controllers(&name))
    }

    fn unique(&self, suffix: u8) -> Option<&str> {
        self.names
            .iter()
            .find(|name| name.suffix == suffix && name.owner == Owner::Unique)
            .map(|name| name.name.as_str())
    }
}

/// Reads an answer to [`status_question`].
pub fn parse_status(bytes: &[u8]) -> Option<NodeStatus> {
    let (header, rest) = bytes.split_first_chunk::<12>()?;
    let [high, low, flags, _, _, _, 0, 1, ..] = *header else {
        return None;
    };
    if flags & 0x80 == 0 {
        return None;
    }
    // The name asked for: one label of 32 letters, or a pointer (never seen, but allowed).
    let rest = match rest {
        [32, name @ ..] => name.get(32..)?.strip_prefix(&[0])?,
        [0xc0, 0x0c, rest @ ..] => rest,
        _ => return None,
    };
    let (fixed, rest) = rest.split_first_chunk::<10>()?;
    let [0x00, 0x21, 0, 1, _, _, _, _, a, b] = *fixed else {
        return None;
    };
    let data = rest.get(..usize::from(u16::from_be_bytes([a, b])))?;
    let (count, data) = data.split_first()?;
    let table = data.get(..ENTRY * usize::from(*count))?;
    let names = table.chunks_exact(ENTRY).filter_map(entry).collect();
    let mac = data
        .get(table.len()..)?
        .first_chunk()
        .copied()
        .unwrap_or_default();
    Some(NodeStatus {
        id: u16::from_be_bytes([high, low]),
        names,
        mac: MacAddress(mac),
    })
}

fn entry(bytes: &[u8]) -> Option<NetbiosName> {
    let (name, rest) = bytes.split_first_chunk::<15>()?;
    let [suffix, flags, _] = *rest else { return None };
    let name = String::from_utf8_lossy(name);
    let name = name.trim_end_matches([' ', '\0']);
    (!name.is_empty()).then(|| NetbiosName {
        name: name.to_owned(),
        suffix,
        owner: if flags & 0x80 == 0 {
            Owner::Unique
        } else {
            Owner::Group
        },
    })
}

const ENTRY: usize = 18;
const WORKSTATION: u8 = 0x00;
const FILE_SERVER: u8 = 0x20;
const DOMAIN_CONTROLLERS: u8 = 0x1c;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The answer of Samba's nmbd 4.17 to [`status_question`].
    const SAMBA: &[u8] = include_bytes!("../../../fuzz/corpus/scan_netbios/samba");

    #[test]
    fn a_real_node_tells_its_names() {
        let status = parse_status(SAMBA).unwrap();
        assert_eq!(status.machine(), Some("FILESRV"));
        assert!(status.serves_files() && !status.is_domain_controller());
        assert_eq!(status.id, 0x1234);
        assert!(
            status
                .names
                .iter()
                .any(|name| name.name == "OFFICE" && name.owner == Owner::Group)
        );
        assert_eq!(status.mac, MacAddress([0; 6]));
    }

    #[test]
    fn the_question_is_the_one_that_was_answered() {
        assert_eq!(status_question(0x1234).len(), 50);
        // Name, type and class come back as they were sent.
        assert_eq!(status_question(0x1234)[12..50], SAMBA[12..50]);
    }

    #[test]
    fn a_question_is_no_answer() {
        assert_eq!(parse_status(&status_question(1)), None);
        for length in 0..SAMBA.len() - 40 {
            assert_eq!(parse_status(&SAMBA[..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_little_is_kept(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let answer = [&SAMBA[..56], &bytes].concat();
            prop_assert!(parse_status(&answer).is_none_or(|status| status.names.len() <= 255));
            let _ = parse_status(&bytes);
        }
    }
}
