#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use expect_test::{Expect, expect};

use super::*;
use crate::drift::{Drift, Severity};

fn at(hours: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
}

fn role() -> RoleName {
    "Vendor".parse().unwrap()
}

fn blank() -> Registration {
    Registration::new("111122223333".parse().unwrap(), role())
}

fn told(digest: &str, hour: i64) -> Registration {
    Registration {
        told: Some(Told {
            digest: digest.to_owned(),
            vendor_id: Some("42".to_owned()),
            at: at(hour),
        }),
        ..blank()
    }
}

fn waiting(known: Registration, action: Action, digest: &str, attempts: u32) -> Registration {
    Registration {
        task: Some(Task {
            action,
            digest: digest.to_owned(),
            wanted_at: at(5),
            attempts,
            due_at: Some(at(5)),
        }),
        ..known
    }
}

fn given_up(known: Registration, hour: i64) -> Registration {
    Registration {
        task: known.task.clone().map(|task| Task {
            due_at: None,
            ..task
        }),
        trouble: Some(Trouble {
            at: at(hour),
            why: "the vendor answered 400".to_owned(),
        }),
        ..known
    }
}

fn right(digest: &str) -> Wanted<'_> {
    Wanted::Registered {
        digest,
        name: "prod",
        repaired_at: None,
        revalidates: true,
    }
}

fn repaired(digest: &str, hour: i64) -> Wanted<'_> {
    Wanted::Registered {
        digest,
        name: "prod",
        repaired_at: Some(at(hour)),
        revalidates: true,
    }
}

const WITHDRAW: Wanted<'_> = Wanted::Forgotten { withdraws: true };
const DROP: Wanted<'_> = Wanted::Forgotten { withdraws: false };

fn words(it: &Registration) -> String {
    let task = it.task.as_ref().map_or("nothing to do".to_owned(), |task| {
        let due = match task.due_at {
            Some(due) => format!(
                "due at {}",
                due.duration_since(Timestamp::UNIX_EPOCH).as_hours()
            ),
            None => "given up".to_owned(),
        };
        format!(
            "{} {} {due}, {} tried",
            task.action.as_str(),
            task.digest,
            task.attempts
        )
    });
    let trouble = it
        .trouble
        .as_ref()
        .map(|trouble| format!("; {}", trouble.why));
    format!(
        "{}: {task}{}",
        it.state().as_str(),
        trouble.unwrap_or_default()
    )
}

/// What is made, at hour 50, of a record and what is wanted.
#[track_caller]
fn check(known: &Registration, wanted: Wanted<'_>, expected: Expect) {
    let said = due(known, wanted, at(50)).map_or("as it is".to_owned(), |it| words(&it));
    expected.assert_eq(&said);
}

