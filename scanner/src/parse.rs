//! Every parser of a stranger's bytes, in one place for those who feed them at random.

pub use crate::{
    audit::{exposed_file::is_exposed_file, listing::is_listing_page, site::references},
    certificate::parse_certificate,
    login::database::{hear_mysql, hear_postgres},
    message::{
        cdp::parse_announcement as parse_cdp, dhcp::parse_dhcp, dns::parse_names,
        lldp::parse_announcement as parse_lldp, netbios::parse_status as parse_netbios,
        snmp::parse_answer as parse_snmp,
    },
    packet::{parse as parse_frame, parse_ip as parse_packet},
    service::{
        amqp::parse_start as parse_amqp_start, dns::parse_answer as parse_dns_answer,
        ftp::parse_greeting as parse_ftp_greeting, http::parse_response as parse_http_response,
        imap::parse_greeting as parse_imap_greeting, ldap::parse_answer as parse_ldap_answer,
        memcached::parse_version as parse_memcached_version, mqtt::parse_answer as parse_mqtt_answer,
        mysql::parse_greeting as parse_mysql_greeting, nats::parse_info as parse_nats_info,
        pop3::parse_greeting as parse_pop3_greeting, postgres::parse_error as parse_postgres_error,
        redis::parse_reply as parse_redis_reply, smb::parse_answer as parse_smb_answer,
        smtp::parse_greeting as parse_smtp_greeting, snmp::parse_report as parse_snmp_report,
        ssh::parse_greeting as parse_ssh_greeting, tftp::parse_answer as parse_tftp_answer,
    },
    ssh::packet::{
        parse_flight as parse_ssh_flight, parse_group as parse_ssh_group,
        parse_host_key as parse_ssh_host_key,
    },
    template::{
        form::parse_alone as parse_template,
        run::{fill_alone as fill_template_text, judge_alone as judge_by_templates},
    },
    tls::{
        flight::{parse_flight, parse_ssl2},
        starttls::each_upgrade,
    },
    web::{
        api::read_alone as read_api_description,
        browser::{read_asked as read_browser_request, read_sight as read_browser_sight},
        http::{coding::decode as decode_web_body, reader::read as read_web_response},
        jwt::{Jwt, public_keys},
        page::read_alone as read_web_page,
        script::{calls as script_calls, runs as script_runs, strings as script_strings},
        tests::deserialisation::read_alone as read_serialised,
        tests::dom::read_alone as read_page_script,
    },
    yaml::json::parse as parse_yaml,
};
