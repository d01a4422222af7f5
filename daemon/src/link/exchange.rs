//! One exchange with the platform: the keeper makes the request, the line carries it, the keeper opens
//! the answer.

use std::time::Duration;

use vedette_protocol::{
    VerifyError,
    keeper::{Compose, Exchange, KeeperAnswer, Refusal},
    link::{
        ActivateRefusal, ActivateRequest, BootRefusal, BootRequest, ConfirmRequest, EventsRequest,
        KeysRequest, PollRequest, Request, TimeRequest,
    },
};

use super::{
    House,
    keeper::AskError,
    line::{Line, LineError},
};
use crate::journal::chain;

/// How long an answer may take that nobody holds back.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// An exchange brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Keeper(#[from] AskError),
    #[error("writing down a message for the operator's copy")]
    Copy(#[source] VerifyError),
}

/// Whether it makes sense to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// It may be better the next time.
    Again,
    /// Not in this boot.
    Never,
}

/// Makes an exchange.
///
/// # Errors
/// When the platform could not be asked, or the keeper does not believe it, or either refuses.
pub async fn exchange(
    house: &House,
    line: &mut Line,
    compose: Compose,
) -> Result<KeeperAnswer, ExchangeError> {
    let exchange = compose.exchange();
    let held_back = match &compose {
        Compose::Poll { wait, .. } => Duration::from_secs((*wait).into()),
        _ => Duration::ZERO,
    };
    // Before the request is made: the time's answer counts from there.
    line.connect().await?;
    let body = house.keeper.compose(compose)?;
    house
        .copier
        .before_leaving(exchange, &body)
        .await
        .map_err(ExchangeError::Copy)?;
    let answer = line.post(path(exchange), body, ANSWER_LIMIT + held_back).await?;
    Ok(house.keeper.open(exchange, answer)?)
}

impl ExchangeError {
    /// The reason, for the console.
    pub fn reason(&self) -> String {
        match self {
            // What broke it is for the journal: libraries' words, with addresses of manuals in them.
            Self::Line(error @ LineError::Broken(_)) => error.to_string(),
            Self::Line(_) | Self::Keeper(_) | Self::Copy(_) => chain(self),
        }
    }

    /// Whether to try again.
    pub fn outlook(&self) -> Outlook {
        match self {
            Self::Keeper(AskError::Refused(refusal)) => outlook(refusal),
            Self::Line(_) | Self::Keeper(_) | Self::Copy(_) => Outlook::Again,
        }
    }
}

/// Whether a refusal is for good: only where the platform, or the appliance itself, said a clear no.
pub fn outlook(refusal: &Refusal) -> Outlook {
    match refusal {
        Refusal::Activation(why) => match why {
            ActivateRefusal::TooMany => Outlook::Again,
            ActivateRefusal::UnknownToken
            | ActivateRefusal::UsedToken
            | ActivateRefusal::ExpiredToken
            | ActivateRefusal::Denied
            | ActivateRefusal::TestImage
            | ActivateRefusal::Removed => Outlook::Never,
        },
        Refusal::Boot(why) => match why {
            BootRefusal::Order => Outlook::Again,
            BootRefusal::Removed
            | BootRefusal::TicketUsed
            | BootRefusal::TicketAhead
            | BootRefusal::Image => Outlook::Never,
        },
        Refusal::Unfit(_) => Outlook::Never,
        Refusal::NotGenuine(_)
        | Refusal::Late
        | Refusal::Share
        | Refusal::Order
        | Refusal::NotTls
        | Refusal::TooMuch
        | Refusal::Appliance(_) => Outlook::Again,
    }
}

fn path(exchange: Exchange) -> &'static str {
    match exchange {
        Exchange::Time => TimeRequest::PATH,
        Exchange::Activate => ActivateRequest::PATH,
        Exchange::Boot => BootRequest::PATH,
        Exchange::Confirm => ConfirmRequest::PATH,
        Exchange::Poll => PollRequest::PATH,
        Exchange::Events => EventsRequest::PATH,
        Exchange::Keys => KeysRequest::PATH,
    }
}
