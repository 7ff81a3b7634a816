//! How two documents differ in meaning.

use std::fmt;

use super::document::Document;

/// What surrounds the documents: the account they are used in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context<'a> {
    /// The account whose role or policy this is, when known.
    pub account: Option<&'a str>,
    /// The partition (`aws`, `aws-cn`, `aws-us-gov`); empty when unknown.
    pub partition: &'a str,
}

/// What `after` is, seen from `before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Every request is decided alike.
    Equivalent,
    /// Something is lost, nothing gained.
    Narrower,
    /// Something is gained, nothing lost.
    Wider,
    /// Something is gained and something lost.
    Different,
    /// Not decided: to be treated like a widening.
    Unproven,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Equivalent => "equivalent",
            Verdict::Narrower => "narrower",
            Verdict::Wider => "wider",
            Verdict::Different => "different",
            Verdict::Unproven => "unproven",
        })
    }
}

/// The outcome of a comparison, with what was gained and lost in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What `after` is, seen from `before`.
    pub verdict: Verdict,
    /// What `after` allows and `before` does not: one sentence each.
    pub gained: Vec<String>,
    /// What `before` allows and `after` does not: one sentence each.
    pub lost: Vec<String>,
}

/// Compares two documents of the same kind.
pub fn compare(before: &Document, after: &Document, _context: &Context<'_>) -> Comparison {
    let verdict = if before == after { Verdict::Equivalent } else { Verdict::Unproven };
    Comparison { verdict, gained: Vec::new(), lost: Vec::new() }
}
