//! Somebody with the tool, a folder, and an appliance whose keys they were handed.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use vedette_cli::Item;
use vedette_crypto::credential::CredentialKey;
use vedette_crypto::{Secret, Signer, SigningKey, VerifyingKey};
use vedette_protocol::owner::{ApplianceKeys, enrolment_proof};
use vedette_protocol::{ApplianceId, Fingerprint, Grant, OrgId, Signed};

pub(crate) struct Desk {
    dir: TempDir,
}

/// What an appliance holds.
pub(crate) struct Appliance {
    pub(crate) identity: SigningKey,
    pub(crate) credential: CredentialKey,
    pub(crate) id: ApplianceId,
    pub(crate) org: OrgId,
    pub(crate) enrolment: Secret<32>,
}

pub(crate) const PASSPHRASE: &str = "a passphrase of some length";

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self {
            dir: TempDir::new().unwrap(),
        };
        desk.write("passphrase", &format!("{PASSPHRASE}\n"));
        desk
    }

    /// With an owner key: one that `owner init` made for these tests under [`PASSPHRASE`], at the least cost that is
    /// read, so that opening it takes no time.
    pub(crate) fn with_key() -> Self {
        let desk = Self::new();
        let folder = desk.folder();
        for sub in ["appliances", "grants", "credentials"] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder.join(sub))
                .unwrap();
        }
        fs::write(folder.join("owner.key"), include_str!("fixture/owner.key")).unwrap();
        fs::write(folder.join("standing"), include_str!("fixture/standing")).unwrap();
        desk
    }

    /// With an owner key, and an appliance confirmed as "lab".
    pub(crate) fn with_appliance() -> (Self, Appliance) {
        let (desk, appliance) = (Self::with_key(), Appliance::new());
        desk.confirm(&appliance, "lab");
        (desk, appliance)
    }

    pub(crate) fn confirm(&self, appliance: &Appliance, name: &str) {
        let document = self.write(&format!("{name}.json"), &appliance.document().to_string());
        let fingerprint = appliance.identity.verifying_key().fingerprint();
        let out = self.path(&format!("{name}.pin"));
        self.run(&[
            "appliance",
            "confirm",
            name,
            "--from",
            &document,
            "--fingerprint",
            &fingerprint,
            "--out",
            &out,
        ]);
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().join("data/vedette/owner")
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The tool, with nothing of this machine around it, and no terminal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command
            .args(["--wait", env!("CARGO_BIN_EXE_vedette")])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path().join("home"))
            .env("XDG_DATA_HOME", self.dir.path().join("data"))
            .stdin(Stdio::null());
        command
    }

    /// Runs it with the passphrase at hand.
    pub(crate) fn try_run(&self, arguments: &[&str]) -> Output {
        let passphrase = self.path("passphrase");
        self.command(arguments)
            .args(["--passphrase-file", &passphrase])
            .output()
            .unwrap()
    }

    /// Runs it, and returns what it said to a program.
    pub(crate) fn run(&self, arguments: &[&str]) -> Value {
        let output = self.try_run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs it, and returns what it said to a person.
    pub(crate) fn shown(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs it, and it must fail with an error that says this.
    pub(crate) fn refused(&self, arguments: &[&str], part: &str) {
        let output = self.try_run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(part), "{arguments:?}: {}", said(&output));
    }

    /// Runs it, and it must be wrong usage that says this.
    pub(crate) fn misused(&self, arguments: &[&str], part: &str) {
        let output = self.try_run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(part), "{arguments:?}: {}", said(&output));
    }

    /// What was written to be brought to the platform.
    pub(crate) fn items(&self, name: &str) -> Vec<Item> {
        Item::read_all(&fs::read_to_string(self.path(name)).unwrap()).unwrap()
    }

    /// The owner's public key.
    pub(crate) fn key(&self) -> VerifyingKey {
        self.shown(&["owner", "show", "--public"]).trim().parse().unwrap()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.run(&["owner", "show"])["epoch"].as_u64().unwrap()
    }

    /// The grants of a delivery, verified by the owner key.
    pub(crate) fn grants(&self, name: &str) -> Vec<Grant> {
        let key = self.key();
        let grant = |item: &Item| match item {
            Item::Grant { grant, .. } => Some(grant.verify(&key).unwrap()),
            _ => None,
        };
        self.items(name).iter().filter_map(grant).collect()
    }
}

impl Appliance {
    pub(crate) fn new() -> Self {
        Self {
            identity: SigningKey::generate(),
            credential: CredentialKey::generate(),
            id: ApplianceId::random(),
            org: OrgId([9; 16]),
            enrolment: Secret::filled(|bytes| *bytes = [5; 32]),
        }
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.identity.verifying_key())
    }

    pub(crate) fn keys(&self, owner: Option<VerifyingKey>) -> ApplianceKeys {
        let credential = self.credential.public().clone();
        let identity = self.identity.verifying_key();
        ApplianceKeys {
            appliance: self.id,
            org: self.org,
            proof: Some(enrolment_proof(
                &self.enrolment,
                &identity,
                self.id,
                self.org,
                &credential,
            )),
            credential,
            owner,
        }
    }

    /// As the platform hands its keys over.
    pub(crate) fn document(&self) -> Value {
        self.document_of(&self.keys(None), &self.identity)
    }

    pub(crate) fn document_of(&self, keys: &ApplianceKeys, signer: &SigningKey) -> Value {
        let Ok(signed) = Signed::seal(keys, signer);
        json!({
            "appliance": self.id,
            "org": self.org,
            "identity": self.identity.verifying_key(),
            "keys": STANDARD.encode(signed.to_bytes()),
            "owner": null,
        })
    }
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
