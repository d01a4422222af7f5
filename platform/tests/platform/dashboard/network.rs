//! Hosts and how they hang together: from the form that asks for them to the drawing.

use vedette_protocol::{
    finding::{
        Confidence, DeviceKind, Evidence, Finding, FindingPlace, FindingType, Label, MacAddress, Source,
    },
    job::Check,
};

use super::*;

fn found(host: &str, type_: FindingType, evidence: Vec<Evidence>) -> Finding {
    let mut finding = Finding::new(
        type_,
        FindingPlace::host(host.parse().unwrap()),
        Confidence::Certain,
    );
    finding.evidence = evidence;
    finding
}

#[tokio::test]
async fn hosts_are_listed_and_drawn_as_they_hang_together() {
    let house = House::open();
    let browser = Browser::logged_in(&house).await;
    assert!(browser.page("/network").await.contains("Nobody was asked yet"));
    let csrf = browser.csrf().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let id = appliance.id().to_string();
    let wanted = [
        ("csrf", csrf.as_str()),
        ("appliance", &id),
        ("targets", "192.0.2.0/24, 203.0.113.9"),
        ("ports", ""),
        ("network", "yes"),
    ];
    let started = browser.post("/scans", &wanted).await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text);

    let jobs = appliance.jobs(&house, &boot, 8).await;
    let [job] = jobs.as_slice() else {
        panic!("a network is one job: {jobs:?}")
    };
    let checks: Vec<Check> = job.checks.iter().collect();
    assert_eq!(checks, [Check::Discovery, Check::Topology]);
    assert_eq!(job.ports, vedette_protocol::Ports::of_discovery());

    let label = |text: &str| Label::cut(text).unwrap();
    let seen = |by| Evidence::Seen { by, port: None };
    let printer = vec![
        seen(Source::Arp),
        Evidence::HostName {
            name: label("printer.lan"),
            by: Source::Mdns,
        },
        Evidence::Device {
            device: DeviceKind::Printer,
            by: Source::Mdns,
        },
        Evidence::Interface {
            mac: MacAddress([0, 0, 0x5e, 0x10, 0, 1]),
            vendor: Some(label("ICANN, IANA Department")),
        },
    ];
    let way = Evidence::Hop {
        distance: 1,
        address: Some("192.0.2.1".parse().unwrap()),
        by: Source::IcmpEcho,
    };
    let findings = vec![
        found("192.0.2.10", FindingType::Device, printer),
        found("192.0.2.9", FindingType::Device, vec![seen(Source::Arp)]),
        found("203.0.113.9", FindingType::Device, vec![seen(Source::IcmpEcho)]),
        found("203.0.113.9", FindingType::Path, vec![way]),
    ];
    let printers = findings[0].id;
    let events = vec![
        event(job, What::Findings(findings)),
        event(job, What::Ended(whole(0))),
    ];
    appliance.report(&house, &boot, 0, events).await;

    let page = browser.page("/network").await;
    for text in [
        "printer.lan",
        "00:00:5e:10:00:01",
        "ICANN, IANA Department",
        "the way",
        "on the link",
        "<svg",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let place = |text: &str| {
        page.find(&format!(">{text}<"))
            .unwrap_or_else(|| panic!("{text}"))
    };
    let table = page.find("<table").unwrap();
    let listed = |text: &str| page[table..].find(&format!(">{text}<")).unwrap();
    assert!(
        listed("192.0.2.9") < listed("192.0.2.10"),
        "in the order of numbers"
    );
    // The router is in the drawing although it answered nothing else.
    assert!(place("192.0.2.1") < table);
    assert_eq!(page.matches("<rect").count(), 5, "the appliance and four places");
    assert_eq!(page.matches("<line").count(), 4);
    let of_it = browser.page(&format!("/network?appliance={id}")).await;
    assert_eq!(of_it.matches("<rect").count(), 5);
    assert_eq!(
        browser.get("/network?appliance=x").await.status,
        StatusCode::NOT_FOUND
    );

    let operator = house.operator().await;
    let devices = operator.get("/api/v1/findings?type=device").await;
    let items = devices.json()["items"].as_array().unwrap().len();
    assert_eq!(items, 3);
    assert!(devices.text.contains(&printers.to_string()));
    let none = operator.get("/api/v1/findings?type=vlan").await;
    assert!(none.json()["items"].as_array().unwrap().is_empty());
    assert_eq!(
        operator.get("/api/v1/findings?type=nothing").await.status,
        StatusCode::BAD_REQUEST
    );
}
