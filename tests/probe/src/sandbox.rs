//! What the sandboxing directives of a unit forbid, tried one by one.
//!
//! No attempt changes anything where it succeeds: a control without a sandbox makes them all, and goes on.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    net::{SocketAddr, UdpSocket},
    os::unix::{fs::FileTypeExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use nix::{
    sched::CloneFlags,
    sys::personality::{self, Persona},
};
use rustix::{
    fs::{MemfdFlags, Mode, OFlags},
    mount::FsOpenFlags,
    net::{AddressFamily, SocketType, ipproto, netlink},
    process::Uid,
    time::ClockId,
};
use vedette_protocol::{
    codec::{read_frame, write_frame},
    keeper::{KEEPER_SOCKET, KeeperAnswer, KeeperRequest},
    worker::WORKER_SOCKET,
};
use vedette_sys::keyring::LogonKey;

use crate::attempt::report;

/// An attempt, named after the directive that forbids it.
type Attempt = (&'static str, fn() -> io::Result<()>);

const ATTEMPTS: &[Attempt] = &[
    ("ProtectSystem", || create(Path::new("/run/vedette-probe"))),
    ("ProtectHome", || fs::read_dir("/root").map(drop)),
    ("ProtectProc", || fs::metadata("/proc/1/status").map(drop)),
    ("ProcSubset", || fs::metadata("/proc/meminfo").map(drop)),
    ("ProtectKernelTunables", || {
        OpenOptions::new()
            .write(true)
            .open("/proc/sys/net/ipv4/ip_forward")
            .map(drop)
    }),
    ("ProtectKernelLogs", || File::open("/dev/kmsg").map(drop)),
    ("ProtectControlGroups", || {
        fs::create_dir("/sys/fs/cgroup/vedette-probe")?;
        fs::remove_dir("/sys/fs/cgroup/vedette-probe")
    }),
    ("ProtectClock", || {
        let now = rustix::time::clock_gettime(ClockId::Realtime);
        Ok(rustix::time::clock_settime(ClockId::Realtime, now)?)
    }),
    ("ProtectHostname", || Ok(rustix::system::sethostname(b"vedette")?)),
    ("PrivateDevices", || open_first_disk(OFlags::RDONLY)),
    ("DevicePolicy", || {
        let access = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK;
        Ok(rustix::fs::open("/dev/ttyS0", access, Mode::empty()).map(drop)?)
    }),
    ("PrivateNetwork", || {
        let links = fs::read_to_string("/proc/self/net/dev")?;
        found(links.contains("eth0:"))
    }),
    (
        "MemoryDenyWriteExecute",
        vedette_sys::memory::map_writable_and_executable,
    ),
    ("NoExecPaths", || {
        // That it ran at all is the answer, however it ended.
        Command::new("/usr/sbin/mke2fs")
            .arg("-V")
            .stderr(Stdio::null())
            .status()
            .map(drop)
    }),
    ("LockPersonality", || {
        Ok(personality::set(Persona::ADDR_NO_RANDOMIZE).map(drop)?)
    }),
    ("RestrictSUIDSGID", || {
        let file = rustix::fs::memfd_create("vedette-probe", MemfdFlags::CLOEXEC)?;
        Ok(rustix::fs::fchmod(file, Mode::SUID | Mode::RWXU)?)
    }),
    ("RestrictNamespaces=net", || {
        Ok(nix::sched::unshare(CloneFlags::CLONE_NEWNET)?)
    }),
    ("RestrictNamespaces=ipc", || {
        Ok(nix::sched::unshare(CloneFlags::CLONE_NEWIPC)?)
    }),
    ("SystemCallFilter=@mount", || {
        Ok(rustix::mount::fsopen("tmpfs", FsOpenFlags::empty()).map(drop)?)
    }),
    ("SystemCallFilter=@resources", || {
        let here = rustix::thread::sched_getaffinity(None)?;
        Ok(rustix::thread::sched_setaffinity(None, &here)?)
    }),
    ("SystemCallFilter=@reboot", || {
        Ok(rustix::system::reboot(rustix::system::RebootCommand::CadOff)?)
    }),
    ("SystemCallFilter=@keyring", || {
        LogonKey::add("vedette-probe:key", b"not a secret").map(drop)
    }),
    ("CapabilityBoundingSet=SETUID", || {
        Ok(rustix::thread::set_thread_uid(Uid::from_raw(65534))?)
    }),
    ("CapabilityBoundingSet=NET_RAW", || {
        Ok(rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP)).map(drop)?)
    }),
    ("RestrictAddressFamilies=packet", || {
        socket(AddressFamily::PACKET, SocketType::RAW)
    }),
    ("RestrictAddressFamilies=netlink", || {
        Ok(
            rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::NETFILTER))
                .map(drop)?,
        )
    }),
    ("RestrictAddressFamilies=inet", || {
        socket(AddressFamily::INET, SocketType::STREAM)
    }),
    ("TasksMax", many_threads),
    ("keeper", speak_with_the_keeper),
    ("worker-socket", || UnixStream::connect(WORKER_SOCKET).map(drop)),
    // What not even root may, without any sandbox: verity, lockdown, locked modules, the packet filter.
    ("root-is-read-only", || {
        OpenOptions::new()
            .append(true)
            .open("/usr/lib/vedette/image.json")
            .map(drop)
    }),
    ("memory-device", || {
        let mut byte = [0];
        File::open("/dev/mem")?.read_exact(&mut byte)
    }),
    ("kernel-module", || {
        Ok(rustix::system::delete_module(c"dm_verity", 0)?)
    }),
    ("udp-out", || {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.send_to(b"probe", neighbour()?).map(drop)
    }),
];

