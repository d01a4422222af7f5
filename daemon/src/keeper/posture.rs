//! What must be true of the kernel before a key is touched.
//!
//! [`Posture::read`] gathers, [`Posture::judge`] decides. The command line stands in the signed UKI, and
//! what runs must be that and not a word more. Its root hash is what the kernel verifies each block of the
//! root against, and so names the image; it alone cannot stand in the root as well.

use std::{collections::BTreeMap, fs};

use vedette_protocol::{ImageId, keeper::Unfit};

/// Words of the command line that the promises rest on.
const WORDS: [&str; 13] = [
    "lockdown=confidentiality",
    "module.sig_enforce=1",
    "init_on_alloc=1",
    "init_on_free=1",
    "slab_nomerge",
    "page_alloc.shuffle=1",
    "randomize_kstack_offset=on",
    "vsyscall=none",
    "debugfs=off",
    "secretmem.enable=1",
    "lsm=lockdown,yama,landlock,bpf",
    "systemd.import_credentials=no",
    "panic=",
];

/// The word that names the root.
const ROOT_HASH: &str = "vedette.root_hash=";
/// All words that pin the root.
const ROOT: [&str; 4] = [
    "vedette.slot=",
    ROOT_HASH,
    "vedette.root_salt=",
    "vedette.root_blocks=",
];

/// Kernel settings that the promises rest on.
const SETTINGS: [(&str, &str); 12] = [
    ("kernel/modules_disabled", "1"),
    ("kernel/kexec_load_disabled", "1"),
    ("kernel/unprivileged_bpf_disabled", "1"),
    ("kernel/yama/ptrace_scope", "3"),
    ("fs/suid_dumpable", "0"),
    ("net/ipv4/ip_forward", "0"),
    ("net/ipv4/conf/all/forwarding", "0"),
    ("net/ipv6/conf/all/forwarding", "0"),
    ("net/ipv4/conf/all/accept_redirects", "0"),
    ("net/ipv6/conf/all/accept_redirects", "0"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/all/accept_source_route", "0"),
];

/// What was read of the running kernel; what could not be read is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Posture {
    cmdline: String,
    lockdown: String,
    settings: BTreeMap<&'static str, String>,
}

impl Posture {
    /// Reads it.
    pub fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).ok();
        Self {
            cmdline: text("/proc/cmdline").unwrap_or_default(),
            lockdown: text("/sys/kernel/security/lockdown").unwrap_or_default(),
            settings: SETTINGS
                .iter()
                .filter_map(|(name, _)| Some((*name, text(&format!("/proc/sys/{name}"))?.trim().to_owned())))
                .collect(),
        }
    }

    /// The image that runs, if everything is as it must be, with the image's own words on the command line.
    ///
    /// # Errors
    /// The first thing that is not.
    pub fn judge(&self, parameters: &[String]) -> Result<ImageId, Unfit> {
        if !self.lockdown.contains("[confidentiality]") {
            return Err(Unfit::Lockdown);
        }
        for (name, wanted) in SETTINGS {
            if self.settings.get(name).is_none_or(|value| value != wanted) {
                return Err(match name {
                    "kernel/modules_disabled" => Unfit::Modules,
                    _ => Unfit::Setting(name.replace('/', ".")),
                });
            }
        }
        for word in WORDS {
            self.only(word)?;
        }
        let image = self.only(ROOT_HASH)?.parse();
        let image = image.map_err(|_| Unfit::CommandLine(ROOT_HASH.to_owned()))?;
        let pins_root = |word: &&str| ROOT.iter().any(|name| word.starts_with(name));
        let given = self.cmdline.split_ascii_whitespace();
        if given.filter(|word| !pins_root(word)).eq(parameters) {
            Ok(image)
        } else {
            Err(Unfit::OtherCommandLine)
        }
    }

    /// The value of a word that stands there exactly once: of a second one, nobody knows who heeds it.
    fn only(&self, word: &str) -> Result<&str, Unfit> {
        let missing = || Unfit::CommandLine(word.to_owned());
        let name = word.split_inclusive('=').next().unwrap_or(word);
        let mut given = self
            .cmdline
            .split_ascii_whitespace()
            .filter(|given| given.split_inclusive('=').next() == Some(name));
        let value = given.next().ok_or_else(missing)?;
        if given.next().is_some() {
            return Err(missing());
        }
        let rest = value.strip_prefix(word).ok_or_else(missing)?;
        if word.ends_with('=') || rest.is_empty() {
            Ok(rest)
        } else {
            Err(missing())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Vec<String> {
        let words = WORDS.iter().map(|word| (*word).replace("panic=", "panic=-1"));
        words.chain(["console=ttyS0".to_owned()]).collect()
    }

    fn fit() -> Posture {
        let hash = "ab".repeat(32);
        Posture {
            cmdline: format!(
                "{} vedette.slot=a vedette.root_hash={hash} vedette.root_salt={hash} vedette.root_blocks=9\n",
                parameters().join(" ")
            ),
            lockdown: "none integrity [confidentiality]\n".to_owned(),
            settings: SETTINGS
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn an_appliance_as_built_is_fit() {
        assert_eq!(fit().judge(&parameters()), Ok(ImageId([0xab; 32])));
    }

    #[test]
    fn each_missing_word_is_named() {
        for word in WORDS.iter().chain([&ROOT_HASH]) {
            let posture = Posture {
                cmdline: fit().cmdline.replace(word, "x="),
                ..fit()
            };
            assert_eq!(
                posture.judge(&parameters()),
                Err(Unfit::CommandLine((*word).to_owned()))
            );
        }
    }

    #[test]
    fn a_word_given_twice_is_refused() {
        for more in ["lockdown=none", "vedette.root_hash=00", "slab_nomerge"] {
            let posture = Posture {
                cmdline: format!("{} {more}", fit().cmdline),
                ..fit()
            };
            assert!(
                matches!(posture.judge(&parameters()), Err(Unfit::CommandLine(_))),
                "{more}"
            );
        }
    }

    #[test]
    fn the_command_line_is_the_images_and_not_a_word_more() {
        let hash = fit().cmdline.split_once(" vedette.slot").unwrap().1.to_owned();
        for other in [
            format!("init=/bin/sh {}", fit().cmdline),
            format!("{} systemd.debug_shell", fit().cmdline),
            fit().cmdline.replace("console=ttyS0 ", ""),
            format!(
                "console=ttyS0 {} vedette.slot{hash}",
                WORDS.join(" ").replace("panic=", "panic=-1")
            ),
        ] {
            let posture = Posture {
                cmdline: other.clone(),
                ..fit()
            };
            assert_eq!(
                posture.judge(&parameters()),
                Err(Unfit::OtherCommandLine),
                "{other}"
            );
        }
    }

    #[test]
    fn each_setting_counts() {
        for (name, _) in SETTINGS {
            let mut posture = fit();
            posture.settings.insert(name, "2".to_owned());
            assert!(posture.judge(&parameters()).is_err(), "{name}");
            posture.settings.remove(name);
            assert!(posture.judge(&parameters()).is_err(), "{name} unreadable");
        }
        let open = Posture {
            lockdown: "none [integrity] confidentiality".to_owned(),
            ..fit()
        };
        assert_eq!(open.judge(&parameters()), Err(Unfit::Lockdown));
    }
}
