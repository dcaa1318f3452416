// SPDX-License-Identifier: MIT
//! The usual example: a program on the allocator that watches itself.
use std::thread;
use std::time::Duration;

use ashlar_ctl::{epoch, stats};

#[global_allocator]
static ALLOC: ashlar::Ashlar = ashlar::Ashlar;

fn main() {
    // Obtain a MIB for the `epoch`, `stats.allocated`, and `stats.resident` keys:
    let e = epoch::mib().unwrap();
    let allocated = stats::allocated::mib().unwrap();
    let resident = stats::resident::mib().unwrap();
    let mut keep = Vec::new();

    for _ in 0..3 {
        keep.push(vec![1u8; 10 << 20]);
        // Totals are as of the last epoch.
        e.advance().unwrap();
        println!("{} bytes allocated/{} bytes resident", allocated.read().unwrap(), resident.read().unwrap());
        thread::sleep(Duration::from_millis(10));
    }
}
