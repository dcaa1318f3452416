// SPDX-License-Identifier: MIT
//! Heap profiles, of a process that was started with `prof:true`.
use std::ffi::CString;
use std::mem::size_of;
use std::os::unix::ffi::OsStrExt;
use std::os::raw::{c_char, c_void};
use std::path::Path;

use ashlar::ffi;

use crate::error::{check, Error};
use crate::{AsName, Result};

const NAME: &str = "prof.dump";

/// Writes a profile into a new file at `path`. Errors: ENOENT, the library has no
/// profiling or it is off; EFAULT, the file could not be made (it must not exist).
pub fn dump(path: impl AsRef<Path>) -> Result<()> {
    let path = CString::new(path.as_ref().as_os_str().as_bytes())
        .map_err(|_| Error { errno: 22, name: NAME.into() })?;
    let name = CString::new(NAME).unwrap();
    let mut pointer: *const c_char = path.as_ptr();
    check(
        unsafe {
            ffi::ashlar_ctl(
                name.as_ptr(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                &mut pointer as *mut *const c_char as *mut c_void,
                size_of::<*const c_char>(),
            )
        },
        NAME,
    )
}

/// Whether samples are taken now.
pub fn active() -> Result<bool> {
    "prof.active".name::<bool>()?.read()
}

/// Take samples, or not, from now on; what it was before.
pub fn set_active(on: bool) -> Result<bool> {
    "prof.active".name::<bool>()?.mib()?.update(on)
}
