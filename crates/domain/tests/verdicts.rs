//! May a plan be carried out: each refusal has one test, and each precondition one way to go stale.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test panics on purpose"
)]

mod model;

use expect_test::{Expect, expect};
use jiff::Timestamp;
use model::{World, account, arn, faq_spec, identity, trust};
use rolekeeper_domain::drift::DriftKind;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::judge::{Approval, Guardrails, TooMany, judge};
use rolekeeper_domain::observation::{Observation, ObservedDocument, Sighting};
use rolekeeper_domain::outcome::{Mode, SkipReason};
use rolekeeper_domain::plan::{Precondition, Step};
use rolekeeper_domain::planner::{plan, recheck, recheck_step};
use rolekeeper_domain::role::{Adopt, Extras};
use rolekeeper_domain::verdict::Verdict;

const ADMIN: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// An account in which the policy's document drifted.
fn drifted() -> World {
    let mut world = World::of(faq_spec());
    world.rewrite(0, identity(ADMIN));
    world
}

fn verdict(world: &World, guardrails: &Guardrails, mode: Mode) -> Verdict {
    judge(
        world.plan(),
        &world.observe(),
        &world.diff(),
        guardrails,
        mode,
    )
}

fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::InSync => "in sync".to_owned(),
        Verdict::ReportOnly(plan) => format!("report {} steps", plan.steps.len()),
        Verdict::Refuse(_, refusals) => {
            let words: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            format!("refuse: {}", words.join(" | "))
        }
        Verdict::Apply(permit) => format!("apply {} steps", permit.plan().steps.len()),
    }
}

#[track_caller]
fn check(world: &World, guardrails: &Guardrails, expected: &Expect) {
    expected.assert_eq(&said(&verdict(world, guardrails, Mode::Repair)));
}

#[test]
fn a_plan_that_nothing_speaks_against_is_permitted() {
    check(
        &World::of(faq_spec()),
        &Guardrails::default(),
        &expect!["in sync"],
    );
    check(
        &drifted(),
        &Guardrails::default(),
        &expect!["apply 1 steps"],
    );
}

#[test]
fn an_audit_only_reports_whatever_the_guardrails_say() {
    let halted = Guardrails {
        halted: Some("stop".to_owned()),
        ..Guardrails::default()
    };
    assert_eq!(
        said(&verdict(&drifted(), &halted, Mode::Audit)),
        "report 1 steps"
    );
    assert_eq!(
        said(&verdict(&World::of(faq_spec()), &halted, Mode::Audit)),
        "in sync"
    );
}

#[test]
fn what_is_only_withheld_is_reported() {
    let mut world = World::of(faq_spec());
    world.attach_foreign(&arn("arn:aws:iam::aws:policy/More"), identity(ADMIN));
    assert_eq!(world.spec.extras, Extras::Report);
    check(&world, &Guardrails::default(), &expect!["report 0 steps"]);
}

#[test]
fn not_ours() {
    let mut world = drifted();
    world.role().tags.clear();
    world.spec.adopt = Adopt::Never;
    check(
        &world,
        &Guardrails::default(),
        &expect![
            "refuse: role/Auditor was not made by rolekeeper and `adopt` does not allow to change it"
        ],
    );
}

#[test]
fn locks_us_out() {
    let guardrails = Guardrails {
        admin_roles: vec!["Admin".to_owned(), "/ops/auditor".to_owned()],
        ..Guardrails::default()
    };
    check(
        &drifted(),
        &guardrails,
        &expect!["refuse: it would take away rolekeeper's own way in"],
    );
}

#[test]
fn widens() {
    let mut world = World::of(faq_spec());
    world.role().attached.clear();
    let wanted = Guardrails {
        approval: Approval::Wanted,
        ..Guardrails::default()
    };
    check(
        &world,
        &wanted,
        &expect!["refuse: it gives more than before and is not approved: Auditor gets Audit"],
    );
    let given = Guardrails {
        approval: Approval::Given,
        ..Guardrails::default()
    };
    check(&world, &given, &expect!["apply 1 steps"]);
    // Narrowing needs nobody's word, once somebody has agreed to what is specified.
    check(&drifted(), &wanted, &expect!["apply 1 steps"]);
    let new = Guardrails {
        approval: Approval::WantedForAll,
        ..Guardrails::default()
    };
    check(
        &drifted(),
        &new,
        &expect!["refuse: nobody has agreed to this specification yet"],
    );
}

