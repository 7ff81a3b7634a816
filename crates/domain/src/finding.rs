//! Drift as the store remembers it.

use jiff::{SignedDuration, Timestamp};

use crate::account::AccountId;
use crate::drift::Drift;
use crate::outcome::{AccountReport, Outcome};

/// A drift with its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The account.
    pub account: AccountId,
    /// The difference, as it was last seen.
    pub drift: Drift,
    /// When it was first seen, as bad as it is: what grows worse begins anew.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// When it was found gone.
    pub resolved_at: Option<Timestamp>,
    /// How often rolekeeper repaired the same thing (same role, kind and subject) without it staying away:
    /// what the flap breaker counts.
    pub repairs: u32,
}

/// How long a repaired thing has to stay right until its repairs are forgotten: two days, so that a
/// deployment that puts it back every night still counts as coming back.
pub const STAYED_AWAY: SignedDuration = SignedDuration::from_hours(48);

impl Finding {
    /// Whether it is about the same thing: same role, kind and subject.
    pub fn is_about(&self, drift: &Drift) -> bool {
        self.drift.is_like(drift)
    }
}

/// Folds what a sweep says about one account into what was remembered about it.
///
/// Answers everything that is remembered from now on: what is still open, and what is resolved. Only a report
/// that was complete (`in_sync`, `drifted`, `repaired`) resolves anything: an account that could not be read, was
/// skipped or not reached says nothing about what is gone. A repair that reads back right counts as one
/// repair of each thing it found, and resolves it, also where something else in the account stands.
pub fn fold(before: &[Finding], report: &AccountReport) -> Vec<Finding> {
    let now = report.observed_at;
    let seen: Vec<(&Drift, bool)> = {
        let repaired = report.outcome == Outcome::Repaired;
        let standing = report.drifts.iter().map(|drift| (drift, repaired));
        let mended = report.mended.iter().map(|drift| (drift, true));
        standing.chain(mended).collect()
    };
    let mut after: Vec<Finding> = Vec::with_capacity(before.len().max(seen.len()));
    for finding in before {
        let again = seen.iter().find(|(drift, _)| finding.is_about(drift));
        after.push(match again {
            Some((drift, repaired)) => seen_again(finding, drift, *repaired, now),
            None if is_complete(report) => not_seen(finding, now),
            None => finding.clone(),
        });
    }
    for (drift, repaired) in seen {
        if !after.iter().any(|finding| finding.is_about(drift)) {
            after.push(Finding {
                account: report.account,
                drift: drift.clone(),
                first_seen: now,
                last_seen: now,
                resolved_at: repaired.then_some(now),
                repairs: u32::from(repaired),
            });
        }
    }
    after
}

/// What is different about one account from one report to a later one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Drift of the later report that the earlier one does not have.
    pub appeared: Vec<Drift>,
    /// Drift of both that is more severe in the later one.
    pub worse: Vec<Drift>,
    /// Drift of the earlier report that is gone.
    pub gone: Vec<Drift>,
    /// How many differences both have, as severe as before or less.
    pub stayed: u64,
}

/// Whether a report says all that is different in its account; an account that could not be read, was
/// skipped or not reached says nothing about what is gone.
pub const fn is_complete(report: &AccountReport) -> bool {
    matches!(
        report.outcome,
        Outcome::InSync | Outcome::Drifted | Outcome::Repaired
    )
}

/// Compares two reports about one account; either may be missing.
///
/// As in [`fold`], only a complete later report says that something is gone. What a
/// repair found and put right does not stand any more after it.
pub fn changes(before: Option<&AccountReport>, after: Option<&AccountReport>) -> Changes {
    let (then, now) = (standing(before), standing(after));
    let complete = after.is_some_and(is_complete);
    let mut changes = Changes::default();
    for drift in now {
        match same(drift, then) {
            None => changes.appeared.push(drift.clone()),
            Some(before) if before.severity < drift.severity => changes.worse.push(drift.clone()),
            Some(_) => changes.stayed += 1,
        }
    }
    for drift in then.iter().filter(|drift| same(drift, now).is_none()) {
        if complete {
            changes.gone.push(drift.clone());
        } else {
            changes.stayed += 1;
        }
    }
    changes
}

/// The difference among `drifts` that is about the same thing.
fn same<'a>(drift: &Drift, drifts: &'a [Drift]) -> Option<&'a Drift> {
    drifts.iter().find(|other| drift.is_like(other))
}

fn standing(report: Option<&AccountReport>) -> &[Drift] {
    report
        .filter(|report| report.outcome != Outcome::Repaired)
        .map_or(&[], |report| &report.drifts)
}

