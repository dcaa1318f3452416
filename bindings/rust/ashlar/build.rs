// SPDX-License-Identifier: MIT
//! Finds libashlar-prefixed: in `ASHLAR_LIB_DIR` where that is set, else by pkg-config,
//! else where the linker looks by itself. `ASHLAR_LINK=static` takes the archive.
use std::{env, process::Command};

fn pkg_config() -> Option<String> {
    let out = Command::new("pkg-config")
        .args(["--variable=libdir", "libashlar-prefixed"])
        .output()
        .ok()?;
    let dir = String::from_utf8(out.stdout).ok()?.trim().to_string();
    (out.status.success() && !dir.is_empty()).then_some(dir)
}

fn main() {
    println!("cargo:rerun-if-env-changed=ASHLAR_LIB_DIR");
    println!("cargo:rerun-if-env-changed=ASHLAR_LINK");
    if let Some(dir) = env::var("ASHLAR_LIB_DIR").ok().or_else(pkg_config) {
        println!("cargo:rustc-link-search=native={dir}");
        println!("cargo:rerun-if-changed={dir}/libashlar-prefixed.a");
    }
    let kind = match env::var("ASHLAR_LINK").as_deref() {
        Ok("static") => "static",
        _ => "dylib",
    };
    println!("cargo:rustc-link-lib={kind}=ashlar-prefixed");
}
