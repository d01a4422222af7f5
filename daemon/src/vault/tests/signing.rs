//! Private keys, which stay in the vault: what it signs with them, and what not.

use super::*;

/// A private key in PEM.
fn fresh_key() -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let body = Pkcs8::generate().with(|der| STANDARD.encode(der));
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

/// What a client of SSH signs (RFC 4252, section 7).
fn userauth(user: &str, algorithm: &str, public: &[u8]) -> Vec<u8> {
    let string = |part: &[u8]| [&u32::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
    let session = string(&[7; 32]);
    let request = [user.as_bytes(), b"ssh-connection", b"publickey"]
        .map(string)
        .concat();
    let key = [string(algorithm.as_bytes()), string(public)].concat();
    [session, vec![50], request, vec![1], key].concat()
}

/// A worker to which a key is held, with the key's public half.
fn holding(house: &mut House, pem: &str) -> (Conversation, Vec<u8>) {
    let login = Login::SshKey {
        user: "scanner".to_owned(),
        key: secret(pem),
        passphrase: None,
    };
    let assignment = house.assignment_with(&login, |_, _, _| ());
    let mut worker = house.serve(assignment).unwrap();
    let (answer, memory) = open(&mut worker, "192.0.2.7", Shown::SshHostKey(HOST_KEY));
    let LoginAnswer::SshKey { user, public } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(user, "scanner");
    assert!(memory.is_none(), "a private key does not leave");
    (worker, public)
}

fn sign(worker: &mut Conversation, bytes: Vec<u8>) -> LoginAnswer {
    worker.send(&LoginRequest::SignSsh(bytes), FRAME_LIMIT).unwrap();
    let (answer, memory) = worker.receive_with_descriptor(FRAME_LIMIT).unwrap();
    assert!(memory.is_none());
    answer
}

#[test]
fn a_private_key_signs_one_login_of_its_user_and_nothing_else() {
    let mut house = House::open();
    let pem = fresh_key();
    let (mut worker, public) = holding(&mut house, &pem);
    let good = userauth("scanner", "ssh-ed25519", &public);
    let LoginAnswer::Signature(signature) = sign(&mut worker, good.clone()) else {
        panic!("this is the login");
    };
    let raw = signature
        .strip_prefix(b"\0\0\0\x0bssh-ed25519\0\0\0\x40")
        .unwrap();
    let key: [u8; 32] = public[public.len() - 32..].try_into().unwrap();
    let key = vedette_crypto::VerifyingKey::from_bytes(key);
    assert_eq!(key.verify(&good, raw), Ok(()));
    let given = LoginAnswer::Refused(VaultRefusal::Given);
    assert_eq!(sign(&mut worker, good.clone()), given, "a second signature");
    let (again, memory) = open(&mut worker, "192.0.2.7", Shown::SshHostKey(HOST_KEY));
    assert!(again == given && memory.is_none(), "{again:?}");

    let (_, other) = holding(&mut house, &fresh_key());
    for (wrong, what) in [
        (userauth("root", "ssh-ed25519", &public), "another user"),
        (userauth("scanner", "rsa-sha2-512", &public), "another algorithm"),
        (userauth("scanner", "ssh-ed25519", &other), "another key"),
        (good[..good.len() - 1].to_vec(), "less"),
        ([good.as_slice(), b"\0"].concat(), "more"),
        (b"anything".to_vec(), "other bytes"),
        (vec![], "nothing"),
    ] {
        let (mut worker, held) = holding(&mut house, &pem);
        assert_eq!(held, public);
        let refused = sign(&mut worker, wrong);
        assert_eq!(
            refused,
            LoginAnswer::Refused(VaultRefusal::NotThisLogin),
            "{what}"
        );
        // Whoever asked for that is asked no more: the key is gone.
        assert_eq!(sign(&mut worker, good.clone()), given, "{what}");
    }
}

/// A client certificate and its key, in PEM.
fn certified() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn a_client_certificates_key_signs_one_handshake_and_nothing_else() {
    const ECDSA_SECP256R1_SHA256: u16 = 0x0403;
    let mut house = House::open();
    let (certificate, key) = certified();
    let content = [
        &[b' '; 64],
        b"TLS 1.3, client CertificateVerify\0".as_slice(),
        &[7; 32],
    ]
    .concat();
    let holding = |house: &mut House| {
        let login = Login::ClientCertificate {
            certificate: certificate.clone(),
            key: secret(&key),
        };
        let assignment = house.assignment_with(&login, |_, header, _| {
            header.places[0].trust = Trust::TlsSpki(HOST_KEY);
        });
        let mut worker = house.serve(assignment).unwrap();
        let (answer, memory) = open(&mut worker, "192.0.2.7", Shown::TlsSpki(HOST_KEY));
        let LoginAnswer::Certificate { chain, schemes } = answer else {
            panic!("{answer:?}");
        };
        assert!(memory.is_none(), "a private key does not leave");
        assert_eq!(schemes, [ECDSA_SECP256R1_SHA256]);
        assert_eq!(chain.len(), 1);
        worker
    };
    let sign = |worker: &mut Conversation, scheme, message: &[u8]| {
        let message = message.to_vec();
        worker
            .send(&LoginRequest::SignTls { scheme, message }, FRAME_LIMIT)
            .unwrap();
        worker.receive::<LoginAnswer>(FRAME_LIMIT).unwrap()
    };
    let given = LoginAnswer::Refused(VaultRefusal::Given);
    let mut worker = holding(&mut house);
    let answer = sign(&mut worker, ECDSA_SECP256R1_SHA256, &content);
    assert!(matches!(answer, LoginAnswer::Signature(_)), "{answer:?}");
    assert_eq!(sign(&mut worker, ECDSA_SECP256R1_SHA256, &content), given);
    let server = [
        &[b' '; 64],
        b"TLS 1.3, server CertificateVerify\0".as_slice(),
        &[7; 32],
    ]
    .concat();
    for (scheme, message) in [
        (ECDSA_SECP256R1_SHA256, server.as_slice()),
        (ECDSA_SECP256R1_SHA256, b"anything"),
        (
            ECDSA_SECP256R1_SHA256,
            &userauth("scanner", "ssh-ed25519", b"key"),
        ),
        (0x0807, &content),
        (0, &content),
    ] {
        let mut worker = holding(&mut house);
        let refused = LoginAnswer::Refused(VaultRefusal::NotThisLogin);
        assert_eq!(sign(&mut worker, scheme, message), refused, "{scheme:#x}");
        assert_eq!(sign(&mut worker, ECDSA_SECP256R1_SHA256, &content), given);
    }
}

#[test]
fn a_key_of_one_protocol_signs_nothing_of_the_other() {
    let mut house = House::open();
    let (mut worker, _) = holding(&mut house, &fresh_key());
    let message = [
        &[b' '; 64],
        b"TLS 1.3, client CertificateVerify\0".as_slice(),
        &[7; 32],
    ]
    .concat();
    worker
        .send(
            &LoginRequest::SignTls {
                scheme: 0x0807,
                message,
            },
            FRAME_LIMIT,
        )
        .unwrap();
    let answer: LoginAnswer = worker.receive(FRAME_LIMIT).unwrap();
    assert_eq!(answer, LoginAnswer::Refused(VaultRefusal::NotThisLogin));
}

#[test]
fn nothing_is_signed_before_the_host_has_shown_its_key() {
    let mut house = House::open();
    let pem = fresh_key();
    let (_, public) = holding(&mut house, &pem);
    let login = Login::SshKey {
        user: "scanner".to_owned(),
        key: secret(&pem),
        passphrase: None,
    };
    let assignment = house.assignment_with(&login, |_, _, _| ());
    let mut worker = house.serve(assignment).unwrap();
    let asked = userauth("scanner", "ssh-ed25519", &public);
    let order = LoginAnswer::Refused(VaultRefusal::Order);
    assert_eq!(sign(&mut worker, asked.clone()), order);
    let (answer, _) = open(&mut worker, "192.0.2.7", Shown::SshHostKey(Digest([6; 32])));
    assert_eq!(answer, LoginAnswer::Refused(VaultRefusal::WrongHost));
    assert_eq!(sign(&mut worker, asked), order);
}

#[test]
fn a_key_that_does_not_open_is_named_and_not_tried_again() {
    let mut house = House::open();
    let login = |key: &str, passphrase: Option<&str>| Login::SshKey {
        user: "scanner".to_owned(),
        key: secret(key),
        passphrase: passphrase.map(secret),
    };
    for (login, refusal) in [
        (login("no key", None), VaultRefusal::UnfitKey),
        (login(&fresh_key(), Some("a passphrase")), VaultRefusal::UnfitKey),
    ] {
        let assignment = house.assignment_with(&login, |_, _, _| ());
        let mut worker = house.serve(assignment).unwrap();
        for expected in [refusal, VaultRefusal::Given] {
            let (answer, memory) = open(&mut worker, "192.0.2.7", Shown::SshHostKey(HOST_KEY));
            assert!(answer == LoginAnswer::Refused(expected) && memory.is_none());
        }
    }
}
