//! Templates in the nuclei format: the checks that people already have, run unchanged.
//!
//! The three words of the whole engine hold here as well. *Plan* and *interpret* are [`run`]: one template against one
//! site, the next request from all replies so far, pure. *Wire* is [`scan`], which carries between runs and
//! the web engine's own road to the site, with its scope, pace and bounds; requests that several templates
//! share are sent once.
//!
//! A template is a stranger's program. What must stay true: it reaches the site of the scan and nothing else; it
//! reads no file but payload lists below its own folder, no environment and no clock but the scan's; patterns
//! take linear time, expressions have no loops, everything has a bound. What is not supported is listed by name.
//!
//! Read [`form`] first, which shows what a template is. A function of the expression language is a row in
//! [`dsl::function`].

pub mod base;
pub mod cookies;
pub mod dns;
pub mod dsl;
pub mod event;
pub mod exchange;
pub mod expression;
pub mod extractor;
pub mod feature;
mod field;
pub mod flow;
pub mod form;
mod hex;
pub mod http;
pub mod jq;
pub mod library;
pub mod matcher;
pub mod network;
pub mod operators;
pub mod payload;
pub mod placement;
pub mod regex;
pub mod report;
pub mod run;
mod scan;
mod share;
pub mod ssl;
mod talk;
pub mod xpath;

pub use self::{
    base::Base,
    form::Template,
    library::Library,
    report::TemplatesReport,
    run::{Run, Setting},
    scan::{TemplateScan, scan},
};
