// SPDX-License-Identifier: MIT
//! Figures, options and controls of the running allocator.
//!
//! Each value is a type with `NAME`, `read()`, and, where it can be set, `write()` and
//! `update()`. `mib()` looks the name up once; what it returns reads by number, for
//! those who read often:
//!
//! ```
//! use ashlar_ctl::{epoch, stats};
//!
//! #[global_allocator]
//! static GLOBAL: ashlar::Ashlar = ashlar::Ashlar;
//!
//! fn main() -> ashlar_ctl::Result<()> {
//!     let e = epoch::mib()?;
//!     let allocated = stats::allocated::mib()?;
//!     let resident = stats::resident::mib()?;
//!     // Totals are as of the last epoch.
//!     e.advance()?;
//!     println!("{} bytes allocated, {} resident", allocated.read()?, resident.read()?);
//!     Ok(())
//! }
//! ```
//!
//! Names and meanings are those of `ashlar_ctl` in `ashlar.h`, which are jemalloc's
//! wherever the meaning is the same.

mod error;
pub mod prof;
pub mod raw;
mod values;

pub use error::{Error, Result};
pub use raw::{AsName, Mib, Name, Value};
pub use values::*;
