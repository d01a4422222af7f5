//! Writes one valid input for each target that takes encoded types into `corpus/NAME/valid`.

use std::{fs, net::IpAddr, num::NonZeroU32, path::Path};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::Serialize;
use vedette_crypto::{
    Secret, Signer, SigningKey,
    credential::CredentialKey,
    file::{self, CHUNK, FileKey},
    hpke::{OpeningKey, Suite},
    roots::{PinnedRoot, PinnedRoots},
};
use vedette_platform::ca::{self, Authority};
use vedette_protocol::{
    ApplianceId, Assignment, BootId, CredentialId, Digest, Envelope, Finding, Fingerprint, Grant, GrantId,
    ImageId, Job, JobId, JobScope, Nonce, OrgId, PortSet, ScanId, Signed, Timestamp,
    codec::{Frame, encode},
    copy::{Collector, CopyOrder, CopyState, Delivery},
    credential::{CredentialKind, CredentialUse, HEADER_VERSION, Header, Login, Place, SecretText, Trust},
    envelope::Sealing,
    finding::{Confidence, Coverage, Effort, FindingPlace, FindingType, Report},
    grant::Envelopes,
    job::Checks,
    keeper::{Compose, KeeperAnswer, KeeperRequest, Standing},
    link,
    owner::{ApplianceKeys, Epoch, NewEpoch, OwnerWord},
    scope::Resolved,
    status::{State, Status},
    target::Span,
    vault::{LoginAnswer, LoginRequest, Shown, VaultAnswer, VaultRequest},
    worker::{Order, Progress, ScopeAnswer, ScopeRequest, WorkerEvent},
};
use vedette_scanner::packet::{Arp, Ends, Ethernet, Icmp, Icmpv6, Mac, Tag, Tcp, Udp, ethernet, ip};
use zeroize::Zeroizing;

