//! Keys in the kernel's keyring (keyrings(7)) that the kernel may use and no process can read back.

use std::{ffi::CString, io, marker::PhantomData};

/// A `logon` key in this thread's keyring. Invalidated on drop: the kernel wipes and frees it.
///
/// It stays on its thread, which alone possesses it: what shall use the key is called from there.
#[derive(Debug)]
pub struct LogonKey {
    serial: libc::c_long,
    thread: PhantomData<*const ()>,
}

impl LogonKey {
    /// Gives the kernel a copy of `payload` under `description`, which must read `PREFIX:NAME`.
    ///
    /// # Errors
    /// The kernel's, as for a description without a prefix.
    pub fn add(description: &str, payload: &[u8]) -> io::Result<Self> {
        let description = CString::new(description)?;
        #[expect(unsafe_code, reason = "neither std nor rustix has add_key(2)")]
        // SAFETY: add_key(2) reads two strings that end with NUL and `payload.len()` bytes; all three are
        // live borrows. It keeps none of the pointers.
        let serial = unsafe {
            libc::syscall(
                libc::SYS_add_key,
                c"logon".as_ptr(),
                description.as_ptr(),
                payload.as_ptr(),
                payload.len(),
                libc::KEY_SPEC_THREAD_KEYRING,
            )
        };
        if serial < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            serial,
            thread: PhantomData,
        })
    }
}

impl Drop for LogonKey {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "neither std nor rustix has keyctl(2)")]
        // SAFETY: KEYCTL_INVALIDATE takes a serial number and no pointer.
        let answer = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_INVALIDATE, self.serial) };
        debug_assert_eq!(answer, 0, "a thread may invalidate the key that it added");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, thread, time::Duration};

    fn kernel_lists(description: &str) -> bool {
        fs::read_to_string("/proc/keys").unwrap().contains(description)
    }

    #[test]
    fn a_key_is_gone_with_its_handle() {
        let key = LogonKey::add("vedette-test:one", &[7; 64]).unwrap();
        assert!(kernel_lists("vedette-test:one"));
        drop(key);
        // The kernel's collector runs at once, but beside us.
        let gone = || !kernel_lists("vedette-test:one");
        assert!((0..200).any(|_| gone() || {
            thread::sleep(Duration::from_millis(10));
            false
        }));
    }

    #[test]
    fn a_description_without_a_prefix_is_refused() {
        assert!(LogonKey::add("plain", &[7; 64]).is_err());
        assert!(LogonKey::add("with:\0nul", &[7; 64]).is_err());
    }
}