#[test]
fn what_is_due_follows_from_what_was_told_and_what_is_wanted() {
    use Action::{Register, Revalidate, Withdraw};
    check(&told("a", 1), right("a"), expect!["as it is"]);
    check(&blank(), DROP, expect!["as it is"]);
    check(&blank(), WITHDRAW, expect!["as it is"]);
    check(&told("a", 1), DROP, expect!["as it is"]);
    check(
        &blank(),
        right("a"),
        expect!["waiting: register a due at 50, 0 tried"],
    );
    check(
        &blank(),
        repaired("a", 49),
        expect!["waiting: register a due at 50, 0 tried"],
    );
    // The name, the ARN or the external id changed.
    check(
        &told("a", 1),
        right("b"),
        expect!["waiting: register b due at 50, 0 tried"],
    );
    // What waits already goes on waiting, and is not counted anew.
    check(
        &waiting(blank(), Register, "a", 3),
        right("a"),
        expect!["as it is"],
    );
    check(
        &waiting(blank(), Register, "a", 3),
        right("b"),
        expect!["waiting: register b due at 50, 0 tried"],
    );
    // Nothing was sent, so that taking it back is enough.
    check(
        &waiting(told("a", 1), Register, "b", 0),
        right("a"),
        expect!["registered: nothing to do"],
    );
    // It may have been sent.
    check(
        &waiting(told("a", 1), Register, "b", 1),
        right("a"),
        expect!["waiting: register a due at 50, 0 tried"],
    );
    // Looked at again only for a repair that the vendor has not seen.
    check(&told("a", 10), repaired("a", 9), expect!["as it is"]);
    check(
        &told("a", 10),
        repaired("a", 11),
        expect!["waiting: revalidate a due at 50, 0 tried"],
    );
    let looked = Registration {
        validated_at: Some(at(12)),
        ..told("a", 10)
    };
    check(&looked, repaired("a", 11), expect!["as it is"]);
    check(
        &waiting(told("a", 1), Revalidate, "a", 2),
        right("a"),
        expect!["as it is"],
    );
    check(
        &waiting(told("a", 1), Revalidate, "a", 2),
        repaired("a", 4),
        expect!["as it is"],
    );
    check(
        &waiting(told("a", 1), Revalidate, "a", 2),
        repaired("a", 11),
        expect!["waiting: revalidate a due at 50, 0 tried"],
    );
    // Leaving, and coming back before or after the vendor may have heard.
    check(
        &told("a", 1),
        WITHDRAW,
        expect!["waiting: withdraw a due at 50, 0 tried"],
    );
    check(
        &waiting(told("a", 1), Withdraw, "a", 2),
        WITHDRAW,
        expect!["as it is"],
    );
    check(
        &waiting(told("a", 1), Withdraw, "a", 0),
        right("a"),
        expect!["registered: nothing to do"],
    );
    check(
        &waiting(told("a", 1), Withdraw, "a", 1),
        right("a"),
        expect!["waiting: register a due at 50, 0 tried"],
    );
    check(
        &waiting(told("a", 1), Register, "b", 0),
        DROP,
        expect!["registered: nothing to do"],
    );
    check(
        &waiting(blank(), Register, "a", 0),
        WITHDRAW,
        expect!["not_registered: nothing to do"],
    );
    check(
        &waiting(blank(), Register, "a", 1),
        WITHDRAW,
        expect![
            "not_registered: nothing to do; the account left before the vendor answered: it may hold a registration"
        ],
    );
}

#[test]
fn what_was_given_up_rests_for_a_day() {
    let refused = waiting(blank(), Action::Register, "a", 20);
    check(
        &given_up(refused.clone(), 27),
        right("a"),
        expect!["as it is"],
    );
    check(
        &given_up(refused.clone(), 26),
        right("a"),
        expect!["waiting: register a due at 50, 0 tried; the vendor answered 400"],
    );
    // Something else to say is not what was refused.
    check(
        &given_up(refused, 49),
        right("b"),
        expect!["waiting: register b due at 50, 0 tried; the vendor answered 400"],
    );
    let stays = waiting(told("a", 1), Action::Withdraw, "a", 20);
    check(&given_up(stays, 27), WITHDRAW, expect!["as it is"]);
}

fn report(
    outcome: Outcome,
    reason: Option<SkipReason>,
    drift: Option<(&str, DriftKind)>,
) -> AccountReport {
    AccountReport {
        account: "111122223333".parse().unwrap(),
        name: "prod".to_owned(),
        ou_path: "/".to_owned(),
        outcome,
        reason: reason.map(|reason| reason.as_str().to_owned()),
        failure: None,
        drifts: drift
            .map(|(role, kind)| Drift {
                role: role.parse().unwrap(),
                kind,
                subject: None,
                severity: Severity::High,
                explanation: String::new(),
                before: None,
                after: None,
            })
            .into_iter()
            .collect(),
        steps: Vec::new(),
        mended: Vec::new(),
        observed_at: at(7),
        duration_ms: 1,
    }
}

#[test]
fn only_a_role_that_was_seen_right_is_registered() {
    let seen = |outcome, drift| sight(&report(outcome, None, drift), &role(), false);
    let right = |repaired_at| Some(Sight::Right { repaired_at });
    assert_eq!(seen(Outcome::InSync, None), right(None));
    let trust = Some(("Vendor", DriftKind::TrustPolicy));
    assert_eq!(seen(Outcome::Repaired, trust), right(Some(at(7))));
    // The vendor works with neither of these.
    assert_eq!(
        seen(Outcome::Repaired, Some(("Vendor", DriftKind::RoleTags))),
        right(None)
    );
    assert_eq!(
        seen(Outcome::Repaired, Some(("Other", DriftKind::TrustPolicy))),
        right(None)
    );
    for outcome in [
        Outcome::Drifted,
        Outcome::Failed,
        Outcome::Pending,
        Outcome::Skipped,
    ] {
        assert_eq!(seen(outcome, trust), None, "{outcome}");
    }
}

