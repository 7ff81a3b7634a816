//! The whole engine over a simulated organization in which anything may go wrong.
//!
//! `cargo xtask simulate --seeds N` runs as many more as one likes.
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use rolekeeper_tests::simulate;

/// Seeds that `cargo test` runs: a few seconds' worth.
const SEEDS: u64 = 24;

#[test]
fn whatever_goes_wrong_nothing_is_exposed_and_everything_comes_right_in_the_end() {
    let failed: Vec<String> = (0..SEEDS)
        .filter_map(|seed| simulate(seed).err().map(|violation| violation.to_string()))
        .collect();
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
