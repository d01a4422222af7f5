//! Blocks of conversations over TCP, read.

use super::{
    super::{
        feature::Feature,
        field::Field,
        network::{Input, NetworkBlock, Spelling},
        operators::Operators,
        payload::Payloads,
    },
    Files, FormError, operator, own_fields,
};

/// A block.
pub(super) fn block(field: &Field, files: &dyn Files) -> Result<NetworkBlock, FormError> {
    let mut block = NetworkBlock {
        hosts: Vec::new(),
        port: None,
        inputs: Vec::new(),
        read_size: 1024,
        payloads: Payloads::default(),
        operators: Operators::default(),
        stop_at_first_match: false,
    };
    for (name, field) in own_fields(field, &mut block.operators, &mut block.payloads, files)? {
        match name.as_str() {
            "host" => block.hosts = field.texts()?,
            "port" => block.port = Some(field.text()?),
            "inputs" => {
                for field in field.items() {
                    block.inputs.push(input(&field)?);
                }
            }
            "read-size" => block.read_size = size(&field)?,
            "read-all" if field.flag()? => block.read_size = READ_LIMIT,
            "stop-at-first-match" => block.stop_at_first_match = field.flag()?,
            // Pace is the engine's own; ports that are left out are not the site's.
            "read-all" | "id" | "name" | "threads" | "exclude-ports" => {}
            other => {
                return Err(Feature::Field(format!("tcp.{}", operator::cut(other))).into());
            }
        }
    }
    if block.hosts.is_empty() {
        return Err(field.wrong("a block with host").into());
    }
    Ok(block)
}

fn input(field: &Field) -> Result<Input, FormError> {
    let mut input = Input {
        data: String::new(),
        spelling: Spelling::Text,
        read: 0,
        name: None,
    };
    for (name, field) in field.fields()? {
        match name.as_str() {
            "data" => {
                input.data = field.text()?;
                operator::check_inner(&input.data)?;
            }
            "type" => {
                input.spelling = match field.text()?.as_str() {
                    "hex" => Spelling::Hex,
                    "text" | "" => Spelling::Text,
                    _ => return Err(field.wrong("hex or text").into()),
                }
            }
            "read" => input.read = size(&field)?,
            "name" => input.name = Some(field.text()?),
            other => {
                return Err(Feature::Field(format!("tcp.inputs.{}", operator::cut(other))).into());
            }
        }
    }
    Ok(input)
}

fn size(field: &Field) -> Result<usize, FormError> {
    let size = usize::try_from(field.number()?).map_err(|_| field.wrong("0 or more"))?;
    Ok(size.min(READ_LIMIT))
}

/// What is heard at once, in bytes.
const READ_LIMIT: usize = 64 * 1024;
