//! Crashes workers when they are told to from outside, where nothing but the cable can be touched.

use std::{fs, path::Path, thread, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

/// Whenever the cable is pulled, has every worker crash, and prints `probe crash WORKERS`, for ever.
pub(crate) fn probe() -> ! {
    loop {
        while is_plugged() {
            thread::sleep(EVERY);
        }
        let crashed = workers().filter(|id| kill_process(*id, Signal::ABORT).is_ok());
        println!("probe crash {}", crashed.count());
        while !is_plugged() {
            thread::sleep(EVERY);
        }
    }
}

/// Whether every network adapter that is up has a carrier.
fn is_plugged() -> bool {
    let carrier =
        |adapter: &Path| fs::read_to_string(adapter.join("carrier")).is_ok_and(|text| text.trim() == "0");
    let adapters = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    !adapters
        .map(|adapter| adapter.path())
        .any(|adapter| carrier(&adapter))
}

fn workers() -> impl Iterator<Item = Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|process| {
            fs::read_to_string(process.path().join("comm")).is_ok_and(|name| name.trim() == "vedette-worker")
        })
        .filter_map(|process| Pid::from_raw(process.file_name().to_str()?.parse().ok()?))
}

const EVERY: Duration = Duration::from_millis(100);
