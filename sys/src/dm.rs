//! Device-mapper: one ioctl per function, on `/dev/mapper/control`.
//!
//! A device is made in three calls: [`Mapper::create`], [`Mapper::load`], [`Mapper::resume`]. There is no udev on the
//! appliance: devtmpfs makes `/dev/dm-N`, and [`Device::path`] names it.
//! Keys never pass through a table here: a `crypt` target names a key of the kernel's keyring (`:64:logon:NAME`).
//! Numbers and layouts are those of `linux/dm-ioctl.h`, interface version 4.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use rustix::ioctl;

/// The character device that takes the ioctls; devtmpfs makes it when the module is there.
const CONTROL: &str = "/dev/mapper/control";

/// What went wrong with a device-mapper call.
#[derive(Debug, thiserror::Error)]
pub enum MapperError {
    #[error("opening {CONTROL} (is the module dm_mod loaded?)")]
    Open(#[source] io::Error),
    #[error("the device-mapper name {0:?} is not 1 to 127 of a-z, 0-9 and '-'")]
    Name(String),
    #[error("the {kind} target's table is too long, or its type is")]
    Table { kind: String },
    #[error("device-mapper {step} of {name}")]
    Call {
        step: &'static str,
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("the kernel's answer to the status of {0} is not one this program reads")]
    Answer(String),
}

/// One line of a table: `start` and `sectors` are counted in 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub start: u64,
    pub sectors: u64,
    /// `verity`, `crypt`, `linear`, …
    pub kind: String,
    pub parameters: String,
}

/// Whether the mapped device takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    ReadWrite,
}

/// When a device goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Now, or an error if it is open.
    Now,
    /// When the last holder closes it.
    Deferred,
}

/// A mapped device's number, as the kernel gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    pub major: u32,
    pub minor: u32,
}

impl Device {
    /// Where devtmpfs has put it.
    pub fn path(self) -> PathBuf {
        PathBuf::from(format!("/dev/dm-{}", self.minor))
    }
}

/// What the kernel says of a mapped device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub device: Device,
    pub open_count: u32,
    pub access: Access,
    /// It goes when the last holder closes it.
    pub removal_deferred: bool,
    /// Each target, with its status line in `parameters` (`V` for an unharmed verity target).
    pub targets: Vec<Target>,
}

/// The open control device.
#[derive(Debug)]
pub struct Mapper {
    control: File,
}

impl Mapper {
    pub fn open() -> Result<Self, MapperError> {
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .open(Path::new(CONTROL))
            .map_err(MapperError::Open)?;
        Ok(Self { control })
    }

    /// Makes the device `name`, without a table.
    pub fn create(&self, name: &str) -> Result<Device, MapperError> {
        Ok(self.call(&CREATE, Request::new(name)?)?.device())
    }

    /// Gives `name` a table, which takes effect at [`Mapper::resume`].
    pub fn load(&self, name: &str, targets: &[Target], access: Access) -> Result<(), MapperError> {
        let mut request = Request::new(name)?;
        for target in targets {
            request.push(target)?;
        }
        // Secure: the kernel wipes its copy of the request.
        request.flag(flags::SECURE_DATA);
        if access == Access::ReadOnly {
            request.flag(flags::READONLY);
        }
        self.call(&LOAD, request).map(drop)
    }

    /// Puts the loaded table in force.
    pub fn resume(&self, name: &str) -> Result<Device, MapperError> {
        Ok(self.call(&RESUME, Request::new(name)?)?.device())
    }

    pub fn remove(&self, name: &str, removal: Removal) -> Result<(), MapperError> {
        let mut request = Request::new(name)?;
        if removal == Removal::Deferred {
            request.flag(flags::DEFERRED_REMOVE);
        }
        self.call(&REMOVE, request).map(drop)
    }

    /// `None` when there is no device of that name.
    pub fn status(&self, name: &str) -> Result<Option<Status>, MapperError> {
        let mut request = Request::new(name)?;
        request.reserve(STATUS_ROOM);
        let answer = match self.call(&STATUS, request) {
            Ok(answer) => answer,
            Err(MapperError::Call { source, .. }) if source.raw_os_error() == Some(ENXIO) => return Ok(None),
            Err(error) => return Err(error),
        };
        answer
            .status()
            .map(Some)
            .ok_or_else(|| MapperError::Answer(name.to_owned()))
    }

