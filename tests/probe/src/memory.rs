//! What our processes hold in memory, again and again: the reader chooses the moment.

use std::{fs, thread, time::Duration};

/// Prints `probe memory NAME kB` for each of our processes that runs, then `probe memory all PROCESSES`, for ever.
pub(crate) fn probe() -> ! {
    loop {
        let mut held: Vec<_> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|process| fs::read_to_string(process.path().join("status")).ok())
            .filter_map(|status| ours(&status))
            .collect();
        held.sort_unstable();
        for (name, kilobytes) in &held {
            println!("probe memory {name} {kilobytes}");
        }
        println!("probe memory all {}", held.len());
        thread::sleep(EVERY);
    }
}

/// Name and resident kilobytes (proc_pid_status(5)) of a process that is ours; the probe itself is not.
fn ours(status: &str) -> Option<(String, u64)> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let name = field("Name:")?.trim();
    let ours = name.starts_with("vedette") && name != "vedette-probe";
    let kilobytes = field("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok()?;
    ours.then(|| (name.to_owned(), kilobytes))
}

const EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_processes_are_told() {
        let status = |name: &str| format!("Name:\t{name}\nUmask:\t0022\nVmRSS:\t    5120 kB\n");
        assert_eq!(ours(&status("vedetted")), Some(("vedetted".to_owned(), 5120)));
        assert_eq!(
            ours(&status("vedette-keeper")),
            Some(("vedette-keeper".to_owned(), 5120))
        );
        assert_eq!(ours(&status("vedette-probe")), None);
        assert_eq!(ours(&status("systemd")), None);
        assert_eq!(
            ours("Name:\tvedetted\n"),
            None,
            "a kernel thread has no memory of its own"
        );
    }
}
