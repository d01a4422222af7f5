//! One target for each parser of bytes that come from outside or from another process.
//!
//! A target is a name and a function that must not panic, whatever it is given. `make fuzz TARGET=name`
//! runs one under libFuzzer; `make test` replays the corpus under `corpus/NAME` and mutations of it.
//! A new parser is one line in [`TARGETS`] and a folder of seeds.
#![forbid(unsafe_code)]

use std::path::Path;

use vedette_crypto::{
    Secret,
    file::{self, FileKey},
    login_key::{LoginKey, certificates},
};
use vedette_daemon::vault::{certificate_verify::CertificateVerify, userauth::Userauth};
use vedette_image::manifest::PlatformSection;
use vedette_protocol::{
    Envelope, Finding, Grant, ImageConfig, Job, Ports, Signed, Target, codec, copy,
    credential::{CredentialKind, Login},
    image::{PlatformPins, PlatformUrl},
    keeper, link, owner,
    status::Status,
    vault, worker,
};
use vedette_scanner::{
    parse,
    recog::{Database, Examples},
};

/// A parser of foreign bytes.
pub struct FuzzTarget {
    /// Its name: the folder of its corpus.
    pub name: &'static str,
    /// What is called with each input.
    pub parse: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[FuzzTarget] = &[
    // Between processes.
    FuzzTarget {
        name: "keeper_request",
        parse: |bytes| drop(frame::<keeper::KeeperRequest>(bytes)),
    },
    FuzzTarget {
        name: "keeper_answer",
        parse: |bytes| drop(frame::<keeper::KeeperAnswer>(bytes)),
    },
    FuzzTarget {
        name: "scope_request",
        parse: |bytes| drop(frame::<worker::ScopeRequest>(bytes)),
    },
    FuzzTarget {
        name: "scope_answer",
        parse: |bytes| drop(frame::<worker::ScopeAnswer>(bytes)),
    },
    FuzzTarget {
        name: "worker_order",
        parse: |bytes| drop(frame::<worker::Order>(bytes)),
    },
    FuzzTarget {
        name: "worker_event",
        parse: |bytes| drop(frame::<worker::WorkerEvent>(bytes)),
    },
    FuzzTarget {
        name: "vault_request",
        parse: |bytes| drop(frame::<vault::VaultRequest>(bytes)),
    },
    FuzzTarget {
        name: "vault_answer",
        parse: |bytes| drop(frame::<vault::VaultAnswer>(bytes)),
    },
    FuzzTarget {
        name: "login_request",
        parse: |bytes| _ = frame::<vault::LoginRequest>(bytes),
    },
    FuzzTarget {
        name: "login_answer",
        parse: |bytes| _ = frame::<vault::LoginAnswer>(bytes),
    },
    FuzzTarget {
        name: "login",
        parse: |bytes| {
            for kind in CredentialKind::ALL {
                drop(Login::from_sealed_form(kind, bytes));
            }
        },
    },
    FuzzTarget {
        name: "ssh_userauth",
        parse: |bytes| _ = Userauth::read(bytes),
    },
    FuzzTarget {
        name: "certificate_verify",
        parse: |bytes| _ = CertificateVerify::read(bytes),
    },
    FuzzTarget {
        name: "login_key",
        parse: |bytes| {
            text(bytes, |text| {
                drop((LoginKey::read(text, None), certificates(text)));
            })
        },
    },
    FuzzTarget {
        name: "sealed_file",
        parse: open_file,
    },
    FuzzTarget {
        name: "status",
        parse: |bytes| drop(Status::from_json(bytes)),
    },
    // Between appliance and platform.
    FuzzTarget {
        name: "link_activate",
        parse: |bytes| drop(codec::decode::<link::ActivateRequest>(bytes)),
    },
    FuzzTarget {
        name: "link_boot",
        parse: |bytes| drop(codec::decode::<link::BootRequest>(bytes)),
    },
    FuzzTarget {
        name: "link_confirm",
        parse: |bytes| drop(codec::decode::<link::ConfirmRequest>(bytes)),
    },
    FuzzTarget {
        name: "link_events",
        parse: |bytes| drop(codec::decode::<link::EventsRequest>(bytes)),
    },
    FuzzTarget {
        name: "link_poll_answer",
        parse: |bytes| drop(codec::decode::<link::Answer<link::PollOutcome>>(bytes)),
    },
    FuzzTarget {
        name: "link_keys",
        parse: |bytes| drop(codec::decode::<link::KeysRequest>(bytes)),
    },
    // The operator's own word.
    FuzzTarget {
        name: "envelope",
        parse: |bytes| drop(codec::decode::<Envelope>(bytes).map(|envelope| envelope.header())),
    },
    FuzzTarget {
        name: "grant",
        parse: |bytes| drop(codec::decode::<Grant>(bytes)),
    },
    FuzzTarget {
        name: "copy_order",
        parse: |bytes| drop(codec::decode::<copy::CopyOrder>(bytes)),
    },
    FuzzTarget {
        name: "collector_address",
        parse: |bytes| text(bytes, |text| drop(text.parse::<copy::CollectorAddress>())),
    },
    FuzzTarget {
        name: "owner_word",
        parse: |bytes| drop(codec::decode::<owner::OwnerWord>(bytes)),
    },
    FuzzTarget {
        name: "signed_job",
        parse: |bytes| drop(Signed::<Job>::from_bytes(bytes)),
    },
    FuzzTarget {
        name: "job",
        parse: |bytes| drop(codec::decode::<Job>(bytes)),
    },
    FuzzTarget {
        name: "peer_certificate",
        parse: |bytes| _ = vedette_platform::link::Peer::named_by(bytes),
    },
    // Text of operators and files.
    FuzzTarget {
        name: "device_code",
        parse: |bytes| text(bytes, |text| drop(vedette_platform::link::parse_code(text))),
    },
    FuzzTarget {
        name: "finding_cursor",
        parse: |bytes| text(bytes, |text| drop(vedette_platform::api::place_behind(text))),
    },
    FuzzTarget {
        name: "login_file",
        parse: |bytes| text(bytes, |text| drop(text.parse::<vedette_cli::Login>())),
    },
    FuzzTarget {
        name: "owner_key",
        parse: |bytes| {
            text(bytes, |text| {
                drop(text.parse::<vedette_crypto::owner::OwnerKeyFile>())
            })
        },
    },
    FuzzTarget {
        name: "owner_delivery",
        parse: |bytes| text(bytes, |text| drop(vedette_cli::Item::read_all(text))),
    },
    FuzzTarget {
        name: "platform_section",
        parse: |bytes| text(bytes, |text| drop(platform_section(text))),
    },
    FuzzTarget {
        name: "link_file",
        parse: |bytes| drop(vedette_daemon::link::network::parse_link(bytes)),
    },
    FuzzTarget {
        name: "target",
        parse: |bytes| text(bytes, |text| drop(text.parse::<Target>())),
    },
    FuzzTarget {
        name: "ports",
        parse: |bytes| text(bytes, |text| drop(text.parse::<Ports>())),
    },
    FuzzTarget {
        name: "platform_url",
        parse: |bytes| text(bytes, |text| drop(text.parse::<PlatformUrl>())),
    },
    FuzzTarget {
        name: "image_config",
        parse: |bytes| drop(serde_json::from_slice::<ImageConfig>(bytes)),
    },
    FuzzTarget {
        name: "finding_json",
        parse: |bytes| drop(serde_json::from_slice::<Finding>(bytes)),
    },
    FuzzTarget {
        name: "recog",
        parse: |bytes| {
            if let Ok(database) = Database::parse(bytes, Examples::Keep, None) {
                _ = (
                    database.recognise(b"Lantern/2.1 ready"),
                    database.recognise(bytes),
                )
            }
        },
    },
    FuzzTarget {
        name: "template",
        parse: |bytes| drop(parse::parse_template(bytes)),
    },
    FuzzTarget {
        name: "template_expression",
        parse: |bytes| drop(parse::fill_template_text(bytes)),
    },
    // Of templates' matchers and extractors.
    FuzzTarget {
        name: "template_reply",
        parse: |bytes| drop(parse::judge_by_templates(bytes)),
    },
    // What scan targets answer.
    FuzzTarget {
        name: "scan_frame",
        parse: |bytes| _ = parse::parse_frame(bytes),
    },
    FuzzTarget {
        name: "scan_packet",
        parse: |bytes| _ = parse::parse_packet(bytes),
    },
    FuzzTarget {
        name: "scan_ssh",
        parse: |bytes| drop(parse::parse_ssh_greeting(bytes)),
    },
    FuzzTarget {
        name: "scan_ftp",
        parse: |bytes| drop(parse::parse_ftp_greeting(bytes)),
    },
    FuzzTarget {
        name: "scan_smtp",
        parse: |bytes| drop(parse::parse_smtp_greeting(bytes)),
    },
    FuzzTarget {
        name: "login_mysql",
        parse: parse::hear_mysql,
    },
    FuzzTarget {
        name: "login_postgres",
        parse: parse::hear_postgres,
    },
    FuzzTarget {
        name: "scan_mysql",
        parse: |bytes| drop(parse::parse_mysql_greeting(bytes)),
    },
    FuzzTarget {
        name: "scan_postgres",
        parse: |bytes| drop(parse::parse_postgres_error(bytes)),
    },
    FuzzTarget {
        name: "scan_redis",
        parse: |bytes| drop(parse::parse_redis_reply(bytes)),
    },
    FuzzTarget {
        name: "scan_http",
        parse: |bytes| drop(parse::parse_http_response(bytes)),
    },
    FuzzTarget {
        name: "scan_amqp",
        parse: |bytes| drop(parse::parse_amqp_start(bytes)),
    },
    FuzzTarget {
        name: "scan_dns",
        parse: |bytes| drop(parse::parse_dns_answer(bytes)),
    },
    FuzzTarget {
        name: "scan_imap",
        parse: |bytes| drop(parse::parse_imap_greeting(bytes)),
    },
    FuzzTarget {
        name: "scan_ldap",
        parse: |bytes| drop(parse::parse_ldap_answer(bytes)),
    },
    FuzzTarget {
        name: "scan_memcached",
        parse: |bytes| drop(parse::parse_memcached_version(bytes)),
    },
    FuzzTarget {
        name: "scan_mqtt",
        parse: |bytes| drop(parse::parse_mqtt_answer(bytes)),
    },
    FuzzTarget {
        name: "scan_nats",
        parse: |bytes| drop(parse::parse_nats_info(bytes)),
    },
    FuzzTarget {
        name: "scan_pop3",
        parse: |bytes| drop(parse::parse_pop3_greeting(bytes)),
    },
    FuzzTarget {
        name: "scan_smb",
        parse: |bytes| drop(parse::parse_smb_answer(bytes)),
    },
    FuzzTarget {
        name: "scan_snmp",
        parse: |bytes| drop(parse::parse_snmp_report(bytes)),
    },
    FuzzTarget {
        name: "scan_tftp",
        parse: |bytes| drop(parse::parse_tftp_answer(bytes)),
    },
    FuzzTarget {
        name: "scan_certificate",
        parse: |bytes| drop(parse::parse_certificate(bytes)),
    },
    FuzzTarget {
        name: "scan_ssh_packets",
        parse: |bytes| {
            drop((
                parse::parse_ssh_flight(bytes),
                parse::parse_ssh_host_key(bytes),
                parse::parse_ssh_group(bytes),
            ))
        },
    },
    FuzzTarget {
        name: "scan_tls",
        parse: |bytes| drop((parse::parse_flight(bytes), parse::parse_ssl2(bytes))),
    },
    FuzzTarget {
        name: "scan_starttls",
        parse: |bytes| drop(parse::each_upgrade(bytes)),
    },
    FuzzTarget {
        name: "scan_exposed_file",
        parse: |bytes| _ = parse::is_exposed_file(bytes),
    },
    FuzzTarget {
        name: "scan_page",
        parse: |bytes| {
            text(bytes, |text| {
                _ = (parse::references(text).count(), parse::is_listing_page(text, "/"))
            })
        },
    },
    FuzzTarget {
        name: "scan_cdp",
        parse: |bytes| drop(parse::parse_cdp(bytes)),
    },
    FuzzTarget {
        name: "scan_dhcp",
        parse: |bytes| drop(parse::parse_dhcp(bytes)),
    },
    FuzzTarget {
        name: "scan_dns",
        parse: |bytes| drop(parse::parse_names(bytes)),
    },
    FuzzTarget {
        name: "scan_lldp",
        parse: |bytes| drop(parse::parse_lldp(bytes)),
    },
    FuzzTarget {
        name: "scan_netbios",
        parse: |bytes| drop(parse::parse_netbios(bytes)),
    },
    FuzzTarget {
        name: "scan_snmp",
        parse: |bytes| drop(parse::parse_snmp(bytes)),
    },
    FuzzTarget {
        name: "web_response",
        parse: |bytes| drop(parse::read_web_response(bytes)),
    },
    FuzzTarget {
        name: "web_coding",
        parse: |bytes| {
            for coding in ["gzip", "deflate", "br"] {
                drop(parse::decode_web_body(coding, bytes.to_vec(), 1 << 16));
            }
        },
    },
    FuzzTarget {
        name: "web_page",
        parse: |bytes| _ = parse::read_web_page(bytes).leads.len(),
    },
    FuzzTarget {
        name: "browser_request",
        parse: parse::read_browser_request,
    },
    FuzzTarget {
        name: "browser_sight",
        parse: parse::read_browser_sight,
    },
    FuzzTarget {
        name: "web_state",
        parse: |bytes| _ = vedette_scanner::web::State::parse(bytes),
    },
    FuzzTarget {
        name: "browser_survey",
        parse: parse::read_page_script,
    },
    FuzzTarget {
        name: "web_token",
        parse: |bytes| {
            text(bytes, |text| drop(parse::Jwt::read(text)));
            drop(parse::public_keys(bytes));
        },
    },
    FuzzTarget {
        name: "web_api",
        parse: |bytes| {
            _ = parse::read_api_description(bytes);
            text(bytes, |text| drop(parse::parse_yaml(text)));
        },
    },
    FuzzTarget {
        name: "web_serialised",
        parse: |bytes| _ = parse::read_serialised(bytes),
    },
    FuzzTarget {
        name: "web_script",
        parse: |bytes| {
            text(bytes, |text| {
                _ = (
                    parse::script_calls(text),
                    parse::script_strings(text),
                    parse::script_runs(text, "a"),
                )
            })
        },
    },
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static FuzzTarget> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Opens a file of the workspace; what the seeds are sealed under lets some of it through.
fn open_file(mut bytes: &[u8]) {
    let key = FileKey::from_secret(Secret::filled(|key| *key = FILE_KEY));
    let mut content = Vec::new();
    drop(file::open(&key, FILE_NAME, &mut bytes, &mut content, 1 << 18));
}

/// The key and the name under which the seeds of `sealed_file` are sealed.
pub const FILE_KEY: [u8; 32] = [7; 32];
/// See [`FILE_KEY`].
pub const FILE_NAME: &[u8] = b"event-00000000000000000007-01010101010101010101010101010101";

/// What `[platform]` of a manifest pins. Files that it names are looked for where there are none.
fn platform_section(text: &str) -> Option<PlatformPins> {
    let section: PlatformSection = toml::from_str(text).ok()?;
    section.pins(Path::new("/proc/self/none")).ok()
}

fn frame<T: serde::de::DeserializeOwned>(mut bytes: &[u8]) -> Option<T> {
    codec::read_frame(&mut bytes).ok()
}

fn text(bytes: &[u8], parse: impl FnOnce(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        parse(text);
    }
}
