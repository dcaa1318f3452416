// SPDX-License-Identifier: MIT
//! The names worth a type of their own; `raw` reads all others.

/// `read_only!(module::name: type = "name", "meaning")`: a type with NAME, read() and mib().
macro_rules! value {
    ($id:ident, $mib:ident, $name:literal, $t:ty, $doc:literal) => {
        #[doc = $doc]
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug)]
        pub struct $id;

        #[doc = concat!("`", $name, "`, looked up.")]
        #[allow(non_camel_case_types)]
        #[derive(Clone, Debug)]
        pub struct $mib($crate::Mib<$t>);

        impl $id {
            pub const NAME: &'static str = $name;

            pub fn read() -> $crate::Result<$t> {
                Self::mib()?.read()
            }

            pub fn mib() -> $crate::Result<$mib> {
                use $crate::AsName;
                Ok($mib(Self::NAME.name::<$t>()?.mib()?))
            }
        }

        impl $mib {
            pub fn read(&self) -> $crate::Result<$t> {
                self.0.read()
            }
        }
    };
    ($id:ident, $mib:ident, $name:literal, $t:ty, $doc:literal, writable) => {
        value!($id, $mib, $name, $t, $doc);

        impl $id {
            pub fn write(value: $t) -> $crate::Result<()> {
                Self::mib()?.write(value)
            }

            /// Set it; what it was before.
            pub fn update(value: $t) -> $crate::Result<$t> {
                Self::mib()?.update(value)
            }
        }

        impl $mib {
            pub fn write(&self, value: $t) -> $crate::Result<()> {
                self.0.write(value)
            }

            pub fn update(&self, value: $t) -> $crate::Result<$t> {
                self.0.update(value)
            }
        }
    };
}

value!(version, version_mib, "version", &'static str, "The library's version.");
value!(epoch, epoch_mib, "epoch", u64,
    "Totals below `stats` are as of the last `advance()`.", writable);

impl epoch {
    /// Take the totals anew; the number of this epoch.
    pub fn advance() -> crate::Result<u64> {
        Self::mib()?.advance()
    }
}

impl epoch_mib {
    pub fn advance(&self) -> crate::Result<u64> {
        self.update(1)
    }
}

value!(background_thread, background_thread_mib, "background_thread", bool,
    "Whether a thread of the library's own purges.", writable);
value!(ctl_socket, ctl_socket_mib, "ctl_socket", bool,
    "Whether the process answers its owner's `ashlarctl`.", writable);

/// Totals of the heap in bytes, as of the last epoch.
pub mod stats {
    value!(allocated, allocated_mib, "stats.allocated", usize, "Bytes in live blocks.");
    value!(active, active_mib, "stats.active", usize, "Bytes in pages in use.");
    value!(metadata, metadata_mib, "stats.metadata", usize, "Bytes of the library's own records.");
    value!(resident, resident_mib, "stats.resident", usize, "Bytes in RAM.");
    value!(mapped, mapped_mib, "stats.mapped", usize, "Bytes in extents with memory.");
    value!(retained, retained_mib, "stats.retained", usize,
        "Bytes of address space kept without memory.");
}

/// Where extents come from.
pub mod source {
    value!(backend, backend_mib, "source.backend", &'static str, "\"device\", \"anon\" or \"mixed\".");
    value!(extents, extents_mib, "source.extents", usize, "Extents with memory.");
    value!(huge, huge_mib, "source.huge", usize, "Of them, on huge pages.");
    value!(fallbacks, fallbacks_mib, "source.fallbacks", usize,
        "Extents that the device did not have.");
}

/// The calling thread.
pub mod thread {
    value!(allocated, allocated_mib, "thread.allocated", u64, "Bytes it has allocated.");
    value!(deallocated, deallocated_mib, "thread.deallocated", u64, "Bytes it has freed.");
    value!(arena, arena_mib, "thread.arena", u32, "The arena it takes memory from.", writable);

    /// Its cache's blocks go back.
    pub fn flush() -> crate::Result<()> {
        crate::raw::act("thread.tcache.flush")
    }
}

/// Arenas in general.
pub mod arenas {
    value!(narenas, narenas_mib, "arenas.narenas", u32, "How many there are.");
    value!(page, page_mib, "arenas.page", usize, "Bytes of a page.");
    value!(quantum, quantum_mib, "arenas.quantum", usize, "Bytes that small sizes are multiples of.");
    value!(dirty_decay_ms, dirty_decay_ms_mib, "arenas.dirty_decay_ms", isize,
        "Milliseconds until free memory goes back; -1: never.", writable);
}

/// Options in force, as `ASHLAR_CONF` and its like set them.
pub mod opt {
    value!(narenas, narenas_mib, "opt.narenas", u32, "Arenas at the most.");
    value!(tcache, tcache_mib, "opt.tcache", bool, "Whether threads cache freed blocks.");
    value!(source, source_mib, "opt.source", &'static str, "Where extents come from.");
    value!(thp, thp_mib, "opt.thp", &'static str, "Huge pages for anonymous extents.");
    value!(dirty_decay_ms, dirty_decay_ms_mib, "opt.dirty_decay_ms", isize,
        "Milliseconds until free memory goes back; -1: never.");
    value!(muzzy_decay_ms, muzzy_decay_ms_mib, "opt.muzzy_decay_ms", isize,
        "Milliseconds that memory stays lazily purged.");
    value!(background_thread, background_thread_mib, "opt.background_thread", bool,
        "Whether a thread of the library's own purges.");
}

/// The report as text.
pub fn stats_print() -> String {
    unsafe extern "C" fn add(arg: *mut std::os::raw::c_void, text: *const std::os::raw::c_char) {
        let out = &mut *(arg as *mut Vec<u8>);
        out.extend_from_slice(std::ffi::CStr::from_ptr(text).to_bytes());
    }
    // Room first: the report allocates nothing, and its writer should not where it can avoid it.
    let mut out = Vec::<u8>::with_capacity(64 << 10);
    unsafe {
        ashlar::ffi::ashlar_stats_print(
            Some(add), &mut out as *mut Vec<u8> as *mut std::os::raw::c_void, std::ptr::null());
    }
    String::from_utf8_lossy(&out).into_owned()
}
