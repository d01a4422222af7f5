//! The boot: `Sealed -> Online -> Activated -> Authenticated -> Unlocked`, then
//! [`Serving`](super::serving::Serving).
//!
//! Each is a struct of what is true then, each step consumes the last. A step tries until it is made, and
//! says on the status why it is not made yet; it fails only with [`Stopped`], for which there is no next
//! try in this boot. A restarted vedetted takes the same course: what the keeper has done already is not
//! done again.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::time::sleep;
use tracing::{info, warn};
use vedette_crypto::roots::Dates;
use vedette_protocol::{
    BootId,
    keeper::{ActivationStanding, Compose, Enrolled, KeeperAnswer, Standing},
    status::State,
};

use super::{
    House,
    backoff::Backoff,
    exchange::{ExchangeError, Outlook, exchange},
    identity::Identity,
    keeper::AskError,
    line::Line,
    serving::Serving,
};
use crate::journal::chain;

/// How often the network is looked at while there is none.
const LOOK: Duration = Duration::from_millis(100);

/// The bounds of what a platform may have an appliance wait between two looks at an activation.
const ACTIVATION_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// There is no way on in this boot.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Stopped(String);

/// Boots, and serves until the machine ends.
///
/// # Errors
/// When the platform or the appliance itself said no for good.
pub async fn boot(house: Arc<House>) -> Result<Infallible, Stopped> {
    let mut activated = Sealed { house }.online().await?.activated().await?;
    loop {
        match activated.authenticated().await?.unlocked().await? {
            Unlocking::Done(unlocked) => return unlocked.serving().serve().await,
            Unlocking::Again(back) => activated = back,
        }
    }
}

/// The keeper is asked; the network is not up yet.
struct Sealed {
    house: Arc<House>,
}

/// There is a network, and the keeper has said where it stands.
struct Online {
    house: Arc<House>,
    standing: Standing,
}

/// The appliance belongs to an account, and its clock is right.
struct Activated {
    house: Arc<House>,
    enrolled: Enrolled,
    unlocked: Option<BootId>,
    backoff: Backoff,
}

/// The platform knows this boot.
struct Authenticated {
    activated: Activated,
    line: Line,
    boot: BootId,
}

/// The workspace is open, and its directory at hand.
struct Unlocked {
    house: Arc<House>,
    identity: Arc<Identity>,
    directory: cap_std::fs::Dir,
}

/// What became of the confirmation.
enum Unlocking {
    Done(Unlocked),
    /// The boot has to be asked for anew.
    Again(Activated),
}

impl Sealed {
    async fn online(self) -> Result<Online, Stopped> {
        let Self { house } = self;
        house.board.show(State::Sealed);
        let mut backoff = Backoff::default();
        let standing = loop {
            match house.keeper.standing() {
                Ok(standing) => break standing,
                Err(error) => pause(&house, State::Sealed, &error.into(), &mut backoff).await?,
            }
        };
        house.board.fingerprint(&standing.fingerprint);
        if let Some(why) = standing.refused {
            let leased = house.network.leased().unwrap_or_default();
            house.board.address(leased.address());
            return Err(Stopped(why.to_string()));
        }
        loop {
            match house.network.leased() {
                Ok(leased) if leased.routable => {
                    house.board.address(leased.address());
                    break;
                }
                Ok(_) => house
                    .board
                    .show_reason(State::Sealed, "no network address yet; waiting for DHCP"),
                Err(error) => house.board.show_reason(State::Sealed, &chain(&error)),
            }
            sleep(LOOK).await;
        }
        house.board.show(State::Online);
        Ok(Online { house, standing })
    }
}

impl Online {
    /// Fetches the time, and activates if need be.
    async fn activated(self) -> Result<Activated, Stopped> {
        let Self { house, standing } = self;
        if !standing.clock_set {
            set_clock(&house).await?;
        }
        let enrolled = match standing.enrolled {
            Some(enrolled) => enrolled,
            None => activate(&house).await?,
        };
        house.board.show(State::Activated);
        Ok(Activated {
            house,
            enrolled,
            unlocked: standing.unlocked,
            backoff: Backoff::default(),
        })
    }
}

async fn set_clock(house: &Arc<House>) -> Result<(), Stopped> {
    let mut backoff = Backoff::default();
    loop {
        // A line of its own: what is verified at the chain's own date serves for this one exchange.
        let mut line = Line::anonymous(house.clone(), Dates::FirstExchange);
        match exchange(house, &mut line, Compose::Time).await {
            Ok(KeeperAnswer::Clock(now)) => {
                info!(%now, "clock set");
                return Ok(());
            }
            Ok(_) => pause(house, State::Online, &AskError::Unexpected.into(), &mut backoff).await?,
            Err(error) => pause(house, State::Online, &error, &mut backoff).await?,
        }
    }
}

