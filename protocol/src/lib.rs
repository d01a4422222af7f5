//! What crosses a boundary: appliance and platform, process and process, tool and platform.
//!
//! This crate owns the types, their versions, their size bounds and the signatures over them. It
//! does no I/O and holds no policy. Bytes from outside become types in two places only: [`codec`]
//! (binary, bounded) and [`signed`] (a [`Signed`] becomes its content by verification).
//!
//! [`owner`], [`grant`], [`copy`] and [`envelope`] are the operator's own word, which the platform carries and cannot make.
//!
//! Start with [`link`] for what appliance and platform say to each other, [`keeper`] and [`worker`]
//! for the processes on the appliance, [`finding`] for what a scan says, [`api`] for people's tools.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod api;
pub mod codec;
pub mod copy;
pub mod credential;
pub mod envelope;
pub mod finding;
pub mod grant;
pub mod id;
pub mod image;
pub mod job;
pub mod keeper;
pub mod link;
#[cfg(feature = "openapi")]
mod openapi;
pub mod owner;
pub mod scope;
pub mod signed;
pub mod status;
pub mod target;
pub mod time;
pub mod vault;
pub mod web;
pub mod worker;

pub use codec::{DecodeError, Frame, FrameError};
pub use envelope::Envelope;
pub use finding::{Finding, Report};
pub use grant::Grant;
pub use id::{
    ApplianceId, BootId, CredentialId, Digest, Fingerprint, GrantId, ImageId, JobId, KeyId, Nonce, OrgId,
    PoolId, ScanId, ScheduleId,
};
pub use image::ImageConfig;
pub use job::{Assignment, Job};
pub use scope::{JobScope, Scope};
pub use signed::{Message, Signed, VerifyError};
pub use target::{PortSet, Ports, Target, Targets};
pub use time::Timestamp;
pub use web::WebTest;
