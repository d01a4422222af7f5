//! The dashboard as a browser without scripts sees it.

mod network;
mod pools;

use hyper::{
    Method, Request, StatusCode,
    header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE},
};
use serde_json::json;
use vedette_crypto::{Signer, credential::CredentialKey};
use vedette_protocol::{CredentialId, Timestamp, link::What};

use super::{
    appliance::Appliance,
    house::{Answer, House, Operator, PASSWORD},
    owner::{Owner, fingerprint, put_credential, put_grant, say},
    work::{event, finding, whole},
};

/// A browser: cookies and forms.
struct Browser {
    line: Operator,
    cookie: String,
}

impl Browser {
    fn new(house: &House) -> Self {
        Self {
            line: house.stranger(),
            cookie: String::new(),
        }
    }

    async fn logged_in(house: &House) -> Self {
        // Sets the password.
        house.operator().await;
        let mut browser = Self::new(house);
        let answer = browser
            .post("/login", &[("account", "admin"), ("password", PASSWORD)])
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let cookie = answer.headers[SET_COOKIE].to_str().unwrap().to_owned();
        for part in [
            "__Host-vedette=",
            "; Path=/",
            "; Secure",
            "; HttpOnly",
            "; SameSite=Strict",
        ] {
            assert!(cookie.contains(part), "{cookie}");
        }
        browser.cookie = cookie.split(';').next().unwrap().to_owned();
        browser
    }

    async fn get(&self, path: &str) -> Answer {
        let request = Request::builder().uri(path).header(COOKIE, &self.cookie);
        self.line.ask(request, "".into()).await
    }

