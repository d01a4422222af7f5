use vedette_crypto::credential::CredentialKey;
use vedette_crypto::hpke::Suite;
use vedette_crypto::{Signer, SigningKey};
use vedette_protocol::credential::{CredentialKind, HEADER_VERSION, Header, Login, Place, SecretText, Trust};
use vedette_protocol::owner::Epoch;
use vedette_protocol::{ApplianceId, CredentialId, Envelope, OrgId};

use super::*;

const NOW: Timestamp = Timestamp(1_795_338_000);
const ORG: OrgId = OrgId([2; 16]);
const STANDING: Standing = Standing {
    org: Some(ORG),
    epoch: Epoch(7),
};

fn spans(texts: &[&str]) -> Vec<Span> {
    texts
        .iter()
        .map(|text| text.parse::<Target>().unwrap().span().unwrap())
        .collect()
}

fn appliance(name: &str) -> Confirmed {
    Confirmed {
        name: name.to_owned(),
        appliance: ApplianceId::random(),
        org: ORG,
        identity: SigningKey::generate().verifying_key(),
        credential: CredentialKey::generate().public().clone(),
    }
}

fn wish(appliance: &Confirmed) -> Wish<'_> {
    Wish {
        appliances: vec![appliance],
        targets: spans(&["192.0.2.0/24"]),
        exclude: spans(&["192.0.2.9"]),
        ports: "22,443".parse().unwrap(),
        checks: Checks::try_from(vec![Check::Ports, Check::Inventory]).unwrap(),
        rate: NonZeroU32::new(500),
        windows: vec!["mon-fri 22:00-05:00".parse().unwrap()],
        from: None,
        until: None,
        credentials: vec![],
        envelopes: Envelopes::Signed,
    }
}

fn made(wish: &Wish<'_>) -> Result<Grant, GrantError> {
    make(wish, GrantId([1; 16]), STANDING, NOW)
}

fn moment(text: &str) -> Option<Moment> {
    Some(text.parse().unwrap())
}

#[test]
fn a_grant_says_what_was_wished_and_holds_a_month_unless_told() {
    let appliance = appliance("lab");
    let grant = made(&wish(&appliance)).unwrap();
    assert_eq!(grant.appliances, [appliance.fingerprint()]);
    assert_eq!((grant.org, grant.epoch), (ORG, Epoch(7)));
    assert_eq!(grant.until, NOW.after(USUAL));
    assert!(grant.from < NOW, "a clock that is behind does not refuse it");
    assert_eq!(count(&grant), 255);
}

#[test]
fn times_that_make_no_sense_are_refused() {
    let appliance = appliance("lab");
    let with = |from: Option<Moment>, until: Option<Moment>| {
        made(&Wish {
            from,
            until,
            ..wish(&appliance)
        })
    };
    assert_eq!(
        with(None, moment("2026-11-22T08:59:59Z")),
        Err(GrantError::Past(Timestamp(NOW.0 - 1)))
    );
    assert!(matches!(
        with(moment("10d"), moment("9d")),
        Err(GrantError::Backwards { .. })
    ));
    assert_eq!(with(None, moment("367d")), Err(GrantError::TooLong));
    assert!(with(None, moment("366d")).is_ok());
    let later = with(moment("60d"), None).unwrap();
    assert_eq!(later.until.since(later.from), USUAL);
}

#[test]
fn exclusions_that_overlap_or_miss_are_shown_and_none_may_take_all() {
    let targets = spans(&["192.0.2.0/24"]);
    let exclude = spans(&["192.0.2.0/28", "192.0.2.8-20", "198.51.100.1", "192.0.2.99"]);
    assert_eq!(
        remarks(&targets, &exclude),
        [
            "exclusions 192.0.2.0/28 and 192.0.2.8-192.0.2.20 overlap",
            "exclusion 198.51.100.1 lies outside all targets, and changes nothing",
        ]
    );
    let appliance = appliance("lab");
    let all = Wish {
        exclude: spans(&["192.0.2.0/25", "192.0.2.100-255"]),
        ..wish(&appliance)
    };
    assert_eq!(made(&all), Err(GrantError::Nothing));
    let six = Wish {
        targets: spans(&["2001:db8::/120"]),
        exclude: spans(&["2001:db8::8-2001:db8::ff"]),
        ..wish(&appliance)
    };
    assert_eq!(count(&made(&six).unwrap()), 8);
}

