//! By what it is shown that a payload had its effect.

use serde::{Deserialize, Serialize};

/// What shows that a payload had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ShownBy {
    /// An interpreter's error about our syntax, gone when the syntax is sound.
    SyntaxError,
    /// True and false conditions answered apart.
    TrueAndFalse,
    /// The answer was as late as it was told to be, for several delays.
    Delay,
    /// The result of a computation.
    ComputedOutput,
    /// The contents of a file that every system of its kind has.
    FileContents,
    /// Markup or code of ours in the page, where a browser runs it.
    RunningScript,
    /// A redirect to a host of ours.
    Redirect,
    /// A page of the site itself, fetched by the site.
    FetchedPage,
    /// An open and a closed port answered apart.
    OpenAndClosedPort,
    /// An error that names what was to be loaded.
    LoadError,
    /// A header field of ours in the answer.
    OwnHeader,
    /// A link or a redirect to a host of ours, made of what the request named as its host.
    OwnReference,
    /// An origin of ours that may read the answer.
    AllowedOrigin,
    /// A signed token of ours, taken for one of the site's.
    ForgedToken,
    /// A secret of a list that signs as the site does.
    KnownSecret,
    /// What another user is shown of what is his.
    OthersObject,
    /// A field of the site's own that took our value.
    SetField,
    /// A class or function that is loaded because a value names it.
    LoadedClass,
    /// An error that only the prototypes of JavaScript raise.
    PrototypeError,
    /// The answer to a request of ours, given to another request.
    KeptAnswer,
    /// A connection to an address of ours, from the target, as often as it was told one.
    Callback,
    /// A file of ours that the site had taken.
    OwnFile,
    /// A request that one server takes for whole and the next one waits for the rest of.
    UnendedRequest,
    /// Code of ours, run by a real browser.
    ExecutedScript,
}

impl ShownBy {
    /// A few words for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::SyntaxError => "an error about syntax",
            Self::TrueAndFalse => "true and false conditions",
            Self::Delay => "delays",
            Self::ComputedOutput => "the result of a computation",
            Self::FileContents => "the contents of a file",
            Self::RunningScript => "code in the page",
            Self::Redirect => "a redirect to a host of ours",
            Self::FetchedPage => "a page that the site fetched",
            Self::OpenAndClosedPort => "an open and a closed port",
            Self::LoadError => "an error about loading",
            Self::OwnHeader => "a header field of ours",
            Self::OwnReference => "a link to a host of ours",
            Self::AllowedOrigin => "an origin of ours that is allowed",
            Self::ForgedToken => "a token of ours that is accepted",
            Self::KnownSecret => "a secret that everybody knows",
            Self::OthersObject => "what is another user's",
            Self::SetField => "a field of the site's own with our value",
            Self::LoadedClass => "a class that a value names and that is loaded",
            Self::PrototypeError => "an error that only prototypes raise",
            Self::KeptAnswer => "an answer to us that others are given",
            Self::Callback => "a connection to us",
            Self::OwnFile => "a file of ours that was taken",
            Self::UnendedRequest => "a request of which two servers see the end apart",
            Self::ExecutedScript => "code of ours that a browser ran",
        }
    }
}
