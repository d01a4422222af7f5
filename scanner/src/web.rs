//! The web engine: a site is crawled, and every input that is found is tested.
//!
//! The three words of the whole engine hold here as well. *Plan* is [`crawl`] (what to fetch next, from what
//! was fetched) and the classes in [`tests`] (what to put into an input next, from what came back); *wire* is
//! [`http`], which sends bytes to one site and decides nothing; *interpret* is [`page`], [`view`] and again
//! the classes. Plan and interpret are pure and the same function: a class returns the next thing to send or
//! its verdict, computed anew from all replies so far (see [`trial`]); what no reply shows, the target shows by coming to an
//! address of ours ([`call`]). [`client`] stands around the wire with
//! session, pace and budget; [`scan`] only carries things between them. What is seen without asking is judged by the
//! classes in [`looks`]; what lies where nothing leads to, by the table in [`exposed`]; what takes two users or objects of our own
//! by [`access`], [`assignment`] and [`upload`]; whether the servers of a site agree, by [`smuggling`];
//! what they know sessions by, by [`identifier`]; the logins that products come with, by [`default_login`]. What scripts
//! make of a page is seen in a real [`browser`], where one is given.
//!
//! What must stay true: a [`request::Request`] cannot name another server than the [`site::Site`]; redirects
//! are never followed, only resolved; no accusation rests on one reply: an effect repeats, and its harmless
//! twin has none; nothing of a body or value reaches a finding.
//!
//! Read [`trial`] first. A new class is a file in `tests/` and a line in [`tests`], or in `looks/` and [`looks`].

mod access;
pub mod api;
mod assignment;
pub(crate) mod browser;
pub mod budget;
mod call;
pub(crate) mod client;
pub mod crawl;
pub mod credential;
mod default_login;
mod exposed;
pub mod html;
pub mod http;
mod identifier;
pub mod input;
pub mod jwt;
mod looks;
pub mod pace;
pub mod page;
pub mod report;
pub mod request;
pub mod response;
mod scan;
pub mod script;
pub mod session;
pub mod site;
mod smuggling;
pub mod state;
pub mod tests;
pub mod trial;
mod upload;
pub mod view;

pub(crate) use self::scan::{Approach, scan_from};
pub use self::{
    api::{ApiSource, Description},
    browser::{Browser, BrowserError},
    budget::Budget,
    credential::Credential,
    report::WebReport,
    scan::{Listening, WebEvent, WebScan, scan},
    site::Site,
    state::{About, Pause, State, StateError},
    tests::Classes,
};
