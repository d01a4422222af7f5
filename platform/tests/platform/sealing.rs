//! Sealing in a real browser, with everything recorded that it sends.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use vedette_crypto::credential::CredentialKey;
use vedette_protocol::{
    CredentialId, Digest, codec,
    credential::{CredentialKind, CredentialUse, Login, Trust},
    envelope::{Expected, Sealing},
};

use super::{
    appliance::Appliance,
    browser::log_in,
    chromium::Chromium,
    house::{House, Operator, PASSWORD},
    owner::fingerprint,
    recorder::Recorder,
};

/// An appliance whose vault is ours, and a browser that is logged in and recorded.
struct Scene {
    house: House,
    operator: Operator,
    appliance: Appliance,
    vault: CredentialKey,
    recorder: Recorder,
    browser: Chromium,
}

impl Scene {
    async fn set() -> Self {
        let house = House::open();
        let operator = house.operator().await;
        let mut appliance = Appliance::activated(&house).await;
        let boot = appliance.boot(&house).await.unwrap();
        let vault = CredentialKey::generate();
        appliance
            .say_keys(&house, &boot, vault.public(), None)
            .await
            .unwrap();
        let recorder = Recorder::start(&house).await;
        let browser = Chromium::start_at(&house, recorder.port).await;
        browser.open("/login").await;
        log_in(&browser, PASSWORD, None).await;
        browser.wait_for_path("/appliances").await;
        Self {
            house,
            operator,
            appliance,
            vault,
            recorder,
            browser,
        }
    }

    /// Fills in the page's fields by id.
    async fn fill_in(&self, path: &str, fields: &[(&str, &str)]) {
        self.browser.open(path).await;
        self.browser
            .wait_until("return document.getElementById('go')?.disabled === false")
            .await;
        for (id, value) in fields {
            let script = format!(
                "const field = document.getElementById({id:?}); field.value = {}; \
                 field.dispatchEvent(new Event('change', {{ bubbles: true }}));",
                json!(value)
            );
            self.browser.run(&script).await;
        }
        self.browser.run("document.getElementById('go').click()").await;
    }

    /// Waits for the page of what was sealed: its id.
    async fn sealed(&self) -> CredentialId {
        self.browser
            .wait_until("return /^\\/credentials\\/[0-9a-f]{32}$/.test(location.pathname)")
            .await;
        let id = self
            .browser
            .run("return location.pathname.split('/').pop()")
            .await;
        id.as_str().unwrap().parse().unwrap()
    }

    /// What the vault makes of what the platform has.
    async fn opened(&self, id: CredentialId, version: u32) -> (vedette_protocol::credential::Header, Login) {
        let kept = self
            .operator
            .get(&format!("/api/v1/credentials/{id}"))
            .await
            .json();
        let sealing = STANDARD.decode(kept["sealing"].as_str().unwrap()).unwrap();
        let Sealing::Unsigned(envelope) = codec::decode(&sealing).unwrap() else {
            panic!("a browser has no owner key")
        };
        let expected = Expected {
            org: self.appliance.enrolment.as_ref().unwrap().org,
            appliance: fingerprint(&self.appliance),
            credential: CredentialUse { id, version },
        };
        envelope.open(&self.vault, expected).unwrap()
    }
}

