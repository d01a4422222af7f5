//! What an application says of its own interface, and the requests that this leads to: OpenAPI 2 and 3, and
//! GraphQL's introspection. Pure.
//!
//! Descriptions come from operators and from sites: each is read within bounds, refers to nothing outside of
//! itself, and names no other server than the [`Site`](super::Site) that is scanned.

mod description;
mod example;
pub mod graphql;
mod openapi;

pub(super) use self::description::LENGTH_LIMIT;
pub use self::{
    description::{Description, DescriptionError, ReadDescriptionError},
    openapi::Operations,
};

/// Where the description of an API is found.
#[derive(Debug, Clone)]
pub enum ApiSource {
    /// It is here.
    Given(Description),
    /// The site has it under this reference.
    At(String),
}

/// Reads a description by itself, and makes its requests, as for the first page of a site.
pub fn read_alone(bytes: &[u8]) -> Result<usize, DescriptionError> {
    let description = Description::parse(bytes)?;
    let site = super::Site::parse("http://192.0.2.1/");
    Ok(site.map_or(0, |site| description.operations(&site).leads.len()))
}
