//! The state of the organization in one sentence.

use rolekeeper_domain::drift::Severity;
use rolekeeper_domain::outcome::Outcome;
use rolekeeper_engine::port::store::{FleetTotals, Halt};

use crate::report::{accounts, grouped};

/// Says the worst first.
pub(crate) fn sentence(totals: &FleetTotals, halt: Option<&Halt>, waiting: usize) -> String {
    let count = |outcome: Outcome| totals.accounts.get(&outcome).copied().unwrap_or(0);
    let all: u64 = totals.accounts.values().sum();
    let mut sentence = if all == 0 {
        "No account has been looked at yet.".to_owned()
    } else {
        fleet(totals, &count, all)
    };
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
    if drifted + failed + pending == 0 {
        return format!("All {} are right.", accounts(managed));
    }
    let mut parts = Vec::new();
    if 0 < drifted {
        let mut part = format!(
            "{} of {} {} drift",
            grouped(drifted),
            accounts(managed),
            verb(drifted)
        );
        if 0 < critical {
            part.push_str(&format!(
                " ({} critical: someone can do more than agreed)",
                grouped(critical)
            ));
        }
        parts.push(part);
    }
    if 0 < failed {
        parts.push(format!(
            "{} could not be checked or repaired",
            grouped(failed)
        ));
    }
    if 0 < pending {
        parts.push(format!("{} not reached yet", grouped(pending)));
    }
    format!("{}.", parts.join(", "))
}

fn verb(count: u64) -> &'static str {
    if count == 1 { "has" } else { "have" }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use expect_test::{Expect, expect};
    use rolekeeper_domain::drift::DriftKind;

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
        expected.assert_eq(&sentence(&totals, halt.as_ref(), waiting));
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
}
