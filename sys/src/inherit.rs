//! Descriptors that the service manager handed over (sd_listen_fds(3)).

use std::{
    env, io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    process,
    sync::atomic::{AtomicBool, Ordering},
};

/// The first descriptor that systemd passes.
const FIRST: RawFd = 3;
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the sockets that systemd passed to this process, in the order of the unit file.
///
/// # Errors
/// When none were passed to this very process (`LISTEN_PID`, `LISTEN_FDS`), or on a second call: the
/// descriptors are owned by the first caller.
pub fn sockets() -> io::Result<Vec<OwnedFd>> {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    if number("LISTEN_PID") != Some(process::id()) {
        return Err(io::Error::other(
            "no sockets passed: LISTEN_PID does not name this process",
        ));
    }
    let count = number("LISTEN_FDS")
        .and_then(|count| RawFd::try_from(count).ok())
        .filter(|count| (1..=64).contains(count))
        .ok_or_else(|| io::Error::other("no sockets passed: LISTEN_FDS is not 1 to 64"))?;
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(io::Error::other("the passed sockets were already taken"));
    }
    Ok((FIRST..FIRST + count).map(adopt).collect())
}

#[expect(unsafe_code, reason = "a raw descriptor becomes an owned one")]
fn adopt(fd: RawFd) -> OwnedFd {
    // SAFETY: `from_raw_fd` needs an open descriptor that nobody else owns: systemd opened exactly these
    // for this process before it started, and `TAKEN` lets one caller take them.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
