//! The tree held against its own rules: which room may use which, which files
//! are dead or have grown too long, and what must not be left lying about.
//!
//! A rule that is broken for a good reason gets a line, with the reason, in the
//! exceptions beside the rule.

#![expect(clippy::panic, reason = "a check that fails says what it found")]

mod arrows;
mod files;
mod tree;
mod words;

/// Fails with every offence at once, so that one run is enough to put them right.
#[track_caller]
fn none(rule: &str, offences: Vec<String>) {
    if !offences.is_empty() {
        panic!("{rule}:\n  {}", offences.join("\n  "));
    }
}
