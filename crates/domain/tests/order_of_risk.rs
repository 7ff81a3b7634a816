//! Every prefix of every plan, also with a failure anywhere in it, over generated accounts and
//! specifications: nobody holds a permission that they have neither before nor by the specification.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test panics on purpose"
)]

mod model;

use std::collections::{BTreeMap, BTreeSet};

use model::{ACCOUNT, VENDOR, World, arn, identity, owner_tags, trust};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::least_privilege::{Audience, RoleScope, Scope, grants_for};
use rolekeeper_domain::observation::ObservedDocument;
use rolekeeper_domain::plan::{Plan, Precondition, Step};
use rolekeeper_domain::planner::{GUARD_POLICY_NAME, recheck};
use rolekeeper_domain::policy::Document;
use rolekeeper_domain::role::{
    Adopt, Boundary, Ensure, Extras, ManagedPolicySpec, PolicyName, RoleSpec,
};

/// The same cases in every run; `PROPTEST_RNG_SEED` asks for others.
fn cases(cases: u32) -> ProptestConfig {
    let given = ProptestConfig::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(20_161_019),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    ProptestConfig {
        cases,
        rng_seed,
        failure_persistence: None,
        ..given
    }
}

/// One statement out of a small vocabulary in which most things overlap.
fn statement() -> impl Strategy<Value = String> {
    let actions = prop::sample::select(vec![
        r#""Action":"*""#,
        r#""Action":"s3:*""#,
        r#""Action":"s3:GetObject""#,
        r#""Action":["s3:PutObject","ec2:RunInstances"]"#,
        r#""Action":"iam:*""#,
        r#""Action":"iam:CreateUser""#,
        r#""NotAction":"iam:*""#,
    ]);
    let resource = prop::sample::select(vec![r#""*""#, r#""*""#, r#""arn:aws:s3:::open/*""#]);
    let effect = prop::sample::select(vec!["Allow", "Allow", "Deny"]);
    let condition = prop::sample::select(vec![
        "",
        "",
        "",
        r#","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}"#,
        r#","Condition":{"StringNotEquals":{"aws:RequestedRegion":"eu-west-1"}}"#,
    ]);
    (effect, actions, resource, condition).prop_map(|(effect, actions, resource, condition)| {
        format!(r#"{{"Effect":"{effect}",{actions},"Resource":{resource}{condition}}}"#)
    })
}

fn document() -> impl Strategy<Value = Document> {
    prop::collection::vec(statement(), 1..=3).prop_map(|statements| {
        identity(&format!(
            r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
            statements.join(",")
        ))
    })
}

/// What a repair that died may have left: denials alone.
fn guard_document() -> impl Strategy<Value = Document> {
    document().prop_map(|document| identity(&document.text().replace("Allow", "Deny")))
}

fn trust_policy() -> impl Strategy<Value = Document> {
    let vendor = format!("arn:aws:iam::{VENDOR}:root");
    let rows = vec![
        format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{vendor}"}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"sts:ExternalId":"secret"}}}}}}"#),
        format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{vendor}"}},"Action":"sts:AssumeRole"}}"#),
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::666666666666:root"},"Action":"sts:AssumeRole"}"#.to_owned(),
        format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:user/someone"}},"Action":"sts:AssumeRole"}}"#),
        r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"secret"}}}"#.to_owned(),
        r#"{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::666666666666:root"},"Action":"sts:AssumeRole"}"#.to_owned(),
        format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{vendor}"}},"Action":"sts:AssumeRole","Condition":{{"StringLike":{{"sts:ExternalId":"sec*"}},"Bool":{{"aws:MultiFactorAuthPresent":"true"}}}}}}"#),
    ];
    prop::sample::subsequence(rows, 1..=3).prop_map(|statements| {
        trust(&format!(
            r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
            statements.join(",")
        ))
    })
}

fn foreign_arn(n: usize) -> Arn {
    arn(&format!("arn:aws:iam::aws:policy/Foreign{n}"))
}

