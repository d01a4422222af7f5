//! What a host says of itself to somebody who has logged in: operating system and packages.
//!
//! Pure. The host's words are a stranger's: each is cut to what may leave, and their number is bounded.

use vedette_protocol::finding::{Evidence, Label, Source};

/// A command and what reads its output. Each prints to standard output, changes nothing, and fails where it does not
/// apply.
pub(super) struct Command {
    /// As a POSIX shell reads it.
    pub(super) line: &'static str,
    read: fn(&str) -> Vec<Evidence>,
}

/// All of them. A package manager more is a line here.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        line: "cat /etc/os-release",
        read: os_release,
    },
    Command {
        line: "uname -n",
        read: host_name,
    },
    Command {
        line: "dpkg-query -W -f '${db:Status-Abbrev}\\t${Package}\\t${Version}\\t${Architecture}\\n'",
        read: dpkg,
    },
    Command {
        line: "rpm -qa --queryformat '%{NAME}\\t%{EVR}\\t%{ARCH}\\n'",
        read: rpm,
    },
    Command {
        line: "cat /lib/apk/db/installed",
        read: apk,
    },
];

/// The most facts that one host may fill a finding with.
const FACTS_LIMIT: usize = 8192;

/// What was learnt.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    facts: Vec<Evidence>,
    /// Whether there was more.
    pub(super) cut: bool,
}

impl Inventory {
    /// Reads the output of a command.
    pub(super) fn learn(&mut self, command: &Command, output: &[u8]) {
        self.add((command.read)(&String::from_utf8_lossy(output)));
    }

    /// Takes facts.
    pub(super) fn add(&mut self, facts: Vec<Evidence>) {
        let room = FACTS_LIMIT - self.facts.len();
        self.cut |= facts.len() > room;
        self.facts.extend(facts.into_iter().take(room));
    }

    /// The facts.
    pub(super) fn evidence(self) -> Vec<Evidence> {
        self.facts
    }
}

/// os-release(5).
fn os_release(text: &str) -> Vec<Evidence> {
    let value = |key: &str| {
        text.lines().find_map(|line| {
            let value = line.strip_prefix(key)?.strip_prefix('=')?.trim();
            Label::cut(value.trim_matches(['"', '\'']))
        })
    };
    value("NAME")
        .map(|name| Evidence::System {
            name,
            version: value("VERSION_ID").or_else(|| value("BUILD_ID")),
            by: Source::Login,
        })
        .into_iter()
        .collect()
}

fn host_name(text: &str) -> Vec<Evidence> {
    let name = text.lines().next().and_then(|line| Label::cut(line.trim()));
    name.map(|name| Evidence::HostName {
        name,
        by: Source::Login,
    })
    .into_iter()
    .collect()
}

/// Installed ones only: a package that was removed leaves its settings, and a row.
fn dpkg(text: &str) -> Vec<Evidence> {
    let row = |line: &str| {
        let (state, rest) = line.split_once('\t')?;
        (state.as_bytes().get(1) == Some(&b'i')).then(|| columns(rest))?
    };
    text.lines().filter_map(row).collect()
}

fn rpm(text: &str) -> Vec<Evidence> {
    text.lines().filter_map(columns).collect()
}

fn columns(line: &str) -> Option<Evidence> {
    let mut columns = line.split('\t');
    Some(Evidence::Package {
        name: Label::cut(columns.next()?)?,
        version: Label::cut(columns.next()?)?,
        architecture: columns.next().and_then(Label::cut),
    })
}

/// The database of apk(8): records of `X:value` lines, with an empty line behind each.
fn apk(text: &str) -> Vec<Evidence> {
    let record = |record: &str| {
        let value = |key: &str| {
            record
                .lines()
                .find_map(|line| Label::cut(line.strip_prefix(key)?))
        };
        Some(Evidence::Package {
            name: value("P:")?,
            version: value("V:")?,
            architecture: value("A:"),
        })
    };
    text.split("\n\n").filter_map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn label(text: &str) -> Label {
        text.parse().unwrap()
    }

    fn package(name: &str, version: &str, architecture: &str) -> Evidence {
        Evidence::Package {
            name: label(name),
            version: label(version),
            architecture: Label::cut(architecture),
        }
    }

    #[test]
    fn an_operating_system_is_named_with_its_version() {
        let text =
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n";
        assert_eq!(
            os_release(text),
            [Evidence::System {
                name: label("Debian GNU/Linux"),
                version: Some(label("12")),
                by: Source::Login
            }]
        );
        assert_eq!(os_release("nothing"), []);
    }

    #[test]
    fn packages_are_read_from_each_manager() {
        let text = "ii \tzlib1g\t1:1.2.13.dfsg-1\tamd64\nrc \told\t1\tall\n\nbroken\n";
        assert_eq!(dpkg(text), [package("zlib1g", "1:1.2.13.dfsg-1", "amd64")]);
        assert_eq!(
            rpm("bash\t5.2.26-3.fc40\tx86_64\n"),
            [package("bash", "5.2.26-3.fc40", "x86_64")]
        );
        let text = "C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:1\n\nP:no-version\n\n";
        assert_eq!(apk(text), [package("musl", "1.2.5-r0", "x86_64")]);
    }

    #[test]
    fn what_is_too_much_is_cut_and_said() {
        let text = "a\t1\tx\n".repeat(FACTS_LIMIT + 1);
        let mut inventory = Inventory::default();
        inventory.learn(&COMMANDS[3], text.as_bytes());
        assert!(inventory.cut);
        assert_eq!(inventory.evidence().len(), FACTS_LIMIT);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let mut inventory = Inventory::default();
            for command in COMMANDS {
                inventory.learn(command, &bytes);
            }
        }
    }
}
