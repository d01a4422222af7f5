//! The dashboard in a real browser: with the keyboard alone, on a narrow screen, and while a scan goes on.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vedette_crypto::credential::CredentialKey;
use vedette_protocol::{
    CredentialId, GrantId,
    link::{Activation, What},
    worker::Progress,
};

use super::{
    appliance::{Appliance, Boot},
    chromium::{Chromium, ENTER, TAB},
    house::{House, Operator, PASSWORD},
    owner::{Owner, put_credential, put_grant},
    work::{event, finding, scan, whole},
};

/// A platform with something on each page, and a browser that is logged in.
struct Scene {
    house: House,
    operator: Operator,
    appliance: Appliance,
    boot: Boot,
    browser: Chromium,
    grant: GrantId,
    credential: CredentialId,
}

impl Scene {
    async fn set() -> Self {
        let house = House::open();
        let operator = house.operator().await;
        let mut appliance = Appliance::activated(&house).await;
        let boot = appliance.boot(&house).await.unwrap();
        let owner = Owner::of(&appliance);
        let vault = CredentialKey::generate();
        appliance
            .say_keys(&house, &boot, vault.public(), None)
            .await
            .unwrap();
        let grant = owner.grant(&appliance, "192.0.2.0/24");
        put_grant(&operator, grant.id, &owner.sign(&grant)).await;
        let credential = CredentialId::random();
        let places = [("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 22)];
        let sealing = owner.owned(&owner.credential(&appliance, credential, 1, &places));
        put_credential(&operator, credential, &sealing).await;
        let browser = Chromium::start(&house).await;
        browser.open("/login").await;
        log_in(&browser, PASSWORD, None).await;
        browser.wait_for_path("/appliances").await;
        Self {
            grant: grant.id,
            credential,
            house,
            operator,
            appliance,
            boot,
            browser,
        }
    }

    /// Has a scan done that finds something, and begins one that goes on: the ids of both.
    async fn scan(&self, targets: &[&str]) -> [String; 2] {
        let ended = scan(&self.operator, &self.appliance, targets, "6379").await;
        let host = targets[0].split(['/', ',']).next().unwrap();
        let mut number = 0;
        for job in self.appliance.jobs(&self.house, &self.boot, 8).await {
            let mut events = vec![event(&job, What::Ended(whole(2)))];
            if number == 0 {
                events.insert(0, event(&job, What::Findings(vec![finding(host, 6379)])));
            }
            let count = events.len() as u64;
            self.appliance
                .report(&self.house, &self.boot, number, events)
                .await;
            number += count;
        }
        let running = scan(&self.operator, &self.appliance, targets, "80").await;
        [ended, running]
    }

    /// Every page, with something on it.
    async fn pages(&self, scans: &[String; 2]) -> Vec<String> {
        let id = self.appliance.id();
        let found = self.operator.get("/api/v1/findings").await.json();
        let found = found["items"][0]["finding"]["id"].as_str().unwrap().to_owned();
        let [ended, running] = scans;
        vec![
            "/appliances".to_owned(),
            format!("/appliances/{id}"),
            format!("/appliances/{id}/remove"),
            "/scans".to_owned(),
            format!("/scans/{ended}"),
            format!("/scans/{running}"),
            "/findings".to_owned(),
            "/findings?severity=critical&target=192.0.2.99".to_owned(),
            format!("/findings/{id}/{found}"),
            "/findings/x/y".to_owned(),
            "/grants".to_owned(),
            format!("/grants/{}", self.grant),
            "/credentials".to_owned(),
            format!("/credentials/{}", self.credential),
            "/credentials/new".to_owned(),
        ]
    }
}

/// Fills in the form of the login by keyboard. The first field has the focus.
pub(crate) async fn log_in(browser: &Chromium, password: &str, new_password: Option<&str>) {
    if browser
        .run("return document.activeElement.name === 'account'")
        .await
        == true
    {
        browser.type_text("admin").await;
        browser.press(TAB).await;
    }
    browser.type_text(password).await;
    if let Some(new) = new_password {
        browser.press(TAB).await;
        browser.type_text(new).await;
    }
    browser.press(ENTER).await;
}

/// Presses Tab until an element that a selector finds has the focus.
async fn tab_to(browser: &Chromium, selector: &str) {
    for _ in 0..60 {
        browser.press(TAB).await;
        let here = format!("return document.activeElement.matches({selector:?})");
        if browser.run(&here).await == true {
            return;
        }
    }
    panic!("{selector} is not reached with the keyboard");
}

/// Numbers the controls that can be seen: a text for each.
const CONTROLS: &str = "
    const seen = element => element.checkVisibility() && (element.tagName === 'SUMMARY' ||
        !element.closest('details:not([open])'));
    const wanted = 'a[href], button, input:not([type=hidden]), select, textarea, summary';
    return [...document.querySelectorAll(wanted)].filter(seen).map((element, index) => {
        element.dataset.number = index;
        return index + ' ' + element.outerHTML.slice(0, 80);
    });";

/// Which of them has the focus, and whether that shows.
const FOCUSED: &str = "
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const place = element.getBoundingClientRect();
    return {
        number: element.dataset.number ?? null,
        outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        on_screen: place.width > 0 && place.height > 0 && place.bottom > 0 && place.right > 0 &&
            place.top < innerHeight && place.left < innerWidth,
    };";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_control_is_reached_by_tab_and_is_seen_to_have_the_focus() {
    let scene = Scene::set().await;
    let browser = &scene.browser;
    let scans = scene.scan(&["192.0.2.1"]).await;
    let mut pages = scene.pages(&scans).await;
    pages.push("/login?".to_owned());
    for page in pages {
        if page.starts_with("/login") {
            browser.open("/appliances").await;
            tab_to(browser, ".logout button").await;
            browser.press(ENTER).await;
            browser.wait_for_path("/login").await;
        }
        browser.open(&page).await;
        browser
            .run(
                "document.activeElement.blur();
                for (const one of document.querySelectorAll('details')) one.open = true;
                // A part that is renewed meanwhile would lose the numbers that are put on it next.
                for (const one of document.querySelectorAll('[data-live]')) delete one.dataset.live;",
            )
            .await;
        let controls = browser.run(CONTROLS).await;
        let controls: Vec<&str> = controls
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let mut reached = BTreeSet::new();
        for _ in 0..controls.len() + 2 {
            browser.press(TAB).await;
            let focused = browser.run(FOCUSED).await;
            let Some(number) = focused["number"].as_str() else {
                continue;
            };
            let number: usize = number.parse().unwrap();
            assert!(
                focused["outlined"] == true && focused["on_screen"] == true,
                "{page}: {} {focused}",
                controls[number]
            );
            reached.insert(number);
        }
        let missed: Vec<_> = (0..controls.len())
            .filter(|number| !reached.contains(number))
            .map(|number| controls[number])
            .collect();
        assert!(missed.is_empty(), "{page}: not reached: {missed:#?}");
        assert!(controls.len() >= 2, "{page} has {} controls", controls.len());
    }
    assert_eq!(browser.complaints().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_forms_are_filled_in_and_sent_with_the_keyboard() {
    let house = House::open();
    let browser = Chromium::start(&house).await;
    let first = std::fs::read_to_string(house.first_login()).unwrap();
    browser.open("/login").await;
    log_in(&browser, first.trim(), None).await;
    browser
        .wait_until("return document.querySelector('[name=new_password]') !== null")
        .await;
    log_in(&browser, first.trim(), Some(PASSWORD)).await;
    browser.wait_for_path("/appliances").await;

    let mut appliance = Appliance::new();
    let code = appliance.code(&house).await;
    tab_to(&browser, "[name=code]").await;
    browser.type_text("BBBB-BBBB").await;
    browser.press(ENTER).await;
    browser
        .wait_until("return document.querySelector('[role=alert]')?.textContent.includes('letter by letter') ?? false")
        .await;
    browser.open("/appliances").await;
    tab_to(&browser, "[name=code]").await;
    browser.type_text(&code.to_lowercase()).await;
    browser.press(TAB).await;
    browser.type_text("Basement").await;
    browser.press(ENTER).await;
    browser
        .wait_until("return document.querySelector('h1')?.textContent === 'Basement'")
        .await;
    appliance
        .activate_by(&house, Activation::DeviceCode)
        .await
        .unwrap();
    let boot = appliance.boot(&house).await.unwrap();

    browser.open("/appliances").await;
    tab_to(&browser, "[action='/appliances/token'] button").await;
    browser.press(ENTER).await;
    browser
        .wait_until("return document.body.innerText.includes('vedette-activation-')")
        .await;

    browser.open("/scans").await;
    tab_to(&browser, "[name=targets]").await;
    browser.type_text("192.0.2.1").await;
    browser.press(TAB).await;
    browser.type_text("6379").await;
    browser.press(ENTER).await;
    browser
        .wait_until("return /^\\/scans\\/[0-9a-f]{32}$/.test(location.pathname)")
        .await;
    let job = appliance.jobs(&house, &boot, 1).await.remove(0);
    let events = vec![
        event(&job, What::Findings(vec![finding("192.0.2.1", 6379)])),
        event(&job, What::Ended(whole(1))),
    ];
    appliance.report(&house, &boot, 0, events).await;

    browser.open("/findings").await;
    tab_to(&browser, "[name=target]").await;
    browser.type_text("192.0.2.1").await;
    browser.press(ENTER).await;
    browser
        .wait_until(
            "return location.search.includes('target=192.0.2.1') && document.querySelector('td a') !== null",
        )
        .await;
    tab_to(&browser, "td a").await;
    browser.press(ENTER).await;
    browser
        .wait_until("return document.body.innerText.includes('What to do')")
        .await;

    let remove = format!("/appliances/{}/remove", appliance.id());
    browser.open(&remove).await;
    tab_to(&browser, "button.danger").await;
    browser.press(ENTER).await;
    browser
        .wait_until("return document.body.innerText.includes('receipt is signed')")
        .await;
    tab_to(&browser, ".logout button").await;
    browser.press(ENTER).await;
    browser.wait_for_path("/login").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_scrolls_sideways_on_a_screen_of_400_pixels() {
    let scene = Scene::set().await;
    let browser = &scene.browser;
    // Long words without a place to break.
    let mut other = Appliance::new();
    let named = json!({"code": other.code(&scene.house).await, "name": "W".repeat(128)});
    scene.operator.post("/api/v1/appliances/activate", named).await;
    let scans = scene
        .scan(&[
            "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff",
            "2001:db8:1111:2222:3333:4444:5555:0/124",
        ])
        .await;
    browser.be_wide(400).await;
    let mut pages = scene.pages(&scans).await;
    pages.push("/login".to_owned());
    for page in pages {
        if page == "/login" {
            browser.open("/appliances").await;
            browser
                .run("document.querySelector('.logout button').click()")
                .await;
            browser.wait_for_path("/login").await;
        }
        browser.open(&page).await;
        browser
            .run("for (const one of document.querySelectorAll('details')) one.open = true;")
            .await;
        let wide = browser
            .run("return [innerWidth, document.documentElement.scrollWidth, document.body.scrollWidth]")
            .await;
        let beyond = browser
            .run(
                "return [...document.querySelectorAll('body *')]
                    .filter(element => element.checkVisibility() && !element.closest('thead, .skip') &&
                        element.getBoundingClientRect().right > 400.5)
                    .map(element => element.outerHTML.slice(0, 120));",
            )
            .await;
        assert_eq!((&wide, &beyond), (&json!([400, 400, 400]), &json!([])), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_page_follows_a_scan_to_its_end_without_being_loaded_again() {
    let scene = Scene::set().await;
    let (browser, house, boot) = (&scene.browser, &scene.house, &scene.boot);
    let scan = scan(&scene.operator, &scene.appliance, &["192.0.2.1"], "6379").await;
    browser.open(&format!("/scans/{scan}")).await;
    browser.run("window.loaded = 'once'").await;
    let shows = |text: &str| format!("return document.getElementById('scan').innerText.includes({text:?})");
    browser.wait_until(&shows("queued")).await;

    let job = scene.appliance.jobs(house, boot, 1).await.remove(0);
    let half = What::Progress(Progress { done: 1, total: 2 });
    scene
        .appliance
        .report(house, boot, 0, vec![event(&job, half)])
        .await;
    browser.wait_until(&shows("running")).await;
    browser
        .wait_until("return document.querySelector('progress')?.value === 50")
        .await;
    let events = vec![
        event(&job, What::Findings(vec![finding("192.0.2.1", 6379)])),
        event(&job, What::Ended(whole(1))),
    ];
    scene.appliance.report(house, boot, 1, events).await;
    browser.wait_until(&shows("complete")).await;
    browser.wait_until(&shows("192.0.2.1:6379")).await;
    assert_eq!(browser.run("return window.loaded").await, "once");
    assert_eq!(browser.complaints().await, Vec::<Value>::new());
}
