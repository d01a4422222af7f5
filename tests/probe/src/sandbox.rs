//! What the sandboxing directives of a unit forbid, tried one by one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    net::{TcpListener, UdpSocket},
    os::unix::fs::OpenOptionsExt,
};

use nix::sched::CloneFlags;
use rustix::{
    fs::{FileType, Mode, OFlags},
    mount::MountFlags,
    net::{AddressFamily, SocketType},
    time::{ClockId, Timespec},
};

use crate::attempt::report;

/// An attempt, named after the directive that forbids it.
type Attempt = (&'static str, fn() -> io::Result<()>);

const ATTEMPTS: &[Attempt] = &[
    ("ProtectSystem", || write("/usr/lib/vedette/image.json")),
    ("ReadOnlyPaths=/etc", || create("/etc/vedette-probe")),
    ("ReadOnlyPaths=/run", || create("/run/vedette-probe")),
    ("PrivateTmp", || {
        fs::metadata("/tmp/vedette-probe-witness").map(drop)
    }),
    ("PrivateDevices", || fs::metadata("/dev/vda").map(drop)),
    ("PrivateDevices=mem", || File::open("/dev/mem").map(drop)),
    ("ProtectKernelTunables", || {
        write_text("/proc/sys/net/ipv4/ip_forward", "1")
    }),
    ("ProtectKernelLogs", || File::open("/dev/kmsg").map(drop)),
    ("ProtectControlGroups", || create("/sys/fs/cgroup/vedette-probe")),
    ("ProtectProc", || fs::metadata("/proc/1/status").map(drop)),
    ("ProtectHome", || fs::read_dir("/root").map(drop)),
    ("ProtectClock", || {
        let now = rustix::time::clock_gettime(ClockId::Realtime);
        Ok(rustix::time::clock_settime(
            ClockId::Realtime,
            Timespec { tv_nsec: 0, ..now },
        )?)
    }),
    ("ProtectHostname", || Ok(rustix::system::sethostname(b"probe")?)),
    (
        "MemoryDenyWriteExecute",
        vedette_sys::memory::map_writable_and_executable,
    ),
    ("NoExecPaths", || {
        std::process::Command::new("/usr/lib/vedette/vedette-console")
            .spawn()
            .map(drop)
    }),
    ("RestrictNamespaces", || {
        Ok(nix::sched::unshare(CloneFlags::CLONE_NEWUSER)?)
    }),
    ("RestrictNamespaces=net", || {
        Ok(nix::sched::unshare(CloneFlags::CLONE_NEWNET)?)
    }),
    ("RestrictSUIDSGID", || {
        let path = "/tmp/vedette-probe-suid";
        OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o4755)
            .open(path)
            .map(drop)
    }),
    ("SystemCallFilter=mount", || {
        Ok(rustix::mount::mount(
            "none",
            "/tmp",
            "tmpfs",
            MountFlags::empty(),
            None,
        )?)
    }),
    ("SystemCallFilter=mknod", || {
        let here = rustix::fs::CWD;
        Ok(rustix::fs::mknodat(
            here,
            "/tmp/vedette-probe-node",
            FileType::BlockDevice,
            Mode::RUSR,
            0,
        )?)
    }),
    ("SystemCallFilter=reboot", || {
        Ok(rustix::system::reboot(rustix::system::RebootCommand::CadOff)?)
    }),
    ("SystemCallFilter=module", || {
        Ok(rustix::system::delete_module(c"dummy", 0)?)
    }),
    ("SystemCallFilter=setuid", || {
        Ok(rustix::thread::set_thread_uid(rustix::process::Uid::ROOT)?)
    }),
    ("RestrictAddressFamilies=packet", || {
        socket(AddressFamily::PACKET, SocketType::RAW)
    }),
    ("RestrictAddressFamilies=netlink", || {
        socket(AddressFamily::NETLINK, SocketType::RAW)
    }),
    ("RestrictAddressFamilies=inet", || {
        socket(AddressFamily::INET, SocketType::STREAM)
    }),
    ("RestrictAddressFamilies=unix", || {
        socket(AddressFamily::UNIX, SocketType::STREAM)
    }),
    ("raw-socket", || socket(AddressFamily::INET, SocketType::RAW)),
    ("listen", || TcpListener::bind("0.0.0.0:4444").map(drop)),
    ("udp-out", || {
        UdpSocket::bind("0.0.0.0:0")?
            .send_to(b"probe", "192.0.2.1:9")
            .map(drop)
    }),
    ("state-partition", || open_device("/dev/disk/by-partlabel/state")),
    ("workspace-path", || fs::read_dir("/proc/1/root").map(drop)),
];

/// Makes every attempt and prints the facts that the kernel tells of this process.
pub(crate) fn probe(unit: &str) {
    for (name, attempt) in ATTEMPTS {
        report(unit, name, attempt());
    }
    for line in fs::read_to_string("/proc/self/status")
        .unwrap_or_default()
        .lines()
    {
        if let Some((
            name @ ("CapBnd" | "CapEff" | "NoNewPrivs" | "Seccomp" | "Uid" | "Gid" | "Groups"),
            value,
        )) = line.split_once(':')
        {
            println!(
                "probe {unit} fact {name} {}",
                value.split_whitespace().collect::<Vec<_>>().join(",")
            );
        }
    }
    println!("probe {unit} end");
}

fn write(path: &str) -> io::Result<()> {
    OpenOptions::new().append(true).open(path).map(drop)
}

fn write_text(path: &str, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}

fn create(path: &str) -> io::Result<()> {
    File::create(path)?;
    fs::remove_file(path)
}

fn open_device(path: &str) -> io::Result<()> {
    Ok(rustix::fs::open(path, OFlags::RDONLY, Mode::empty()).map(drop)?)
}

fn socket(family: AddressFamily, kind: SocketType) -> io::Result<()> {
    Ok(rustix::net::socket(family, kind, None).map(drop)?)
}
