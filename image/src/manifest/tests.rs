use vedette_crypto::Signer as _;

use super::*;

/// The shipped manifest, which every test varies.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vedette.toml")
}

const PLATFORM: &str = r#"
[platform]
url = "https://platform.example"
key = "KEY"
roots = ["ISRG Root X1"]
"#;

fn platform() -> String {
    let key = vedette_crypto::SigningKey::generate().verifying_key().to_string();
    PLATFORM.replace("KEY", &key)
}

fn extension(more: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.toml");
    fs::write(&file, format!("base = {:?}\n{more}", shipped())).unwrap();
    (folder, file)
}

fn changed(from: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    let text = fs::read_to_string(shipped()).unwrap();
    assert!(text.contains(from), "{from}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.toml");
    fs::write(&file, text.replacen(from, to, 1)).unwrap();
    (folder, file)
}

#[test]
fn the_shipped_manifest_needs_only_a_platform() {
    let error = Manifest::read(&shipped()).unwrap_err().to_string();
    assert!(error.contains("vedette-platform pins"), "{error}");
    let (_folder, file) = extension(&platform());
    let manifest = Manifest::read(&file).unwrap();
    assert!(manifest.probe.is_none());
    assert_eq!(manifest.platform.url.host(), "platform.example");
    assert!(manifest.workspace.join("systemd/system").is_dir());
}

#[test]
fn an_extension_may_change_the_disk_and_add_a_probe() {
    let more = "[disk]\nesp = 64\nroot = 64\nstate = 32\nworkspace = 64\n\
                [probe]\nprograms = [\"vedette-x\"]\nunits = [\"probe/x.service\"]\nparameters = [\"debug\"]\n";
    let (folder, file) = extension(&(platform() + more));
    let manifest = Manifest::read(&file).unwrap();
    assert_eq!(manifest.disk.workspace, 64);
    let probe = manifest.probe.unwrap();
    assert_eq!(probe.programs, ["vedette-x"]);
    assert_eq!(probe.units, [folder.path().join("probe/x.service")]);
}

#[test]
fn roots_may_be_pem_in_place_or_in_a_file() {
    let (folder, file) = extension(&platform());
    let pem = vedette_crypto_root();
    fs::write(folder.path().join("ca.pem"), &pem).unwrap();
    for roots in ["[\"ca.pem\"]".to_owned(), format!("[{pem:?}, \"ISRG Root X1\"]")] {
        let text = fs::read_to_string(&file)
            .unwrap()
            .replace("[\"ISRG Root X1\"]", &roots);
        let other = folder.path().join("other.toml");
        fs::write(&other, text).unwrap();
        let manifest = Manifest::read(&other).unwrap();
        assert!(
            manifest
                .platform
                .roots
                .iter()
                .any(|root| root.name == "A test's root")
        );
    }
}

/// A root CA, made by openssl as a user would.
fn vedette_crypto_root() -> String {
    crate::tool::OPENSSL
        .call()
        .unwrap()
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "/dev/null",
        ])
        .args(["-subj", "/CN=A test's root", "-days", "2"])
        .run()
        .unwrap()
}

#[test]
fn malformed_manifests_name_file_place_and_cure() {
    let (_folder, file) = extension("[packages]\nsuite = \"x\"\n");
    let error = format!("{:#}", Manifest::read(&file).unwrap_err());
    assert!(
        error.contains("image.toml") && error.contains("packages") && error.contains("line 2"),
        "{error}"
    );
    assert!(error.contains("only [platform], [disk] and [probe]"), "{error}");

    let (_folder, file) = changed("suite = \"bookworm\"", "suite = 12");
    let error = format!("{:#}", Manifest::read(&file).unwrap_err());
    assert!(
        error.contains("line") && error.contains("suite") && error.contains("correct the key"),
        "{error}"
    );

    let (_folder, file) = changed("[packages]", "[packages");
    let error = format!("{:#}", Manifest::read(&file).unwrap_err());
    assert!(error.contains("not TOML") && error.contains("line"), "{error}");
}

#[test]
fn values_that_make_no_sense_are_refused_by_name() {
    for (from, to, named) in [
        ("\"quiet\"", "\"quiet panic=0\"", "kernel.parameters"),
        ("\"quiet\"", "\"vedette.slot=b\"", "vedette.*"),
        ("\"dm-crypt\"", "\"../dm-crypt\"", "modules"),
        ("\"/usr/sbin/nft\"", "\"usr/sbin/nft\"", "programs.packages"),
        ("\"vedetted\"", "\"../vedetted\"", "programs"),
        ("\"nftables\"", "\"nftables=1\"", "packages"),
        ("id = 901", "id = 900", "users"),
        ("flavour = \"cloud-amd64\"", "flavour = \"\"", "kernel.flavour"),
    ] {
        let (_folder, file) = changed(from, to);
        let error = format!("{:#}", Manifest::read(&file).unwrap_err());
        assert!(error.contains(named) && error.contains("image.toml"), "{error}");
    }
    let (_folder, file) =
        extension(&(platform() + "[disk]\nesp = 1\nroot = 64\nstate = 32\nworkspace = 64\n"));
    let error = format!("{:#}", Manifest::read(&file).unwrap_err());
    assert!(error.contains("[disk]") && error.contains("esp = 1"), "{error}");
}

#[test]
fn an_unknown_root_is_refused() {
    let (_folder, file) = extension(&platform().replace("ISRG Root X1", "Nobody's root"));
    let error = format!("{:#}", Manifest::read(&file).unwrap_err());
    assert!(
        error.contains("[platform]") && error.contains("Nobody's root"),
        "{error}"
    );
}
