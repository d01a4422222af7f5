//! What the vulnerability databases call the products that we recognise: one row each.

use vedette_protocol::finding::Cpe;

/// Our name of a product, its vendor's and its own in the CPE dictionary.
const PRODUCTS: &[(&str, &str, &str)] = &[
    ("389 Directory Server", "redhat", "389_directory_server"),
    ("Apache", "apache", "http_server"),
    ("BIND", "isc", "bind"),
    ("CUPS", "openprinting", "cups"),
    ("Cyrus IMAP", "cyrus", "imap"),
    ("Dovecot", "dovecot", "dovecot"),
    ("Exim", "exim", "exim"),
    ("FileZilla Server", "filezilla-project", "filezilla_server"),
    ("HAProxy", "haproxy", "haproxy"),
    ("Knot DNS", "nic", "knot_dns"),
    ("MariaDB", "mariadb", "mariadb"),
    ("Microsoft-IIS", "microsoft", "internet_information_services"),
    ("MySQL", "oracle", "mysql"),
    ("NATS", "linuxfoundation", "nats-server"),
    ("NSD", "nlnetlabs", "name_server_daemon"),
    ("Net-SNMP", "net-snmp", "net-snmp"),
    ("OpenLDAP", "openldap", "openldap"),
    ("OpenSMTPD", "openbsd", "opensmtpd"),
    ("OpenSSH", "openbsd", "openssh"),
    ("Postfix", "postfix", "postfix"),
    ("PostgreSQL", "postgresql", "postgresql"),
    ("PowerDNS Authoritative Server", "powerdns", "authoritative"),
    ("PowerDNS Recursor", "powerdns", "recursor"),
    ("ProFTPD", "proftpd", "proftpd"),
    ("Prometheus", "prometheus", "prometheus"),
    ("Pure-FTPd", "pureftpd", "pure-ftpd"),
    ("RabbitMQ", "vmware", "rabbitmq"),
    ("Redis", "redis", "redis"),
    ("Samba", "samba", "samba"),
    ("Sendmail", "sendmail", "sendmail"),
    ("Squid", "squid-cache", "squid"),
    ("Tinyproxy", "tinyproxy_project", "tinyproxy"),
    ("Unbound", "nlnetlabs", "unbound"),
    ("Valkey", "lfprojects", "valkey"),
    ("dnsdist", "powerdns", "dnsdist"),
    ("dnsmasq", "thekelleys", "dnsmasq"),
    ("dropbear", "dropbear_ssh_project", "dropbear_ssh"),
    ("lighttpd", "lighttpd", "lighttpd"),
    ("memcached", "memcached", "memcached"),
    ("mosquitto", "eclipse", "mosquitto"),
    ("nginx", "f5", "nginx"),
    ("vsFTPd", "vsftpd_project", "vsftpd"),
];

/// The CPE name of a product in a version.
pub(super) fn name(product: &str, version: Option<&str>) -> Option<Cpe> {
    let (_, vendor, cpe) = PRODUCTS.iter().find(|(ours, ..)| *ours == product)?;
    // OpenSSH's portable releases are updates there: 9.2p1.
    let split = version.and_then(|version| {
        let at = version.find('p')?;
        let update = version[at + 1..].starts_with(|c: char| c.is_ascii_digit());
        (*cpe == "openssh" && update).then(|| version.split_at(at))
    });
    match split {
        Some((version, update)) => Cpe::application(vendor, cpe, Some(version), Some(update)),
        None => Cpe::application(vendor, cpe, version, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_have_their_names_in_order_and_once() {
        assert!(PRODUCTS.is_sorted_by(|one, other| one.0 < other.0));
        let ssh = name("OpenSSH", Some("9.2p1")).unwrap();
        assert_eq!(ssh.as_str(), "cpe:2.3:a:openbsd:openssh:9.2:p1:*:*:*:*:*:*");
        assert_eq!(
            name("nginx", None).unwrap().as_str(),
            "cpe:2.3:a:f5:nginx:*:*:*:*:*:*:*:*"
        );
        assert_eq!(name("a product that nobody made", None), None);
    }
}
