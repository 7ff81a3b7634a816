//! The whole engine over a simulated organization in which anything may go wrong.
//!
//! `cargo xtask simulate --seeds N` runs as many more as one likes.
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rolekeeper_tests::{Report, Stores, Violation, simulate};

/// Seeds that `cargo test` runs: half a minute's worth.
const SEEDS: u64 = 24;

/// So many of them have the real store beside.
const REAL: u64 = 4;

/// What became of these seeds, two of them at a time: each runs on a thread of its own.
fn played(seeds: Range<u64>, stores: Stores<'_>) -> Vec<Result<Report, Violation>> {
    let next = AtomicU64::new(seeds.start);
    let ended = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let result = simulate(seed, stores);
            ended.lock().unwrap().push(result);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    ended.into_inner().unwrap()
}

/// What the seeds went through together; fails with all that did not hold in any of them.
fn nothing_is_violated(played: Vec<Result<Report, Violation>>) -> Report {
    let seeds = played.len();
    let mut total = Report::default();
    let mut failed = Vec::new();
    for result in played {
        match result {
            Ok(report) => total = total.and(&report),
            Err(violation) => failed.push(violation.to_string()),
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {seeds} seeds failed:\n{}",
        failed.len(),
        failed.join("\n\n")
    );
    total
}

#[test]
fn whatever_goes_wrong_nothing_is_exposed_and_everything_comes_right_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = played(0..REAL, Stores::Sqlite(folder.path()));
    all.extend(played(REAL..SEEDS, Stores::Memory));
    let total = nothing_is_violated(all);
    // Whoever makes the storms calmer, or the worlds right from the start, hears of it.
    let happened = [
        ("sweeps", total.sweeps),
        ("changes", total.changes),
        ("crashes", total.crashes),
        ("pauses", total.pauses),
        ("halts", total.halts),
        ("events", total.events),
    ];
    for (what, times) in happened {
        assert!(times > 0, "no {what} in {SEEDS} seeds: {total:?}");
    }
}

#[test]
fn the_same_seed_goes_the_same_way() {
    let play = || simulate(3, Stores::Memory).unwrap();
    assert_eq!(play(), play());
}
