//! Every parser of a stranger's bytes, in one place for those who feed them at random.

pub use crate::{
    audit::{exposed_file::is_exposed_file, listing::is_listing_page, site::references},
    certificate::parse_certificate,
    message::{
        cdp::parse_announcement as parse_cdp, dhcp::parse_dhcp, dns::parse_names,
        lldp::parse_announcement as parse_lldp, netbios::parse_status as parse_netbios,
        snmp::parse_answer as parse_snmp,
    },
    packet::{parse as parse_frame, parse_ip as parse_packet},
    service::{
        ftp::parse_greeting as parse_ftp_greeting, http::parse_response as parse_http_response,
        mysql::parse_greeting as parse_mysql_greeting, postgres::parse_error as parse_postgres_error,
        redis::parse_reply as parse_redis_reply, smtp::parse_greeting as parse_smtp_greeting,
        ssh::parse_greeting as parse_ssh_greeting,
    },
};