fn seen_again(finding: &Finding, drift: &Drift, repaired: bool, now: Timestamp) -> Finding {
    // Whoever was told of a smaller difference has not been told of this one.
    let anew = finding.resolved_at.is_some() || finding.drift.severity < drift.severity;
    let forgotten = finding
        .resolved_at
        .is_some_and(|at| now.duration_since(at) >= STAYED_AWAY);
    let repairs = if forgotten { 0 } else { finding.repairs };
    // What stands no more was counted when it was repaired: the same sweep may tell of it once more.
    let is_counted = finding.resolved_at.is_some();
    Finding {
        account: finding.account,
        drift: drift.clone(),
        first_seen: if anew { now } else { finding.first_seen },
        // A report that comes late never turns the clock back.
        last_seen: now.max(finding.last_seen),
        resolved_at: repaired.then_some(now),
        repairs: repairs.saturating_add(u32::from(repaired && !is_counted)),
    }
}

fn not_seen(finding: &Finding, now: Timestamp) -> Finding {
    let resolved_at = finding.resolved_at.or(Some(now));
    let forgotten = resolved_at.is_some_and(|at| now.duration_since(at) >= STAYED_AWAY);
    Finding {
        resolved_at,
        repairs: if forgotten { 0 } else { finding.repairs },
        ..finding.clone()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::drift::{DriftKind, Severity};

    fn drift(kind: DriftKind) -> Drift {
        Drift {
            role: "Auditor".parse().expect("a name"),
            kind,
            subject: None,
            severity: Severity::High,
            explanation: String::new(),
            before: None,
            after: None,
        }
    }

    fn report(hour: i64, outcome: Outcome, kinds: &[DriftKind]) -> AccountReport {
        AccountReport {
            account: "111111111111".parse().expect("an id"),
            name: "one".to_owned(),
            ou_path: "/".to_owned(),
            outcome,
            reason: None,
            failure: None,
            drifts: kinds.iter().copied().map(drift).collect(),
            steps: Vec::new(),
            mended: Vec::new(),
            observed_at: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour),
            duration_ms: 1,
        }
    }

    fn hours(at: Timestamp) -> i64 {
        at.duration_since(Timestamp::UNIX_EPOCH).as_hours()
    }

    /// Folds reports one after the other and shows what is remembered in the end.
    #[track_caller]
    fn check(reports: &[AccountReport], expected: &Expect) {
        let remembered = reports
            .iter()
            .fold(Vec::new(), |before, report| fold(&before, report));
        let lines: Vec<String> = remembered
            .iter()
            .map(|finding| {
                let resolved = finding
                    .resolved_at
                    .map_or("open".to_owned(), |at| format!("resolved at {}", hours(at)));
                format!(
                    "{} seen {}..{}, {resolved}, {} repairs",
                    finding.drift.kind,
                    hours(finding.first_seen),
                    hours(finding.last_seen),
                    finding.repairs
                )
            })
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn changes_from_one_report_to_a_later_one() {
        use DriftKind::{RoleTags, TrustPolicy};
        let check = |before: Option<(Outcome, &[DriftKind])>,
                     after: Option<(Outcome, &[DriftKind])>,
                     expected: Expect| {
            let made = |what: Option<(Outcome, &[DriftKind])>| {
                what.map(|(outcome, kinds)| report(0, outcome, kinds))
            };
            let found = changes(made(before).as_ref(), made(after).as_ref());
            let names = |drifts: &[Drift]| {
                let names: Vec<_> = drifts.iter().map(|drift| drift.kind.as_str()).collect();
                names.join(" ")
            };
            expected.assert_eq(&format!(
                "new [{}] gone [{}] {} stayed",
                names(&found.appeared),
                names(&found.gone),
                found.stayed
            ));
        };
        let same = Some((Outcome::Drifted, &[TrustPolicy][..]));
        let right = Some((Outcome::InSync, &[][..]));
        check(right, right, expect!["new [] gone [] 0 stayed"]);
        check(same, same, expect!["new [] gone [] 1 stayed"]);
        check(same, right, expect!["new [] gone [trust_policy] 0 stayed"]);
        check(right, same, expect!["new [trust_policy] gone [] 0 stayed"]);
        check(None, same, expect!["new [trust_policy] gone [] 0 stayed"]);
        let other = Some((Outcome::Drifted, &[RoleTags][..]));
        check(
            same,
            other,
            expect!["new [role_tags] gone [trust_policy] 0 stayed"],
        );
        let repaired = Some((Outcome::Repaired, &[TrustPolicy][..]));
        check(
            same,
            repaired,
            expect!["new [] gone [trust_policy] 0 stayed"],
        );
        check(repaired, right, expect!["new [] gone [] 0 stayed"]);
        for silent in [Outcome::Failed, Outcome::Skipped, Outcome::Pending] {
            check(
                same,
                Some((silent, &[])),
                expect!["new [] gone [] 1 stayed"],
            );
        }
        check(same, None, expect!["new [] gone [] 1 stayed"]);
    }

    #[test]
    fn findings_open_stay_and_resolve() {
        let trust = &[DriftKind::TrustPolicy];
        check(&[report(0, Outcome::InSync, &[])], &expect![""]);
        check(
            &[
                report(0, Outcome::Drifted, trust),
                report(1, Outcome::Drifted, trust),
            ],
            &expect!["trust_policy seen 0..1, open, 0 repairs"],
        );
        check(
            &[
                report(0, Outcome::Drifted, trust),
                report(1, Outcome::InSync, &[]),
            ],
            &expect!["trust_policy seen 0..0, resolved at 1, 0 repairs"],
        );
        check(
            &[
                report(0, Outcome::Drifted, trust),
                report(1, Outcome::InSync, &[]),
                report(2, Outcome::Drifted, trust),
            ],
            &expect!["trust_policy seen 2..2, open, 0 repairs"],
        );
    }

    #[test]
    fn what_grows_worse_begins_anew_and_is_said_to_be_worse() {
        let trust = &[DriftKind::TrustPolicy];
        let with = |hour: i64, severity: Severity| {
            let mut told = report(hour, Outcome::Drifted, trust);
            told.drifts
                .iter_mut()
                .for_each(|drift| drift.severity = severity);
            told
        };
        let high = || with(0, Severity::High);
        check(
            &[high(), with(1, Severity::Critical)],
            &expect!["trust_policy seen 1..1, open, 0 repairs"],
        );
        check(
            &[high(), with(1, Severity::Low)],
            &expect!["trust_policy seen 0..1, open, 0 repairs"],
        );
        let worse = changes(Some(&high()), Some(&with(1, Severity::Critical)));
        assert_eq!((worse.worse.len(), worse.stayed), (1, 0), "{worse:?}");
        let milder = changes(Some(&high()), Some(&with(1, Severity::Low)));
        assert_eq!((milder.worse.len(), milder.stayed), (0, 1), "{milder:?}");
    }

    #[test]
    fn what_was_put_right_counts_also_where_something_else_stands() {
        use DriftKind::{AttachmentUnexpected, TrustPolicy};
        let partly = |hour| AccountReport {
            mended: vec![drift(TrustPolicy)],
            ..report(hour, Outcome::Drifted, &[AttachmentUnexpected])
        };
        let stood = |hour| report(hour, Outcome::Drifted, &[AttachmentUnexpected, TrustPolicy]);
        check(
            &[
                stood(0),
                partly(0),
                stood(1),
                partly(1),
                stood(2),
                partly(2),
            ],
            &expect![[r#"
                attachment_unexpected seen 0..2, open, 0 repairs
                trust_policy seen 2..2, resolved at 2, 3 repairs"#]],
        );
    }

    #[test]
    fn what_could_not_be_looked_at_never_resolves_findings() {
        let trust = &[DriftKind::TrustPolicy];
        for outcome in [Outcome::Failed, Outcome::Skipped, Outcome::Pending] {
            check(
                &[report(0, Outcome::Drifted, trust), report(1, outcome, &[])],
                &expect!["trust_policy seen 0..0, open, 0 repairs"],
            );
        }
    }

    #[test]
    fn repairs_add_up_until_the_thing_has_stayed_away() {
        let trust = &[DriftKind::TrustPolicy];
        check(
            &[report(0, Outcome::Repaired, trust)],
            &expect!["trust_policy seen 0..0, resolved at 0, 1 repairs"],
        );
        check(
            &[
                report(0, Outcome::Repaired, trust),
                report(1, Outcome::InSync, &[]),
                report(24, Outcome::Drifted, trust),
                report(24, Outcome::Repaired, trust),
            ],
            &expect!["trust_policy seen 24..24, resolved at 24, 2 repairs"],
        );
        // A sweep that goes through an account twice tells twice of what it put right once.
        check(
            &[
                report(0, Outcome::Drifted, trust),
                report(0, Outcome::Repaired, trust),
                report(1, Outcome::Repaired, trust),
            ],
            &expect!["trust_policy seen 1..1, resolved at 1, 1 repairs"],
        );
        check(
            &[
                report(0, Outcome::Repaired, trust),
                report(48, Outcome::InSync, &[]),
            ],
            &expect!["trust_policy seen 0..0, resolved at 0, 0 repairs"],
        );
        check(
            &[
                report(0, Outcome::Repaired, trust),
                report(50, Outcome::Drifted, trust),
            ],
            &expect!["trust_policy seen 50..50, open, 0 repairs"],
        );
    }
}