/// A secret as it might be hidden in a request: as it is, in UTF-16, in hexadecimal, in base64 at each place.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![
        secret.as_bytes().to_vec(),
        secret.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        secret
            .bytes()
            .flat_map(|byte| format!("{byte:02x}").into_bytes())
            .collect(),
    ];
    for shift in 0..3 {
        let shifted = [&vec![b' '; shift][..], secret.as_bytes()].concat();
        let text = STANDARD.encode(shifted);
        // Without the ends, which depend on what stands around.
        forms.push(text.as_bytes()[4..text.len() - 4].to_vec());
    }
    forms
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_leaves_the_browser_sealed_and_the_vault_opens_it() {
    let scene = Scene::set().await;
    let (secret, label) = ("Zq7canarySecret4rVw", "Zq7canaryLabel4rVw");
    let key = Digest([0xab; 32]);
    let openssh = format!("SHA256:{}", STANDARD.encode(key.0).trim_end_matches('='));
    let fields = [
        ("kind", "ssh-password"),
        ("label", label),
        ("hosts", "192.0.2.7, 192.0.2.8"),
        ("port", "2222"),
        ("digest", &openssh),
        ("user", "scan"),
        ("secret", secret),
    ];
    scene.fill_in("/credentials/new", &fields).await;
    let id = scene.sealed().await;
    let (header, login) = scene.opened(id, 1).await;
    let places: Vec<_> = header
        .places
        .iter()
        .map(|place| (place.host.to_string(), place.port, place.trust))
        .collect();
    let trust = Trust::SshHostKey(key);
    assert_eq!(
        places,
        [
            ("192.0.2.7".to_owned(), 2222, trust),
            ("192.0.2.8".to_owned(), 2222, trust)
        ]
    );
    match login {
        Login::SshPassword { user, password } => {
            assert_eq!(user, "scan");
            password.with(|password| assert_eq!(password, secret));
        }
        other => panic!("{other:?}"),
    }
    // The recorder is not blind, and has heard nothing of the secret.
    assert!(scene.recorder.heard(label.as_bytes()));
    for form in forms(secret) {
        assert!(!scene.recorder.heard(&form), "{}", String::from_utf8_lossy(&form));
    }
    // Nor does anything that the platform keeps hold it.
    let mut kept = 0;
    for name in ["platform.db", "platform.db-wal"] {
        let bytes = std::fs::read(scene.house.data().join(name)).unwrap();
        let holds = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
        assert!(forms(secret).iter().all(|form| !holds(form)), "{name}");
        kept += usize::from(holds(label.as_bytes()));
    }
    assert!(kept > 0, "the label is kept somewhere");
    assert_eq!(scene.browser.complaints().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_key_with_its_passphrase_is_sealed_as_the_next_version() {
    let scene = Scene::set().await;
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nZq7canaryKey4rVw\n-----END OPENSSH PRIVATE KEY-----\n";
    let mut fields = vec![
        ("kind", "ssh-key"),
        ("hosts", "web.lan"),
        ("trust", "first-seen"),
        ("user", "scan"),
        ("key", key),
        ("passphrase", "Zq7canaryPass4rVw"),
    ];
    scene.fill_in("/credentials/new", &fields).await;
    let id = scene.sealed().await;
    fields[4].1 = "Zq7canaryOther4rVw";
    scene.fill_in(&format!("/credentials/new?of={id}"), &fields).await;
    assert_eq!(scene.sealed().await, id);
    let (header, login) = scene.opened(id, 2).await;
    assert_eq!((header.version, header.kind), (2, CredentialKind::SshKey));
    match login {
        Login::SshKey {
            key,
            passphrase: Some(passphrase),
            ..
        } => {
            key.with(|key| assert_eq!(key, "Zq7canaryOther4rVw"));
            passphrase.with(|passphrase| assert_eq!(passphrase, "Zq7canaryPass4rVw"));
        }
        other => panic!("{other:?}"),
    }
    for secret in ["Zq7canaryKey4rVw", "Zq7canaryOther4rVw", "Zq7canaryPass4rVw"] {
        for form in forms(secret) {
            assert!(!scene.recorder.heard(&form), "{}", String::from_utf8_lossy(&form));
        }
    }
    assert!(scene.recorder.heard(b"web.lan"));
    assert_eq!(scene.browser.complaints().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sealed_is_said_and_nothing_is_sent() {
    let scene = Scene::set().await;
    let secret = "Zq7canarySecret4rVw";
    let fields = [
        ("hosts", "192.0.2.7"),
        ("digest", "nonsense"),
        ("user", "scan"),
        ("secret", secret),
    ];
    scene.fill_in("/credentials/new", &fields).await;
    let says = |text: &str| format!("return document.body.innerText.includes({text:?})");
    scene.browser.wait_until(&says("Give the SHA-256")).await;
    assert!(!scene.recorder.heard(b"parts="));
    // Where only the owner's signature counts, the platform refuses what a browser seals, and says what to do.
    let settled = json!({"owner_signed_credentials_only": true});
    scene.operator.patch("/api/v1/settings", settled).await;
    let fields = [
        ("hosts", "192.0.2.7"),
        ("trust", "first-seen"),
        ("user", "scan"),
        ("secret", secret),
    ];
    scene.fill_in("/credentials/new", &fields).await;
    scene
        .browser
        .wait_until(&says("takes only credentials that its owner key has signed"))
        .await;
    assert!(scene.recorder.heard(b"parts="));
    for form in forms(secret) {
        assert!(!scene.recorder.heard(&form), "{}", String::from_utf8_lossy(&form));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_travels_without_ssh_is_not_sealed_for_an_ssh_host_key() {
    let scene = Scene::set().await;
    let digest = Digest([0xcd; 32]);
    for (kind, port, user, trust) in [
        // Which is in clear by nature.
        ("snmp-community", "161", "", Trust::Cleartext),
        ("database", "5432", "scan", Trust::TlsSpki(digest)),
    ] {
        let fields = [
            ("kind", kind),
            ("hosts", "192.0.2.7"),
            ("port", port),
            ("digest", &digest.to_string()),
            ("user", user),
            ("secret", "correct horse"),
        ];
        scene.fill_in("/credentials/new", &fields).await;
        let id = scene.sealed().await;
        let (header, login) = scene.opened(id, 1).await;
        assert_eq!(header.kind.name(), kind);
        assert_eq!(header.places[0].trust, trust);
        assert!(matches!(
            login,
            Login::SnmpCommunity { .. } | Login::Database { .. }
        ));
    }
}
