//! What the pages say is true: their commands work, their links lead somewhere, their settings exist.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod commands;
mod links;
mod page;
mod program;
mod running;
mod shown;
mod spelling;
mod tables;
mod words;

/// Fails with a list of what offends.
#[track_caller]
fn none(what: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{what}:\n  {}", offences.join("\n  "));
}