#[test]
fn more_entries_than_an_appliance_judges_are_refused_here() {
    let appliance = appliance("lab");
    let wish = Wish {
        exclude: vec![spans(&["192.0.2.9"])[0]; GRANT_LIST_LIMIT + 1],
        ..wish(&appliance)
    };
    assert!(matches!(
        made(&wish),
        Err(GrantError::TooMany {
            what: "exclusions",
            ..
        })
    ));
}

#[test]
fn without_an_organisation_nothing_is_granted() {
    let appliance = appliance("lab");
    let standing = Standing {
        org: None,
        ..STANDING
    };
    assert_eq!(
        make(&wish(&appliance), GrantId([1; 16]), standing, NOW),
        Err(GrantError::NoOrganisation)
    );
}

#[test]
fn a_credential_is_granted_where_it_is_of_use_and_nowhere_else() {
    let (ours, other) = (appliance("lab"), appliance("office"));
    let kept = |places: &[(&str, u16)], disabled| Kept {
        label: "root".to_owned(),
        envelope: envelope(&ours, places),
        disabled,
    };
    let good = kept(&[("198.51.100.1", 22), ("192.0.2.7", 22)], false);
    let with = |kept: &Kept, change: &dyn Fn(&mut Wish<'_>)| {
        let mut wish = wish(&ours);
        change(&mut wish);
        let mut wish = Wish {
            credentials: vec![kept],
            ..wish
        };
        if wish.appliances.len() > 1 {
            wish.appliances = vec![&ours, &other];
        }
        made(&wish).map(|grant| grant.credentials)
    };
    let granted = with(&good, &|_| ()).unwrap();
    assert_eq!(granted, [good.name().unwrap()]);
    assert!(
        with(&kept(&[("db.example", 22)], false), &|_| ()).is_ok(),
        "a name is resolved there"
    );
    assert!(matches!(
        with(&kept(&[("192.0.2.7", 22)], true), &|_| ()),
        Err(GrantError::Disabled { .. })
    ));
    for elsewhere in [("192.0.2.7", 2222), ("198.51.100.1", 22), ("192.0.2.9", 22)] {
        let refused = with(&kept(&[elsewhere], false), &|_| ()).unwrap_err();
        assert!(matches!(refused, GrantError::Elsewhere { .. }), "{elsewhere:?}");
    }
    let no_inventory = |wish: &mut Wish<'_>| wish.checks = Checks::of_endpoints();
    assert_eq!(with(&good, &no_inventory), Err(GrantError::NoInventory));
    let also_other = |wish: &mut Wish<'_>| wish.appliances.push(wish.appliances[0]);
    assert!(matches!(
        with(&good, &also_other),
        Err(GrantError::NotSealedTo { .. })
    ));
}

fn envelope(appliance: &Confirmed, places: &[(&str, u16)]) -> Envelope {
    let header = Header {
        vedette: HEADER_VERSION,
        org: ORG,
        credential: CredentialId([4; 16]),
        version: 3,
        kind: CredentialKind::Bearer,
        places: places
            .iter()
            .map(|(host, port)| Place {
                host: host.parse().unwrap(),
                port: *port,
                trust: Trust::FirstSeen,
            })
            .collect(),
        appliances: vec![appliance.fingerprint()],
    };
    let login = Login::Bearer {
        token: SecretText::new("t".to_owned().into()),
    };
    Envelope::seal(
        &header,
        &login,
        Suite::X25519,
        std::slice::from_ref(&appliance.credential),
    )
    .unwrap()
}
