//! Blocks of questions to a resolver, read.

use hickory_proto::rr::{DNSClass, RecordType};

use super::{
    super::{dns::DnsBlock, feature::Feature, field::Field, operators::Operators, payload::Payloads},
    Files, FormError, operator, own_fields,
};

/// A block.
pub(super) fn block(field: &Field, files: &dyn Files) -> Result<DnsBlock, FormError> {
    let mut block = DnsBlock {
        name: String::new(),
        type_: RecordType::A,
        class: DNSClass::IN,
        recurses: true,
        payloads: Payloads::default(),
        operators: Operators::default(),
    };
    for (name, field) in own_fields(field, &mut block.operators, &mut block.payloads, files)? {
        match name.as_str() {
            "name" => {
                block.name = field.text()?;
                operator::check_inner(&block.name)?;
            }
            "type" => {
                let type_ = field.text()?.trim().to_ascii_uppercase();
                block.type_ = match type_.parse() {
                    // A whole zone is more than one answer.
                    Ok(RecordType::AXFR) | Err(_) => {
                        return Err(Feature::Field(format!("dns.type {}", operator::cut(&type_))).into());
                    }
                    Ok(type_) => type_,
                };
            }
            "class" => {
                block.class = match field.text()?.trim().to_ascii_lowercase().as_str() {
                    "inet" | "" => DNSClass::IN,
                    "chaos" => DNSClass::CH,
                    "hesiod" => DNSClass::HS,
                    "none" => DNSClass::NONE,
                    "any" => DNSClass::ANY,
                    _ => return Err(field.wrong("inet, chaos, hesiod, none or any").into()),
                }
            }
            "recursion" => block.recurses = field.flag()?,
            "trace" if !field.flag()? => {}
            // How often is asked again is the engine's own.
            "id" | "retries" | "threads" | "trace-max-recursion" => {}
            "resolvers" => return Err(Feature::OtherServer("dns.resolvers".to_owned()).into()),
            other => return Err(Feature::Field(format!("dns.{}", operator::cut(other))).into()),
        }
    }
    if block.name.is_empty() {
        return Err(field.wrong("a block with name").into());
    }
    Ok(block)
}
