//! The whole engine over a simulated organization in which anything may go wrong.
//!
//! `cargo xtask simulate --seeds N` runs as many more as one likes.
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use rolekeeper_tests::simulate;

/// Seeds that `cargo test` runs: half a minute's worth.
const SEEDS: u64 = 24;

/// The violations of these seeds, two of them at a time: each runs on a thread of its own.
fn violations(seeds: Range<u64>) -> Vec<String> {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return failed;
            }
            failed.extend(simulate(seed).err().map(|violation| violation.to_string()));
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut failed = work();
        failed.extend(other.join().unwrap());
        failed
    })
}

#[test]
fn whatever_goes_wrong_nothing_is_exposed_and_everything_comes_right_in_the_end() {
    let failed = violations(0..SEEDS);
    assert!(
        failed.is_empty(),
        "{} of {SEEDS} seeds failed:\n{}",
        failed.len(),
        failed.join("\n\n")
    );
}

#[test]
fn the_same_seed_goes_the_same_way() {
    assert_eq!(simulate(3).unwrap(), simulate(3).unwrap());
}
