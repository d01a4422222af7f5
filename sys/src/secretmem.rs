//! Memory that the kernel itself cannot read (memfd_secret(2)), passed from process to process as a descriptor.
//!
//! Its pages are in no other mapping, not in the kernel's own either; they are locked, and cleared when the last
//! descriptor and mapping are gone. A hypervisor sees them. The kernel must have been started with
//! `secretmem.enable=1`.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    ptr, slice,
};

use rustix::{
    fs::{fstat, ftruncate},
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

/// The most bytes in one such memory.
pub const SECRET_LIMIT: usize = 1 << 20;

/// Makes secret memory that holds `bytes`; wiping the original is the caller's.
///
/// # Errors
/// The kernel's, as when it has no secret memory or the limit of locked memory is too small; `bytes` that are none
/// or too many.
pub fn create(bytes: &[u8]) -> io::Result<OwnedFd> {
    if bytes.is_empty() || bytes.len() > SECRET_LIMIT {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let descriptor = memfd_secret()?;
    let length = u64::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    ftruncate(&descriptor, length)?;
    let pages = Pages::map(&descriptor, bytes.len(), ProtFlags::READ | ProtFlags::WRITE)?;
    #[expect(unsafe_code, reason = "a copy into the pages just mapped")]
    // SAFETY: copy_nonoverlapping needs two ranges of `len` bytes, readable and writable, that do not overlap: a live
    // borrow, and a fresh mapping of that length which nobody else knows.
    unsafe {
        ptr::copy_nonoverlapping(bytes.as_ptr(), pages.start.cast::<u8>(), bytes.len());
    }
    Ok(descriptor)
}

/// Lends the first `length` bytes of secret memory that another process made.
///
/// # Errors
/// The kernel's; a descriptor of something shorter, or a length that is 0 or too large.
pub fn with<R>(descriptor: &OwnedFd, length: usize, read: impl FnOnce(&[u8]) -> R) -> io::Result<R> {
    let size = usize::try_from(fstat(descriptor)?.st_size).map_err(|_| io::ErrorKind::InvalidData)?;
    if length == 0 || length > SECRET_LIMIT || size < length {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let pages = Pages::map(descriptor, length, ProtFlags::READ)?;
    #[expect(unsafe_code, reason = "a view of the pages just mapped")]
    // SAFETY: from_raw_parts needs `length` readable bytes that are not written for the life of the slice: they are
    // mapped, secret memory cannot be truncated, and whoever made it has unmapped it before it was sent.
    let bytes = unsafe { slice::from_raw_parts(pages.start.cast::<u8>(), length) };
    Ok(read(bytes))
}

fn memfd_secret() -> io::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "neither std nor rustix has memfd_secret(2)")]
    // SAFETY: memfd_secret(2) takes flags and no pointer.
    let number = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    let number = i32::try_from(number).map_err(|_| io::ErrorKind::InvalidData)?;
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    #[expect(unsafe_code, reason = "takes over the descriptor just made")]
    // SAFETY: from_raw_fd needs an open descriptor that nobody else owns: the kernel has just made it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    debug_assert!(descriptor.as_raw_fd() > 2);
    Ok(descriptor)
}

/// A shared mapping, unmapped on drop.
struct Pages {
    start: *mut std::ffi::c_void,
    length: usize,
}

impl Pages {
    fn map(descriptor: &OwnedFd, length: usize, access: ProtFlags) -> io::Result<Self> {
        #[expect(
            unsafe_code,
            reason = "mmap(2) of a descriptor, at an address of the kernel's choice"
        )]
        // SAFETY: mmap needs a hint that is null or free to be replaced: it is null.
        let start = unsafe {
            mmap(
                ptr::null_mut(),
                length,
                access,
                MapFlags::SHARED,
                descriptor.as_fd(),
                0,
            )?
        };
        Ok(Self { start, length })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "munmap(2) of the pages mapped above")]
        // SAFETY: munmap needs a range that nobody uses any more: these pages are this value's own.
        let unmapped = unsafe { munmap(self.start, self.length) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_read_by_whoever_has_the_descriptor() {
        let descriptor = create(b"a secret").unwrap();
        let other = descriptor.try_clone().unwrap();
        drop(descriptor);
        assert_eq!(with(&other, 8, <[u8]>::to_vec).unwrap(), b"a secret");
        // Neither read(2) nor the kernel's own eyes reach it.
        let mut buffer = [0; 8];
        assert!(rustix::io::read(&other, &mut buffer).is_err());
    }

    #[test]
    fn what_is_none_or_too_long_is_an_error() {
        assert!(create(b"").is_err());
        assert!(create(&vec![1; SECRET_LIMIT + 1]).is_err());
        let descriptor = create(b"a secret").unwrap();
        assert!(with(&descriptor, 9, |_| ()).is_err());
        assert!(with(&descriptor, 0, |_| ()).is_err());
        let pipe = rustix::pipe::pipe().unwrap().0;
        assert!(with(&pipe, 8, |_| ()).is_err());
    }
}
