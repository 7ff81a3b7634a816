//! The state of the organization in one sentence.

use rolekeeper_domain::drift::Severity;
use rolekeeper_domain::outcome::{Outcome, SweepOutcome, SweepRecord};
use rolekeeper_engine::port::store::{FleetTotals, Halt};

use crate::report::{accounts, grouped};

/// Says the worst first; `last` is the newest sweep that ended.
pub(crate) fn sentence(
    totals: &FleetTotals,
    last: Option<&SweepRecord>,
    halt: Option<&Halt>,
    waiting: usize,
) -> String {
    let count = |outcome: Outcome| totals.accounts.get(&outcome).copied().unwrap_or(0);
    let all: u64 = totals.accounts.values().sum();
    let mut sentence = if all == 0 {
        "No account has been looked at yet.".to_owned()
    } else {
        fleet(totals, &count, all)
    };
    if let Some(last) = last
        && last.outcome == Some(SweepOutcome::Failed)
    {
        let why = last.reason.as_deref().unwrap_or("no reason was recorded");
        sentence.push_str(&format!(
            " The last {} failed: {}.",
            last.mode,
            why.trim_end_matches('.')
        ));
    }
    if let Some(halt) = halt {
        sentence.push_str(&format!(
            " All writes are halted by {}: {}.",
            halt.by, halt.why
        ));
    }
    match waiting {
        0 => {}
        1 => sentence.push_str(" A repair waits for approval."),
        several => sentence.push_str(&format!(" {several} repairs wait for approval.")),
    }
    sentence
}

fn fleet(totals: &FleetTotals, count: &dyn Fn(Outcome) -> u64, all: u64) -> String {
    let skipped = count(Outcome::Skipped);
    let managed = all - skipped;
    let (drifted, failed, pending) = (
        count(Outcome::Drifted),
        count(Outcome::Failed),
        count(Outcome::Pending),
    );
    let critical: u64 = totals
        .findings
        .iter()
        .filter(|((_, _, severity), _)| *severity == Severity::Critical)
        .map(|(_, count)| *count)
        .sum();
    // Open findings of an account that could not be read last are believed until it is read again.
    let in_danger = (0 < critical).then(|| {
        format!(
            "{} critical: someone can do more than agreed",
            grouped(critical)
        )
    });
    let mut parts = Vec::new();
    if 0 < drifted {
        let mut part = format!(
            "{} of {} {} drift",
            grouped(drifted),
            accounts(managed),
            verb(drifted)
        );
        if let Some(in_danger) = &in_danger {
            part.push_str(&format!(" ({in_danger})"));
        }
        parts.push(part);
    }
    if 0 < failed {
        let mut part = if drifted == 0 {
            format!(
                "{} of {} could not be checked or repaired",
                grouped(failed),
                accounts(managed)
            )
        } else {
            format!("{} could not be checked or repaired", grouped(failed))
        };
        if drifted == 0
            && let Some(in_danger) = &in_danger
        {
            part.push_str(&format!(" ({in_danger})"));
        }
        parts.push(part);
    }
    if 0 < pending {
        parts.push(format!("{} not reached yet", grouped(pending)));
    }
    match (parts.is_empty(), managed) {
        (false, _) => format!("{}.", parts.join(", ")),
        (true, 0) => format!("No account is managed: {} skipped.", all_of(skipped)),
        (true, 1) => "The one managed account is right.".to_owned(),
        (true, _) => format!("All {} are right.", accounts(managed)),
    }
}

fn all_of(count: u64) -> String {
    if count == 1 {
        "the only one is".to_owned()
    } else {
        format!("all {} are", grouped(count))
    }
}

fn verb(count: u64) -> &'static str {
    if count == 1 { "has" } else { "have" }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use expect_test::{Expect, expect};
    use rolekeeper_domain::drift::DriftKind;
    use rolekeeper_domain::outcome::{Mode, Summary, SweepId, Trigger};

    use super::*;

    #[track_caller]
    fn check(
        outcomes: &[(Outcome, u64)],
        critical: u64,
        halt: bool,
        waiting: usize,
        expected: Expect,
    ) {
        let mut totals = FleetTotals::default();
        totals.accounts.extend(outcomes.iter().copied());
        if 0 < critical {
            let role = "Auditor".parse().unwrap();
            totals
                .findings
                .insert((role, DriftKind::TrustPolicy, Severity::Critical), critical);
        }
        let halt = halt.then(|| Halt {
            why: "investigating".to_owned(),
            by: "ops".to_owned(),
            at: jiff::Timestamp::UNIX_EPOCH,
        });
        expected.assert_eq(&sentence(&totals, None, halt.as_ref(), waiting));
    }

    #[test]
    fn the_worst_is_said_first() {
        check(
            &[],
            0,
            false,
            0,
            expect!["No account has been looked at yet."],
        );
        check(
            &[(Outcome::Skipped, 3)],
            0,
            false,
            0,
            expect!["No account is managed: all 3 are skipped."],
        );
        check(
            &[(Outcome::InSync, 1)],
            0,
            false,
            0,
            expect!["The one managed account is right."],
        );
        check(
            &[(Outcome::InSync, 1), (Outcome::Failed, 2)],
            3,
            false,
            0,
            expect![
                "2 of 3 accounts could not be checked or repaired (3 critical: someone can do more than agreed)."
            ],
        );
        check(
            &[(Outcome::InSync, 12), (Outcome::Skipped, 3)],
            0,
            false,
            0,
            expect!["All 12 accounts are right."],
        );
        check(
            &[
                (Outcome::InSync, 9),
                (Outcome::Drifted, 2),
                (Outcome::Failed, 1),
            ],
            1,
            false,
            0,
            expect![
                "2 of 12 accounts have drift (1 critical: someone can do more than agreed), 1 could not be checked or repaired."
            ],
        );
        check(
            &[(Outcome::Drifted, 1)],
            0,
            true,
            1,
            expect![
                "1 of 1 account has drift. All writes are halted by ops: investigating. A repair waits for approval."
            ],
        );
    }

    #[test]
    fn a_sweep_that_failed_is_said_also_where_all_was_right_before() {
        let mut totals = FleetTotals::default();
        totals.accounts.insert(Outcome::InSync, 12);
        let at = jiff::Timestamp::UNIX_EPOCH;
        let last = SweepRecord {
            id: SweepId::new(at, 1),
            mode: Mode::Audit,
            trigger: Trigger::Schedule,
            requested_by: "schedule".to_owned(),
            started_at: at,
            finished_at: Some(at),
            outcome: Some(SweepOutcome::Failed),
            reason: Some("the listing was empty".to_owned()),
            summary: Summary::default(),
            widens: Vec::new(),
        };
        expect!["All 12 accounts are right. The last audit failed: the listing was empty."]
            .assert_eq(&sentence(&totals, Some(&last), None, 0));
    }
}