#[test]
fn blind() {
    let world = drifted();
    let mut observation = world.observe();
    observation.inline = Sighting::Unread(Fault::new(Category::AccessDenied, "no"));
    let record = world.ownership();
    let diff = rolekeeper_domain::diff::diff(&world.spec, &observation, &record);
    let plan = plan(&world.spec, &observation, &diff, &record);
    assert!(
        plan.is_empty(),
        "nothing is planned from a partial observation"
    );
    let verdict = judge(
        plan,
        &observation,
        &diff,
        &Guardrails::default(),
        Mode::Repair,
    );
    expect!["refuse: inline policies could not be read"].assert_eq(&said(&verdict));
}

#[test]
fn ineligible() {
    let guardrails = Guardrails {
        ineligible: Some(SkipReason::Suspended),
        ..Guardrails::default()
    };
    check(
        &drifted(),
        &guardrails,
        &expect!["refuse: the account is suspended"],
    );
}

#[test]
fn stale() {
    let world = drifted();
    let mut plan = world.plan();
    plan.account = "222222222222".parse().unwrap();
    let verdict = judge(
        plan,
        &world.observe(),
        &world.diff(),
        &Guardrails::default(),
        Mode::Repair,
    );
    expect!["refuse: changed since the plan was made: the plan is for account 222222222222, not 111111111111"].assert_eq(&said(&verdict));
}

#[test]
fn too_many_changes() {
    let guardrails = Guardrails {
        too_many: Some(TooMany {
            changes: 12,
            allowed: 10,
        }),
        ..Guardrails::default()
    };
    check(
        &drifted(),
        &guardrails,
        &expect!["refuse: 12 accounts would change and 10 may without approval"],
    );
}

#[test]
fn halted() {
    let guardrails = Guardrails {
        halted: Some("an audit is under way".to_owned()),
        ..Guardrails::default()
    };
    check(
        &drifted(),
        &guardrails,
        &expect!["refuse: writes are halted: an audit is under way"],
    );
}

#[test]
fn frozen() {
    let guardrails = Guardrails {
        frozen: Some("until Monday 08:00".to_owned()),
        ..Guardrails::default()
    };
    check(
        &drifted(),
        &guardrails,
        &expect!["refuse: changes are frozen: until Monday 08:00"],
    );
}

fn repaired(world: &World, kind: DriftKind, repairs: u32) -> Guardrails {
    let drift = world
        .diff()
        .drifts
        .into_iter()
        .find(|drift| drift.kind == kind)
        .unwrap();
    let finding = Finding {
        account: account(),
        drift,
        first_seen: Timestamp::UNIX_EPOCH,
        last_seen: Timestamp::UNIX_EPOCH,
        resolved_at: None,
        repairs,
    };
    Guardrails {
        findings: vec![finding],
        ..Guardrails::default()
    }
}

#[test]
fn flapping() {
    let world = drifted();
    check(
        &world,
        &repaired(&world, DriftKind::PolicyDocument, 2),
        &expect!["apply 1 steps"],
    );
    let thrice = repaired(&world, DriftKind::PolicyDocument, 3);
    check(
        &world,
        &thrice,
        &expect![
            "refuse: policy_document of Auditor (Audit) was repaired 3 times in a row and came back: someone else keeps changing it"
        ],
    );
    check(
        &world,
        &Guardrails {
            flap_limit: 0,
            ..thrice
        },
        &expect!["apply 1 steps"],
    );
}

