//! What is found, and what would be done, for each kind of drift.

#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

mod model;

use expect_test::{Expect, expect};
use model::{VENDOR, World, arn, bare_spec, faq, faq_spec, identity, trust};
use rolekeeper_domain::observation::ObservedDocument;
use rolekeeper_domain::plan::Plan;
use rolekeeper_domain::role::{Adopt, Boundary, Ensure, Extras, RoleSpec};

const ADMIN: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const READ: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"*"}]}"#;
const DENY_DELETE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"}]}"#;

fn lines(plan: &Plan) -> Vec<String> {
    let mut lines: Vec<String> = plan
        .steps
        .iter()
        .map(|step| {
            format!(
                "{:<6} {}",
                format!("{:?}", step.band).to_lowercase(),
                step.step
            )
        })
        .collect();
    lines.extend(
        plan.adopts
            .iter()
            .map(|resource| format!("adopts {resource}")),
    );
    lines.extend(plan.widens.iter().map(|words| format!("widens {words}")));
    let withheld = plan.withheld.iter();
    lines.extend(withheld.map(|held| {
        format!(
            "not    {} {}: {}",
            held.operation.action(),
            held.resource,
            held.reason
        )
    }));
    lines
}

/// What is found and what would be done about it.
fn said(world: &World) -> String {
    let mut out: Vec<String> = world
        .diff()
        .drifts
        .iter()
        .map(|drift| format!("[{}] {}: {}", drift.severity, drift.kind, drift.explanation))
        .collect();
    out.extend(lines(&world.plan()));
    if out.is_empty() {
        "nothing".to_owned()
    } else {
        out.join("\n")
    }
}

/// Changes an account that is right, and holds what is said against what is expected. Then repairs it: the vendor must
/// not lose for a moment what it has before and after, and nothing may be left that was not withheld.
#[track_caller]
fn check(spec: RoleSpec, change: impl FnOnce(&mut World), expected: &Expect) {
    let mut world = World::of(spec);
    change(&mut world);
    expected.assert_eq(&said(&world));
    let before = world.clone();
    let plan = world.plan();
    let mut now = world.clone();
    for step in &plan.steps {
        now.apply(&step.step).unwrap();
        let beyond = now.power().beyond(before.power(), before.agreed());
        assert!(beyond.is_empty(), "{beyond:?}");
        assert!(
            !now.power().lacks(before.power(), before.agreed()),
            "the vendor loses access after {}",
            step.step
        );
    }
    assert_eq!(now.plan().steps.len(), 0, "{:?}", lines(&now.plan()));
    assert!(!plan.withheld.is_empty() || now.diff().is_in_sync());
}

fn foreign() -> rolekeeper_domain::arn::Arn {
    arn("arn:aws:iam::aws:policy/AdministratorAccess")
}

#[test]
fn an_account_that_is_right_needs_nothing() {
    check(faq_spec(), |_| {}, &expect![["nothing"]]);
}

#[test]
fn other_spelling_is_no_drift() {
    let spelled = identity(
        r#"{ "Statement": [ { "Effect": "Deny", "Action": "IAM:createuser", "Resource": ["*"] }, { "Effect": "Allow", "Action": "*", "Resource": "*" } ], "Version": "2012-10-17" }"#,
    );
    check(
        faq_spec(),
        |world| world.rewrite(0, spelled),
        &expect![["nothing"]],
    );
    let as_account = trust(&format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Sid":"x","Effect":"Allow","Principal":{{"AWS":["{VENDOR}"]}},"Action":["sts:AssumeRole"],"Condition":{{"stringequals":{{"STS:ExternalId":["secret"]}}}}}}}}"#
    ));
    check(
        faq_spec(),
        |world| world.role().trust = ObservedDocument::Valid(as_account),
        &expect![["nothing"]],
    );
}

