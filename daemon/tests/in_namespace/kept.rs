//! A real keeper in a namespace, its state in a directory. It has no partition to make a workspace on, so
//! that a boot goes as far as the platform's share.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{Mode, OFlags, open};
use vedette_crypto::SigningKey;
use vedette_daemon::{
    keeper::{
        self,
        clock::{Clock, Reach},
        course::{Course, Owned, Pins, Stage},
        filter::Filter,
        server::{Desk, serve},
        start::{adopt_filter, with_parts},
        store::Store,
    },
    link::{
        House, board::Board, boot::boot, copy::Copier, keeper::Keeper, network::Network, openings::Openings,
    },
};
use vedette_protocol::{
    BootId, ImageConfig, ImageId, Timestamp,
    keeper::Enrolled,
    status::{State, Status},
};

use crate::wire::{Wire, become_user, enter};

const LINK: u32 = 900;

/// The keeper and its surroundings; what is dropped last is the network.
pub(crate) struct Kept {
    pub(crate) socket: PathBuf,
    pub(crate) state: PathBuf,
    config: ImageConfig,
    place: tempfile::TempDir,
    pub(crate) wire: Wire,
}

impl Kept {
    /// Starts a keeper of an appliance that serves already.
    pub(crate) fn serving(name: &str, config: &ImageConfig, enrolled: Enrolled) -> Self {
        Self::serving_owner(name, config, enrolled, SigningKey::generate(), Owned::default())
    }

    /// Starts a keeper of an appliance of this identity that serves already, and knows this of its owner.
    pub(crate) fn serving_owner(
        name: &str,
        config: &ImageConfig,
        enrolled: Enrolled,
        identity: SigningKey,
        owned: Owned,
    ) -> Self {
        let begin = |config: &ImageConfig, filter, store| {
            let clock = Clock::start(Reach::Process, Timestamp::now()).unwrap();
            let pins = Pins {
                platform: config.platform.key,
                image: ImageId([1; 32]),
                kind: config.kind,
            };
            let stage = Stage::Serving {
                enrolled,
                boot: BootId([2; 32]),
            };
            let course = Course::new(pins, identity, stage, owned);
            keeper::Keeper::new(course, clock, store, filter, Timestamp(0))
        };
        Self::with(name, config, None, begin)
    }

    /// Starts a keeper, with an activation token on its state partition if there is one.
    pub(crate) fn start(name: &str, config: &ImageConfig, token: Option<&str>) -> Self {
        Self::with(name, config, token, |config, filter, store| {
            with_parts(config, ImageId([1; 32]), filter, store, Reach::Process).unwrap()
        })
    }

    fn with(
        name: &str,
        config: &ImageConfig,
        token: Option<&str>,
        begin: impl FnOnce(&ImageConfig, Filter, Store) -> keeper::Keeper + Send + 'static,
    ) -> Self {
        let wire = Wire::new(name);
        wire.load_base();
        let place = tempfile::tempdir().unwrap();
        let state = place.path().join("state");
        fs::create_dir(&state).unwrap();
        if let Some(token) = token {
            fs::write(state.join("activation-token"), token).unwrap();
        }
        let store = Store::new(open(&state, OFlags::DIRECTORY, Mode::empty()).unwrap());
        let listener = listen(place.path());
        let (space, kept_config) = (wire.appliance.clone(), config.clone());
        thread::spawn(move || {
            // Every thread and every nft that comes of this one is in the namespace.
            enter(&space);
            let filter = adopt_filter(&kept_config).unwrap();
            let keeper = begin(&kept_config, filter, store);
            serve(&listener, Desk::Open(Box::new(keeper.into()))).unwrap();
        });
        Self {
            socket: place.path().join("keeper.sock"),
            state,
            config: config.clone(),
            place,
            wire,
        }
    }

    /// Starts vedetted's course beside it, on a network without DNS servers.
    pub(crate) fn boot(&self) {
        self.boot_with_lease("OPER_STATE=routable\n");
    }

    /// Starts vedetted's course beside it, with a lease as networkd writes it down.
    pub(crate) fn boot_with_lease(&self, lease: &str) {
        let links = self.place.path().join("links");
        fs::create_dir(&links).unwrap();
        fs::write(links.join("2"), lease).unwrap();
        let house = Arc::new(House {
            config: self.config.clone(),
            keeper: Keeper::at(match self.link_socket() {
                between if between.exists() => between,
                _ => self.socket.clone(),
            }),
            network: Network::at(links),
            board: Board::at(self.status_path()),
            workers: self.worker_socket(),
            openings: Openings::default(),
            platform: Mutex::default(),
            copier: Copier::default(),
        });
        let space = self.wire.appliance.clone();
        thread::spawn(move || {
            enter(&space);
            become_user(LINK);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let Err(stopped) = runtime.block_on(boot(house.clone()));
            house.board.show_reason(State::Refused, &stopped.to_string());
        });
    }

    /// Waits for a status line that this is true of.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + Duration::from_secs(60);
        let mut seen = Vec::new();
        while Instant::now() < end {
            let line = fs::read(self.status_path())
                .ok()
                .and_then(|bytes| Status::from_json(&bytes).ok())
                .map(|status| status.to_string())
                .unwrap_or_default();
            if wanted(&line) {
                return line;
            }
            if seen.last() != Some(&line) {
                seen.push(line);
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("never seen; instead {seen:#?}");
    }

    /// Where vedetted looks for the keeper, if somebody stands between them.
    pub(crate) fn link_socket(&self) -> PathBuf {
        self.place.path().join("between.sock")
    }

    /// Where vedetted looks for workers.
    pub(crate) fn worker_socket(&self) -> PathBuf {
        self.place.path().join("worker.sock")
    }

    fn status_path(&self) -> PathBuf {
        self.place.path().join("status")
    }
}

/// A socket that every user may connect to, as the keeper's is.
pub(crate) fn listen(place: &Path) -> UnixListener {
    let path = place.join("keeper.sock");
    let listener = UnixListener::bind(&path).unwrap();
    for path in [place, &path] {
        fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    listener
}
