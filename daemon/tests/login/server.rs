//! What the servers of these tests have in common: a certificate, and an end.

use std::{
    fs,
    path::Path,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use vedette_protocol::Digest;

/// A server's process, which is asked to end when it is dropped: servers with children end them then.
pub(super) struct Server(pub(super) Child);

impl Server {
    /// Waits until it answers.
    pub(super) fn wait(&mut self, answers: impl Fn() -> bool, log: impl Fn() -> String) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !answers() {
            let ended = self.0.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{ended:?} {}",
                log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Puts `certificate.pem` and `key.pem` into a folder: the digest of the public key.
pub(super) fn certify(dir: &Path) -> Digest {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["server.example".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    fs::write(dir.join("certificate.pem"), certificate.pem()).unwrap();
    fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
    Digest::of(&key.subject_public_key_info())
}
