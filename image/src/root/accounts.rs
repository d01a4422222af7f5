//! The users: every password is locked, and the shell is the name of a program that the image does not have.

use std::fmt::Write as _;

use crate::{init::root::TTY_GROUP, manifest::User};

const SHELL: &str = "/usr/sbin/nologin";

/// Groups that own device nodes, as the kernel's and systemd's defaults expect.
const GROUPS: [(&str, u32); 3] = [("tty", TTY_GROUP), ("disk", 6), ("kmem", 15)];

/// The account files: path, text, and whether only root may read it.
pub(super) fn files(users: &[User]) -> [(&'static str, String, bool); 4] {
    let mut passwd = format!("root:x:0:0:root:/root:{SHELL}\n");
    let mut group = "root:x:0:\n".to_owned();
    let mut shadow = "root:!*:1::::::\n".to_owned();
    let mut gshadow = "root:*::\n".to_owned();
    for User { name, id, purpose } in users {
        line(
            &mut passwd,
            format_args!("{name}:x:{id}:{id}:{purpose}:/:{SHELL}"),
        );
        line(&mut group, format_args!("{name}:x:{id}:"));
        line(&mut shadow, format_args!("{name}:!*:1::::::"));
        line(&mut gshadow, format_args!("{name}:!::"));
    }
    for (name, id) in GROUPS {
        line(&mut group, format_args!("{name}:x:{id}:"));
        line(&mut gshadow, format_args!("{name}:!::"));
    }
    [
        ("/etc/passwd", passwd, false),
        ("/etc/group", group, false),
        ("/etc/shadow", shadow, true),
        ("/etc/gshadow", gshadow, true),
    ]
}

fn line(file: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(file, "{text}").expect("a String takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_is_locked_and_has_no_shell() {
        let user = User {
            name: "vedette".to_owned(),
            id: 900,
            purpose: "link".to_owned(),
        };
        let [(_, passwd, _), _, (_, shadow, secret), _] = files(&[user]);
        assert!(secret);
        assert!(passwd.contains("vedette:x:900:900:link:/:/usr/sbin/nologin\n"));
        assert_eq!(passwd.lines().count(), shadow.lines().count());
        assert!(passwd.lines().all(|line| line.ends_with(SHELL)));
        assert!(shadow.lines().all(|line| line.split(':').nth(1) == Some("!*")));
    }
}