fn main() {
    let key = SigningKey::generate();
    let job = Job {
        id: JobId([1; 16]),
        scan: ScanId([2; 16]),
        org: OrgId([3; 16]),
        appliance: ApplianceId([4; 16]),
        fence: 1,
        targets: vec![
            "192.0.2.0/29".parse().expect("a target"),
            "www.example".parse().expect("a target"),
        ]
        .try_into()
        .expect("two targets"),
        exclude: vec!["192.0.2.3".parse().expect("a target")],
        ports: "22,80-90".parse().expect("ports"),
        checks: Checks::of_endpoints(),
        login: None,
        web: None,
        expires: Timestamp(1_800_000_000),
    };
    let Ok(signed) = Signed::seal(&job, &key);
    let names = vec![Resolved {
        name: "www.example".parse().expect("a name"),
        addresses: vec!["192.0.2.9".parse().expect("an address")],
    }];
    let scope = JobScope::of(&job, &names);
    let place = FindingPlace::port("192.0.2.1".parse().expect("a host"), 443);
    let finding = Finding::new(FindingType::TlsCertificateExpired, place, Confidence::Certain);
    let ticket = link::Ticket {
        appliance: job.appliance,
        number: 1,
    };
    let Ok(ticket) = Signed::seal(&ticket, &key);
    let (_, sealing_key) = OpeningKey::generate();
    let report = Report::close(Effort::default(), Coverage::default(), 0, vec![]);
    let nonce = Nonce([7; 32]);
    let boot = BootId([8; 32]);
    let appliance = job.appliance;

    frame(
        "keeper_request",
        &KeeperRequest::Compose(Compose::Poll {
            wait: 30,
            free: 2,
            running: vec![job.id],
            copy: CopyState::Flowing,
            missed: 0,
        }),
    );
    frame(
        "keeper_answer",
        &KeeperAnswer::Standing(Standing {
            fingerprint: "00".into(),
            enrolled: None,
            owner: None,
            clock_set: true,
            unlocked: None,
            refused: None,
        }),
    );
    frame(
        "scope_request",
        &ScopeRequest {
            assignment: signed.clone().into(),
            names: names.clone(),
        },
    );
    frame(
        "scope_answer",
        &ScopeAnswer::Granted {
            job: Box::new(job.clone()),
            scope,
            rate: None,
            adapters: 1,
        },
    );
    frame(
        "worker_order",
        &Order {
            assignment: signed.clone().into(),
            names,
        },
    );
    frame("worker_event", &WorkerEvent::Findings(vec![finding.clone()]));
    write(
        "status",
        &Status::new(State::Serving).because("a reason").to_json(),
    );
    let token = link::ActivationToken::parse(&format!("{}{}", link::ActivationToken::PREFIX, "A".repeat(43)))
        .expect("a token");
    encoded(
        "link_activate",
        &link::ActivateRequest {
            nonce,
            identity: key.verifying_key(),
            image: ImageId([9; 32]),
            kind: vedette_protocol::image::ImageKind::Release,
            by: link::Activation::Token(token),
        },
    );
    encoded(
        "link_boot",
        &link::BootRequest {
            nonce,
            appliance,
            image: ImageId([9; 32]),
            kind: vedette_protocol::image::ImageKind::Release,
            sealing_key,
            ticket: ticket.clone(),
        },
    );
    encoded(
        "link_confirm",
        &link::ConfirmRequest {
            nonce,
            appliance,
            boot,
            ticket,
        },
    );
    let what = [
        link::What::Started,
        link::What::Progress(Progress { done: 1, total: 2 }),
        link::What::Findings(vec![finding.clone()]),
        link::What::Ended(report),
    ];
    let events = what
        .map(|what| link::Event {
            job: job.id,
            fence: 1,
            what,
        })
        .to_vec();
    encoded(
        "link_events",
        &link::EventsRequest {
            nonce,
            appliance,
            boot,
            first: 0,
            events,
        },
    );
    let outcome = link::PollOutcome::Serve {
        jobs: vec![signed.clone().into()],
        words: vec![],
        stop: vec![job.id],
        interval: 30,
    };
    encoded(
        "link_poll_answer",
        &link::Answer {
            request: Digest([5; 32]),
            now: Timestamp(1_800_000_000),
            outcome,
        },
    );
    credentials(&job, &signed, &key);
    write("signed_job", &signed.to_bytes());
    encoded("job", &job);
    write("finding_json", &serde_json::to_vec(&finding).expect("plain data"));
    write("ports", PortSet::all().to_string().as_bytes());
    for (name, text) in [
        ("network", "192.0.2.0/24"),
        ("range", "192.0.2.1-9"),
        ("name", "www.example"),
        ("v6", "2001:db8::/120"),
    ] {
        write_as("target", name, text.as_bytes());
    }
    write("platform_url", b"https://platform.example:8443");
    write("device_code", b"bcdf-ghjk");
    write(
        "link_file",
        b"# This is private data. Do not parse.\nOPER_STATE=routable\nDNS=192.0.2.53 2001:db8::53\nNTP=\n",
    );
    write(
        "login_file",
        b"url = \"https://platform.example\"\nca = \"PEM\"\ntoken = \"secret\"\n",
    );
    let place = serde_json::to_vec(&(0, "192.0.2.1", 443, Digest([5; 32]), appliance)).expect("plain data");
    write("finding_cursor", URL_SAFE_NO_PAD.encode(place).as_bytes());
    let kept = ca::new_appliance_ca().expect("a new CA");
    let der = CertificateDer::from_pem_slice(kept.certificate_pem.as_bytes()).expect("its own PEM");
    let ca = Authority::open(der, &kept.key).expect("its own key");
    let named = ca.name_appliance(appliance, &key.verifying_key());
    write("peer_certificate", &named.expect("a certificate"));
    let section = format!(
        "url = \"https://platform.example\"\nkey = \"{}\"\nroots = [\"ISRG Root X1\", \"\"\"\n{}\"\"\", \"a.pem\"]\n",
        key.verifying_key(),
        kept.certificate_pem
    );
    write("platform_section", section.as_bytes());
    packets();
}