fn boundary_arn(n: usize) -> Arn {
    arn(&format!("arn:aws:iam::aws:policy/Boundary{n}"))
}

fn inline_name(n: usize) -> PolicyName {
    format!("Inline{n}").parse().unwrap()
}

/// How one policy stands before.
#[derive(Clone, Debug)]
enum Slot {
    Missing,
    Right,
    Other(Document),
    OtherDetached(Document),
    Detached,
}

fn slot() -> impl Strategy<Value = Slot> {
    prop_oneof![
        Just(Slot::Missing),
        Just(Slot::Right),
        document().prop_map(Slot::Other),
        document().prop_map(Slot::Other),
        document().prop_map(Slot::OtherDetached),
        Just(Slot::Detached),
    ]
}

/// A specification and an account that differs from it.
#[derive(Clone, Debug)]
struct Case {
    trusts: (Document, Document),
    managed: Vec<(Document, Slot, u32)>,
    inline: Vec<(Document, Slot)>,
    foreign: Vec<(Document, bool, bool)>,
    extra_inline: Option<Document>,
    boundaries: (Option<Document>, Option<Document>),
    boundary_spec: u8,
    boundary_found: u8,
    extras: Extras,
    versions: usize,
    role_there: bool,
    trust_unreadable: bool,
    garbled: bool,
    readable: bool,
    guard_left: Option<Document>,
    absent: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let permissions = (
        prop::collection::vec(
            (
                document(),
                slot(),
                prop_oneof![4 => Just(0_u32), 1 => Just(1_u32)],
            ),
            0..=2,
        ),
        prop::collection::vec((document(), slot()), 0..=2),
        prop::collection::vec((document(), any::<bool>(), any::<bool>()), 0..=2),
        prop::option::weighted(0.2, document()),
    );
    let boundaries = (
        (prop::option::of(document()), prop::option::of(document())),
        0_u8..4,
        0_u8..3,
    );
    let rest = (
        prop::sample::select(vec![
            Extras::Report,
            Extras::Remove,
            Extras::Remove,
            Extras::Ignore,
        ]),
        1_usize..=5,
        prop::bool::weighted(0.85),
        prop::bool::weighted(0.7),
        prop::option::weighted(0.1, guard_document()),
        prop::bool::weighted(0.1),
        (prop::bool::weighted(0.05), prop::bool::weighted(0.15)),
    );
    (
        (trust_policy(), trust_policy(), any::<bool>()),
        permissions,
        boundaries,
        rest,
    )
        .prop_map(
            |(
                (agreed, found, same),
                (managed, inline, foreign, extra_inline),
                (boundaries, spec, seen),
                rest,
            )| {
                let (extras, versions, role_there, readable, guard_left, absent, unread) = rest;
                let (trust_unreadable, garbled) = unread;
                let found = if same { agreed.clone() } else { found };
                Case {
                    trusts: (agreed, found),
                    managed,
                    inline,
                    foreign,
                    extra_inline,
                    boundaries,
                    boundary_spec: spec,
                    boundary_found: seen,
                    extras,
                    versions,
                    role_there,
                    trust_unreadable,
                    garbled,
                    readable,
                    guard_left,
                    absent,
                }
            },
        )
}

fn spec_of(case: &Case) -> RoleSpec {
    let mut spec = model::bare_spec();
    spec.trust = case.trusts.0.clone();
    spec.extras = case.extras;
    spec.ensure = if case.absent {
        Ensure::Absent
    } else {
        Ensure::Present
    };
    for (n, (document, _, _)) in case.managed.iter().enumerate() {
        spec.managed_policies.push(ManagedPolicySpec {
            name: format!("Managed{n}").parse().unwrap(),
            path: "/".parse().unwrap(),
            document: document.clone(),
            tags: BTreeMap::new(),
        });
    }
    for (n, (document, _)) in case.inline.iter().enumerate() {
        spec.inline.insert(inline_name(n), document.clone());
    }
    for (n, (_, wanted, _)) in case.foreign.iter().enumerate() {
        if *wanted {
            spec.attach.insert(foreign_arn(n));
        }
    }
    spec.boundary = match case.boundary_spec {
        0 => Boundary::Unmanaged,
        1 => Boundary::None,
        n => Boundary::Policy(boundary_arn(usize::from(n - 2))),
    };
    spec
}