    fn call(&self, step: &Step, mut request: Request) -> Result<Request, MapperError> {
        request.seal();
        let name = request.name.clone();
        request
            .send(&self.control, step.opcode)
            .map_err(|source| MapperError::Call {
                step: step.name,
                name,
                source: source.into(),
            })?;
        Ok(request)
    }
}

struct Step {
    name: &'static str,
    opcode: ioctl::Opcode,
}

impl Step {
    const fn new(name: &'static str, number: u8) -> Self {
        Self {
            name,
            opcode: ioctl::opcode::from_components(ioctl::Direction::ReadWrite, 0xfd, number, HEADER),
        }
    }
}

const CREATE: Step = Step::new("creation", 3);
const REMOVE: Step = Step::new("removal", 4);
const RESUME: Step = Step::new("activation", 6);
const LOAD: Step = Step::new("table load", 9);
const STATUS: Step = Step::new("status", 12);

mod flags {
    pub(super) const READONLY: u32 = 1 << 0;
    pub(super) const BUFFER_FULL: u32 = 1 << 8;
    pub(super) const SECURE_DATA: u32 = 1 << 15;
    pub(super) const DEFERRED_REMOVE: u32 = 1 << 17;
}

const ENXIO: i32 = rustix::io::Errno::NXIO.raw_os_error();

/// Size of `struct dm_ioctl`, and where its fields are.
const HEADER: usize = 312;
const DATA_SIZE: usize = 12;
const DATA_START: usize = 16;
const TARGET_COUNT: usize = 20;
const OPEN_COUNT: usize = 24;
const FLAGS: usize = 28;
const DEV: usize = 40;
const NAME: usize = 48;
/// Length of the name field with its closing NUL.
const NAME_LEN: usize = 128;

/// Size of `struct dm_target_spec`, and the length of its type field at the end.
const SPEC: usize = 40;
const KIND: usize = 24;
const KIND_LEN: usize = 16;

/// Interface version: deferred removal came with 4.27, and the kernel refuses a version newer than its own.
const VERSION: [u32; 3] = [4, 27, 0];

const STATUS_ROOM: usize = 4096;
/// No table of ours comes near it.
const TABLE_MAX: usize = 16 * 1024;

/// A `struct dm_ioctl` with its payload, in the kernel's native byte order.
struct Request {
    name: String,
    /// In words, since the kernel's structures are aligned to eight bytes.
    words: Vec<u64>,
}

impl Request {
    fn new(name: &str) -> Result<Self, MapperError> {
        let spelt = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() >= NAME_LEN || !name.bytes().all(spelt) {
            return Err(MapperError::Name(name.to_owned()));
        }
        let mut request = Self {
            name: name.to_owned(),
            words: vec![0; HEADER / 8],
        };
        for (at, part) in VERSION.into_iter().enumerate() {
            request.put(at * 4, &part.to_ne_bytes());
        }
        let start = u32::try_from(HEADER).expect("312 fits");
        request.put(DATA_START, &start.to_ne_bytes());
        request.put(NAME, name.as_bytes());
        Ok(request)
    }

    fn push(&mut self, target: &Target) -> Result<(), MapperError> {
        let too_long = || MapperError::Table {
            kind: target.kind.clone(),
        };
        // Each string ends with a NUL, and the next spec starts at a multiple of eight.
        let length = (SPEC + target.parameters.len() + 1).next_multiple_of(8);
        if target.kind.len() >= KIND_LEN || target.parameters.contains('\0') || length > TABLE_MAX {
            return Err(too_long());
        }
        let next = u32::try_from(length).map_err(|_| too_long())?;
        let at = self.reserve(length);
        self.put(at, &target.start.to_ne_bytes());
        self.put(at + 8, &target.sectors.to_ne_bytes());
        self.put(at + 20, &next.to_ne_bytes());
        self.put(at + KIND, target.kind.as_bytes());
        self.put(at + SPEC, target.parameters.as_bytes());
        let count = self.u32(TARGET_COUNT) + 1;
        self.put(TARGET_COUNT, &count.to_ne_bytes());
        Ok(())
    }