async fn activate(house: &Arc<House>) -> Result<Enrolled, Stopped> {
    house.board.show(State::Activating);
    let mut backoff = Backoff::default();
    let mut line = Line::anonymous(house.clone(), Dates::Clock);
    loop {
        match exchange(house, &mut line, Compose::Activate).await {
            Ok(KeeperAnswer::Activation(ActivationStanding::Enrolled(enrolled))) => {
                info!(appliance = %enrolled.appliance, "activated");
                return Ok(enrolled);
            }
            Ok(KeeperAnswer::Activation(ActivationStanding::Pending { code, interval, .. })) => {
                house.board.show_code(&code);
                backoff = Backoff::default();
                let (least, most) = ACTIVATION_PAUSE;
                sleep(Duration::from_secs(interval.into()).clamp(least, most)).await;
            }
            Ok(_) => {
                let error = AskError::Unexpected.into();
                pause(house, State::Activating, &error, &mut backoff).await?;
            }
            Err(error) => pause(house, State::Activating, &error, &mut backoff).await?,
        }
    }
}

impl Activated {
    async fn authenticated(mut self) -> Result<Authenticated, Stopped> {
        let house = self.house.clone();
        let identity = Identity::new(house.clone(), self.enrolled.certificate.clone());
        let mut line = Line::identified(house.clone(), identity);
        let boot = loop {
            if let Some(boot) = self.unlocked {
                break boot;
            }
            match exchange(&house, &mut line, Compose::Boot).await {
                Ok(KeeperAnswer::Boot(boot)) => break boot,
                Ok(_) => {
                    let error = AskError::Unexpected.into();
                    pause(&house, State::Activated, &error, &mut self.backoff).await?;
                }
                Err(error) => pause(&house, State::Activated, &error, &mut self.backoff).await?,
            }
        };
        house.board.show(State::Authenticated);
        Ok(Authenticated {
            activated: self,
            line,
            boot,
        })
    }
}

impl Authenticated {
    async fn unlocked(self) -> Result<Unlocking, Stopped> {
        let Self {
            mut activated,
            mut line,
            boot,
        } = self;
        let house = activated.house.clone();
        while activated.unlocked.is_none() {
            match exchange(&house, &mut line, Compose::Confirm).await {
                Ok(KeeperAnswer::Unlocked) => activated.unlocked = Some(boot),
                Ok(_) => {
                    let error = AskError::Unexpected.into();
                    pause(&house, State::Authenticated, &error, &mut activated.backoff).await?;
                }
                // The confirmation did not get there, or its answer did not get here.
                Err(error @ ExchangeError::Line(_)) => {
                    pause(&house, State::Authenticated, &error, &mut activated.backoff).await?;
                }
                Err(error @ (ExchangeError::Keeper(_) | ExchangeError::Copy(_))) => {
                    pause(&house, State::Authenticated, &error, &mut activated.backoff).await?;
                    return Ok(Unlocking::Again(activated));
                }
            }
        }
        let mut backoff = Backoff::default();
        let directory = loop {
            match house.keeper.workspace() {
                Ok(directory) => break directory,
                Err(error) => pause(&house, State::Authenticated, &error.into(), &mut backoff).await?,
            }
        };
        house.board.show(State::Unlocked);
        let identity = Identity::new(house.clone(), activated.enrolled.certificate);
        Ok(Unlocking::Done(Unlocked {
            house,
            identity,
            directory: cap_std::fs::Dir::from_std_file(directory.into()),
        }))
    }
}

impl Unlocked {
    fn serving(self) -> Serving {
        Serving::new(self.house, self.identity, self.directory)
    }
}

/// Shows why a step was not made and waits before the next try, if there is to be one.
pub(super) async fn pause(
    house: &House,
    state: State,
    error: &ExchangeError,
    backoff: &mut Backoff,
) -> Result<(), Stopped> {
    let reason = error.reason();
    warn!(%state, error = chain(error), "not yet");
    if error.outlook() == Outlook::Never {
        return Err(Stopped(reason));
    }
    house.board.show_reason(state, &reason);
    sleep(backoff.pause()).await;
    Ok(())
}

impl Stopped {
    /// Stops for a reason.
    pub(super) fn because(reason: String) -> Self {
        Self(reason)
    }
}