fn world_of(case: &Case) -> World {
    let mut world = World::empty(spec_of(case));
    world.foreign_readable = case.readable;
    for (n, (document, _, _)) in case.foreign.iter().enumerate() {
        world.foreign.insert(foreign_arn(n), document.clone());
    }
    let everything = identity(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    );
    for (n, document) in [&case.boundaries.0, &case.boundaries.1]
        .into_iter()
        .enumerate()
    {
        world.foreign.insert(
            boundary_arn(n),
            document.clone().unwrap_or_else(|| everything.clone()),
        );
    }
    for (n, (document, slot, others)) in case.managed.iter().enumerate() {
        let arn = world.policy_arn(n);
        let found = match slot {
            Slot::Missing => continue,
            Slot::Right | Slot::Detached => document,
            Slot::Other(other) | Slot::OtherDetached(other) => other,
        };
        let versions: Vec<(u64, Document)> = (1..=case.versions as u64)
            .map(|id| (id, found.clone()))
            .collect();
        world.policies.insert(
            arn,
            model::Policy {
                id: format!("ANPA{n}"),
                default: versions.len() as u64,
                next: versions.len() as u64 + 1,
                versions,
                tags: owner_tags(),
                others: *others,
            },
        );
    }
    if case.role_there {
        world.role = Some(role_of(case, &world));
    }
    if let (true, Some(role)) = (case.garbled, &world.role) {
        let wrong = role.inline.iter().filter(|(name, document)| {
            name.as_str() != GUARD_POLICY_NAME && world.spec.inline.get(*name) != Some(*document)
        });
        world.garbled = wrong
            .map(|(name, document)| (name.clone(), document.clone()))
            .collect();
    }
    world
}

fn role_of(case: &Case, world: &World) -> model::Role {
    let mut role = model::Role {
        id: "AROA0".to_owned(),
        path: "/".to_owned(),
        trust: if case.trust_unreadable {
            ObservedDocument::Malformed {
                text: "{}".to_owned(),
                why: "no Statement".to_owned(),
            }
        } else {
            ObservedDocument::Valid(case.trusts.1.clone())
        },
        description: String::new(),
        max_session_duration: 3600,
        boundary: match case.boundary_found {
            0 => None,
            n => Some(boundary_arn(usize::from(n - 1))),
        },
        tags: owner_tags(),
        attached: Default::default(),
        inline: BTreeMap::new(),
    };
    for (n, (_, slot, _)) in case.managed.iter().enumerate() {
        if matches!(slot, Slot::Right | Slot::Other(_)) {
            role.attached.insert(world.policy_arn(n));
        }
    }
    for (n, (_, _, there)) in case.foreign.iter().enumerate() {
        if *there {
            role.attached.insert(foreign_arn(n));
        }
    }
    for (n, (document, slot)) in case.inline.iter().enumerate() {
        match slot {
            Slot::Missing | Slot::Detached => {}
            Slot::Right => drop(role.inline.insert(inline_name(n), document.clone())),
            Slot::Other(other) | Slot::OtherDetached(other) => {
                drop(role.inline.insert(inline_name(n), other.clone()))
            }
        }
    }
    if let Some(extra) = &case.extra_inline {
        role.inline.insert("Extra".parse().unwrap(), extra.clone());
    }
    if let Some(guard) = &case.guard_left {
        role.inline
            .insert(GUARD_POLICY_NAME.parse().unwrap(), guard.clone());
    }
    role
}

/// Before the repair that left a guard behind there was none.
fn unguarded(world: &World) -> World {
    let mut world = world.clone();
    if let Some(role) = &mut world.role {
        role.inline
            .retain(|name, _| name.as_str() != GUARD_POLICY_NAME);
    }
    world
}