    fn flag(&mut self, flag: u32) {
        let flags = self.u32(FLAGS) | flag;
        self.put(FLAGS, &flags.to_ne_bytes());
    }

    /// Adds `length` bytes of zeros, a multiple of eight, and says where.
    fn reserve(&mut self, length: usize) -> usize {
        let at = self.words.len() * 8;
        self.words.resize(self.words.len() + length / 8, 0);
        at
    }

    /// Writes down how long the request has become.
    fn seal(&mut self) {
        let size = u32::try_from(self.words.len() * 8).expect("TABLE_MAX bounds each part");
        self.put(DATA_SIZE, &size.to_ne_bytes());
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        for (offset, byte) in bytes.iter().enumerate() {
            let at = at + offset;
            let mut word = self.words[at / 8].to_ne_bytes();
            word[at % 8] = *byte;
            self.words[at / 8] = u64::from_ne_bytes(word);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn u32(&self, at: usize) -> u32 {
        let word = self.words[at / 8].to_ne_bytes();
        let at = at % 8;
        u32::from_ne_bytes([word[at], word[at + 1], word[at + 2], word[at + 3]])
    }

    fn device(&self) -> Device {
        // The kernel's huge_encode_dev(): minor bits 8 to 19 stand above the major's twelve.
        let low = u32::try_from(self.words[DEV / 8] & 0xffff_ffff).expect("masked");
        Device {
            major: (low >> 8) & 0xfff,
            minor: (low & 0xff) | ((low >> 12) & 0xf_ff00),
        }
    }

    /// Reads a status answer; `None` if it is cut off or malformed.
    fn status(&self) -> Option<Status> {
        let flags = self.u32(FLAGS);
        if flags & flags::BUFFER_FULL != 0 {
            return None;
        }
        let bytes = self.bytes();
        let start = usize::try_from(self.u32(DATA_START)).ok()?;
        let mut targets = Vec::new();
        let mut at = start;
        for _ in 0..self.u32(TARGET_COUNT) {
            let spec = bytes.get(at..at.checked_add(SPEC)?)?;
            let sectors = spec.get(8..16)?.try_into().ok()?;
            targets.push(Target {
                start: u64::from_ne_bytes(spec.get(..8)?.try_into().ok()?),
                sectors: u64::from_ne_bytes(sectors),
                kind: text(spec.get(KIND..)?)?,
                parameters: text(bytes.get(at + SPEC..)?)?,
            });
            // In answers, unlike in requests, this counts from the first spec.
            let next = u32::from_ne_bytes(spec.get(20..24)?.try_into().ok()?);
            at = start.checked_add(usize::try_from(next).ok()?)?;
        }
        Some(Status {
            device: self.device(),
            open_count: self.u32(OPEN_COUNT),
            access: if flags & flags::READONLY == 0 {
                Access::ReadWrite
            } else {
                Access::ReadOnly
            },
            removal_deferred: flags & flags::DEFERRED_REMOVE != 0,
            targets,
        })
    }

    #[expect(unsafe_code, reason = "rustix has no device-mapper ioctls")]
    fn send(&mut self, control: &File, opcode: ioctl::Opcode) -> rustix::io::Result<()> {
        // SAFETY: every opcode of this module is a device-mapper ioctl on /dev/mapper/control, which reads and writes
        // at most `data_size` bytes from the pointer; `seal` set that to exactly the length of `words`, which is
        // borrowed mutably for the call and aligned to eight.
        unsafe {
            ioctl::ioctl(
                control,
                Call {
                    opcode,
                    words: &mut self.words,
                },
            )
        }
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    String::from_utf8(bytes[..end].to_vec()).ok()
}

struct Call<'a> {
    opcode: ioctl::Opcode,
    words: &'a mut [u64],
}

#[expect(unsafe_code, reason = "rustix takes an ioctl as an unsafe trait")]
// SAFETY: `as_ptr` gives the request that the opcode expects, alive and unaliased while `Call` is; the answer stays in
// that buffer, so `output_from_ptr` touches no memory.
unsafe impl ioctl::Ioctl for Call<'_> {
    type Output = ();
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> ioctl::Opcode {
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut rustix::ffi::c_void {
        self.words.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(_: ioctl::IoctlOutput, _: *mut rustix::ffi::c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verity() -> Target {
        Target {
            start: 0,
            sectors: 81_920,
            kind: "verity".to_owned(),
            parameters: "1 253:2 253:2 4096".to_owned(),
        }
    }

    #[test]
    fn opcodes_are_those_of_the_kernel_header() {
        let opcodes = [CREATE, REMOVE, RESUME, LOAD, STATUS].map(|step| step.opcode);
        assert_eq!(
            opcodes,
            [0xc138_fd03, 0xc138_fd04, 0xc138_fd06, 0xc138_fd09, 0xc138_fd0c]
        );
    }

    #[test]
    fn a_request_is_laid_out_as_the_kernel_reads_it() {
        let mut request = Request::new("vroot").unwrap();
        request.push(&verity()).unwrap();
        request
            .push(&Target {
                start: 81_920,
                ..verity()
            })
            .unwrap();
        request.flag(flags::READONLY);
        request.seal();
        let bytes = request.bytes();
        assert_eq!(request.u32(DATA_SIZE) as usize, bytes.len());
        assert_eq!(request.u32(TARGET_COUNT), 2);
        assert_eq!(request.u32(FLAGS), 1);
        assert_eq!(&bytes[NAME..NAME + 6], b"vroot\0");
        assert_eq!(&bytes[HEADER + KIND..HEADER + KIND + 7], b"verity\0");
        assert_eq!(&bytes[HEADER + SPEC..HEADER + SPEC + 19], b"1 253:2 253:2 4096\0");
        // 40 + 18 + 1, rounded up to eight.
        assert_eq!(
            u32::from_ne_bytes(bytes[HEADER + 20..HEADER + 24].try_into().unwrap()),
            64
        );
        assert_eq!(
            u64::from_ne_bytes(bytes[HEADER + 64..HEADER + 72].try_into().unwrap()),
            81_920
        );
    }

    #[test]
    fn names_that_are_not_ours_are_refused() {
        for name in ["", "a/b", "Vroot", "v root", &"v".repeat(128)] {
            assert!(matches!(Request::new(name), Err(MapperError::Name(_))), "{name}");
        }
    }

    #[test]
    fn oversized_targets_are_refused() {
        let mut request = Request::new("vroot").unwrap();
        let long = Target {
            parameters: "x".repeat(TABLE_MAX),
            ..verity()
        };
        assert!(matches!(request.push(&long), Err(MapperError::Table { .. })));
        let kind = Target {
            kind: "a-type-of-sixteen".to_owned(),
            ..verity()
        };
        assert!(matches!(request.push(&kind), Err(MapperError::Table { .. })));
    }

    /// An answer as the kernel writes it: one target, its status `V`.
    fn answer() -> Request {
        let mut request = Request::new("vroot").unwrap();
        request
            .push(&Target {
                parameters: "V".to_owned(),
                ..verity()
            })
            .unwrap();
        request.put(DEV, &(u64::from(253_u32 << 8 | 1) | 1 << 20).to_ne_bytes());
        request.put(OPEN_COUNT, &1_u32.to_ne_bytes());
        request
    }

    #[test]
    fn a_status_answer_is_read() {
        let status = answer().status().unwrap();
        assert_eq!(
            status.device,
            Device {
                major: 253,
                minor: 257
            }
        );
        assert_eq!(
            status.targets,
            vec![Target {
                parameters: "V".to_owned(),
                ..verity()
            }]
        );
        assert_eq!((status.open_count, status.removal_deferred), (1, false));
        assert_eq!(status.device.path(), Path::new("/dev/dm-257"));
    }

    #[test]
    fn a_cut_off_status_answer_is_an_error_and_not_a_panic() {
        let mut full = answer();
        full.flag(flags::BUFFER_FULL);
        assert_eq!(full.status(), None);
        let mut many = answer();
        many.put(TARGET_COUNT, &u32::MAX.to_ne_bytes());
        assert_eq!(many.status(), None);
        let mut far = answer();
        far.put(DATA_START, &u32::MAX.to_ne_bytes());
        assert_eq!(far.status(), None);
    }
}
