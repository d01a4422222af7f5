//! Schemas of the types that are text or lists in JSON, whatever they are in memory.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, RefOr, Schema,
        schema::{SchemaType, Type},
    },
};

use crate::{
    finding::{Cpe, FindingType, Host, Label, MacAddress, UrlPath},
    id::{
        ApplianceId, CredentialId, Digest, Fingerprint, GrantId, JobId, KeyId, OrgId, PoolId, ScanId,
        ScheduleId,
    },
    job::{Check, Checks},
    target::{Ports, Target, Targets},
    time::Timestamp,
    web::{ClassName, StartPath},
};

macro_rules! text {
    ($($type:ty, $name:literal, $description:literal, $example:literal;)*) => {
        $(impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(SchemaType::new(Type::String))
                    .description(Some($description))
                    .examples([$example])
                    .into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        })*
    };
}

text! {
    ApplianceId, "ApplianceId", "An appliance's id: 32 hexadecimal digits.", "0123456789abcdef0123456789abcdef";
    CredentialId, "CredentialId", "A credential's id: 32 hexadecimal digits.", "0123456789abcdef0123456789abcdef";
    GrantId, "GrantId", "A grant's id: 32 hexadecimal digits.", "0123456789abcdef0123456789abcdef";
    JobId, "JobId", "A job's id: 32 hexadecimal digits.", "0123456789abcdef0123456789abcdef";
    OrgId, "OrgId", "An organisation's id: 32 hexadecimal digits.", "0123456789abcdef0123456789abcdef";
    PoolId, "PoolId", "A pool's id: 32 hexadecimal digits.", "0123456789abcdef0123456789abcdef";
    ScanId, "ScanId", "A scan's id: 32 hexadecimal digits.", "0123456789abcdef0123456789abcdef";
    ScheduleId, "ScheduleId", "A schedule's id: 32 hexadecimal digits.", "0123456789abcdef0123456789abcdef";
    Digest, "Digest", "A SHA-256: 64 hexadecimal digits.", "6e106fc749912268d86c3cf673792cab2c7b86d48f6f7b72163d789ed1fc7299";
    Fingerprint, "Fingerprint", "The SHA-256 of a public key: 64 hexadecimal digits.", "6e106fc749912268d86c3cf673792cab2c7b86d48f6f7b72163d789ed1fc7299";
    KeyId, "KeyId", "The first eight bytes of the SHA-256 of a public key: 16 hexadecimal digits.", "6e106fc749912268";
    Timestamp, "Timestamp", "A time (RFC 3339), in whole seconds, UTC.", "2026-11-22T09:00:00Z";
    Target, "Target", "An address, a network, a range or a host name.", "192.0.2.0/24";
    Ports, "Ports", "Ports and ranges of ports, 1 to 65535; those after `U:` are UDP's.", "22,80,8000-8100,U:53,161";
    Host, "Host", "An address, or the name that was asked for.", "192.0.2.7";
    Cpe, "Cpe", "A CPE 2.3 name in its formatted-string binding (NIST IR 7695).", "cpe:2.3:a:openbsd:openssh:9.2:p1:*:*:*:*:*:*";
    Label, "Label", "A short text of a bounded alphabet.", "OpenSSH";
    MacAddress, "MacAddress", "A link-layer address.", "02:00:5e:10:00:00";
    StartPath, "StartPath", "A path to begin at, with a query if need be.", "/shop/?lang=en";
    ClassName, "ClassName", "A class of web test, as `vedette-scan web --help` lists them.", "sql";
    UrlPath, "UrlPath", "The path of a URL, without query.", "/.git/HEAD";
}

impl PartialSchema for FindingType {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .description(Some("What a finding is."))
            .enum_values(Some(Self::NAMES.iter().copied()))
            .into()
    }
}

impl ToSchema for FindingType {}

macro_rules! list {
    ($($type:ty, $of:ty;)*) => {
        $(impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                ArrayBuilder::new().items(<$of>::schema()).min_items(Some(1)).into()
            }
        }

        impl ToSchema for $type {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                <$of>::schemas(schemas);
            }
        })*
    };
}

list! {
    Targets, Target;
    Checks, Check;
}