/// Nobody holds more than before or agreed, other principals of a shared policy included.
fn hold(now: &World, before: &World, plan: &Plan, place: usize) -> Result<(), TestCaseError> {
    let beyond = now
        .power()
        .beyond(unguarded(before).power(), before.agreed());
    prop_assert!(
        beyond.is_empty(),
        "after step {place} of\n{}\n{beyond:#?}",
        show(plan)
    );
    for (arn, policy) in &now.policies {
        let Some(old) = before.policies.get(arn).filter(|old| old.others > 0) else {
            continue;
        };
        let all = trust(&format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{VENDOR}:root"}},"Action":"sts:AssumeRole"}}]}}"#
        ));
        let power = |policy: &model::Policy| {
            model::Power::of(&all, std::slice::from_ref(policy.document()), None)
        };
        let gained = power(policy).beyond(power(old), model::Power::none());
        prop_assert!(
            gained.is_empty(),
            "others gain through {arn} after step {place} of\n{}",
            show(plan)
        );
    }
    Ok(())
}

fn show(plan: &Plan) -> String {
    let mut lines: Vec<String> = plan
        .steps
        .iter()
        .map(|step| format!("{:?} {} {:?}", step.band, step.step, step.step.parameters()))
        .collect();
    lines.extend(plan.withheld.iter().map(|held| {
        format!(
            "withheld {} {}: {}",
            held.operation, held.resource, held.reason
        )
    }));
    lines.join("\n")
}

/// Takes the steps of a plan; `failing` fails, what depends on it and all later bands are not taken.
fn carry_out(before: &World, plan: &Plan, failing: Option<usize>) -> Result<World, TestCaseError> {
    let mut now = before.clone();
    let mut undone = Vec::new();
    for (place, step) in plan.steps.iter().enumerate() {
        let depends = |on: &usize| {
            step.preconditions
                .contains(&Precondition::AfterStep { index: *on })
        };
        let later_band =
            failing.is_some_and(|failed| place > failed && step.band > plan.steps[failed].band);
        if failing == Some(place) || later_band || undone.iter().any(depends) {
            undone.push(place);
            continue;
        }
        if let Err(error) = now.apply(&step.step) {
            prop_assert!(false, "IAM refuses step {place}: {error}\n{}", show(plan));
        }
        hold(&now, before, plan, place)?;
    }
    Ok(now)
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let before = world_of(case);
    let plan = before.plan();
    prop_assert!(
        plan.steps.is_sorted_by_key(|step| step.band),
        "bands out of order\n{}",
        show(&plan)
    );
    prop_assert!(
        recheck(&plan, &before.observe()).is_ok(),
        "a fresh plan is stale\n{}",
        show(&plan)
    );
    let after = carry_out(&before, &plan, None)?;
    for failing in 0..plan.steps.len() {
        carry_out(&before, &plan, Some(failing))?;
    }
    let again = after.plan();
    prop_assert!(
        again.is_empty(),
        "a second plan has steps\n{}\nafter\n{}",
        show(&again),
        show(&plan)
    );
    let left = after.diff();
    if plan.withheld.is_empty() {
        prop_assert!(
            left.is_in_sync(),
            "drift is left and nothing was withheld: {:#?}\n{}",
            left.drifts,
            show(&plan)
        );
    }
    prop_assert_eq!(after.foreign.len(), before.foreign.len());
    let bare = |step: &Step| !matches!(step, Step::PutRolePolicy { policy, .. } if policy.as_str() == GUARD_POLICY_NAME);
    if case.role_there && !case.absent && plan.steps.iter().all(|step| bare(&step.step)) {
        no_outage(&before, &plan)?;
    }
    Ok(())
}

