//! How two documents differ in meaning.
//!
//! A document is more than what it grants: its denials override what other
//! policies grant. So it counts as a gain when the effective grants grow or
//! when a denial goes, and as a loss when they shrink or a denial comes.

use std::fmt;

use super::document::{Document, Effect, Statement};
use super::example::examples_in;
use super::report::{Reporter, Voice};
use super::set::Formula;
use super::space::{Search, Space, Within};
use super::subsume;

/// What surrounds the documents: the account they are used in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context<'a> {
    /// The account whose role or policy this is, when known; sentences then
    /// say "this account".
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

impl Verdict {
    /// The verdict on a whole that has two parts.
    #[must_use]
    pub fn and(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Equivalent, other) => other,
            (one, Verdict::Equivalent) => one,
            (Verdict::Different, _) | (_, Verdict::Different) => Verdict::Different,
            (Verdict::Unproven, _) | (_, Verdict::Unproven) => Verdict::Unproven,
            (one, other) if one == other => one,
            _ => Verdict::Different,
        }
    }

    /// Whether someone may be able to do more than before.
    pub fn may_widen(self) -> bool {
        matches!(
            self,
            Verdict::Wider | Verdict::Different | Verdict::Unproven
        )
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

impl Comparison {
    pub(super) fn equivalent() -> Comparison {
        Comparison {
            verdict: Verdict::Equivalent,
            gained: Vec::new(),
            lost: Vec::new(),
        }
    }
}

/// Compares two documents of the same kind. (Of different kinds, what only
/// one of them can have, principals or resources, counts as unrestricted in
/// the other.)
pub fn compare(before: &Document, after: &Document, context: &Context<'_>) -> Comparison {
    if before == after {
        return Comparison::equivalent();
    }
    let Some(space) = Space::of(&[before, after]) else {
        return without_space(before, after);
    };
    let side = |document| Side {
        allows: Formula::Some(space.set(document, Effect::Allow)),
        denies: Formula::Some(space.set(document, Effect::Deny)),
        granting: vec![document],
        limiting: None,
        denying: vec![document],
    };
    let (old, new) = (side(before), side(after));
    let reporter = Reporter {
        space: &space,
        kind: after.kind(),
        context,
    };
    let mut gained = difference(&reporter, &old, &new, Voice::Gained);
    let mut lost = difference(&reporter, &new, &old, Voice::Lost);
    if space.entangled {
        let shown = examples_in(&space, before, after);
        gained.shown = shown.gained.is_some();
        lost.shown = shown.lost.is_some();
    }
    let no_gain = || subsume::within(&[after], &[before]);
    let no_loss = || subsume::within(&[before], &[after]);
    settle(&space, gained, lost, no_gain, no_loss)
}

/// One side of a comparison.
pub(super) struct Side<'a> {
    pub(super) allows: Formula,
    pub(super) denies: Formula,
    /// Documents whose Allow statements tell of grants.
    pub(super) granting: Vec<&'a Document>,
    /// The boundary, whose Allow statements limit those grants.
    pub(super) limiting: Option<&'a Document>,
    /// Documents whose Deny statements tell of denials.
    pub(super) denying: Vec<&'a Document>,
}

/// What one search over both kinds of difference brought.
pub(super) struct Difference {
    pub(super) sentences: Vec<String>,
    pub(super) found: bool,
    /// Whether the evaluator has confirmed what was found.
    pub(super) shown: bool,
    pub(super) gave_up: bool,
}

/// What `new` allows beyond `old`.
pub(super) fn difference(
    reporter: &Reporter<'_, '_>,
    old: &Side<'_>,
    new: &Side<'_>,
    voice: Voice,
) -> Difference {
    let space = reporter.space;
    let denial_gone = Formula::And(vec![old.denies.clone(), new.denies.clone().negated()]);
    let granted = Formula::And(vec![
        new.allows.clone(),
        new.denies.clone().negated(),
        old.allows.clone().negated(),
        old.denies.clone().negated(),
    ]);
    let mut out = Difference {
        sentences: Vec::new(),
        found: false,
        shown: false,
        gave_up: false,
    };
    for (formula, effect) in [(denial_gone, Effect::Deny), (granted, Effect::Allow)] {
        match space.find(&formula, &Within::default()) {
            Search::None => {}
            Search::GaveUp => out.gave_up = true,
            Search::Found(_) => {
                out.found = true;
                let known: Vec<&Document> =
                    old.granting.iter().copied().chain(old.limiting).collect();
                let (from, against) = if effect == Effect::Deny {
                    (&old.denying, &new.denying)
                } else {
                    (&new.granting, &known)
                };
                reporter.sentences(&formula, effect, from, against, voice, &mut out.sentences);
            }
        }
    }
    out
}

/// From what was found, and what can be proven otherwise, to the verdict.
pub(super) fn settle(
    space: &Space<'_>,
    gained: Difference,
    lost: Difference,
    no_gain: impl Fn() -> bool,
    no_loss: impl Fn() -> bool,
) -> Comparison {
    let whole = space.complete && !space.entangled;
    // Found means there, unless a variable is entangled with a condition and
    // the evaluator does not confirm it;
    // not found means not there only when the search was whole.
    let known = |d: &Difference, excluded: &dyn Fn() -> bool| {
        if d.found && (d.shown || !space.entangled) {
            Some(true)
        } else if (!d.found && whole && !d.gave_up) || excluded() {
            Some(false)
        } else {
            None
        }
    };
    let verdict = match (known(&gained, &no_gain), known(&lost, &no_loss)) {
        (Some(false), Some(false)) => Verdict::Equivalent,
        (Some(false), Some(true)) => Verdict::Narrower,
        (Some(true), Some(false)) => Verdict::Wider,
        (Some(true), Some(true)) => Verdict::Different,
        _ => Verdict::Unproven,
    };
    let (mut gained, mut lost) = (gained.sentences, lost.sentences);
    match verdict {
        Verdict::Equivalent => {
            gained.clear();
            lost.clear();
        }
        Verdict::Narrower => gained.clear(),
        Verdict::Wider => lost.clear(),
        Verdict::Different | Verdict::Unproven => {}
    }
    Comparison {
        verdict,
        gained,
        lost,
    }
}

/// For documents with more statements than the space holds: only what
/// statement by statement shows.
fn without_space(before: &Document, after: &Document) -> Comparison {
    let narrower = subsume::within(&[after], &[before]);
    let wider = subsume::within(&[before], &[after]);
    if narrower && wider {
        return Comparison::equivalent();
    }
    let sentence = |d: &Document| {
        format!(
            "a document of {} statements, too many to compare one by one",
            d.statements().len()
        )
    };
    Comparison {
        verdict: Verdict::Unproven,
        gained: vec![sentence(after)],
        lost: vec![sentence(before)],
    }
}

/// The statements of documents with an effect, in order.
pub(super) fn statements<'a>(documents: &[&'a Document], effect: Effect) -> Vec<&'a Statement> {
    documents
        .iter()
        .flat_map(|d| d.statements())
        .filter(|s| s.effect() == effect)
        .collect()
}
