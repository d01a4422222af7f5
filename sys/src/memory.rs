//! Memory that leaves no copies behind: locked against swap, kept out of core dumps, wiped on free.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io,
};

use rustix::mm::{MapFlags, MlockAllFlags, ProtFlags, mlockall, mmap_anonymous, munmap};
use zeroize::optimization_barrier;

/// A global allocator that wipes every block before it goes back to the heap.
///
/// Wiping a secret's own type is not enough: a `String` that grew, a parser's buffer, a TLS record
/// leave copies in freed blocks. Memory of C libraries is not covered.
pub struct WipingAllocator;

// SAFETY: every block comes from and goes back to `System` with the layout that it was asked with;
// the wipe stays within the block, before it is freed.
#[expect(unsafe_code, reason = "an allocator is an unsafe trait")]
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds `alloc`'s contract, which is `System`'s own.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller owns `layout.size()` bytes at `block` and gives them up with this call.
        let bytes = unsafe { std::slice::from_raw_parts_mut(block, layout.size()) };
        bytes.fill(0);
        // Nobody reads them any more: without this the compiler would leave the filling out.
        optimization_barrier(bytes);
        // SAFETY: the caller upholds `dealloc`'s contract, which is `System`'s own.
        unsafe { System.dealloc(block, layout) }
    }

    // The default `realloc` allocates, copies and calls `dealloc`, which wipes; `System.realloc` could
    // move the block and leave the old bytes.
}

/// Locks all memory of this process, now and later, against swapping (mlockall(2)).
///
/// # Errors
/// The kernel's, as when the limit of locked memory is too small.
pub fn lock_all() -> io::Result<()> {
    Ok(mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE)?)
}

/// Forbids core dumps and `/proc/PID/mem` of this process to its own user (PR_SET_DUMPABLE, prctl(2)).
///
/// # Errors
/// The kernel's.
pub fn forbid_dumps() -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(
        rustix::process::DumpableBehavior::NotDumpable,
    )?)
}

/// Tries to map a page that can be written and executed, as injected code needs it, and unmaps it again.
///
/// # Errors
/// The kernel's, as under systemd's MemoryDenyWriteExecute: EPERM.
pub fn map_writable_and_executable() -> io::Result<()> {
    const PAGE: usize = 4096;
    let access = ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC;
    #[expect(unsafe_code, reason = "mmap(2) of fresh memory, never used")]
    // SAFETY: mmap_anonymous needs a hint that is null or free to be replaced: it is null.
    let page = unsafe { mmap_anonymous(std::ptr::null_mut(), PAGE, access, MapFlags::PRIVATE)? };
    #[expect(unsafe_code, reason = "munmap(2) of the page just mapped")]
    // SAFETY: munmap needs a range that nobody uses: the page was mapped above and never handed out.
    unsafe {
        munmap(page, PAGE)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    #[expect(
        unsafe_code,
        reason = "looks at a block through the allocator's own interface"
    )]
    fn a_freed_block_was_wiped_before() {
        // As long as glibc keeps for the thread that freed it, which gets the last one first.
        const SIZE: usize = 512;
        let layout = Layout::from_size_align(SIZE, 16).expect("a plain layout");
        // SAFETY: the layout has a size.
        let first = unsafe { WipingAllocator.alloc(layout) };
        assert!(!first.is_null());
        // SAFETY: `first` is valid for SIZE bytes.
        unsafe { first.write_bytes(0xa5, SIZE) };
        // SAFETY: as above; they were just written.
        let written = unsafe { std::slice::from_raw_parts(first, SIZE) };
        // Or the compiler would leave out what nobody reads.
        optimization_barrier(written);
        // SAFETY: `first` came from this allocator with this layout.
        unsafe { WipingAllocator.dealloc(first, layout) };
        // SAFETY: the layout has a size.
        let second = black_box(unsafe { System.alloc(layout) });
        assert_eq!(second, first, "another block says nothing");
        // SAFETY: `second` is valid for SIZE bytes, which were all written by this test.
        let found = unsafe { std::slice::from_raw_parts(second, SIZE) }.to_vec();
        // SAFETY: `second` came from `System` with this layout.
        unsafe { System.dealloc(second, layout) };
        // The first bytes hold the free list's links.
        assert!(found[64..].iter().all(|byte| *byte == 0), "{found:x?}");
    }
}