/// A repair stops somewhere, and the next sweep takes up what it finds.
fn take_up(case: &Case) -> Result<(), TestCaseError> {
    let before = world_of(case);
    let plan = before.plan();
    for failing in 0..plan.steps.len() {
        let interrupted = carry_out(&before, &plan, Some(failing))?;
        // The next sweep knows nothing of this one: it looks, plans anew, and still gives nobody more than there was.
        let next = interrupted.plan();
        let mut now = interrupted;
        for (place, step) in next.steps.iter().enumerate() {
            if let Err(error) = now.apply(&step.step) {
                prop_assert!(false, "IAM refuses step {place}: {error}\n{}", show(&next));
            }
            hold(&now, &before, &next, place)?;
        }
        prop_assert!(
            now.plan().is_empty(),
            "an interrupted repair does not settle\n{}",
            show(&now.plan())
        );
    }
    Ok(())
}

/// Where one policy changes (and the trust policy at most once), nobody misses in between what they have before and
/// after. (Where a permission moves from one policy to another, taking comes before giving.)
fn no_outage(before: &World, plan: &Plan) -> Result<(), TestCaseError> {
    let trusts = plan
        .steps
        .iter()
        .filter(|step| matches!(step.step, Step::UpdateAssumeRolePolicy { .. }));
    let permissions = plan.steps.iter().filter(|step| {
        !matches!(
            step.step,
            Step::UpdateAssumeRolePolicy { .. }
                | Step::DeletePolicyVersion { .. }
                | Step::CreatePolicy { .. }
        )
    });
    if trusts.count() > 1
        || permissions.count() > 1
        || plan
            .withheld
            .iter()
            .any(|held| held.operation.name() == "UpdateAssumeRolePolicy")
    {
        return Ok(());
    }
    let mut now = before.clone();
    let after = carry_out(before, plan, None)?;
    for (place, step) in plan.steps.iter().enumerate() {
        now.apply(&step.step).unwrap();
        prop_assert!(
            !now.power().lacks(before.power(), after.power()),
            "access is lost for a moment after step {place} of\n{}",
            show(plan)
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn no_prefix_of_a_plan_gives_anybody_too_much(case in case()) {
        check(&case)?;
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn an_interrupted_repair_is_taken_up_and_gives_nobody_too_much(case in case()) {
        take_up(&case)?;
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn what_is_not_ours_is_left_alone(case in case(), adopt in prop::sample::select(vec![Adopt::Never, Adopt::IfEquivalent])) {
        let mut before = world_of(&case);
        before.spec.adopt = adopt;
        if let Some(role) = &mut before.role {
            role.tags.clear();
        }
        for policy in before.policies.values_mut() {
            policy.tags.clear();
        }
        let plan = before.plan();
        let ours = |resource: &str| plan.adopts.iter().any(|adopted| adopted == resource);
        for step in &plan.steps {
            let resource = match &step.step {
                Step::CreateRole { .. } | Step::CreatePolicy { .. } => continue,
                Step::CreatePolicyVersion { arn, .. } | Step::DeletePolicyVersion { arn, .. } | Step::DeletePolicy { arn } | Step::TagPolicy { arn, .. } => arn.resource().to_owned(),
                _ if before.role.is_none() => continue,
                _ => "role/Auditor".to_owned(),
            };
            prop_assert!(ours(&resource), "{} is somebody else's\n{}", resource, show(&plan));
        }
        if before.spec.ensure == Ensure::Absent {
            prop_assert!(plan.is_empty());
        }
        carry_out(&before, &plan, None)?;
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn every_step_of_a_plan_is_granted_by_the_policy_that_is_printed_for_its_role_alone(case in case()) {
        let before = world_of(&case);
        let scope = Scope {
            roles: vec![RoleScope::from(&before.spec)],
            repair: true,
            ..Scope::default()
        };
        let granted: BTreeSet<String> = grants_for(Audience::Admin, &scope)
            .into_iter()
            .flat_map(|grant| grant.actions)
            .collect();
        for step in &before.plan().steps {
            let action = step.step.operation().action();
            prop_assert!(granted.contains(&action), "{action} is planned and not granted");
        }
    }
}
