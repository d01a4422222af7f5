//! What all pages share: their frame, how they fail, and how they say things.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use vedette_protocol::{Timestamp, api::ApplianceState, api::ScanState, finding::Severity};

use crate::api::ApiError;

/// What stands around each page.
pub(super) struct Frame {
    /// Who is logged in.
    pub(super) account: Option<String>,
    /// What a form must bring.
    pub(super) form_token: String,
    /// Which part of the navigation is open.
    pub(super) here: &'static str,
}

/// A page that cannot be shown.
pub(super) struct PageError(pub(super) ApiError);

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    title: String,
    detail: String,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        self.0.log();
        if matches!(self.0, ApiError::Unauthenticated) {
            return Redirect::to("/login").into_response();
        }
        let problem = self.0.problem();
        let frame = Frame {
            account: None,
            form_token: String::new(),
            here: "",
        };
        let page = ErrorPage {
            frame,
            title: problem.title,
            detail: problem.detail,
        };
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, shown(&page)).into_response()
    }
}

/// A rendered page.
pub(super) fn shown(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "rendering a page failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// How long ago something was, for people.
pub(super) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(then).as_secs();
    match seconds {
        0..10 => "just now".to_owned(),
        10..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86400),
    }
}

/// A time of day with its date, for people.
pub(super) fn moment(time: Timestamp) -> String {
    time.to_string().replace('T', " ").replace('Z', " UTC")
}

/// An appliance's state as a word.
pub(super) fn appliance_state(state: ApplianceState) -> &'static str {
    match state {
        ApplianceState::Activated => "activated",
        ApplianceState::Online => "online",
        ApplianceState::Offline => "offline",
        ApplianceState::Removed => "removed",
    }
}

/// A scan's state as a word.
pub(super) fn scan_state(state: ScanState) -> &'static str {
    match state {
        ScanState::Queued => "queued",
        ScanState::Running => "running",
        ScanState::Complete => "complete",
        ScanState::Partial => "partial",
        ScanState::Failed => "failed",
    }
}

/// The severities, worst first.
pub(super) const SEVERITIES: [Severity; 5] = [
    Severity::Critical,
    Severity::High,
    Severity::Medium,
    Severity::Low,
    Severity::Info,
];