#[test]
fn a_flapping_tag_does_not_stop_the_rest() {
    let mut world = drifted();
    world
        .spec
        .tags
        .insert("team".to_owned(), "security".to_owned());
    let guardrails = repaired(&world, DriftKind::RoleTags, 3);
    match verdict(&world, &guardrails, Mode::Repair) {
        Verdict::Apply(permit) => {
            let steps: Vec<String> = permit
                .plan()
                .steps
                .iter()
                .map(|step| step.step.to_string())
                .collect();
            assert_eq!(steps, ["iam:CreatePolicyVersion policy/Audit"]);
            let held: Vec<&str> = permit
                .plan()
                .withheld
                .iter()
                .map(|held| held.reason.as_str())
                .collect();
            expect!["role_tags of Auditor was repaired 3 times in a row and came back: someone else keeps changing it"].assert_eq(&held.join("\n"));
        }
        other => panic!("{}", said(&other)),
    }
}

/// One call sets both, and only one of them is left alone.
#[test]
fn a_flapping_description_does_not_stop_the_session_length_and_is_not_repaired_with_it() {
    let mut world = World::of(faq_spec());
    world.spec.description = Some("agreed".to_owned());
    world.spec.max_session_duration = Some(3_600);
    world.role().description = "ask Dave".to_owned();
    world.role().max_session_duration = 43_200;
    let guardrails = repaired(&world, DriftKind::RoleDescription, 3);
    let Verdict::Apply(permit) = verdict(&world, &guardrails, Mode::Repair) else {
        panic!("the session length is to be repaired");
    };
    let steps: Vec<&Step> = permit.plan().steps.iter().map(|step| &step.step).collect();
    let [
        Step::UpdateRole {
            description,
            max_session_duration,
            ..
        },
    ] = steps.as_slice()
    else {
        panic!("{steps:?}");
    };
    assert_eq!(
        (description.as_str(), *max_session_duration),
        ("ask Dave", 3_600)
    );
    assert_eq!(permit.plan().withheld.len(), 1);
    let both = Guardrails {
        findings: [
            DriftKind::RoleDescription,
            DriftKind::RoleMaxSessionDuration,
        ]
        .into_iter()
        .flat_map(|kind| repaired(&world, kind, 3).findings)
        .collect(),
        ..Guardrails::default()
    };
    match verdict(&world, &both, Mode::Repair) {
        Verdict::ReportOnly(plan) => assert_eq!(plan.withheld.len(), 2),
        other => panic!("{}", said(&other)),
    }
}

#[test]
fn all_reasons_are_given_at_once() {
    let guardrails = Guardrails {
        halted: Some("stop".to_owned()),
        frozen: Some("weekend".to_owned()),
        ..Guardrails::default()
    };
    check(
        &drifted(),
        &guardrails,
        &expect!["refuse: writes are halted: stop | changes are frozen: weekend"],
    );
}

/// A world whose plan rests on most kinds of facts.
fn much() -> World {
    let mut spec = faq_spec();
    spec.description = Some("agreed".to_owned());
    spec.tags.insert("team".to_owned(), "security".to_owned());
    spec.inline
        .insert("Inline".parse().unwrap(), identity(ADMIN));
    spec.managed_policies
        .first_mut()
        .unwrap()
        .tags
        .insert("team".to_owned(), "security".to_owned());
    let mut world = World::of(spec);
    world.rewrite(0, identity(ADMIN));
    world.role().description.clear();
    world.role().tags.remove("team");
    world.policy(0).tags.remove("team");
    world.role().inline.clear();
    world
}

#[track_caller]
fn goes_stale(change: impl FnOnce(&mut World), expected: &Expect) {
    let world = much();
    let plan = world.plan();
    assert_eq!(recheck(&plan, &world.observe()), Ok(()));
    let mut now = world;
    change(&mut now);
    // What is wanted besides is decided by the plan's own versions, as the engine reads them.
    let refusals = recheck(&plan, &now.observe()).unwrap_err();
    let words: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    expected.assert_eq(&words.join("\n"));
    let refused = plan
        .steps
        .iter()
        .filter(|step| recheck_step(step, &now.observe()).is_err())
        .count();
    assert!(refused > 0);
}

