//! How the keeper starts: everything is looked at before a key is, and what is missing is said.

use std::os::fd::OwnedFd;

use tracing::error;
use vedette_protocol::{ImageConfig, ImageId, keeper::Unfit};

use crate::{image, journal::chain};

use super::{
    Keeper,
    clock::{Clock, Reach},
    course::{Course, Owned, Pins},
    filter::Filter,
    mount::{self, Journal},
    partition::Partition,
    posture::Posture,
    program::{self, Purpose},
    store::{Store, StoreError},
};

/// Starts the keeper of the machine that runs.
///
/// # Errors
/// What the appliance lacks. No key was read then.
pub fn of_machine() -> Result<Keeper, Unfit> {
    let config = image::config().map_err(|failure| unfit(Unfit::Image, &failure))?;
    let image = Posture::read().judge(&config.parameters)?;
    let filter = adopt_filter(&config)?;
    let store = Store::new(state_directory().map_err(|failure| unfit(Unfit::State, &*failure))?);
    with_parts(&config, image, filter, store, Reach::Machine)
}

/// Starts a keeper with a store and a filter that are there already.
///
/// # Errors
/// When what is kept cannot be used.
pub fn with_parts(
    config: &ImageConfig,
    image: ImageId,
    filter: Filter,
    store: Store,
    reach: Reach,
) -> Result<Keeper, Unfit> {
    let state = |failure: StoreError| match failure {
        StoreError::Token => unfit(Unfit::Token, &failure),
        StoreError::Read(..) | StoreError::Write(..) | StoreError::Remove(..) | StoreError::Damaged(_) => {
            unfit(Unfit::State, &failure)
        }
    };
    let high_water = store.high_water().map_err(state)?;
    let clock = Clock::start(reach, config.built.max(high_water))
        .map_err(|failure| unfit(Unfit::Setting("clock".to_owned()), &failure))?;
    let pins = Pins {
        platform: config.platform.key,
        image,
        kind: config.kind,
    };
    let stage = store.stage(&pins.platform).map_err(state)?;
    let identity = store.identity().map_err(state)?;
    let records = store.records().map_err(state)?;
    let owned = Owned {
        records: match &records {
            Some(records) => records.owner,
            None => store.flashed_owner().map_err(state)?,
        },
        words: store.words().map_err(state)?,
        enrolment: store.enrolment_secret().map_err(state)?,
    };
    let course = Course::new(pins, identity, stage, owned);
    Ok(Keeper::new(course, clock, store, filter, high_water))
}

/// Takes over the base filter.
///
/// # Errors
/// When it is not whole.
pub fn adopt_filter(config: &ImageConfig) -> Result<Filter, Unfit> {
    Filter::adopt(config.platform.url.port())
        .map_err(|failure| unfit(Unfit::Filter(failure.to_string()), &failure))
}

/// The state partition, mounted where nobody else can reach it.
fn state_directory() -> Result<OwnedFd, Box<dyn std::error::Error>> {
    let partition = Partition::named(STATE_PARTITION)?;
    // One that holds a file system is never formatted, however damaged: there may be keys on it.
    if !partition.holds_ext4()? {
        program::mke2fs(&partition.device, Purpose::State)?;
    }
    Ok(mount::ext4(&partition.device, Journal::Data)?)
}

fn unfit(unfit: Unfit, failure: &dyn std::error::Error) -> Unfit {
    error!(error = chain(failure), "{unfit}");
    unfit
}

const STATE_PARTITION: &str = "state";
