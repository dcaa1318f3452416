// SPDX-License-Identifier: MIT
use std::fmt;

/// What `ashlar_ctl` refused, and for which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The errno: ENOENT, EINVAL, EPERM, EAGAIN, EFAULT or EOPNOTSUPP.
    pub errno: i32,
    /// The name that was asked for.
    pub name: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = std::io::Error::from_raw_os_error(self.errno);
        write!(f, "ashlar_ctl \"{}\": {}", self.name, why)
    }
}

impl std::error::Error for Error {}

pub(crate) fn check(errno: i32, name: &str) -> Result<()> {
    match errno {
        0 => Ok(()),
        _ => Err(Error { errno, name: name.to_string() }),
    }
}
