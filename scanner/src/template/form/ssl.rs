//! Blocks of handshakes, read.

use vedette_protocol::finding::TlsVersion;

use super::{
    super::{
        feature::Feature,
        field::Field,
        operators::Operators,
        payload::Payloads,
        ssl::{SslBlock, version_named},
    },
    Files, FormError, operator, own_fields,
};
use crate::tls::suite::Suite;

/// A block.
pub(super) fn block(field: &Field, files: &dyn Files) -> Result<SslBlock, FormError> {
    let mut block = SslBlock {
        address: String::new(),
        oldest: TlsVersion::Ssl3,
        newest: TlsVersion::Tls13,
        suites: Vec::new(),
        payloads: Payloads::default(),
        operators: Operators::default(),
    };
    for (name, field) in own_fields(field, &mut block.operators, &mut block.payloads, files)? {
        match name.as_str() {
            "address" => {
                block.address = field.text()?;
                operator::check_inner(&block.address)?;
            }
            "min_version" => block.oldest = version(&field)?,
            "max_version" => block.newest = version(&field)?,
            "cipher_suites" => {
                for field in field.items() {
                    let name = field.text()?;
                    let suite = Suite::named(&name).ok_or_else(|| {
                        Feature::Field(format!("ssl.cipher_suites {}", operator::cut(&name)))
                    })?;
                    block.suites.push(suite);
                }
            }
            // Here hands are shaken in one way, which has all versions.
            "scan_mode" | "id" | "threads" => {}
            "tls_version_enum" | "tls_cipher_enum" if !field.flag()? => {}
            other => return Err(Feature::Field(format!("ssl.{}", operator::cut(other))).into()),
        }
    }
    if block.address.is_empty() {
        return Err(field.wrong("a block with address").into());
    }
    Ok(block)
}

fn version(field: &Field) -> Result<TlsVersion, FormError> {
    let version = version_named(field.text()?.trim());
    Ok(version.ok_or_else(|| field.wrong("ssl30, tls10, tls11, tls12 or tls13"))?)
}
