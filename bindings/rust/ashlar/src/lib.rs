// SPDX-License-Identifier: MIT
//! Ashlar as Rust's global allocator.
//!
//! ```
//! #[global_allocator]
//! static GLOBAL: ashlar::Ashlar = ashlar::Ashlar;
//!
//! fn main() {
//!     let v: Vec<u64> = (0..1000).collect();
//!     assert_eq!(v.iter().sum::<u64>(), 499_500);
//! }
//! ```
//!
//! It is linked to `libashlar-prefixed`, which replaces nothing: C code in the same
//! process keeps the system's malloc. A program that is to be on Ashlar as a whole
//! preloads `libashlar.so` instead, and needs no crate.
//!
//! Figures and options of the running allocator are in the crate `ashlar-ctl`.

use std::alloc::{GlobalAlloc, Layout};
use std::os::raw::c_void;

/// The C functions that this crate calls; see `ashlar.h`.
pub mod ffi {
    use std::os::raw::{c_int, c_void};

    extern "C" {
        pub fn ashlar_malloc(size: usize) -> *mut c_void;
        pub fn ashlar_calloc(n: usize, size: usize) -> *mut c_void;
        pub fn ashlar_realloc(p: *mut c_void, size: usize) -> *mut c_void;
        pub fn ashlar_mallocx(size: usize, flags: c_int) -> *mut c_void;
        pub fn ashlar_rallocx(p: *mut c_void, size: usize, flags: c_int) -> *mut c_void;
        pub fn ashlar_sdallocx(p: *mut c_void, size: usize, flags: c_int);
        pub fn ashlar_malloc_usable_size(p: *const c_void) -> usize;
        pub fn ashlar_ctl(
            name: *const std::os::raw::c_char,
            old: *mut c_void,
            oldlen: *mut usize,
            new: *mut c_void,
            newlen: usize,
        ) -> c_int;
        pub fn ashlar_ctlnametomib(
            name: *const std::os::raw::c_char,
            mib: *mut usize,
            miblen: *mut usize,
        ) -> c_int;
        pub fn ashlar_ctlbymib(
            mib: *const usize,
            miblen: usize,
            old: *mut c_void,
            oldlen: *mut usize,
            new: *mut c_void,
            newlen: usize,
        ) -> c_int;
        pub fn ashlar_stats_print(
            write: Option<unsafe extern "C" fn(*mut c_void, *const std::os::raw::c_char)>,
            arg: *mut c_void,
            opts: *const std::os::raw::c_char,
        );
        pub fn ashlar_purge() -> usize;
    }

    pub const MALLOCX_ZERO: c_int = 0x40;
}

/// The allocator. It has no state of its own: all of it is in the library.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ashlar;

/// What malloc gives without being asked: `ashlar_malloc(size)` is aligned to 16 bytes
/// above 8 bytes, else to 8. A `Layout`'s size need not be a multiple of its alignment,
/// so small sizes with larger alignments are asked for by flag.
const fn flags(layout: &Layout) -> i32 {
    if layout.align() <= 8 || (layout.align() <= 16 && layout.size() > 8) {
        0
    } else {
        layout.align().trailing_zeros() as i32
    }
}

/// Bytes that a block has for its owner, at least what was asked for.
///
/// # Safety
/// `p` is a live block of this allocator.
pub unsafe fn usable_size(p: *const u8) -> usize {
    ffi::ashlar_malloc_usable_size(p as *const c_void)
}

/// Gives all free memory back to the system now; how many bytes that was.
pub fn purge() -> usize {
    unsafe { ffi::ashlar_purge() }
}

unsafe impl GlobalAlloc for Ashlar {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match flags(&layout) {
            0 => ffi::ashlar_malloc(layout.size()) as *mut u8,
            f => ffi::ashlar_mallocx(layout.size(), f) as *mut u8,
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match flags(&layout) {
            0 => ffi::ashlar_calloc(1, layout.size()) as *mut u8,
            f => ffi::ashlar_mallocx(layout.size(), f | ffi::MALLOCX_ZERO) as *mut u8,
        }
    }

    /// The size saves the look-up of the block's class.
    #[inline]
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        ffi::ashlar_sdallocx(p as *mut c_void, layout.size(), flags(&layout));
    }

    #[inline]
    unsafe fn realloc(&self, p: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let new = Layout::from_size_align_unchecked(new_size, layout.align());
        match flags(&new) {
            0 => ffi::ashlar_realloc(p as *mut c_void, new_size) as *mut u8,
            f => ffi::ashlar_rallocx(p as *mut c_void, new_size, f) as *mut u8,
        }
    }
}