/// Makes every attempt and prints the facts that the kernel tells of this process.
pub(crate) fn probe(unit: &str) {
    for (name, attempt) in ATTEMPTS {
        // On a thread of its own, so that what changes a thread for good changes that one.
        let outcome = thread::spawn(attempt).join();
        report(
            unit,
            name,
            outcome.unwrap_or_else(|_| Err(io::Error::other("panic"))),
        );
    }
    facts(unit);
    // Last, on the only thread: the kernel makes no user namespace for a process with several.
    report(
        unit,
        "RestrictNamespaces=user",
        nix::sched::unshare(CloneFlags::CLONE_NEWUSER).map_err(io::Error::from),
    );
    println!("probe {unit} end");
}

fn facts(unit: &str) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines() {
        if let Some((name @ ("CapBnd" | "CapEff" | "NoNewPrivs" | "Seccomp" | "Uid"), value)) =
            line.split_once(':')
        {
            println!("probe {unit} fact {name} {}", one_word(value));
        }
    }
    let users = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    println!("probe {unit} fact UidMap {}", one_word(&users));
    println!("probe {unit} fact Writable {}", one_word(&writable().join(" ")));
}

fn one_word(text: &str) -> String {
    let word = text.split_whitespace().collect::<Vec<_>>().join(",");
    if word.is_empty() { "-".to_owned() } else { word }
}

/// Every directory in which a file can be made, the kernel's own file systems aside.
fn writable() -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![PathBuf::from("/")];
    while let Some(folder) = waiting.pop() {
        if create(&folder.join("vedette-probe")).is_ok() {
            found.insert(folder.display().to_string());
        }
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let kernels = ["/proc", "/sys"].iter().any(|kernels| path == Path::new(kernels));
            if !kernels && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(path);
            }
        }
    }
    found.into_iter().collect()
}

fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?;
    fs::remove_file(path)
}

/// The disk that the root is on, under whatever name.
fn open_first_disk(access: OFlags) -> io::Result<()> {
    let disk = fs::read_dir("/dev")?
        .flatten()
        .find(|entry| {
            entry.file_name().to_string_lossy().starts_with("vd")
                && entry.file_type().is_ok_and(|kind| kind.is_block_device())
        })
        .ok_or_else(|| io::Error::from(rustix::io::Errno::NOENT))?;
    Ok(rustix::fs::open(disk.path(), access, Mode::empty()).map(drop)?)
}

/// More than any of our programs needs.
fn many_threads() -> io::Result<()> {
    let (ending, end) = mpsc::channel::<()>();
    let end = std::sync::Mutex::new(end);
    thread::scope(|scope| {
        let spawned: Vec<_> = (0..40)
            .map(|_| {
                thread::Builder::new()
                    .stack_size(64 * 1024)
                    .spawn_scoped(scope, || {
                        let _ended = end.lock().map(|end| end.recv());
                    })
            })
            .collect();
        drop(ending);
        spawned.into_iter().try_for_each(|thread| thread.map(drop))
    })
}

/// The keeper answers its own, and hangs up on others.
fn speak_with_the_keeper() -> io::Result<()> {
    let mut keeper = UnixStream::connect(KEEPER_SOCKET)?;
    keeper.set_read_timeout(Some(Duration::from_secs(5)))?;
    write_frame(&mut keeper, &KeeperRequest::Standing).map_err(io::Error::other)?;
    keeper.flush()?;
    let answer: KeeperAnswer =
        read_frame(&mut keeper).map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    found(matches!(answer, KeeperAnswer::Standing(_)))
}

/// The last address of our own network: there is a road to it, and only the filter is in the way.
/// Waits until the machine has an address.
fn neighbour() -> io::Result<SocketAddr> {
    for _ in 0..100 {
        if let Some([a, b, c, _]) = network(&fs::read_to_string("/proc/self/net/route")?) {
            return Ok(([a, b, c, 254], 9).into());
        }
        thread::sleep(Duration::from_millis(200));
    }
    Err(rustix::io::Errno::NETUNREACH.into())
}

/// The network of the first route that is no default route.
fn network(routes: &str) -> Option<[u8; 4]> {
    let mut networks = routes
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1));
    let network = networks.find(|network| *network != "00000000")?;
    Some(u32::from_str_radix(network, 16).ok()?.to_le_bytes())
}

fn socket(family: AddressFamily, kind: SocketType) -> io::Result<()> {
    Ok(rustix::net::socket(family, kind, None).map(drop)?)
}

fn found(is_so: bool) -> io::Result<()> {
    if is_so {
        Ok(())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}
