//! What was not done of the test of a web application, and why.

use serde::{Deserialize, Serialize};

/// What a test of a web application consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WebPart {
    /// A request that might lead to more.
    Page,
    /// A place that nothing leads to.
    Place,
    /// A class of test at an input.
    Test,
    /// Logging in.
    Login,
    /// The rest of a page that was read in part.
    RestOfPage,
    /// Reading the description of an API.
    Description,
    /// Comparing what two users are shown.
    Access,
    /// A class of test.
    Class,
    /// Letting the scripts of a page run, to see what they make of it.
    Rendering,
    /// A request that a script would make, or a button that would be pressed.
    Call,
    /// Removing what the scan has left on the site.
    Removal,
    /// Having the target come to an address of ours, by a class at an input.
    Callback,
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WebGap {
    /// It leads to another server: not in the grant.
    Elsewhere,
    /// It would end the session.
    EndsSession,
    /// The budget of requests was used up.
    Requests,
    /// The budget of pages was used up.
    Pages,
    /// It lies deeper than the budget.
    Depth,
    /// Time was up.
    Time,
    /// The site stopped answering altogether.
    SiteDied,
    /// The answer did not come in time.
    TooSlow,
    /// No connection, or one that broke without an answer.
    NoAnswer,
    /// What came is not HTTP.
    NotHttp,
    /// The bound on what is kept of one answer.
    TooLarge,
    /// The login was not accepted.
    LoginFailed,
    /// The session died again and again.
    SessionLost,
    /// It came to no end within the requests that a class may use for an input.
    TestBudget,
    /// What came describes no API.
    NoDescription,
    /// An operation that is described in another document, or one too many.
    Undescribed,
    /// There is no second user to compare with.
    NoSecondLogin,
    /// This engine knows none of that name.
    Unknown,
    /// Nobody hears whether the target comes.
    NoListener,
    /// The bound on what is kept of all requests.
    Memory,
    /// All addresses of ours were given out.
    NoAddressLeft,
    /// The target comes to addresses that it was never told.
    SweepsPorts,
    /// No browser was given.
    NoBrowser,
    /// The browser did not start, or was broken too often.
    BrowserFailed,
    /// The page came to no end in its time, or broke its browser.
    Restless,
    /// It would take something away.
    Destructive,
    /// Attempts to log in are limited.
    LoginLimited,
    /// The site removes it for nobody who asks as we do.
    Kept,
    /// The scan was told to stop.
    Stopped,
}

impl WebPart {
    /// A few words for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Page => "pages",
            Self::Place => "places that nothing leads to",
            Self::Test => "tests",
            Self::Login => "logins",
            Self::RestOfPage => "rests of pages",
            Self::Description => "descriptions of an API",
            Self::Access => "comparisons of two users",
            Self::Class => "classes of test",
            Self::Rendering => "pages whose scripts were to run",
            Self::Call => "requests of scripts",
            Self::Removal => "removals of what the scan has left on the site",
            Self::Callback => "injections that are heard when the target comes to us",
        }
    }
}

impl WebGap {
    /// Whether leaving it out is what was asked for, or what an appliance is.
    pub fn is_as_it_should_be(self) -> bool {
        matches!(
            self,
            Self::Elsewhere
                | Self::EndsSession
                | Self::NoSecondLogin
                | Self::NoListener
                | Self::NoBrowser
                | Self::Destructive
                | Self::Kept
        )
    }

    /// A few words for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Elsewhere => "on another server, out of scope",
            Self::EndsSession => "would end the session",
            Self::Requests => "the budget of requests was used up",
            Self::Pages => "the budget of pages was used up",
            Self::Depth => "deeper than the budget",
            Self::Time => "time was up",
            Self::SiteDied => "the site stopped answering",
            Self::TooSlow => "the answer did not come in time",
            Self::NoAnswer => "no answer",
            Self::NotHttp => "the answer was not HTTP",
            Self::TooLarge => "too large to be kept",
            Self::LoginFailed => "the login was not accepted",
            Self::SessionLost => "the session died again and again",
            Self::TestBudget => "no end within the requests for one input",
            Self::NoDescription => "no description of an API",
            Self::Undescribed => "described in another document, or one too many",
            Self::NoSecondLogin => "no second user was given",
            Self::Unknown => "the appliance's image knows none of that name",
            Self::NoListener => "nobody listens: an appliance does not",
            Self::Memory => "the bound on what is kept of all requests",
            Self::NoAddressLeft => "all addresses of ours were given out",
            Self::SweepsPorts => "the target comes to addresses that it was never told",
            Self::NoBrowser => "there is no browser, on an appliance never",
            Self::BrowserFailed => "the browser did not start, or was broken too often",
            Self::Restless => "the page came to no end, or broke its browser",
            Self::Destructive => "would take something away",
            Self::LoginLimited => "attempts to log in are limited",
            Self::Kept => "the site removes it for nobody who asks as we do",
            Self::Stopped => "the scan was told to stop",
        }
    }
}