#[test]
fn a_plan_goes_stale_with_what_it_rests_on() {
    goes_stale(
        |world| world.role().id = "AROA9".to_owned(),
        &expect![
            "changed since the plan was made: it is no longer so that the role is still AROA0001"
        ],
    );
    goes_stale(
        |world| {
            let open = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}"#;
            world.role().trust = ObservedDocument::Valid(trust(open));
        },
        &expect![
            "changed since the plan was made: it is no longer so that the trust policy is still the one that was seen (0d2652cf2949b13190f54dd714a405d5a5d90f0914dc170787a23eaeb1179fb7)"
        ],
    );
    goes_stale(
        |world| world.rewrite(0, identity(ADMIN)),
        &expect![[r#"
        changed since the plan was made: it is no longer so that arn:aws:iam::111111111111:policy/Audit is still ANPA0002 with v2 in force
        changed since the plan was made: it is no longer so that arn:aws:iam::111111111111:policy/Audit has the versions v1, v2"#]],
    );
    goes_stale(
        |world| world.attach_foreign(&arn("arn:aws:iam::aws:policy/More"), identity(ADMIN)),
        &expect![
            "changed since the plan was made: it is no longer so that attached are arn:aws:iam::111111111111:policy/Audit"
        ],
    );
    goes_stale(
        |world| {
            drop(
                world
                    .role()
                    .inline
                    .insert("More".parse().unwrap(), identity(ADMIN)),
            )
        },
        &expect!["changed since the plan was made: it is no longer so that inline are none"],
    );
    goes_stale(
        |world| world.role().boundary = Some(arn("arn:aws:iam::aws:policy/Limit")),
        &expect!["changed since the plan was made: it is no longer so that there is no boundary"],
    );
    goes_stale(
        |world| "mine".clone_into(&mut world.role().description),
        &expect![
            "changed since the plan was made: it is no longer so that the description is `` and the longest session 3600 s"
        ],
    );
    goes_stale(
        |world| {
            drop(
                world
                    .role()
                    .tags
                    .insert("team".to_owned(), "sales".to_owned()),
            )
        },
        &expect![
            "changed since the plan was made: it is no longer so that the role's tags are team absent"
        ],
    );
    goes_stale(
        |world| {
            drop(
                world
                    .policy(0)
                    .tags
                    .insert("team".to_owned(), "sales".to_owned()),
            )
        },
        &expect![
            "changed since the plan was made: it is no longer so that the tags of arn:aws:iam::111111111111:policy/Audit are team absent"
        ],
    );
    goes_stale(
        |world| world.role = None,
        &expect![[r#"
        changed since the plan was made: it is no longer so that the role is still AROA0001
        changed since the plan was made: it is no longer so that the description is `` and the longest session 3600 s
        changed since the plan was made: it is no longer so that the role's tags are team absent
        changed since the plan was made: it is no longer so that there is no inline policy Inline
        changed since the plan was made: it is no longer so that the trust policy is still the one that was seen (0d2652cf2949b13190f54dd714a405d5a5d90f0914dc170787a23eaeb1179fb7)
        changed since the plan was made: it is no longer so that there is no boundary
        changed since the plan was made: it is no longer so that attached are arn:aws:iam::111111111111:policy/Audit
        changed since the plan was made: it is no longer so that inline are none"#]],
    );
}

#[test]
fn what_can_no_longer_be_seen_is_stale() {
    let world = much();
    let plan = world.plan();
    let blind = Observation {
        role: Sighting::Unread(Fault::new(Category::AccessDenied, "no")),
        ..world.observe()
    };
    assert!(recheck(&plan, &blind).is_err());
}

#[test]
fn steps_that_are_taken_out_leave_no_dangling_places() {
    let mut world = much();
    world.role = None;
    let plan = world.plan();
    let kept = plan.steps.len() - 1;
    let without = plan.without(|step| {
        matches!(step.because.as_slice(), [DriftKind::PolicyTags]).then(|| {
            rolekeeper_domain::plan::Withheld {
                operation: step.step.operation(),
                resource: step.step.resource(),
                reason: "for the test".to_owned(),
            }
        })
    });
    assert_eq!(without.steps.len(), kept);
    for (place, step) in without.steps.iter().enumerate() {
        for precondition in &step.preconditions {
            if let Precondition::AfterStep { index } = precondition {
                assert!(*index < place, "step {place} waits for step {index}");
            }
        }
    }
}
