//! Which critical findings are told now, and which of them together.
//!
//! A finding is told once whatever becomes of the sweeps about it: it is known by itself ([`identity`]), and sweeps only
//! say when it is ripe and with which others it is told. One that was killed, or that a clock put back hides, delays
//! what it saw for a while and no longer.

use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::SweepRecord;
use rolekeeper_engine::port::store::{Control, StoreError};
use sha2::{Digest as _, Sha256};

/// The longest that a finding waits for the end of a sweep. Most sweeps are over by then, so that what they found is one
/// notice; it is also the least time between two notices about a sweep that takes hours.
const WAITS: SignedDuration = SignedDuration::from_mins(15);

/// Characters of a digest that stand in a key: 64 bits keep apart what one organization ever finds.
const DIGEST: usize = 16;

/// Findings that are told together.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// The sweep that most likely saw them, if there is one.
    pub(super) sweep: Option<&'a SweepRecord>,
    pub(super) findings: Vec<&'a Finding>,
}

/// How far a sweep is from telling what it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It is over.
    Ended,
    /// It asked for approval after it saw this, and may wait for a day.
    Asked,
    /// It goes on, or was killed.
    UnderWay,
}

/// The findings that are to be told, also those that were told before.
pub(super) async fn groups<'a, S: Control>(
    store: &S,
    sweeps: &'a [SweepRecord],
    findings: &'a [Finding],
    now: Timestamp,
) -> Result<Vec<Group<'a>>, StoreError> {
    let mut asked = Vec::new();
    for sweep in sweeps.iter().filter(|sweep| sweep.finished_at.is_none()) {
        if let Some(at) = store.approval_asked_at(&sweep.id).await? {
            asked.push((&sweep.id, at));
        }
    }
    let stage = |sweep: &SweepRecord, seen: Timestamp| match sweep.finished_at {
        Some(_) => Stage::Ended,
        None if asked.iter().any(|(id, at)| **id == sweep.id && seen <= *at) => Stage::Asked,
        None => Stage::UnderWay,
    };
    let (mut ripe, mut early): (Vec<Group<'a>>, Vec<Group<'a>>) = Default::default();
    let mut overdue = false;
    for finding in findings {
        let seen = finding.first_seen;
        // The newest of those that are furthest: `min_by_key` takes the first of equals.
        let owner = sweeps
            .iter()
            .filter(|sweep| was_under_way(sweep, seen))
            .map(|sweep| (stage(sweep, seen), sweep))
            .min_by_key(|(stage, _)| *stage);
        let sweep = owner.map(|(_, sweep)| sweep);
        if owner.is_some_and(|(stage, _)| stage < Stage::UnderWay) {
            put(&mut ripe, sweep, finding);
        } else {
            // A finding of a time to come was stamped before the clock was put back.
            overdue |= WAITS <= now.duration_since(seen).abs();
            put(&mut early, sweep, finding);
        }
    }
    if overdue {
        // All of them, so that a long sweep is not told finding by finding.
        ripe.extend(early);
    }
    Ok(ripe)
}

fn put<'a>(groups: &mut Vec<Group<'a>>, sweep: Option<&'a SweepRecord>, finding: &'a Finding) {
    let id = sweep.map(|sweep| &sweep.id);
    let same = groups
        .iter_mut()
        .find(|group| group.sweep.map(|sweep| &sweep.id) == id);
    match same {
        Some(group) => group.findings.push(finding),
        None => groups.push(Group {
            sweep,
            findings: vec![finding],
        }),
    }
}

fn was_under_way(sweep: &SweepRecord, at: Timestamp) -> bool {
    sweep.started_at <= at && sweep.finished_at.is_none_or(|end| at <= end)
}

/// What makes a finding the one it is: where, what, and since when.
pub(super) fn identity(finding: &Finding) -> String {
    let drift = &finding.drift;
    let what = digest([
        drift.role.as_str(),
        drift.kind.as_str(),
        drift.subject.as_deref().unwrap_or_default(),
    ]);
    format!(
        "critical_drift:{}:{what}:{}",
        finding.account, finding.first_seen
    )
}

/// A short name for these texts in this order.
pub(super) fn digest<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        let text = text.as_ref();
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update(format!("{}:{text}", text.len()));
    }
    let hex: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex.chars().take(DIGEST).collect()
}