#[test]
fn an_account_leaves_when_its_role_is_gone_or_it_is_closed_or_not_selected() {
    let gone = |outcome| sight(&report(outcome, None, None), &role(), true);
    for outcome in [Outcome::InSync, Outcome::Repaired] {
        assert_eq!(gone(outcome), Some(Sight::Leaving(Leaving::Absent)));
    }
    for outcome in [Outcome::Drifted, Outcome::Failed, Outcome::Pending] {
        assert_eq!(gone(outcome), None, "{outcome}");
    }
    let rows = SkipReason::ALL.iter().map(|reason| {
        let seen = sight(
            &report(Outcome::Skipped, Some(*reason), None),
            &role(),
            false,
        );
        let leaving = match seen {
            Some(Sight::Leaving(why)) => why.as_str(),
            Some(Sight::Right { .. }) => "right",
            None => "stays",
        };
        format!("{}: {leaving}\n", reason.as_str())
    });
    expect![[r#"
        not_selected: deselected
        excluded: deselected
        suspended: stays
        pending_closure: stays
        closed: closed
        pending_activation: stays
        management_account: stays
    "#]]
    .assert_eq(&rows.collect::<String>());
}

#[test]
fn a_call_is_written_down_before_it_is_made_and_keeps_others_off() {
    let known = waiting(blank(), Action::Register, "a", 0);
    assert_eq!(begun(&known, at(4), at(6)), None, "not due");
    let mine = begun(&known, at(5), at(6)).unwrap();
    assert_eq!(words(&mine), "waiting: register a due at 6, 1 tried");
    assert_eq!(begun(&mine, at(5), at(6)), None, "under way");
    // The process died: another one makes the call again, later.
    let again = begun(&mine, at(6), at(7)).unwrap();
    assert_eq!(words(&again), "waiting: register a due at 7, 2 tried");
    assert_eq!(begun(&blank(), at(5), at(6)), None);
}

#[test]
fn an_answer_is_kept_and_a_failure_is_not_forgotten() {
    let done = |vendor_id: Option<&str>, then_revalidate| Ending::Done {
        vendor_id: vendor_id.map(str::to_owned),
        then_revalidate,
    };
    let failed = |again_at| Ending::Failed {
        why: "no answer".to_owned(),
        again_at,
    };
    let known = waiting(blank(), Action::Register, "a", 1);
    let after = ended(&known, done(Some("7"), true), at(9));
    assert_eq!(words(&after), "waiting: revalidate a due at 9, 0 tried");
    assert_eq!(after.vendor_id(), Some("7"));
    let after = ended(&after, done(None, true), at(10));
    assert_eq!(words(&after), "registered: nothing to do");
    assert_eq!(after.validated_at, Some(at(10)));

    // A change: the vendor need not repeat its id.
    let change = waiting(told("a", 1), Action::Register, "b", 1);
    let after = ended(&change, done(None, false), at(9));
    assert_eq!(
        (after.vendor_id(), words(&after).as_str()),
        (Some("42"), "registered: nothing to do")
    );

    let after = ended(&known, failed(Some(at(10))), at(9));
    assert_eq!(
        words(&after),
        "waiting: register a due at 10, 1 tried; no answer"
    );
    let after = ended(&known, failed(None), at(9));
    assert_eq!(
        words(&after),
        "given_up: register a given up, 1 tried; no answer"
    );
    let after = ended(&known, Ending::Outdated, at(9));
    assert_eq!(words(&after), "not_registered: nothing to do");

    let leaving = waiting(told("a", 1), Action::Withdraw, "a", 1);
    let after = ended(&leaving, done(None, false), at(9));
    assert_eq!(words(&after), "not_registered: nothing to do");
    assert_eq!(after.withdrawn_at, Some(at(9)));
    assert_eq!(
        ended(&blank(), failed(None), at(9)),
        blank(),
        "nothing was under way"
    );
}

#[test]
fn what_was_seen_before_the_vendor_was_told_is_old_news() {
    assert!(!blank().is_newer_than(at(0)));
    assert!(told("a", 3).is_newer_than(at(3)));
    assert!(!told("a", 3).is_newer_than(at(4)));
    let withdrawn = Registration {
        withdrawn_at: Some(at(5)),
        ..blank()
    };
    assert!(withdrawn.is_newer_than(at(4)));
    assert!(!withdrawn.is_newer_than(at(6)));
}
