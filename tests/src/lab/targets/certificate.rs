//! Certificates for the web servers, made anew for each lab.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd};

use super::Place;

/// A chain and the key for its first certificate, as PEM.
pub(super) struct Certificate {
    chain: String,
    key: String,
}

/// In date, with the right names, from a CA of the lab's own.
pub(super) fn issued(name: &str, address: Ipv4Addr) -> Result<Certificate> {
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Lab CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca_key = KeyPair::generate()?;
    let issuer = Issuer::new(ca, ca_key);

    let mut leaf = named(name)?;
    leaf.subject_alt_names.push(SanType::IpAddress(address.into()));
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &issuer)?;
    Ok(Certificate {
        chain: certificate.pem(),
        key: key.serialize_pem(),
    })
}

/// Wrong in two ways at once.
pub(super) fn expired_and_self_signed(name: &str) -> Result<Certificate> {
    let mut leaf = named(name)?;
    leaf.not_before = date_time_ymd(2020, 1, 1);
    leaf.not_after = date_time_ymd(2021, 1, 1);
    let key = KeyPair::generate()?;
    let certificate = leaf.self_signed(&key)?;
    Ok(Certificate {
        chain: certificate.pem(),
        key: key.serialize_pem(),
    })
}

impl Certificate {
    pub(super) fn write(&self, place: &Place) -> Result<()> {
        for (name, text) in [("certificate.pem", &self.chain), ("key.pem", &self.key)] {
            fs::write(place.dir.join(name), text).with_context(|| format!("writing {name}"))?;
            place.give(name)?;
        }
        Ok(())
    }
}

fn named(name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
