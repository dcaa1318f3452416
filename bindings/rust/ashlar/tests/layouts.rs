// SPDX-License-Identifier: MIT
//! Every layout that GlobalAlloc may be asked for: alignment, contents, zeroes, sizes.
use std::alloc::{GlobalAlloc, Layout};

use ashlar::Ashlar;

#[global_allocator]
static GLOBAL: Ashlar = Ashlar;

fn layouts() -> impl Iterator<Item = Layout> {
    let sizes = [1, 3, 8, 9, 16, 24, 100, 4096, 5000, 70_000, 3 << 20];
    sizes.into_iter().flat_map(|size| {
        (0..=16).map(move |lg| Layout::from_size_align(size, 1 << lg).unwrap())
    })
}

#[test]
fn aligned_and_usable() {
    for l in layouts() {
        unsafe {
            let p = GLOBAL.alloc(l);
            assert!(!p.is_null(), "{l:?}");
            assert_eq!(p as usize % l.align(), 0, "{l:?}");
            assert!(ashlar::usable_size(p) >= l.size(), "{l:?}");
            p.write_bytes(0xa5, l.size());
            GLOBAL.dealloc(p, l);
        }
    }
}

#[test]
fn zeroed() {
    for l in layouts() {
        unsafe {
            // So that there is something to clear.
            let dirty = GLOBAL.alloc(l);
            dirty.write_bytes(0xff, l.size());
            GLOBAL.dealloc(dirty, l);
            let p = GLOBAL.alloc_zeroed(l);
            assert_eq!(p as usize % l.align(), 0, "{l:?}");
            assert!((0..l.size()).all(|i| *p.add(i) == 0), "{l:?}");
            GLOBAL.dealloc(p, l);
        }
    }
}

#[test]
fn realloc_keeps_contents_and_alignment() {
    for l in layouts() {
        for size in [1, 7, 8, 40, 5000, 200_000] {
            unsafe {
                let p = GLOBAL.alloc(l);
                for i in 0..l.size() {
                    *p.add(i) = (i * 7) as u8;
                }
                let q = GLOBAL.realloc(p, l, size);
                assert_eq!(q as usize % l.align(), 0, "{l:?} to {size}");
                for i in 0..l.size().min(size) {
                    assert_eq!(*q.add(i), (i * 7) as u8, "{l:?} to {size}");
                }
                GLOBAL.dealloc(q, Layout::from_size_align(size, l.align()).unwrap());
            }
        }
    }
}

#[test]
fn threads_hand_blocks_over() {
    let (to, from) = std::sync::mpsc::channel::<Vec<u8>>();
    let reader = std::thread::spawn(move || from.iter().map(|v| v.len()).sum::<usize>());
    for i in 0..10_000 {
        to.send(vec![1; i % 3000]).unwrap();
    }
    drop(to);
    assert_eq!(reader.join().unwrap(), (0..10_000).map(|i| i % 3000).sum());
}
