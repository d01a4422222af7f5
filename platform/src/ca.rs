//! Certificates that the platform issues: to appliances from one CA, to its own server from another.
//!
//! An appliance's certificate proves nothing but its name; whether it still may do anything is asked of
//! the database at each request. So it does not expire (RFC 5280, section 4.1.2.5).

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SerialNumber,
    SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use vedette_crypto::VerifyingKey;
use vedette_protocol::{ApplianceId, Timestamp, image::PlatformUrl, link::CERTIFICATE_ORGANIZATION};
use zeroize::Zeroizing;

/// How long the server's own certificate is valid.
const SERVER_VALIDITY: Duration = Duration::from_hours(397 * 24);

/// How long the root of the server's certificate is valid: images pin it.
const ROOT_VALIDITY: Duration = Duration::from_hours(3653 * 24);

/// Clocks of browsers and appliances may be behind by this.
const CLOCK_ALLOWANCE: Duration = Duration::from_hours(1);

/// A CA: a key and the certificate that goes with it.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A CA as it is kept: certificate in PEM, key in PKCS #8.
pub struct KeptAuthority {
    /// Public.
    pub certificate_pem: String,
    /// Secret.
    pub key: Zeroizing<Vec<u8>>,
}

/// A certificate and its key, for the server.
pub struct ServerCertificate {
    /// PEM.
    pub certificate_pem: String,
    /// PEM.
    pub key_pem: Zeroizing<String>,
}

/// Makes the CA that names appliances.
///
/// # Errors
/// rcgen's, which a working generator of random numbers does not meet.
pub fn new_appliance_ca() -> Result<KeptAuthority, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let mut params = authority("Vedette appliance CA");
    valid_for_good(&mut params);
    keep(&params, &key)
}

/// Makes the root of the server's own certificate.
///
/// # Errors
/// As above.
pub fn new_server_root(url: &PlatformUrl, now: Timestamp) -> Result<KeptAuthority, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = authority(&format!("Vedette root of {}", url.host()));
    valid(&mut params, now, ROOT_VALIDITY);
    keep(&params, &key)
}

impl Authority {
    /// Takes a CA that was kept.
    ///
    /// # Errors
    /// When certificate or key are damaged.
    pub fn open(certificate: CertificateDer<'static>, key: &[u8]) -> Result<Self, rcgen::Error> {
        let key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(key.to_vec()))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { certificate, issuer })
    }

    /// The CA's own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Certifies that an identity key is an appliance's.
    ///
    /// # Errors
    /// rcgen's.
    pub fn name_appliance(
        &self,
        appliance: ApplianceId,
        identity: &VerifyingKey,
    ) -> Result<CertificateDer<'static>, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, CERTIFICATE_ORGANIZATION);
        params
            .distinguished_name
            .push(DnType::CommonName, appliance.to_string());
        valid_for_good(&mut params);
        params.serial_number = Some(serial());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&Identity(identity), &self.issuer)?;
        Ok(certificate.der().clone())
    }

    /// Issues a certificate for the server's host name or address.
    ///
    /// # Errors
    /// rcgen's, as when the host is no name that a certificate can hold.
    pub fn name_server(&self, url: &PlatformUrl, now: Timestamp) -> Result<ServerCertificate, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new([url.host().to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Vedette platform");
        valid(&mut params, now, SERVER_VALIDITY);
        params.serial_number = Some(serial());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(ServerCertificate {
            certificate_pem: certificate.pem(),
            key_pem: Zeroizing::new(key.serialize_pem()),
        })
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(serial());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn keep(params: &CertificateParams, key: &KeyPair) -> Result<KeptAuthority, rcgen::Error> {
    Ok(KeptAuthority {
        certificate_pem: params.self_signed(key)?.pem(),
        key: Zeroizing::new(key.serialize_der()),
    })
}

/// 16 random bytes, the first bit zero: positive, and at most 20 bytes (RFC 5280, section 4.1.2.2).
fn serial() -> SerialNumber {
    let mut bytes: [u8; 16] = vedette_crypto::random();
    bytes[0] &= 0x7f;
    SerialNumber::from_slice(&bytes)
}

fn valid(params: &mut CertificateParams, now: Timestamp, long: Duration) {
    let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(now.0);
    params.not_before = now - CLOCK_ALLOWANCE;
    params.not_after = now + long;
}

fn valid_for_good(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31);
}

struct Identity<'a>(&'a VerifyingKey);

impl PublicKeyData for Identity<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}
