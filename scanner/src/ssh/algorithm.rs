//! What to think of algorithms: rows of names, by what is wrong with them. A name that is in no row is not
//! accused; RFC 9142 and OpenSSH's release notes say most of what is here.

use vedette_protocol::finding::FindingType;

use super::packet::Lists;

/// Names that are a weakness wherever a server offers them.
struct Row {
    type_: FindingType,
    list: fn(&Lists) -> &Vec<String>,
    is_weak: fn(&str) -> bool,
}

const ROWS: &[Row] = &[
    Row {
        type_: FindingType::SshWeakKeyExchange,
        list: |lists| &lists.exchanges,
        // SHA-1 in the signature's input, groups of 1024 bits, RSA of 1024 bits.
        is_weak: |name| name.ends_with("-sha1") || name.contains("-sha1-") || name.contains("group1-"),
    },
    Row {
        type_: FindingType::SshWeakSignature,
        list: |lists| &lists.host_keys,
        // DSA has 1024 bits; ssh-rsa signs with SHA-1.
        is_weak: |name| name.starts_with("ssh-dss") || name.starts_with("ssh-rsa"),
    },
    Row {
        type_: FindingType::SshWeakCipher,
        list: |lists| &lists.ciphers,
        // CBC gives plaintext away (CVE-2008-5161), and most of these have blocks of 64 bits besides.
        is_weak: |name| {
            name.contains("-cbc") || name.starts_with("arcfour") || name.starts_with("3des") || name == "none"
        },
    },
    Row {
        type_: FindingType::SshWeakMac,
        list: |lists| &lists.macs,
        is_weak: |name| name.contains("md5") || name.contains("-96") || name == "none",
    },
];

/// The weak algorithms that are offered, by the weakness that they are.
pub fn weak(lists: &Lists) -> Vec<(FindingType, Vec<&str>)> {
    let offered = |row: &Row| {
        let names = (row.list)(lists).iter().map(String::as_str);
        (row.type_, names.filter(|name| (row.is_weak)(name)).collect())
    };
    let found: Vec<(FindingType, Vec<&str>)> = ROWS.iter().map(offered).collect();
    found.into_iter().filter(|(_, names)| !names.is_empty()).collect()
}

/// The algorithms that Terrapin (CVE-2023-48795) needs, if nothing prevents it.
pub fn terrapin(lists: &Lists) -> Vec<&str> {
    const CHACHA: &str = "chacha20-poly1305@openssh.com";
    const STRICT: &str = "kex-strict-s-v00@openssh.com";
    if lists.exchanges.iter().any(|name| name == STRICT) {
        return Vec::new();
    }
    let etm: Vec<&str> = lists
        .macs
        .iter()
        .map(String::as_str)
        .filter(|name| name.contains("-etm@"))
        .collect();
    let ciphers = lists.ciphers.iter().map(String::as_str);
    ciphers
        .filter(|name| *name == CHACHA || name.contains("-cbc") && !etm.is_empty())
        .collect()
}

/// Whether a key exchange outlasts quantum computers.
pub fn is_post_quantum(exchange: &str) -> bool {
    ["sntrup761", "mlkem", "kyber"]
        .iter()
        .any(|name| exchange.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_openssh_offers_by_default_is_not_accused() {
        let lists = Lists {
            exchanges: names(&[
                "sntrup761x25519-sha512@openssh.com",
                "curve25519-sha256",
                "ecdh-sha2-nistp256",
                "diffie-hellman-group-exchange-sha256",
                "diffie-hellman-group16-sha512",
                "diffie-hellman-group14-sha256",
                "kex-strict-s-v00@openssh.com",
            ]),
            host_keys: names(&[
                "rsa-sha2-512",
                "rsa-sha2-256",
                "ecdsa-sha2-nistp256",
                "ssh-ed25519",
            ]),
            ciphers: names(&[
                "chacha20-poly1305@openssh.com",
                "aes128-ctr",
                "aes256-gcm@openssh.com",
            ]),
            macs: names(&[
                "umac-64-etm@openssh.com",
                "hmac-sha2-256-etm@openssh.com",
                "hmac-sha1",
            ]),
            compressions: names(&["none", "zlib@openssh.com"]),
        };
        assert_eq!(weak(&lists), []);
        assert_eq!(terrapin(&lists), Vec::<&str>::new());
    }

    #[test]
    fn what_should_be_gone_is_named() {
        let lists = Lists {
            exchanges: names(&["diffie-hellman-group1-sha1", "diffie-hellman-group-exchange-sha1"]),
            host_keys: names(&["ssh-rsa", "ssh-dss"]),
            ciphers: names(&["aes128-cbc", "3des-cbc", "arcfour", "aes128-ctr"]),
            macs: names(&["hmac-md5", "hmac-sha1-96", "hmac-sha2-256-etm@openssh.com"]),
            compressions: names(&["none"]),
        };
        let counts: Vec<_> = weak(&lists)
            .into_iter()
            .map(|(type_, names)| (type_, names.len()))
            .collect();
        assert_eq!(
            counts,
            [
                (FindingType::SshWeakKeyExchange, 2),
                (FindingType::SshWeakSignature, 2),
                (FindingType::SshWeakCipher, 3),
                (FindingType::SshWeakMac, 2),
            ]
        );
        assert_eq!(terrapin(&lists), ["aes128-cbc", "3des-cbc"]);
    }
}