#[test]
fn a_missing_role_is_made_with_its_policy() {
    check(
        faq_spec(),
        |world| *world = World::empty(faq_spec()),
        &expect![[r#"
            [high] role_missing: the role Auditor does not exist, so nobody can use it
            [high] policy_missing: the policy Audit does not exist: the role lacks what it gives
            turn   iam:CreateRole role/Auditor
            turn   iam:CreatePolicy policy/Audit
            widen  iam:AttachRolePolicy role/Auditor policy/Audit
            widens Auditor gets Audit
            widens the role Auditor comes into being, for whom its trust policy names"#]],
    );
    check(
        faq_spec(),
        |world| world.role = None,
        &expect![[r#"
        [high] role_missing: the role Auditor does not exist, so nobody can use it
        turn   iam:CreateRole role/Auditor
        widen  iam:AttachRolePolicy role/Auditor policy/Audit
        widens Auditor gets Audit
        widens the role Auditor comes into being, for whom its trust policy names"#]],
    );
}

#[test]
fn a_missing_policy_is_made_and_attached() {
    check(
        faq_spec(),
        |world| {
            world.role().attached.clear();
            world.policies.clear();
        },
        &expect![[r#"
            [high] policy_missing: the policy Audit does not exist: the role lacks what it gives
            turn   iam:CreatePolicy policy/Audit
            widen  iam:AttachRolePolicy role/Auditor policy/Audit
            widens Auditor gets Audit"#]],
    );
    check(
        faq_spec(),
        |world| world.role().attached.clear(),
        &expect![[r#"
            [high] attachment_missing: arn:aws:iam::111111111111:policy/Audit is not attached: the role lacks what it gives
            widen  iam:AttachRolePolicy role/Auditor policy/Audit
            widens Auditor gets Audit"#]],
    );
}

#[test]
fn a_document_is_put_right_in_one_call() {
    check(
        faq_spec(),
        |world| world.rewrite(0, identity(ADMIN)),
        &expect![[r#"
            [critical] policy_document: the policy Audit: more than agreed: the denial of iam:CreateUser is gone
            narrow iam:CreatePolicyVersion policy/Audit"#]],
    );
    check(
        faq_spec(),
        |world| world.rewrite(0, identity(READ)),
        &expect![[r#"
            [critical] policy_document: the policy Audit: more than agreed: the denial of iam:CreateUser is gone. less than agreed: every action (beyond s3:Get* and s3:List*) is no longer allowed
            turn   iam:CreatePolicyVersion policy/Audit
            widens Audit: every action but iam:CreateUser (beyond s3:Get* and s3:List*) is allowed"#]],
    );
}

#[test]
fn the_oldest_idle_version_goes_only_when_all_are_taken() {
    let crowd = |world: &mut World, more: usize| {
        for _ in 0..more {
            world.rewrite(0, faq());
        }
        world.rewrite(0, identity(ADMIN));
    };
    check(
        faq_spec(),
        |world| crowd(world, 2),
        &expect![[r#"
        [critical] policy_document: the policy Audit: more than agreed: the denial of iam:CreateUser is gone
        narrow iam:CreatePolicyVersion policy/Audit"#]],
    );
    check(
        faq_spec(),
        |world| crowd(world, 3),
        &expect![[r#"
        [critical] policy_document: the policy Audit: more than agreed: the denial of iam:CreateUser is gone
        [medium] policy_versions_full: all 5 versions of Audit are taken; v1, the oldest that is not in force, would go
        narrow iam:DeletePolicyVersion policy/Audit v1
        narrow iam:CreatePolicyVersion policy/Audit"#]],
    );
}

#[test]
fn trust_is_narrowed_first_and_widened_last() {
    let open = trust(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}"#,
    );
    let other = trust(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::666666666666:root"},"Action":"sts:AssumeRole"}]}"#,
    );
    check(
        faq_spec(),
        |world| {
            world.role().trust = ObservedDocument::Valid(open);
            world.role().attached.clear();
        },
        &expect![[r#"
            [critical] trust_policy: more than agreed: anyone at all may assume the role without an external id
            [high] attachment_missing: arn:aws:iam::111111111111:policy/Audit is not attached: the role lacks what it gives
            narrow iam:UpdateAssumeRolePolicy role/Auditor
            widen  iam:AttachRolePolicy role/Auditor policy/Audit
            widens Auditor gets Audit"#]],
    );
    check(
        faq_spec(),
        |world| {
            world.role().trust = ObservedDocument::Valid(other);
            world.rewrite(0, identity(READ));
        },
        &expect![[r#"
            [critical] trust_policy: more than agreed: anyone in account 666666666666 may assume the role. less than agreed: anyone in account 999999999999 may no longer assume the role if they present the external id
            [critical] policy_document: the policy Audit: more than agreed: the denial of iam:CreateUser is gone. less than agreed: every action (beyond s3:Get* and s3:List*) is no longer allowed
            narrow iam:UpdateAssumeRolePolicy role/Auditor
            turn   iam:CreatePolicyVersion policy/Audit
            widen  iam:UpdateAssumeRolePolicy role/Auditor
            widens Audit: every action but iam:CreateUser (beyond s3:Get* and s3:List*) is allowed
            widens trust policy: anyone in account 999999999999 may assume the role if they present the external id"#]],
    );
}

#[test]
fn a_dead_principal_is_drift() {
    let dead = trust(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"AIDAEXAMPLEEXAMPLE01"},"Action":"sts:AssumeRole"}]}"#,
    );
    check(
        faq_spec(),
        |world| world.role().trust = ObservedDocument::Valid(dead),
        &expect![[r#"
            [high] trust_policy: less than agreed: anyone in account 999999999999 may no longer assume the role if they present the external id. AIDAEXAMPLEEXAMPLE01 in the trust policy is a user or role that was deleted; one made again under the same name is not meant
            widen  iam:UpdateAssumeRolePolicy role/Auditor
            widens trust policy: anyone in account 999999999999 may assume the role if they present the external id"#]],
    );
}

#[test]
fn what_cannot_be_read_as_a_policy_is_drift() {
    let broken = ObservedDocument::Malformed {
        text: "{}".to_owned(),
        why: "no Statement".to_owned(),
    };
    check(
        faq_spec(),
        |world| world.role().trust = broken,
        &expect![[r#"
            [critical] trust_policy: what stands there is not a policy that can be read (no Statement)
            turn   iam:UpdateAssumeRolePolicy role/Auditor
            widens trust policy: the trust policy is replaced by the agreed one; what stands there cannot be read"#]],
    );
}

#[test]
fn tolerated_denials_are_no_drift_and_survive_a_repair() {
    let mut spec = faq_spec();
    spec.tolerate.push(trust(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-*"}}}]}"#,
    ));
    let scanner = r#"{"Sid":"Scanner","Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-abc"}}}"#;
    let agreed = spec.trust.text().trim_end_matches("]}").to_owned();
    let with_scanner = trust(&format!("{agreed},{scanner}]}}"));
    check(
        spec.clone(),
        |world| world.role().trust = ObservedDocument::Valid(with_scanner),
        &expect![["nothing"]],
    );
    let open = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}},{scanner}]}}"#
    );
    let mut world = World::of(spec);
    world.role().trust = ObservedDocument::Valid(trust(&open));
    world.repair();
    let text = world.role().trust.text().to_owned();
    assert!(text.contains("o-abc") && text.contains("secret"), "{text}");
    assert!(world.diff().is_in_sync());
}

#[test]
fn unexpected_attachments_are_reported_removed_or_ignored() {
    for (extras, expected) in [
        (
            Extras::Report,
            expect![[r#"
            [medium] attachment_unexpected: arn:aws:iam::aws:policy/AdministratorAccess is attached and was not agreed; it gives nothing beyond what was agreed
            not    iam:DetachRolePolicy role/Auditor policy/AdministratorAccess: the specification says `extras = "report"`"#]],
        ),
        (
            Extras::Remove,
            expect![[r#"
            [medium] attachment_unexpected: arn:aws:iam::aws:policy/AdministratorAccess is attached and was not agreed; it gives nothing beyond what was agreed
            narrow iam:DetachRolePolicy role/Auditor policy/AdministratorAccess"#]],
        ),
        (Extras::Ignore, expect![["nothing"]]),
    ] {
        let mut spec = faq_spec();
        spec.extras = extras;
        check(
            spec,
            |world| world.attach_foreign(&foreign(), identity(ADMIN)),
            &expected,
        );
    }
}

#[test]
fn what_stays_is_not_handed_to_somebody_new() {
    let other = trust(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::666666666666:root"},"Action":"sts:AssumeRole"}]}"#,
    );
    check(
        faq_spec(),
        |world| {
            world.attach_foreign(&foreign(), identity(ADMIN));
            world.role().trust = ObservedDocument::Valid(other);
        },
        &expect![[r#"
            [critical] trust_policy: more than agreed: anyone in account 666666666666 may assume the role. less than agreed: anyone in account 999999999999 may no longer assume the role if they present the external id
            [medium] attachment_unexpected: arn:aws:iam::aws:policy/AdministratorAccess is attached and was not agreed; it gives nothing beyond what was agreed
            turn   iam:UpdateAssumeRolePolicy role/Auditor
            widens trust policy: anyone in account 999999999999 may assume the role if they present the external id
            not    iam:DetachRolePolicy role/Auditor policy/AdministratorAccess: the specification says `extras = "report"`"#]],
    );
}

#[test]
fn inline_policies_are_compared_and_extras_found() {
    let mut spec = faq_spec();
    spec.inline
        .insert("Guard".parse().unwrap(), identity(DENY_DELETE));
    spec.extras = Extras::Remove;
    check(
        spec.clone(),
        |world| world.role().inline.clear(),
        &expect![[r#"
            [high] inline_document: the inline policy Guard is missing: the role lacks what it gives
            narrow iam:PutRolePolicy role/Auditor inline/Guard"#]],
    );
    check(
        spec.clone(),
        |world| {
            drop(
                world
                    .role()
                    .inline
                    .insert("Guard".parse().unwrap(), identity(READ)),
            )
        },
        &expect![[r#"
            [critical] inline_document: the inline policy Guard: more than agreed: the denial of s3:Delete* is gone; s3:Get* and s3:List* are allowed
            narrow iam:PutRolePolicy role/Auditor inline/Guard"#]],
    );
    check(
        spec,
        |world| {
            drop(
                world
                    .role()
                    .inline
                    .insert("Mine".parse().unwrap(), identity(ADMIN)),
            )
        },
        &expect![[r#"
            [medium] inline_unexpected: the inline policy Mine was not agreed; it gives nothing beyond what was agreed
            narrow iam:DeleteRolePolicy role/Auditor inline/Mine"#]],
    );
}

#[test]
fn a_boundary_is_put_taken_away_or_left_alone() {
    let limit = arn("arn:aws:iam::aws:policy/Limit");
    let other = arn("arn:aws:iam::aws:policy/Other");
    let with = |boundary: Boundary| {
        let mut spec = faq_spec();
        spec.boundary = boundary;
        spec
    };
    let known = |world: &mut World| {
        world.foreign.insert(limit.clone(), identity(READ));
        world.foreign.insert(other.clone(), identity(ADMIN));
    };
    let set = |world: &mut World, boundary: Option<&rolekeeper_domain::arn::Arn>| {
        known(world);
        world.role().boundary = boundary.cloned();
    };
    check(
        with(Boundary::Unmanaged),
        |world| set(world, Some(&other)),
        &expect![["nothing"]],
    );
    check(
        with(Boundary::Policy(limit.clone())),
        |world| set(world, None),
        &expect![[r#"
            [critical] role_permissions_boundary: the permissions boundary arn:aws:iam::aws:policy/Limit is gone: nothing limits what the role's policies give
            narrow iam:PutRolePermissionsBoundary role/Auditor"#]],
    );
    check(
        with(Boundary::Policy(limit.clone())),
        |world| set(world, Some(&other)),
        &expect![[r#"
            [critical] role_permissions_boundary: the permissions boundary is arn:aws:iam::aws:policy/Other, not arn:aws:iam::aws:policy/Limit: it may let through more than agreed
            turn   iam:PutRolePermissionsBoundary role/Auditor
            widens Auditor is no longer limited by the boundary arn:aws:iam::aws:policy/Other"#]],
    );
    check(
        with(Boundary::None),
        |world| set(world, Some(&limit)),
        &expect![[r#"
            [medium] role_permissions_boundary: the permissions boundary arn:aws:iam::aws:policy/Limit limits the role, and none was agreed
            widen  iam:DeleteRolePermissionsBoundary role/Auditor
            widens Auditor is no longer limited by the boundary arn:aws:iam::aws:policy/Limit"#]],
    );
}

#[test]
fn settings_and_tags_are_put_right() {
    let mut spec = faq_spec();
    spec.description = Some("read by the auditor".to_owned());
    spec.max_session_duration = Some(3_600);
    spec.tags.insert("team".to_owned(), "security".to_owned());
    if let Some(policy) = spec.managed_policies.first_mut() {
        policy.tags.insert("team".to_owned(), "security".to_owned());
    }
    check(
        spec,
        |world| {
            world.role().description.clear();
            world.role().max_session_duration = 43_200;
            world
                .role()
                .tags
                .insert("team".to_owned(), "sales".to_owned());
            world.policy(0).tags.remove("team");
        },
        &expect![[r#"
            [low] role_description: the description is another one
            [low] role_max_session_duration: a session may last 43200 s, agreed are 3600 s
            [low] role_tags: tags differ: team=sales, agreed are team=security
            [low] policy_tags: tags differ: team absent, agreed are team=security
            narrow iam:UpdateRole role/Auditor
            turn   iam:TagRole role/Auditor
            turn   iam:TagPolicy policy/Audit"#]],
    );
}

#[test]
fn a_path_is_reported_and_withheld() {
    check(
        faq_spec(),
        |world| "/old/".clone_into(&mut world.role().path),
        &expect![[r#"
            [medium] role_path: the role sits under /old/, not /, so its ARN is another one than agreed; IAM cannot move a role
            not    iam:CreateRole role/Auditor: IAM cannot move a role from /old/ to /: it has to be deleted and made again, which a person should decide (or set `path` in the specification to where it is)"#]],
    );
}

#[test]
fn a_shared_policy_is_not_widened_for_others() {
    check(
        faq_spec(),
        |world| {
            world.rewrite(0, identity(READ));
            world.policy(0).others = 2;
        },
        &expect![[r#"
            [critical] policy_document: the policy Audit: more than agreed: the denial of iam:CreateUser is gone. less than agreed: every action (beyond s3:Get* and s3:List*) is no longer allowed
            not    iam:CreatePolicyVersion policy/Audit: Audit is also attached to 2 other user(s), group(s) or role(s), who would gain what it gains"#]],
    );
}

#[test]
fn a_role_from_another_hand_is_changed_as_adopt_allows() {
    for adopt in [Adopt::IfEquivalent, Adopt::Always, Adopt::Never] {
        let mut spec = faq_spec();
        spec.adopt = adopt;
        let mut same = World::of(spec.clone());
        same.role().tags.clear();
        same.policy(0).tags.clear();
        let mut other = same.clone();
        other.rewrite(0, identity(ADMIN));
        let expected = match adopt {
            Adopt::IfEquivalent => (
                expect![[r#"
                adopts role/Auditor
                adopts policy/Audit"#]],
                expect![[r#"
                [critical] policy_document: the policy Audit: more than agreed: the denial of iam:CreateUser is gone
                not    iam:CreatePolicyVersion role/Auditor Audit: role Auditor was not made by rolekeeper and `adopt` does not allow to change it"#]],
            ),
            Adopt::Always => (
                expect![[r#"
                adopts role/Auditor
                adopts policy/Audit"#]],
                expect![[r#"
                [critical] policy_document: the policy Audit: more than agreed: the denial of iam:CreateUser is gone
                narrow iam:CreatePolicyVersion policy/Audit
                adopts role/Auditor
                adopts policy/Audit"#]],
            ),
            Adopt::Never => (
                expect!["nothing"],
                expect![[r#"
                [critical] policy_document: the policy Audit: more than agreed: the denial of iam:CreateUser is gone
                not    iam:CreatePolicyVersion role/Auditor Audit: role Auditor was not made by rolekeeper and `adopt` does not allow to change it"#]],
            ),
        };
        expected.0.assert_eq(&said(&same));
        expected.1.assert_eq(&said(&other));
    }
}

#[test]
fn what_was_adopted_stays_ours() {
    let mut world = World::of(faq_spec());
    world.role().tags.clear();
    world.policy(0).tags.clear();
    world.repair();
    world.rewrite(0, identity(ADMIN));
    assert_eq!(world.repair().steps.len(), 1);
    assert!(world.diff().is_in_sync());
}

#[test]
fn absence_removes_what_is_ours_and_nothing_else() {
    let absent = || {
        let mut spec = faq_spec();
        spec.ensure = Ensure::Absent;
        spec
    };
    let there = |change: &dyn Fn(&mut World)| {
        let mut world = World::of(faq_spec());
        change(&mut world);
        world.spec = absent();
        world
    };
    expect![["nothing"]].assert_eq(&said(&World::empty(absent())));
    let whole = there(&|world| {
        world.rewrite(0, identity(ADMIN));
        world.attach_foreign(&foreign(), identity(ADMIN));
        world
            .role()
            .inline
            .insert("Mine".parse().unwrap(), identity(READ));
    });
    expect![[r#"
        [critical] role_unexpected: the role Auditor is there and should not be
        [medium] role_unexpected: the policy Audit made for the role is still there
        narrow iam:DetachRolePolicy role/Auditor policy/Audit
        narrow iam:DeleteRolePolicy role/Auditor inline/Mine
        turn   iam:DetachRolePolicy role/Auditor policy/AdministratorAccess
        turn   iam:DeleteRole role/Auditor
        turn   iam:DeletePolicyVersion policy/Audit v1
        turn   iam:DeletePolicy policy/Audit"#]]
    .assert_eq(&said(&whole));
    let shared = there(&|world| world.policy(0).others = 1);
    expect![[r#"
        [critical] role_unexpected: the role Auditor is there and should not be
        [medium] role_unexpected: the policy Audit made for the role is still there
        narrow iam:DetachRolePolicy role/Auditor policy/Audit
        narrow iam:DeleteRole role/Auditor
        not    iam:DeletePolicy policy/Audit: it is also attached to 1 other user(s), group(s) or role(s)"#]].assert_eq(&said(&shared));
    let strange = there(&|world| {
        world.role().tags.clear();
        world.policy(0).tags.clear();
    });
    expect![[r#"
        [critical] role_unexpected: the role Auditor is there and should not be; rolekeeper did not make it and will not remove it
        not    iam:DeleteRole role/Auditor: rolekeeper removes only what it made or adopted"#]].assert_eq(&said(&strange));
}

#[test]
fn two_policies_with_denials_are_exchanged_behind_a_guard() {
    let mut spec = bare_spec();
    let swap = |deny: &str| {
        identity(&format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"}},{{"Effect":"Deny","Action":"{deny}","Resource":"*"}}]}}"#
        ))
    };
    spec.inline.insert("One".parse().unwrap(), swap("iam:*"));
    spec.inline.insert("Two".parse().unwrap(), swap("s3:*"));
    check(
        spec,
        |world| {
            let role = world.role();
            role.inline.insert("One".parse().unwrap(), swap("s3:*"));
            role.inline.insert("Two".parse().unwrap(), swap("iam:*"));
        },
        &expect![[r#"
            [critical] inline_document: the inline policy One: more than agreed: the denial of iam:* is gone. less than agreed: s3:* is denied
            [critical] inline_document: the inline policy Two: more than agreed: the denial of s3:* is gone. less than agreed: iam:* is denied
            narrow iam:PutRolePolicy role/Auditor inline/rolekeeper-guard
            turn   iam:PutRolePolicy role/Auditor inline/One
            turn   iam:PutRolePolicy role/Auditor inline/Two
            widen  iam:DeleteRolePolicy role/Auditor inline/rolekeeper-guard
            widens One: the denial of s3:* is gone
            widens Two: the denial of iam:* is gone"#]],
    );
}

#[test]
fn a_guard_that_was_left_behind_goes() {
    check(
        faq_spec(),
        |world| {
            drop(
                world
                    .role()
                    .inline
                    .insert("rolekeeper-guard".parse().unwrap(), identity(DENY_DELETE)),
            )
        },
        &expect![[r#"
            [medium] inline_unexpected: the inline policy rolekeeper-guard was left by a repair that did not finish; it only takes away
            widen  iam:DeleteRolePolicy role/Auditor inline/rolekeeper-guard
            widens Auditor: what role/Auditor inline/rolekeeper-guard denied is no longer denied"#]],
    );
}

#[test]
fn a_digest_names_what_a_plan_does_and_rests_on() {
    let mut world = World::of(faq_spec());
    world.rewrite(0, identity(ADMIN));
    let plan = world.plan();
    assert_eq!(plan.digest(), world.plan().digest());
    world.rewrite(0, identity(ADMIN));
    assert_ne!(plan.digest(), world.plan().digest());
}

#[test]
fn every_step_names_drift_that_was_found() {
    let mut spec = faq_spec();
    spec.inline
        .insert("Guard".parse().unwrap(), identity(DENY_DELETE));
    let mut detached = World::of(spec.clone());
    detached.role().attached.clear();
    detached.rewrite(0, identity(READ));
    for world in [World::empty(spec), detached] {
        let found: Vec<_> = world.diff().drifts.iter().map(|drift| drift.kind).collect();
        for step in world.plan().steps {
            let unfounded = step
                .because
                .iter()
                .filter(|kind| !found.contains(kind))
                .count();
            assert_eq!(
                unfounded, 0,
                "{} because of {:?}, found {found:?}",
                step.step, step.because
            );
        }
    }
}
