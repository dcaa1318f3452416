// SPDX-License-Identifier: MIT
//! Any name of `ashlar_ctl`, by its type.
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_void};
use std::marker::PhantomData;
use std::mem::{size_of, MaybeUninit};

use ashlar::ffi;

use crate::error::{check, Error, Result};

const EINVAL: i32 = 22;
/// Components of a name at the most.
const DEPTH: usize = 6;

mod sealed {
    pub trait Sealed {}
}

/// What a name's value may be.
pub trait Value: Sized + sealed::Sealed {
    /// As the library writes it.
    #[doc(hidden)]
    type Raw: Copy;
    #[doc(hidden)]
    fn from_raw(raw: Self::Raw) -> Self;
}

macro_rules! plain_values {
    ($($t:ty),*) => {$(
        impl sealed::Sealed for $t {}
        impl Value for $t {
            type Raw = $t;
            fn from_raw(raw: $t) -> $t { raw }
        }
    )*};
}
// Of one size each with C's bool, unsigned, size_t, ssize_t and uint64_t. A bool is
// read as the byte it is.
plain_values!(u32, usize, isize, u64);

impl sealed::Sealed for bool {}
impl Value for bool {
    type Raw = u8;
    fn from_raw(raw: u8) -> bool {
        raw != 0
    }
}

impl sealed::Sealed for &'static str {}
impl Value for &'static str {
    type Raw = *const c_char;
    fn from_raw(raw: *const c_char) -> &'static str {
        if raw.is_null() {
            return "";
        }
        // The library's strings are constants, or kept until the end.
        unsafe { CStr::from_ptr(raw) }.to_str().unwrap_or("?")
    }
}

/// A name with the type of its value. The two must fit; the library checks the size.
#[derive(Clone, Debug)]
pub struct Name<T> {
    name: CString,
    value: PhantomData<T>,
}

/// `"stats.allocated".name::<usize>()`
pub trait AsName {
    fn name<T: Value>(&self) -> Result<Name<T>>;
}

impl AsName for str {
    fn name<T: Value>(&self) -> Result<Name<T>> {
        let name = CString::new(self).map_err(|_| Error { errno: EINVAL, name: self.into() })?;
        Ok(Name { name, value: PhantomData })
    }
}

impl<T: Value> Name<T> {
    /// By name, looked up each time.
    pub fn read(&self) -> Result<T> {
        self.mib()?.read()
    }

    pub fn write(&self, value: T) -> Result<()> {
        self.mib()?.write(value)
    }

    /// The name looked up once and for all.
    pub fn mib(&self) -> Result<Mib<T>> {
        let mut mib = Mib {
            numbers: [0; DEPTH],
            len: DEPTH,
            name: self.name.to_string_lossy().into_owned(),
            value: PhantomData,
        };
        let err = unsafe {
            ffi::ashlar_ctlnametomib(self.name.as_ptr(), mib.numbers.as_mut_ptr(), &mut mib.len)
        };
        check(err, &mib.name)?;
        Ok(mib)
    }
}

/// A name as the library numbers it: reading it compares no strings and allocates nothing.
#[derive(Clone, Debug)]
pub struct Mib<T> {
    numbers: [usize; DEPTH],
    len: usize,
    name: String,
    value: PhantomData<T>,
}

impl<T: Value> Mib<T> {
    fn call(&self, old: Option<&mut MaybeUninit<T::Raw>>, new: Option<&T>) -> Result<()> {
        let mut len = size_of::<T::Raw>();
        let (old, oldlen) = match old {
            Some(o) => (o.as_mut_ptr() as *mut c_void, &mut len as *mut usize),
            None => (std::ptr::null_mut(), std::ptr::null_mut()),
        };
        let (new, newlen) = match new {
            Some(n) => (n as *const T as *mut c_void, size_of::<T>()),
            None => (std::ptr::null_mut(), 0),
        };
        // The library reads and writes the sizes given, or says EINVAL.
        let err = unsafe {
            ffi::ashlar_ctlbymib(self.numbers.as_ptr(), self.len, old, oldlen, new, newlen)
        };
        check(err, &self.name)?;
        // An old value of another size is EINVAL as well; this one was filled.
        debug_assert!(oldlen.is_null() || len == size_of::<T::Raw>());
        Ok(())
    }

    pub fn read(&self) -> Result<T> {
        let mut raw = MaybeUninit::zeroed();
        self.call(Some(&mut raw), None)?;
        Ok(T::from_raw(unsafe { raw.assume_init() }))
    }
}

impl<T: Value> Mib<T> {
    pub fn write(&self, value: T) -> Result<()> {
        self.call(None, Some(&value))
    }

    /// Set it; what it was before.
    pub fn update(&self, value: T) -> Result<T> {
        let mut raw = MaybeUninit::zeroed();
        self.call(Some(&mut raw), Some(&value))?;
        Ok(T::from_raw(unsafe { raw.assume_init() }))
    }
}

/// An action without a value, such as "thread.tcache.flush".
pub fn act(name: &str) -> Result<()> {
    let c = CString::new(name).map_err(|_| Error { errno: EINVAL, name: name.into() })?;
    let null = std::ptr::null_mut::<c_void>();
    check(unsafe { ffi::ashlar_ctl(c.as_ptr(), null, std::ptr::null_mut(), null, 0) }, name)
}
