//! What `init` makes, what `pins` promises, and what `serve` refuses to serve.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use hyper::StatusCode;
use vedette_platform::{directory::Directory, keystore::Keystore, renewal, settings::Settings};
use vedette_protocol::Timestamp;

use super::{appliance::Appliance, house::House};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vedette-platform"))
        .args(arguments)
        .output()
        .unwrap()
}

fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = vec![directory.to_owned()];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path))
        } else {
            files.push(path)
        }
    }
    files
}

#[tokio::test]
async fn everything_in_the_data_directory_is_its_owners_alone() {
    let house = House::open();
    Appliance::activated(&house).await;
    let files = files(&house.data());
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        let expected = if file.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{} has mode {mode:03o}", file.display());
    }
}

#[test]
fn init_refuses_what_is_there_and_urls_that_are_none() {
    let scratch = tempfile::TempDir::new().unwrap();
    let data = scratch.path().join("data");
    let data = data.to_str().unwrap();
    for url in ["http://localhost", "localhost", "https://a/b", "https://"] {
        let error = refused(&["init", "--data", data, "--url", url]);
        assert!(error.contains("https://HOST"), "{error}");
    }
    assert!(!Path::new(data).exists());
    assert!(
        run(&["init", "--data", data, "--url", "https://localhost"])
            .status
            .success()
    );
    let error = refused(&["init", "--data", data, "--url", "https://localhost"]);
    assert!(error.contains("exists already"), "{error}");
    // What fails on the way leaves nothing.
    let impossible = scratch.path().join("no/such/parent");
    refused(&[
        "init",
        "--data",
        impossible.to_str().unwrap(),
        "--url",
        "https://localhost",
    ]);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_or_open_directory_is_not_served() {
    let mut house = House::open();
    house.stop();
    let data = house.data();
    let serve = [
        "serve",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
    ];
    let missing = refused(&["serve", "--data", house.scratch().join("no").to_str().unwrap()]);
    assert!(missing.contains("vedette-platform init"), "{missing}");

    fs::set_permissions(&data, PermissionsExt::from_mode(0o755)).unwrap();
    assert!(refused(&serve).contains("chmod 700"));
    fs::set_permissions(&data, PermissionsExt::from_mode(0o700)).unwrap();

    let damaged = |file: &str, damage: &dyn Fn(&Path), expected: &str| {
        let path = data.join(file);
        let bytes = fs::read(&path).unwrap();
        damage(&path);
        let error = refused(&serve);
        assert!(
            error.contains(expected) && error.contains(file),
            "{file}: {error}"
        );
        fs::write(&path, bytes).unwrap();
    };
    damaged("master.key", &|path| fs::remove_file(path).unwrap(), "opening");
    damaged(
        "master.key",
        &|path| fs::write(path, [1; 31]).unwrap(),
        "32 bytes",
    );
    damaged(
        "settings.toml",
        &|path| fs::write(path, "url = 7").unwrap(),
        "not valid",
    );
    damaged(
        "tls/chain.pem",
        &|path| fs::write(path, "hello").unwrap(),
        "no certificate",
    );
    damaged(
        "tls/key.pem",
        &|path| fs::write(path, "hello").unwrap(),
        "no private key",
    );
    damaged(
        "platform.db",
        &|path| fs::write(path, [7; 4096]).unwrap(),
        "opening the database",
    );
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[20] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    damaged("keystore/platform-signing", &flip, "another master key");
    damaged("keystore/appliance-ca", &flip, "another master key");
    house.serve();
}

#[tokio::test]
async fn an_operators_own_certificate_is_served_and_pinned() {
    let mut house = House::open();
    let own = House::open();
    house.stop();
    for file in ["root.pem", "chain.pem", "key.pem"] {
        fs::copy(
            own.data().join("tls").join(file),
            house.data().join("tls").join(file),
        )
        .unwrap();
    }
    fs::remove_file(house.data().join("keystore/tls-root")).unwrap();
    house.serve();
    let appliance = Appliance::activated(&house).await;
    assert_eq!(house.pins().roots, own.pins().roots);
    assert_ne!(house.pins().key, own.pins().key);
    drop(appliance);

    // Pins that would lock every appliance out are not printed.
    fs::remove_file(house.data().join("tls/root.pem")).unwrap();
    fs::copy(
        house.data().join("tls/appliance-ca.pem"),
        house.data().join("tls/root.pem"),
    )
    .unwrap();
    let data = house.data();
    let error = refused(&["pins", "--data", data.to_str().unwrap()]);
    assert!(
        error.contains("would refuse this server") && error.contains("root.pem"),
        "{error}"
    );
    let error = refused(&["pins", "--data", data.to_str().unwrap(), "--root", "No such CA"]);
    assert!(error.contains("No such CA"), "{error}");
}

#[tokio::test]
async fn the_servers_certificate_is_renewed_before_it_ends_and_not_earlier() {
    let house = House::open();
    let directory = Directory::open(&house.data()).unwrap();
    let keystore = Keystore::open(&directory).unwrap();
    let settings = Settings::read(&directory).unwrap();
    let chain = || fs::read(house.data().join("tls/chain.pem")).unwrap();
    let first = chain();
    let in_a_year = Timestamp::now().after(Duration::from_hours(365 * 24));
    renewal::renew(&directory, &keystore, &settings, in_a_year).unwrap();
    assert_eq!(chain(), first);
    let later = in_a_year.after(Duration::from_hours(10 * 24));
    renewal::renew(&directory, &keystore, &settings, later).unwrap();
    assert_ne!(chain(), first);
}

#[tokio::test]
async fn what_is_not_tls_1_3_is_turned_away_and_the_server_goes_on() {
    let house = House::open();
    let send = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", house.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    };
    for noise in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        &[0; 600],
        &[0x16; 600],
        &[0xff; 600],
    ] {
        send(noise);
    }
    // A ClientHello of TLS 1.2 (RFC 5246, section 7.4.1.2): no supported_versions.
    let mut hello = vec![0x03, 0x03];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
    // signature_algorithms, without which it is refused for another reason.
    hello.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let mut record = vec![
        0x16,
        0x03,
        0x01,
        0,
        u8::try_from(hello.len()).unwrap() + 4,
        1,
        0,
        0,
    ];
    record.push(u8::try_from(hello.len()).unwrap());
    record.extend(hello);
    // A fatal alert, protocol_version.
    assert_eq!(send(&record), [0x15, 0x03, 0x03, 0, 2, 2, 70]);
    assert_eq!(house.stranger().get("/health").await.status, StatusCode::OK);
}
