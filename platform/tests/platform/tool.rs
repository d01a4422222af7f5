//! The operator's tool at the real platform: what the owner key signs arrives, and what arrives is told to the
//! appliance.

use std::{
    env, fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use serde_json::Value;
use vedette_crypto::{Signer, VerifyingKey, credential::CredentialKey};
use vedette_protocol::{
    Fingerprint,
    envelope::Unsigned,
    grant::Grant,
    owner::{Epoch, OwnerWord},
};

use super::{
    appliance::{Appliance, Boot},
    house::House,
    owner::fingerprint as fingerprint_of,
};

/// A platform, an appliance that has booted, and somebody with the tool and a login.
struct Desk {
    house: House,
    appliance: Appliance,
    boot: Boot,
    credential: CredentialKey,
    token: String,
    port: u16,
}

const PASSPHRASE: &str = "a passphrase of some length";

impl Desk {
    async fn open() -> Self {
        let house = House::open();
        let token = house.operator().await.secret;
        let mut appliance = Appliance::activated(&house).await;
        let boot = appliance.boot(&house).await.unwrap();
        let credential = CredentialKey::generate();
        appliance
            .say_keys(&house, &boot, credential.public(), None)
            .await
            .unwrap();
        fs::write(house.scratch().join("passphrase"), PASSPHRASE).unwrap();
        Self {
            port: house.port(),
            house,
            appliance,
            boot,
            credential,
            token,
        }
    }

    /// An owner whose appliance it is.
    async fn owned() -> Self {
        let desk = Self::open().await;
        desk.take_key();
        let fingerprint = desk.appliance.key.verifying_key().fingerprint();
        let id = desk.appliance.id().to_string();
        desk.run(&["appliance", "confirm", &id, "--fingerprint", &fingerprint]);
        desk
    }

    /// An owner key of the tool's own tests, at the least cost that is read: what one costs is tested there.
    fn take_key(&self) {
        let folder = self.house.scratch().join("operator/vedette/owner");
        for sub in ["appliances", "grants", "credentials"] {
            let mut private = fs::DirBuilder::new();
            private
                .recursive(true)
                .mode(0o700)
                .create(folder.join(sub))
                .unwrap();
        }
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        write(
            "owner.key",
            include_str!("../../../cli/tests/owner/fixture/owner.key"),
        );
        write(
            "standing",
            include_str!("../../../cli/tests/owner/fixture/standing"),
        );
    }

    fn path(&self, name: &str) -> String {
        self.house.scratch().join(name).to_str().unwrap().to_owned()
    }

    fn try_run(&self, arguments: &[&str]) -> Output {
        self.command(arguments)
            .args(["--json", "--passphrase-file", &self.path("passphrase")])
            .output()
            .unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(tool());
        command
            .args(arguments)
            .env("XDG_DATA_HOME", self.house.scratch().join("operator"))
            .env("VEDETTE_URL", format!("https://localhost:{}", self.port))
            .env("VEDETTE_CA", self.house.root())
            .env("VEDETTE_TOKEN", &self.token);
        command
    }

    fn run(&self, arguments: &[&str]) -> Value {
        let output = self.try_run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// The same for what needs no owner key.
    fn tell(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).arg("--json").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    fn key(&self) -> VerifyingKey {
        self.run(&["owner", "show"])["key"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// What the appliance is told by its owner.
    async fn words(&self) -> Vec<OwnerWord> {
        self.appliance.serve(&self.house, &self.boot, 0).await.1
    }

    /// What the platform carries.
    async fn carried(&self, path: &str) -> Value {
        self.house.operator().await.get(path).await.json()
    }

    fn sign(&self, more: &[&str]) -> Value {
        let id = self.appliance.id().to_string();
        let sign = [
            "grant",
            "sign",
            "--appliance",
            &id,
            "--targets",
            "192.0.2.0/28",
            "--ports",
            "22,80",
        ];
        self.run(&[&sign[..], more].concat())
    }

    fn seal(&self, more: &[&str]) -> Value {
        let id = self.appliance.id().to_string();
        fs::write(self.path("secret"), "canary-secret\n").unwrap();
        let secret = self.path("secret");
        let seal = [
            "credential",
            "seal",
            "--kind",
            "ssh-password",
            "--user",
            "scan",
            "--target",
            "192.0.2.7",
            "--label",
            "root",
            "--accept-first-seen",
            "--appliance",
            &id,
            "--secret-file",
            &secret,
        ];
        self.run(&[&seal[..], more].concat())
    }
}

#[tokio::test]
async fn a_confirmed_appliance_is_told_its_owner() {
    let desk = Desk::owned().await;
    let words = desk.words().await;
    let [OwnerWord::Pin(pin)] = words.as_slice() else {
        panic!("{words:?}")
    };
    let pin = pin.verify(&desk.key()).unwrap();
    assert_eq!((pin.appliance, pin.epoch), (desk.appliance.id(), Epoch(1)));

    // What was exported is what is confirmed elsewhere.
    let id = desk.appliance.id().to_string();
    let exported = desk.command(&["appliance", "keys", &id]).output().unwrap();
    fs::write(desk.path("keys"), exported.stdout).unwrap();
    let fingerprint = desk.appliance.key.verifying_key().fingerprint();
    desk.run(&[
        "appliance",
        "confirm",
        "again",
        "--from",
        &desk.path("keys"),
        "--fingerprint",
        &fingerprint,
        "--out",
        &desk.path("out"),
    ]);
    desk.run(&["owner", "deliver", &desk.path("out")]);
    assert_eq!(desk.words().await.len(), 1);
}

#[tokio::test]
async fn a_platform_that_swaps_the_credential_key_is_refused_by_the_tool() {
    let desk = Desk::open().await;
    desk.take_key();
    // What somebody with the platform's database would do: another appliance's word in the place of this one's.
    let mut other = Appliance::activated(&desk.house).await;
    let boot = other.boot(&desk.house).await.unwrap();
    other
        .say_keys(&desk.house, &boot, CredentialKey::generate().public(), None)
        .await
        .unwrap();
    let id = other.id().to_string();
    let fingerprint = desk.appliance.key.verifying_key().fingerprint();
    let refused = desk.try_run(&["appliance", "confirm", &id, "--fingerprint", &fingerprint]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("THIS IS NOT YOUR APPLIANCE"),
        "{}",
        said(&refused)
    );
    assert_eq!(desk.words().await, []);
}

#[tokio::test]
async fn grants_and_their_end_reach_platform_and_appliance() {
    let desk = Desk::owned().await;
    let [gone, stays] = ["ports", "services"].map(|check| desk.sign(&["--checks", check]));
    let grants = desk.carried("/api/v1/grants").await;
    assert_eq!(grants["items"].as_array().unwrap().len(), 2);

    desk.run(&["grant", "revoke", gone["id"].as_str().unwrap()]);
    let grants = desk.carried("/api/v1/grants").await;
    let grants = grants["items"].as_array().unwrap();
    assert_eq!(grants.len(), 1);
    assert_eq!((&grants[0]["id"], &grants[0]["epoch"]), (&stays["id"], &2.into()));
    let words = desk.words().await;
    let epoch = words.iter().find_map(|word| match word {
        OwnerWord::NewEpoch(word) => Some(word.verify(&desk.key()).unwrap().epoch),
        _ => None,
    });
    assert_eq!(epoch, Some(Epoch(2)));
}

#[tokio::test]
async fn a_credential_lives_and_ends_at_the_platform() {
    let desk = Desk::owned().await;
    let sealed = desk.seal(&[]);
    let id = sealed["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/credentials/{id}");
    let kept = desk.carried(&path).await;
    assert_eq!(
        (&kept["version"], &kept["label"], &kept["first_seen"]),
        (&1.into(), &"root".into(), &true.into())
    );
    let grant = desk.sign(&["--checks", "inventory", "--credential", "root"]);

    let secret = desk.path("secret");
    fs::write(&secret, "the next secret\n").unwrap();
    desk.run(&[
        "credential",
        "rotate",
        "root",
        "--user",
        "scan",
        "--secret-file",
        &secret,
    ]);
    assert_eq!(desk.carried(&path).await["version"], 2);
    let granted = desk
        .carried(&format!("/api/v1/grants/{}", grant["id"].as_str().unwrap()))
        .await;
    assert_eq!(
        (&granted["credentials"][0]["version"], &granted["epoch"]),
        (&2.into(), &2.into())
    );

    desk.run(&["credential", "disable", "root"]);
    assert_eq!(desk.carried(&path).await["disabled"], true);
    desk.run(&["credential", "enable", "root"]);
    assert_eq!(desk.carried(&path).await["disabled"], false);
    desk.run(&["credential", "remove", "root"]);
    assert_eq!(desk.carried(&path).await["status"], 404);
}

#[tokio::test]
async fn the_next_owner_key_s_signatures_take_the_place_of_the_last_one_s() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use vedette_protocol::{Signed, codec, envelope::Sealing};
    let desk = Desk::owned().await;
    let sealed = desk.seal(&[]);
    let grant = desk.sign(&["--checks", "inventory", "--credential", "root"]);
    let old = desk.key();
    fs::write(desk.path("next"), "the next passphrase, as long\n").unwrap();
    desk.run(&["owner", "rotate", "--new-passphrase-file", &desk.path("next")]);
    let new = desk.key();

    let word = desk.words().await.into_iter().find_map(|word| match word {
        OwnerWord::Rotation(word) => Some(word.verify(&old).unwrap()),
        _ => None,
    });
    assert_eq!(word.map(|word| (word.new, word.epoch)), Some((new, Epoch(2))));
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let kept = desk
        .carried(&format!("/api/v1/grants/{}", grant["id"].as_str().unwrap()))
        .await;
    let kept: Signed<Grant> = codec::decode(&bytes(&kept["grant"])).unwrap();
    assert_eq!(kept.verify(&new).unwrap().epoch, Epoch(2));
    let kept = desk
        .carried(&format!("/api/v1/credentials/{}", sealed["id"].as_str().unwrap()))
        .await;
    let kept: Sealing = codec::decode(&bytes(&kept["sealing"])).unwrap();
    let envelope = kept.envelope(Some(&new), Unsigned::Refused).unwrap();
    let header = envelope.header().unwrap();
    let expected = vedette_protocol::envelope::Expected {
        org: header.org,
        appliance: header.appliances[0],
        credential: vedette_protocol::credential::CredentialUse {
            id: header.credential,
            version: 1,
        },
    };
    assert!(envelope.open(&desk.credential, expected).is_ok());
}

#[tokio::test]
async fn what_was_signed_while_the_platform_was_away_is_sent_later() {
    let mut desk = Desk::owned().await;
    desk.house.kill();
    let id = desk.appliance.id().to_string();
    let sign = [
        "grant",
        "sign",
        "--appliance",
        &id,
        "--targets",
        "192.0.2.1",
        "--ports",
        "80",
        "--checks",
        "http",
    ];
    let kept = desk.try_run(&sign);
    assert_eq!(kept.status.code(), Some(1));
    let said = said(&kept);
    assert!(
        said.contains("`vedette owner deliver` sends it again") && said.contains("no answer from"),
        "{said}"
    );

    desk.house.serve();
    desk.port = desk.house.port();
    desk.run(&["owner", "deliver"]);
    let grants = desk.carried("/api/v1/grants").await;
    assert_eq!(grants["items"].as_array().unwrap().len(), 1);
    assert_eq!(grants["items"][0]["id"], desk.run(&["grant", "list"])[0]["id"]);
}

/// A platform that puts somebody into the operator's pool gets nothing signed or sealed for it.
#[tokio::test]
async fn a_pool_is_granted_and_sealed_to_when_all_of_its_appliances_are_confirmed() {
    let desk = Desk::owned().await;
    let mut second = Appliance::activated(&desk.house).await;
    let boot = second.boot(&desk.house).await.unwrap();
    let keys = CredentialKey::generate();
    second
        .say_keys(&desk.house, &boot, keys.public(), None)
        .await
        .unwrap();
    let (one, two) = (desk.appliance.id().to_string(), second.id().to_string());
    desk.tell(&[
        "pool",
        "create",
        "cellar",
        "--appliance",
        &one,
        "--appliance",
        &two,
    ]);

    let sign = [
        "grant",
        "sign",
        "--pool",
        "cellar",
        "--targets",
        "192.0.2.0/28",
        "--ports",
        "22,80",
        "--checks",
        "ports,inventory",
    ];
    fs::write(desk.path("secret"), "canary-secret\n").unwrap();
    let secret = desk.path("secret");
    let seal = [
        "credential",
        "seal",
        "--kind",
        "ssh-password",
        "--user",
        "scan",
        "--target",
        "192.0.2.7",
        "--label",
        "root",
        "--accept-first-seen",
        "--pool",
        "cellar",
        "--secret-file",
        &secret,
    ];
    let confirm = format!("vedette appliance confirm {two}");
    for arguments in [&sign[..], &seal[..]] {
        let refused = desk.try_run(arguments);
        assert!(!refused.status.success());
        assert!(said(&refused).contains(&confirm), "{}", said(&refused));
    }
    assert_eq!(
        desk.carried("/api/v1/grants").await["items"],
        Value::Array(vec![])
    );
    assert_eq!(
        desk.carried("/api/v1/credentials").await["items"],
        Value::Array(vec![])
    );

    let fingerprint = second.key.verifying_key().fingerprint();
    desk.run(&["appliance", "confirm", &two, "--fingerprint", &fingerprint]);
    desk.run(&seal);
    desk.run(&[&sign[..], &["--credential", "root"]].concat());
    let mut members = [fingerprint_of(&desk.appliance), fingerprint_of(&second)];
    members.sort();
    for path in ["/api/v1/grants", "/api/v1/credentials"] {
        let mut named: Vec<Fingerprint> = desk.carried(path).await["items"][0]["appliances"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one.as_str().unwrap().parse().unwrap())
            .collect();
        named.sort();
        assert_eq!(named, members, "{path}");
    }
    // One envelope for both: a new secret, its being disabled and its end are one word each.
    let rotated = desk.run(&[
        "credential",
        "rotate",
        "root",
        "--user",
        "scan",
        "--secret-file",
        &secret,
    ]);
    assert_eq!(rotated["header"]["appliances"].as_array().unwrap().len(), 2);
    desk.run(&["credential", "disable", "root"]);
    assert_eq!(
        desk.carried("/api/v1/credentials").await["items"][0]["disabled"],
        true
    );

    let scan = desk.tell(&[
        "scan",
        "start",
        "--pool",
        "cellar",
        "--target",
        "192.0.2.1",
        "--ports",
        "80",
    ]);
    let pools = desk.carried("/api/v1/pools").await;
    assert_eq!(
        (&scan["pool"], &scan["appliance"]),
        (&pools["items"][0]["id"], &Value::Null)
    );
    let jobs = desk.tell(&["scan", "jobs", scan["id"].as_str().unwrap()]);
    assert_eq!(jobs.as_array().unwrap().len(), 1);
    desk.tell(&["pool", "take-out", "cellar", &two]);
    let pools = desk.tell(&["pool", "list"]);
    assert_eq!(pools[0]["appliances"], serde_json::json!([one]));
    desk.tell(&["pool", "remove", "cellar"]);
    assert_eq!(desk.tell(&["pool", "list"]), Value::Array(vec![]));
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The tool as this workspace builds it.
fn tool() -> &'static Path {
    static TOOL: OnceLock<PathBuf> = OnceLock::new();
    TOOL.get_or_init(|| {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // What cargo has set for us would make build scripts run again.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_") && text != "CARGO_HOME" && text != "CARGO_TARGET_DIR"
                || text == "OUT_DIR"
            {
                cargo.env_remove(&name);
            }
        }
        // All of it, as the tests build it: with fewer members the features of shared crates would differ, and each of
        // those would be built once more.
        let built = cargo
            .args(["build", "--quiet", "--locked", "--workspace", "--bins"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .status()
            .unwrap();
        assert!(built.success());
        Path::new(env!("CARGO_BIN_EXE_vedette-platform")).with_file_name("vedette")
    })
}