/// A seed for each protocol that frames are parsed for.
fn packets() {
    let (own, other) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
    let four = Ends::V4 {
        source: [192, 0, 2, 1].into(),
        destination: [192, 0, 2, 2].into(),
    };
    let six = Ends::V6 {
        source: "2001:db8::1".parse().expect("an address"),
        destination: "2001:db8::2".parse().expect("an address"),
    };
    let echo = Icmp::Echo {
        id: 1,
        sequence: 2,
        data: b"data",
    };
    let solicitation = Icmpv6::NeighbourSolicitation {
        target: "2001:db8::2".parse().expect("an address"),
        source: Some(own),
    };
    let udp = Udp {
        source: 53,
        destination: 5353,
    };
    let syn = Tcp::syn(1024, 80, 7).segment(four, b"");
    let about = four.packet(ip::TCP, 1, &syn);
    let unreachable = [&[3, 3, 0, 0, 0, 0, 0, 0], &about[..]].concat();
    let mut tagged = Ethernet::new(own, other, ethernet::IPV4);
    tagged.tags[0] = Some(Tag::of(42));
    for (name, ethernet, packet) in [
        ("tcp4", None, about.clone()),
        (
            "tcp6",
            None,
            six.packet(ip::TCP, 64, &Tcp::syn(1024, 80, 7).segment(six, b"")),
        ),
        (
            "udp",
            None,
            four.packet(ip::UDP, 64, &udp.datagram(four, b"data")),
        ),
        (
            "icmp",
            None,
            four.packet(ip::ICMP, 64, &echo.bytes().expect("a question")),
        ),
        ("unreachable", None, four.packet(ip::ICMP, 64, &unreachable)),
        (
            "neighbour",
            None,
            six.packet(ip::ICMPV6, 255, &solicitation.bytes(six).expect("a question")),
        ),
        ("tagged", Some(tagged), about.clone()),
    ] {
        let type_ = if packet[0] >> 4 == 4 {
            ethernet::IPV4
        } else {
            ethernet::IPV6
        };
        let ethernet = ethernet.unwrap_or_else(|| Ethernet::new(own, other, type_));
        write_as("scan_frame", name, &ethernet.frame(&packet));
        write_as("scan_packet", name, &packet);
    }
    let arp = Arp::request(own, [192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    write_as("scan_frame", "arp", &arp.frame());
}

/// What owner, vault and worker say of credentials.
fn credentials(job: &Job, signed: &Signed<Job>, key: &SigningKey) {
    let vault_key = CredentialKey::generate();
    let identity = Fingerprint([6; 32]);
    let trust = Trust::SshHostKey(Digest([5; 32]));
    let header = Header {
        vedette: HEADER_VERSION,
        org: job.org,
        credential: CredentialId([8; 16]),
        version: 1,
        kind: CredentialKind::SshPassword,
        places: vec![Place {
            host: "192.0.2.7".parse().expect("a target"),
            port: 22,
            trust,
        }],
        appliances: vec![identity],
    };
    let login = Login::SshPassword {
        user: "scanner".into(),
        password: SecretText::new(Zeroizing::new("a password".into())),
    };
    let recipients = [vault_key.public().clone()];
    let envelope = Envelope::seal(&header, &login, Suite::X25519, &recipients).expect("it fits");
    let grant = Grant {
        id: GrantId([9; 16]),
        org: job.org,
        appliances: vec![identity],
        epoch: Epoch(1),
        targets: vec![Span::one([192, 0, 2, 7].into())],
        exclude: vec![],
        ports: job.ports.clone(),
        checks: job.checks.clone(),
        rate: NonZeroU32::new(1000),
        windows: vec!["mon-fri 22:00-05:00".parse().expect("a window")],
        from: Timestamp(0),
        until: Timestamp(1_800_000_000),
        credentials: vec![CredentialUse {
            id: header.credential,
            version: 1,
        }],
        envelopes: Envelopes::Signed,
    };
    let word = NewEpoch {
        org: job.org,
        epoch: Epoch(2),
    };
    let (Ok(owned), Ok(word)) = (Signed::seal(&envelope, key), Signed::seal(&word, key));
    let Ok(granted) = Signed::seal(&grant, key);
    write("login", &login.to_sealed_form());
    encoded("envelope", &envelope);
    encoded("grant", &grant);
    encoded("owner_word", &OwnerWord::NewEpoch(word));
    let root = PinnedRoot::named("ISRG Root X1").expect("a public root");
    let order = CopyOrder {
        org: job.org,
        appliance: job.appliance,
        identity: Fingerprint([6; 32]),
        epoch: Epoch(2),
        number: 7,
        collector: Some(Collector {
            at: "logs.example.com".parse().expect("a collector"),
            name: None,
            roots: PinnedRoots::new(vec![root]).expect("a root"),
            delivery: Delivery::Required,
            certificate: None,
        }),
    };
    encoded("copy_order", &order);
    write("collector_address", b"[2001:db8::7]:6514");
    let keys = ApplianceKeys {
        appliance: job.appliance,
        org: job.org,
        credential: vault_key.public().clone(),
        owner: Some(key.verifying_key()),
        proof: Some([3; 32]),
    };
    let Ok(keys) = Signed::seal(&keys, key);
    encoded(
        "link_keys",
        &link::KeysRequest {
            nonce: Nonce([7; 32]),
            appliance: job.appliance,
            boot: BootId([8; 32]),
            keys,
        },
    );
    let file_key = FileKey::from_secret(Secret::filled(|key| *key = vedette_fuzz::FILE_KEY));
    for (name, length) in [("valid", 500), ("chunks", CHUNK + 500)] {
        let mut sealed = Vec::new();
        let content = vec![b'x'; length];
        file::seal(
            &file_key,
            vedette_fuzz::FILE_NAME,
            &mut content.as_slice(),
            &mut sealed,
        )
        .expect("memory takes it");
        write_as("sealed_file", name, &sealed);
    }
    let assignment = Assignment {
        job: signed.clone(),
        grant: Some(granted),
        credential: Some(Sealing::Owned(owned)),
    };
    frame(
        "vault_request",
        &VaultRequest::Serve {
            assignment: Box::new(assignment),
            names: vec![],
            epoch: Epoch(1),
            now: Timestamp(1_800_000_000),
        },
    );
    frame(
        "vault_answer",
        &VaultAnswer::Open {
            keys: vault_key.public().clone(),
            record: Some(vec![0; 92]),
        },
    );
    let target = IpAddr::from([192, 0, 2, 7]);
    frame(
        "login_request",
        &LoginRequest::Open {
            target,
            port: 22,
            shown: Shown::SshHostKey(Digest([5; 32])),
        },
    );
    frame(
        "login_answer",
        &LoginAnswer::Place {
            kind: CredentialKind::SshPassword,
            target,
            port: 22,
            trust,
        },
    );
    // RFC 4252, section 7.
    let string = |part: &[u8]| [&[0, 0, 0, u8::try_from(part.len()).expect("short")], part].concat();
    let request = [b"scanner".as_slice(), b"ssh-connection", b"publickey"]
        .map(string)
        .concat();
    let key = [b"ssh-ed25519".as_slice(), &[7; 51]].map(string).concat();
    write(
        "ssh_userauth",
        &[&string(&[7; 32]), &[50][..], &request, &[1], &key].concat(),
    );
    // RFC 8446, section 4.4.3.
    let context = b"TLS 1.3, client CertificateVerify\0";
    write(
        "certificate_verify",
        &[&[b' '; 64], context.as_slice(), &[7; 32]].concat(),
    );
    // RFC 5246, section 7.3.
    let messages = [1, 2, 11, 12, 13, 14, 11, 16].map(|kind| [kind, 0, 0, 2, 7, 7]);
    write_as("certificate_verify", "tls12", &messages.concat());
    let pem = vedette_crypto::sign::Pkcs8::generate().with(|der| STANDARD.encode(der));
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
    write("login_key", pem.as_bytes());
}

fn frame<T: Serialize>(target: &str, message: &T) {
    write(target, Frame::of(message).expect("a short message").bytes());
}

fn encoded<T: Serialize>(target: &str, message: &T) {
    write(target, &encode(message));
}

fn write(target: &str, bytes: &[u8]) {
    write_as(target, "valid", bytes);
}

fn write_as(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("making the folder");
    fs::write(folder.join(name), bytes).expect("writing the seed");
}