    /// Shows a page that must be there.
    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        for inline in ["<style", "style=", " onclick", "<script>", "javascript:"] {
            assert!(!answer.text.contains(inline), "{path} has {inline}");
        }
        answer.text
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from("https://localhost", path, fields).await
    }

    async fn post_from(&self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(COOKIE, &self.cookie)
            .header(ORIGIN, origin)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        self.line.ask(request, body.join("&").into()).await
    }

    /// The form token of the pages.
    async fn csrf(&self) -> String {
        let page = self.page("/appliances").await;
        let start = page.split("name=\"csrf\" value=\"").nth(1).unwrap();
        start.split('"').next().unwrap().to_owned()
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn pages_want_a_login_and_the_first_one_sets_a_password() {
    let house = House::open();
    let browser = Browser::new(&house);
    for path in [
        "/appliances",
        "/scans",
        "/findings",
        "/appliances/x",
        "/scans/x",
        "/findings/x/y",
        "/grants",
        "/grants/x",
        "/pools",
        "/pools/x",
        "/credentials",
        "/credentials/new",
        "/credentials/x",
    ] {
        let answer = browser.get(path).await;
        assert_eq!(
            (answer.status, &answer.headers[LOCATION]),
            (StatusCode::SEE_OTHER, &"/login".parse().unwrap())
        );
    }
    assert_eq!(browser.get("/").await.headers[LOCATION], "/appliances");
    let first = std::fs::read_to_string(house.first_login()).unwrap();
    let wrong = browser
        .post("/login", &[("account", "admin"), ("password", "wrong")])
        .await;
    assert!(wrong.status == StatusCode::UNAUTHORIZED && wrong.text.contains("account or password is wrong"));
    assert!(!wrong.text.contains("new_password"));
    let asked = browser
        .post("/login", &[("account", "admin"), ("password", first.trim())])
        .await;
    assert!(asked.text.contains("choose a new one") && asked.text.contains("name=\"new_password\""));
    let weak = [
        ("account", "admin"),
        ("password", first.trim()),
        ("new_password", "short"),
    ];
    let weak = browser.post("/login", &weak).await;
    assert!(weak.text.contains("at least 15") && weak.text.contains("name=\"new_password\""));
    let good = [
        ("account", "admin"),
        ("password", first.trim()),
        ("new_password", PASSWORD),
    ];
    assert_eq!(browser.post("/login", &good).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn forms_from_other_sites_and_other_logins_are_refused() {
    let house = House::open();
    let browser = Browser::logged_in(&house).await;
    let csrf = browser.csrf().await;
    let cross = browser
        .post_from("https://evil.example", "/appliances/token", &[("csrf", &csrf)])
        .await;
    assert_eq!(cross.status, StatusCode::BAD_REQUEST);
    let opaque = browser
        .post_from("null", "/appliances/token", &[("csrf", &csrf)])
        .await;
    assert_eq!(opaque.status, StatusCode::BAD_REQUEST);
    let login = [("account", "admin"), ("password", PASSWORD)];
    assert_eq!(
        browser
            .post_from("https://evil.example", "/login", &login)
            .await
            .status,
        StatusCode::BAD_REQUEST
    );
    for wrong in ["", "0", &"0".repeat(64)] {
        let answer = browser.post("/appliances/token", &[("csrf", wrong)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(answer.text.contains("open the page anew"));
    }
    assert_eq!(
        browser.post("/appliances/token", &[]).await.status,
        StatusCode::BAD_REQUEST
    );
    let made = browser.post("/appliances/token", &[("csrf", &csrf)]).await;
    assert!(made.text.contains("vedette-activation-"), "{}", made.text);
    let out = browser.post("/logout", &[("csrf", &csrf)]).await;
    assert_eq!(out.headers[LOCATION], "/login");
    assert_eq!(browser.get("/appliances").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_scan_is_started_and_followed_and_its_findings_are_shown() {
    let house = House::open();
    let browser = Browser::logged_in(&house).await;
    assert!(browser.page("/appliances").await.contains("No appliance yet"));
    assert!(browser.page("/scans").await.contains("Activate one first"));
    assert!(browser.page("/findings").await.contains("Nothing found yet"));
    let csrf = browser.csrf().await;

    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    assert!(browser.page("/appliances").await.contains("online"));
    let id = appliance.id().to_string();
    let page = browser.page(&format!("/appliances/{id}")).await;
    assert!(page.contains(&appliance.key.verifying_key().fingerprint()));

    let bad = [
        ("csrf", csrf.as_str()),
        ("appliance", &id),
        ("targets", "192.0.2.1/33"),
        ("ports", ""),
    ];
    let bad = browser.post("/scans", &bad).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    assert!(
        bad.text.contains("write an address") && bad.text.contains("192.0.2.1/33</textarea>"),
        "{}",
        bad.text
    );
    let good = [
        ("csrf", csrf.as_str()),
        ("appliance", &id),
        ("targets", "192.0.2.1\n192.0.2.2, "),
        ("ports", "6379"),
    ];
    let started = browser.post("/scans", &good).await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text);
    let path = started.headers[LOCATION].to_str().unwrap().to_owned();
    let page = browser.page(&path).await;
    assert!(page.contains("queued") && page.contains("data-live"));

    let job = appliance.jobs(&house, &boot, 1).await.remove(0);
    let events = vec![
        event(&job, What::Findings(vec![finding("192.0.2.1", 6379)])),
        event(&job, What::Ended(whole(2))),
    ];
    appliance.report(&house, &boot, 0, events).await;
    let page = browser.page(&path).await;
    assert!(page.contains("complete") && !page.contains("data-live") && page.contains("192.0.2.1:6379"));
    assert!(browser.page("/scans").await.contains("complete"));
    let found = finding("192.0.2.1", 6379);
    assert!(
        browser
            .page("/findings?severity=critical&target=192.0.2.1")
            .await
            .contains(&found.id.to_string())
    );
    assert!(
        browser
            .page("/findings?severity=low")
            .await
            .contains("Nothing fits")
    );
    let page = browser.page(&format!("/findings/{id}/{}", found.id)).await;
    assert!(page.contains("CWE-306") && page.contains("requirepass"));
    assert_eq!(
        browser.get("/findings?severity=worst").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(browser.get("/findings/x/y").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/scans/x").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_appliance_is_removed_only_after_a_confirmation() {
    let house = House::open();
    let browser = Browser::logged_in(&house).await;
    let csrf = browser.csrf().await;
    let appliance = Appliance::activated(&house).await;
    let path = format!("/appliances/{}/remove", appliance.id());
    assert!(browser.page(&path).await.contains("cannot be undone"));
    let state =
        async || house.operator().await.get("/api/v1/appliances").await.json()["items"][0]["state"].clone();
    assert_eq!(state().await, "activated");
    let removed = browser.post(&path, &[("csrf", &csrf)]).await;
    assert!(removed.text.contains("receipt is signed"), "{}", removed.text);
    assert_eq!(state().await, "removed");
}

#[tokio::test]
async fn names_and_texts_are_escaped() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::new();
    let code = appliance.code(&house).await;
    let name = "<img src=x onerror=alert(1)>\"'";
    let named = operator
        .post("/api/v1/appliances/activate", json!({"code": code, "name": name}))
        .await;
    assert_eq!(named.status, StatusCode::CREATED, "{}", named.text);
    let browser = Browser::logged_in(&house).await;
    let id = named.json()["id"].as_str().unwrap().to_owned();
    for path in [
        "/appliances".to_owned(),
        format!("/appliances/{id}"),
        "/scans".to_owned(),
        "/findings".to_owned(),
    ] {
        let page = browser.page(&path).await;
        assert!(!page.contains("<img") && page.contains("&#60;img"), "{path}");
    }
    let csrf = browser.csrf().await;
    let typed = "\"><script>alert(1)</script>";
    let echoed = browser
        .post(
            "/appliances/activate",
            &[("csrf", &csrf), ("code", typed), ("name", typed)],
        )
        .await;
    assert!(echoed.status == StatusCode::BAD_REQUEST && !echoed.text.contains("<script>"));
}

#[tokio::test]
async fn the_owners_word_is_shown_and_credentials_are_chosen_switched_and_removed() {
    let house = House::open();
    let operator = house.operator().await;
    let browser = Browser::logged_in(&house).await;
    let csrf = browser.csrf().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let shown_at = format!("/appliances/{}", appliance.id());
    assert!(
        browser
            .page(&shown_at)
            .await
            .contains("No owner key pinned: the platform decides")
    );
    assert!(
        browser
            .page("/grants")
            .await
            .contains("No appliance has an owner key pinned")
    );
    assert!(browser.page("/credentials").await.contains("No credential yet"));
    assert!(
        browser
            .page("/credentials/new")
            .await
            .contains("No appliance has said yet")
    );

    let owner = Owner::of(&appliance);
    say(&operator, &owner.pin(&appliance, 1)).await;
    let key = owner.key.verifying_key();
    let (vault, other) = (CredentialKey::generate(), CredentialKey::generate());
    appliance
        .say_keys(&house, &boot, vault.public(), Some(key))
        .await
        .unwrap();
    for path in ["/appliances", &shown_at] {
        assert!(browser.page(path).await.contains(&key.fingerprint()), "{path}");
    }
    assert!(browser.page("/grants").await.contains("scan nothing without one"));
    let seal = browser.page("/credentials/new").await;
    assert!(seal.contains("a platform that alters this page"));
    assert!(seal.contains(&format!("data-fingerprint=\"{}\"", fingerprint(&appliance))));
    // Whatever a browser does with the page: its secret's fields are never part of a form that is sent.
    for id in ["secret", "key", "passphrase", "user"] {
        let field = seal
            .split('<')
            .find(|tag| tag.contains(&format!(" id=\"{id}\"")))
            .unwrap();
        assert!(!field.contains("name="), "{field}");
    }
    appliance
        .say_keys(&house, &boot, other.public(), Some(key))
        .await
        .unwrap();
    assert!(
        browser
            .page(&shown_at)
            .await
            .contains("sealed to another key of this appliance")
    );

    let id = CredentialId::random();
    let envelope = owner.credential(&appliance, id, 1, &[("192.0.2.1", 22)]);
    put_credential(&operator, id, &owner.owned(&envelope)).await;
    let path = format!("/credentials/{id}");
    let page = browser.page(&path).await;
    assert!(
        page.contains("192.0.2.1 port 22: known by the key that it shows first"),
        "{page}"
    );
    let started = [
        ("csrf", csrf.as_str()),
        ("appliance", &appliance.id().to_string()),
        ("targets", "192.0.2.1"),
        ("ports", "80"),
        ("credential", &id.to_string()),
    ];
    assert!(browser.page("/scans").await.contains("Log in with"));
    let started = browser.post("/scans", &started).await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text);
    appliance.serve(&house, &boot, 8).await;
    let scan = browser.page(started.headers[LOCATION].to_str().unwrap()).await;
    assert!(
        scan.contains("waiting for a grant") && scan.contains(&id.to_string()),
        "{scan}"
    );

    let mut grant = owner.grant(&appliance, "192.0.2.0/24");
    grant.until = Timestamp(Timestamp::now().0 - 1);
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    let page = browser.page(&format!("/grants/{}", grant.id)).await;
    assert!(
        page.contains("expired") && page.contains("1-65535") && page.contains("192.0.2.0/24"),
        "{page}"
    );

    assert!(
        browser
            .page(&path)
            .await
            .contains("name=\"to\" value=\"disabled\"")
    );
    for (to, says) in [("disabled", "Enable"), ("enabled", "Disable")] {
        let form = [("csrf", csrf.as_str()), ("to", to)];
        let switched = browser.post(&format!("{path}/switch"), &form).await;
        assert_eq!(switched.status, StatusCode::SEE_OTHER, "{}", switched.text);
        assert!(browser.page(&path).await.contains(says));
    }
    let forged = browser.post(&format!("{path}/remove"), &[("csrf", "x")]).await;
    assert_eq!(forged.status, StatusCode::BAD_REQUEST);
    browser
        .post(&format!("{path}/remove"), &[("csrf", csrf.as_str())])
        .await;
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_document_describes_every_route_and_swagger_shows_it() {
    let house = House::open();
    let stranger = house.stranger();
    let document = stranger.get("/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(stranger.get("/api/v1/openapi.json").await.json(), document);
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push(operation["operationId"].as_str().unwrap().to_owned());
            let answers = operation["responses"].as_object().unwrap();
            assert!(
                answers.contains_key("500") && answers.keys().any(|status| status.starts_with('2')),
                "{path}"
            );
            assert!(["get", "post", "put", "patch", "delete"].contains(&method.as_str()));
        }
    }
    let count = operations.len();
    operations.sort_unstable();
    operations.dedup();
    assert_eq!((count, operations.len()), (40, 40), "{operations:?}");
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/").skip(1) {
        let pointer = format!("/{}", reference.split('"').next().unwrap());
        assert!(document.pointer(&pointer).is_some(), "{pointer}");
    }
    let docs = stranger.get("/docs/").await;
    assert!(docs.status == StatusCode::OK && docs.text.contains("swagger-ui"));
    assert_eq!(
        stranger.get("/docs/swagger-ui-bundle.js").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn who_may_seal_is_the_platforms_switch_and_the_owners_grant() {
    let house = House::open();
    let operator = house.operator().await;
    let browser = Browser::logged_in(&house).await;
    let csrf = browser.csrf().await;
    let appliance = Appliance::activated(&house).await;
    let owner = Owner::of(&appliance);
    let who = async || {
        let page = browser.page("/credentials").await;
        page.split("id=\"who\"").nth(1).unwrap().to_owned()
    };
    let settled = async || {
        let settings = operator.get("/api/v1/settings").await.json();
        settings["owner_signed_credentials_only"].as_bool().unwrap()
    };
    let now = who().await;
    assert!(
        now.contains("without the owner key") && now.contains("No grant in force was"),
        "{now}"
    );
    let open = vedette_protocol::Grant {
        envelopes: vedette_protocol::grant::Envelopes::AlsoUnsigned,
        ..owner.grant(&appliance, "192.0.2.0/24")
    };
    let closed = owner.grant(&appliance, "192.0.2.0/24");
    for grant in [&open, &closed] {
        put_grant(&operator, grant.id, &owner.sign(grant)).await;
    }
    let now = who().await;
    assert!(
        now.contains(&open.id.to_string()) && !now.contains(&closed.id.to_string()),
        "{now}"
    );
    for (to, only) in [("owner", true), ("anybody", false)] {
        let form = [("csrf", csrf.as_str()), ("who", to)];
        let switched = browser.post("/credentials/who", &form).await;
        assert_eq!(switched.status, StatusCode::SEE_OTHER, "{}", switched.text);
        assert_eq!(settled().await, only);
        let said = "only credentials that the owner key has signed";
        assert_eq!(who().await.contains(said), only);
    }
    // Nobody else's page switches it, and what is no choice is none.
    for form in [
        [("csrf", "x"), ("who", "owner")],
        [("csrf", csrf.as_str()), ("who", "x")],
    ] {
        let refused = browser.post("/credentials/who", &form).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    }
    assert!(!settled().await);
}
