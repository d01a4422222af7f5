//! Certificates by which the operator's own servers know an appliance: the owner key is their CA, so that nobody need
//! believe the platform's.
//!
//! A certificate's bytes begin with those of a DER sequence, and what is signed otherwise with `vedette/1`: neither
//! signature passes for the other.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SignatureAlgorithm, date_time_ymd,
};
use vedette_crypto::{Signer, SigningKey, VerifyingKey};
use vedette_protocol::copy::ClientCertificate;
use vedette_protocol::link::CERTIFICATE_ORGANIZATION;
use vedette_protocol::signed::key_id;

use super::Confirmed;

/// The CA's certificate, as PEM: the same each time.
pub(super) fn authority(owner: &SigningKey) -> Result<String> {
    let signed = params(owner)?.self_signed(&Owner(owner, owner.verifying_key()));
    Ok(signed.context("signing the CA's certificate")?.pem())
}

/// The certificate of a confirmed appliance's identity key. Its common name and its one DNS name are the appliance's id.
pub(super) fn of(owner: &SigningKey, confirmed: &Confirmed) -> Result<ClientCertificate> {
    let name = confirmed.appliance.to_string();
    let mut certificate = CertificateParams::new([name.clone()]).context("naming the appliance")?;
    certificate.distinguished_name = DistinguishedName::new();
    for (part, text) in [
        (DnType::OrganizationName, CERTIFICATE_ORGANIZATION),
        (DnType::CommonName, &name),
    ] {
        certificate.distinguished_name.push(part, text);
    }
    for_good(&mut certificate);
    certificate.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    certificate.use_authority_key_identifier_extension = true;
    let issuer = Issuer::new(params(owner)?, Owner(owner, owner.verifying_key()));
    let signed = certificate.signed_by(&Public(&confirmed.identity), &issuer);
    let signed = signed.context("signing the appliance's certificate")?;
    Ok(ClientCertificate(signed.der().to_vec()))
}

fn params(owner: &SigningKey) -> Result<CertificateParams> {
    let mut params = CertificateParams::new([])?;
    params.distinguished_name = DistinguishedName::new();
    let name = format!("Vedette owner {}", key_id(&owner.verifying_key()));
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    for_good(&mut params);
    Ok(params)
}

/// As long as the key: the operator's server stops knowing an appliance when it is told another CA (RFC 5280, section
/// 4.1.2.5, has this date for no end).
fn for_good(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31);
}

/// The owner key, as rcgen takes it.
struct Owner<'a>(&'a SigningKey, VerifyingKey);

impl PublicKeyData for Owner<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.1.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for Owner<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let Ok(signature) = self.0.sign(message);
        Ok(signature.to_vec())
    }
}

/// A public key, as rcgen takes it.
struct Public<'a>(&'a VerifyingKey);

impl PublicKeyData for Public<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}
