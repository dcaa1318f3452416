// SPDX-License-Identifier: MIT
//! Each typed name exists and has the size of its type; figures follow what is allocated.
use ashlar_ctl::*;

#[global_allocator]
static GLOBAL: ashlar::Ashlar = ashlar::Ashlar;

#[test]
fn every_name_reads() {
    macro_rules! read {
        ($($path:path),* $(,)?) => {$(
            <$path>::read().unwrap_or_else(|e| panic!("{e}"));
        )*};
    }
    read!(version, epoch, background_thread, ctl_socket);
    read!(stats::allocated, stats::active, stats::metadata, stats::resident, stats::mapped,
        stats::retained);
    read!(source::backend, source::extents, source::huge, source::fallbacks);
    read!(thread::allocated, thread::deallocated, thread::arena);
    read!(arenas::narenas, arenas::page, arenas::quantum, arenas::dirty_decay_ms);
    read!(opt::narenas, opt::tcache, opt::source, opt::thp, opt::dirty_decay_ms,
        opt::muzzy_decay_ms, opt::background_thread);
    assert_eq!(arenas::page::read().unwrap(), 4096);
}

#[test]
fn totals_follow_an_allocation() {
    const BYTES: usize = 64 << 20;
    let e = epoch::mib().unwrap();
    let allocated = stats::allocated::mib().unwrap();
    let resident = stats::resident::mib().unwrap();

    e.advance().unwrap();
    let before = allocated.read().unwrap();
    let block = vec![1u8; BYTES];
    // Not before the next epoch.
    assert_eq!(allocated.read().unwrap(), before);
    let first = e.read().unwrap();
    assert!(e.advance().unwrap() > first);
    let with = allocated.read().unwrap();
    assert!(with >= before + BYTES * 9 / 10, "{before} then {with}");
    assert!(resident.read().unwrap() >= BYTES);
    drop(block);
    e.advance().unwrap();
    assert!(allocated.read().unwrap() < with - BYTES / 2);
}

#[test]
fn settings_are_set() {
    let decay = arenas::dirty_decay_ms::mib().unwrap();
    let was = decay.update(1234).unwrap();
    assert_eq!(decay.read().unwrap(), 1234);
    decay.write(was).unwrap();
    assert_eq!(decay.read().unwrap(), was);
    thread::flush().unwrap();
}

#[test]
fn wrong_names_and_types_are_errors() {
    let err = "stats.nonsense".name::<usize>().unwrap().read().unwrap_err();
    assert_eq!(err.errno, 2);
    assert_eq!(err.to_string(), "ashlar_ctl \"stats.nonsense\": No such file or directory (os error 2)");
    assert_eq!("stats.allocated".name::<u32>().unwrap().read().unwrap_err().errno, 22);
    assert_eq!("stats.allocated".name::<usize>().unwrap().write(1).unwrap_err().errno, 1);
    assert!("a\0b".name::<usize>().is_err());
}

#[test]
fn report_is_text() {
    let text = stats_print();
    assert!(text.contains("allocated"), "{text}");
}
