//! From templates to specifications, and the guard rails on them.

#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::Partition;
use rolekeeper_domain::policy::{Context, Document, Kind, Verdict, compare};
use rolekeeper_domain::role::{Adopt, Ensure, Extras};
use rolekeeper_domain::spec::{
    Binding, BoundTemplate, BoundaryTemplate, Danger, ExternalId, ManagedPolicyTemplate,
    NextExternalId, PRESETS, Preset, RotationGoal, SpecTemplate, Standing, Surroundings,
    TemplateError, dangers, preset,
};

const HUB: &str = "111111111111";
const VENDOR: &str = "999999999999";

fn id(text: &str) -> AccountId {
    text.parse().unwrap()
}

fn template(preset: &Preset) -> SpecTemplate {
    SpecTemplate {
        name: preset.role_name.parse().unwrap(),
        path: "/".parse().unwrap(),
        ensure: Ensure::Present,
        trust: preset.trust_policy.to_owned(),
        description: None,
        max_session_duration: None,
        boundary: BoundaryTemplate::Unmanaged,
        tags: BTreeMap::new(),
        managed_policies: preset
            .managed_policies
            .iter()
            .map(|(name, document)| ManagedPolicyTemplate {
                name: name.parse().unwrap(),
                path: "/".parse().unwrap(),
                document: (*document).to_owned(),
                tags: BTreeMap::new(),
            })
            .collect(),
        attach: preset.attach.iter().map(|arn| (*arn).to_owned()).collect(),
        inline: BTreeMap::new(),
        extras: Extras::Report,
        adopt: Adopt::IfEquivalent,
        tolerate: Vec::new(),
        legacy_users: BTreeSet::new(),
        vendor_account_id: Some(id(VENDOR)),
        external_id: Some(ExternalId::new("secret-1").unwrap()),
        next_external_id: None,
    }
}

fn cloudcoreo() -> SpecTemplate {
    template(preset("cloudcoreo").unwrap())
}

fn bind(template: SpecTemplate) -> Result<BoundTemplate, TemplateError> {
    bind_in(template, Partition::Aws)
}

fn bind_in(template: SpecTemplate, partition: Partition) -> Result<BoundTemplate, TemplateError> {
    template.bind(Binding {
        partition,
        hub_account_id: id(HUB),
        organization_id: Some("o-abcdef1234".to_owned()),
    })
}

#[test]
fn the_preset_is_the_faqs_role() {
    let spec = bind(cloudcoreo())
        .unwrap()
        .in_account(id("222222222222"))
        .unwrap();
    assert_eq!(spec.name.as_str(), "CloudCoreoAssumedRolePolicy");
    let policy = spec.managed_policies.first().unwrap();
    assert_eq!(policy.name.as_str(), "CloudCoreoAssumedRolePolicy");
    assert_eq!(
        policy.document.text(),
        r#"{"Version":"2012-10-17","Statement":[{"Action":["*"],"Effect":"Allow","Resource":"*"},{"Action":["iam:CreateUser"],"Effect":"Deny","Resource":"*"}]}"#
    );
    assert_eq!(
        spec.trust.text(),
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"secret-1"}}}]}"#
    );
}

#[test]
fn the_later_edition_is_one_line_away() {
    let mut later = cloudcoreo();
    later.name = "CloudCoreoAssumedRole".parse().unwrap();
    let spec = bind(later).unwrap().in_account(id(HUB)).unwrap();
    assert_eq!(
        spec.arn(id(HUB)).as_str(),
        "arn:aws:iam::111111111111:role/CloudCoreoAssumedRole"
    );
    let policy = spec.managed_policies.first().unwrap();
    assert_eq!(
        spec.policy_arn(id(HUB), policy).as_str(),
        "arn:aws:iam::111111111111:policy/CloudCoreoAssumedRolePolicy"
    );
}

#[test]
fn every_preset_makes_a_specification_without_dangers_in_every_partition() {
    for preset in &PRESETS {
        for partition in [Partition::Aws, Partition::AwsCn, Partition::AwsUsGov] {
            let bound = bind_in(template(preset), partition).unwrap();
            let spec = bound.in_account(id("222222222222")).unwrap();
            assert_eq!(
                dangers(&spec, &Surroundings::default()),
                [],
                "{} in {partition}",
                preset.name
            );
            assert!(spec.trust.text().contains(&format!("arn:{partition}:iam")));
        }
    }
}

#[test]
fn one_specification_serves_all_accounts_that_do_not_differ() {
    let bound = bind(cloudcoreo()).unwrap();
    let (one, other) = (
        bound.in_account(id("222222222222")).unwrap(),
        bound.in_account(id("333333333333")).unwrap(),
    );
    assert!(Arc::ptr_eq(&one, &other));

    let mut differing = cloudcoreo();
    differing
        .tags
        .insert("account".to_owned(), "${account_id}".to_owned());
    let bound = bind(differing).unwrap();
    let one = bound.in_account(id("222222222222")).unwrap();
    assert_eq!(
        one.tags.get("account").map(String::as_str),
        Some("222222222222")
    );
    let other = bound.in_account(id("333333333333")).unwrap();
    assert_eq!(
        other.tags.get("account").map(String::as_str),
        Some("333333333333")
    );
}

#[test]
fn iam_variables_reach_iam_untouched() {
    let mut template = cloudcoreo();
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:${partition}:s3:::home/${aws:username}/${*}"}]}"#;
    template
        .inline
        .insert("Home".parse().unwrap(), document.to_owned());
    let spec = bind(template).unwrap().in_account(id(HUB)).unwrap();
    let inline = spec.inline.values().next().unwrap();
    assert!(
        inline
            .text()
            .contains("arn:aws:s3:::home/${aws:username}/${*}"),
        "{}",
        inline.text()
    );
}

#[track_caller]
fn refused(change: impl FnOnce(&mut SpecTemplate), expected: &Expect) {
    let mut template = cloudcoreo();
    change(&mut template);
    let error = bind(template).unwrap_err();
    expected.assert_eq(&error.to_string());
}

fn identity(resource: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:GetObject","Resource":"{resource}"}}]}}"#
    )
}

#[test]
fn what_does_not_make_a_specification_is_named() {
    refused(
        |template| template.trust = template.trust.replace("external_id", "externalid"),
        &expect![
            "trust_policy: `${externalid}` is not a placeholder: there are ${account_id}, ${partition}, ${organization_id}, ${hub_account_id}, ${vendor_account_id}, ${external_id}"
        ],
    );
    refused(
        |template| template.vendor_account_id = None,
        &expect!["trust_policy: it uses `${vendor_account_id}`, which has no value"],
    );
    refused(
        |template| template.external_id = None,
        &expect!["trust_policy: it uses `${external_id}`, which has no value"],
    );
    refused(
        |template| template.trust = "{}".to_owned(),
        &expect!["trust_policy: document: found no Statement, expected a Statement element"],
    );
    refused(
        |template| {
            template
                .attach
                .push("arn:aws-cn:iam::aws:policy/ReadOnlyAccess".to_owned())
        },
        &expect![
            "attach: arn:aws-cn:iam::aws:policy/ReadOnlyAccess belongs to another partition than this organization's (aws); write arn:${partition}:…"
        ],
    );
    refused(
        |template| {
            template
                .attach
                .push("arn:aws:iam::aws:role/Admin".to_owned())
        },
        &expect!["attach: arn:aws:iam::aws:role/Admin is not the ARN of a managed policy"],
    );
    refused(
        |template| template.attach.push("ReadOnlyAccess".to_owned()),
        &expect![
            "attach: `ReadOnlyAccess` is not an ARN of the partitions aws, aws-cn or aws-us-gov"
        ],
    );
    refused(
        |template| template.boundary = BoundaryTemplate::Policy("arn:aws:s3:::bucket".to_owned()),
        &expect!["permissions_boundary: arn:aws:s3:::bucket is not the ARN of a managed policy"],
    );
    refused(
        |template| template.description = Some("x".repeat(1_001)),
        &expect!["description: 1001 characters, and IAM takes 1000"],
    );
    refused(
        |template| template.max_session_duration = Some(900),
        &expect!["max_session_duration: it has to be 3600 to 43200 seconds"],
    );
    refused(
        |template| drop(template.tags.insert("aws:x".to_owned(), String::new())),
        &expect!["tags: the key `aws:x` is not yours to set"],
    );
    refused(
        |template| {
            drop(
                template
                    .tags
                    .insert("rolekeeper:managed-by".to_owned(), String::new()),
            )
        },
        &expect!["tags: the key `rolekeeper:managed-by` is not yours to set"],
    );
    refused(
        |template| {
            let more = template.managed_policies.first().unwrap().clone();
            template.managed_policies.push(ManagedPolicyTemplate {
                name: "cloudcoreoassumedrolepolicy".parse().unwrap(),
                ..more
            });
        },
        &expect!["managed_policies: two have one name (IAM does not tell case apart)"],
    );
}

#[test]
fn what_is_too_long_for_iam_is_refused() {
    let long = identity(&format!("arn:aws:s3:::{}", "x".repeat(6_144)));
    refused(
        |template| template.managed_policies.first_mut().unwrap().document = long,
        &expect![
            "managed_policies CloudCoreoAssumedRolePolicy: 6252 characters, and IAM takes 6144"
        ],
    );
    refused(
        |template| {
            for name in ["One", "Two"] {
                template.inline.insert(
                    name.parse().unwrap(),
                    identity(&format!("arn:aws:s3:::{}", "x".repeat(6_000))),
                );
            }
        },
        &expect!["inline: 12216 characters, and IAM takes 10240"],
    );
    refused(
        |template| {
            for number in 0..20 {
                template
                    .attach
                    .push(format!("arn:aws:iam::aws:policy/P{number}"));
            }
        },
        &expect!["attach: 21 policies, and a role takes 20 at most"],
    );
}

#[test]
fn an_external_id_is_checked_and_never_shown() {
    for bad in ["~", "with space", "quote\"", "${account_id}", "star*"] {
        let error = ExternalId::new(bad).unwrap_err().to_string();
        assert!(!error.contains(bad), "{error}");
    }
    let id = ExternalId::new("very-secret").unwrap();
    assert!(!format!("{id:?}").contains("secret"));
}

#[track_caller]
fn danger(name: &str, path: &str, trust: &str, expected: &Expect) {
    let mut template = cloudcoreo();
    template.name = name.parse().unwrap();
    template.path = path.parse().unwrap();
    template.trust = trust.to_owned();
    let spec = bind(template).unwrap().in_account(id(HUB)).unwrap();
    let surroundings = Surroundings {
        admin_roles: vec![
            "OrganizationAccountAccessRole".to_owned(),
            "/ops/KeeperAdmin".to_owned(),
            "arn:aws:iam::222222222222:role/ops/OrganizationReader".to_owned(),
        ],
        own_accounts: BTreeSet::from([id(HUB)]),
        organization: Some("o-abcdef1234".to_owned()),
    };
    let found: Vec<String> = dangers(&spec, &surroundings)
        .iter()
        .map(|danger| {
            format!(
                "{}{}: {danger}",
                danger.name(),
                if danger.can_be_understood() {
                    ""
                } else {
                    " (never)"
                }
            )
        })
        .collect();
    expected.assert_eq(&found.join("\n"));
}

fn lets_in(principal: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"{condition}}}]}}"#
    )
}

#[test]
fn dangers_are_found() {
    let vendor = r#"{"AWS":"arn:aws:iam::999999999999:root"}"#;
    let with_id = r#","Condition":{"StringEquals":{"sts:ExternalId":"x1"}}"#;
    danger("Auditor", "/", &lets_in(vendor, with_id), &expect![[""]]);
    danger(
        "Auditor",
        "/",
        &lets_in(vendor, ""),
        &expect![
            "no_external_id: anyone in account 999999999999 may assume the role without an external id: other customers of that company may reach it through them"
        ],
    );
    danger(
        "Auditor",
        "/",
        &lets_in(
            vendor,
            r#","Condition":{"StringLike":{"sts:ExternalId":"*"}}"#,
        ),
        &expect![
            "no_external_id: anyone in account 999999999999 may assume the role without an external id: other customers of that company may reach it through them"
        ],
    );
    danger(
        "Auditor",
        "/",
        &lets_in(
            vendor,
            r#","Condition":{"StringEqualsIfExists":{"sts:ExternalId":"x1"}}"#,
        ),
        &expect![
            "no_external_id: anyone in account 999999999999 may assume the role without an external id: other customers of that company may reach it through them"
        ],
    );
    danger(
        "Auditor",
        "/",
        &lets_in(
            vendor,
            r#","Condition":{"StringNotEquals":{"sts:ExternalId":"x1"}}"#,
        ),
        &expect![
            "no_external_id: anyone in account 999999999999 may assume the role without an external id: other customers of that company may reach it through them"
        ],
    );
    danger(
        "Auditor",
        "/",
        &lets_in(r#"{"AWS":"111111111111"}"#, ""),
        &expect![[""]],
    );
    danger(
        "Auditor",
        "/",
        &lets_in(r#""*""#, ""),
        &expect![
            "anyone_may_assume: statement 1 of the trust policy lets anyone in any AWS account assume the role"
        ],
    );
    danger(
        "Auditor",
        "/",
        &lets_in(r#""*""#, with_id),
        &expect![
            "anyone_may_assume: statement 1 of the trust policy lets anyone in any AWS account assume the role"
        ],
    );
    danger(
        "Auditor",
        "/",
        &lets_in(
            r#""*""#,
            r#","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-abc"}}"#,
        ),
        &expect![[""]],
    );
    danger(
        "Auditor",
        "/",
        &lets_in(r#"{"Service":"ec2.amazonaws.com"}"#, ""),
        &expect![[""]],
    );
    danger(
        "Auditor",
        "/",
        &lets_in(r#"{"AWS":"arn:aws-cn:iam::999999999999:root"}"#, with_id),
        &expect![
            "other_partition (never): arn:aws-cn:iam::999999999999:root is of another partition, and no role can be assumed across partitions"
        ],
    );
}

/// The names of the dangers of a trust policy, in one line.
fn named(principal: &str, condition: &str) -> String {
    let mut template = cloudcoreo();
    template.trust = lets_in(principal, &format!(r#","Condition":{condition}"#));
    let spec = bind(template).unwrap().in_account(id(HUB)).unwrap();
    let surroundings = Surroundings {
        own_accounts: BTreeSet::from([id(HUB)]),
        organization: Some("o-abcdef1234".to_owned()),
        ..Surroundings::default()
    };
    let names = dangers(&spec, &surroundings);
    let names: Vec<&str> = names.iter().map(Danger::name).collect();
    names.join(" ")
}

#[test]
fn a_wildcard_where_the_account_stands_narrows_nothing() {
    for (condition, narrows) in [
        (
            r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::222222222222:role/x"}}"#,
            true,
        ),
        (
            r#"{"ArnLike":{"aws:PrincipalArn":"arn:*:iam::222222222222:role/*"}}"#,
            true,
        ),
        (
            r#"{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::222222222222:*"}}"#,
            true,
        ),
        (
            r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/x"}}"#,
            false,
        ),
        (
            r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::22222222222?:role/x"}}"#,
            false,
        ),
        (
            r#"{"ArnLike":{"aws:PrincipalArn":["arn:aws:iam::222222222222:role/x","arn:aws:iam::*:role/y"]}}"#,
            false,
        ),
        (
            r#"{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::*"}}"#,
            false,
        ),
        // A user's path may hold what the pattern asks for.
        (
            r#"{"StringLike":{"aws:PrincipalArn":"arn:*:iam::222222222222:role/x"}}"#,
            false,
        ),
        (
            r#"{"StringEquals":{"aws:PrincipalArn":"${aws:PrincipalArn}"}}"#,
            false,
        ),
        (
            r#"{"StringEquals":{"aws:PrincipalAccount":"222222222222"}}"#,
            true,
        ),
        (
            r#"{"StringEquals":{"aws:PrincipalAccount":"${aws:ResourceAccount}"}}"#,
            true,
        ),
        (r#"{"StringLike":{"aws:PrincipalAccount":"2*"}}"#, false),
        (
            r#"{"StringEquals":{"aws:PrincipalAccount":"${aws:PrincipalAccount}"}}"#,
            false,
        ),
        (
            r#"{"StringEquals":{"aws:PrincipalOrgID":"o-other12345"}}"#,
            true,
        ),
        (
            r#"{"StringEquals":{"aws:PrincipalOrgID":"${aws:ResourceOrgID}"}}"#,
            true,
        ),
        (r#"{"StringLike":{"aws:PrincipalOrgID":"o-*"}}"#, false),
        (
            r#"{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-abcdef1234/r-ab12/*"}}"#,
            true,
        ),
        (
            r#"{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-abc*"}}"#,
            false,
        ),
        (
            r#"{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-*/r-ab12/*"}}"#,
            false,
        ),
        (
            r#"{"StringLike":{"aws:userid":"AROAEXAMPLEEXAMPLE123:*"}}"#,
            true,
        ),
        (r#"{"StringLike":{"aws:userid":"*:session"}}"#, false),
        (r#"{"StringLike":{"aws:userid":"AROA*"}}"#, false),
    ] {
        let expected = if narrows { "" } else { "anyone_may_assume" };
        assert_eq!(named(r#""*""#, condition), expected, "{condition}");
    }
}

#[test]
fn only_a_literal_external_id_or_our_own_organization_vouches_for_another_company() {
    let vendor = r#"{"AWS":"arn:aws:iam::999999999999:root"}"#;
    for (condition, vouches) in [
        (r#"{"StringEquals":{"sts:ExternalId":"x1"}}"#, true),
        (r#"{"StringEquals":{"sts:ExternalId":["x1","x2"]}}"#, true),
        (r#"{"StringLike":{"sts:ExternalId":"a*"}}"#, false),
        (r#"{"StringLike":{"sts:ExternalId":"abc"}}"#, false),
        (
            r#"{"StringEqualsIgnoreCase":{"sts:ExternalId":"abc"}}"#,
            false,
        ),
        (
            r#"{"StringEquals":{"sts:ExternalId":"${aws:username}"}}"#,
            false,
        ),
        (r#"{"StringEquals":{"sts:ExternalId":["x1",""]}}"#, false),
        (
            r#"{"ForAllValues:StringEquals":{"sts:ExternalId":"x1"}}"#,
            false,
        ),
        (
            r#"{"StringEquals":{"aws:PrincipalOrgID":"${organization_id}"}}"#,
            true,
        ),
        (
            r#"{"StringEquals":{"aws:PrincipalOrgID":"${aws:ResourceOrgID}"}}"#,
            true,
        ),
        (
            r#"{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"${organization_id}/*"}}"#,
            true,
        ),
        (
            r#"{"StringEquals":{"aws:PrincipalOrgID":"o-other12345"}}"#,
            false,
        ),
        (
            r#"{"StringEquals":{"aws:PrincipalOrgID":["${organization_id}","o-other12345"]}}"#,
            false,
        ),
        (r#"{"StringLike":{"aws:PrincipalOrgID":"o-*"}}"#, false),
        (
            r#"{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-other12345/*"}}"#,
            false,
        ),
    ] {
        let expected = if vouches { "" } else { "no_external_id" };
        assert_eq!(named(vendor, condition), expected, "{condition}");
    }
}

#[test]
fn names_that_are_not_ours_to_manage_are_refused() {
    let trust = lets_in(r#"{"AWS":"111111111111"}"#, "");
    danger(
        "OrganizationReader",
        "/",
        &trust,
        &expect![
            "locks_us_out (never): arn:aws:iam::222222222222:role/ops/OrganizationReader is the admin role that rolekeeper comes in by: managing it would lock rolekeeper out"
        ],
    );
    danger(
        "organizationaccountaccessrole",
        "/",
        &trust,
        &expect![
            "locks_us_out (never): OrganizationAccountAccessRole is the admin role that rolekeeper comes in by: managing it would lock rolekeeper out"
        ],
    );
    danger(
        "KeeperAdmin",
        "/",
        &trust,
        &expect![
            "locks_us_out (never): /ops/KeeperAdmin is the admin role that rolekeeper comes in by: managing it would lock rolekeeper out"
        ],
    );
    danger(
        "aws-controltower-AdministratorExecutionRole",
        "/",
        &trust,
        &expect![
            "reserved_name (never): /aws-controltower-AdministratorExecutionRole belongs to AWS Control Tower or to AWS itself, which would undo or forbid every change"
        ],
    );
    danger(
        "AWSControlTowerExecution",
        "/",
        &trust,
        &expect![
            "reserved_name (never): /AWSControlTowerExecution belongs to AWS Control Tower or to AWS itself, which would undo or forbid every change"
        ],
    );
    danger(
        "Auditor",
        "/aws-service-role/x/",
        &trust,
        &expect![
            "reserved_name (never): /aws-service-role/x/Auditor belongs to AWS Control Tower or to AWS itself, which would undo or forbid every change"
        ],
    );
    danger(
        "Auditor",
        "/aws-reserved/sso.amazonaws.com/",
        &trust,
        &expect![
            "reserved_name (never): /aws-reserved/sso.amazonaws.com/Auditor belongs to AWS Control Tower or to AWS itself, which would undo or forbid every change"
        ],
    );
}

#[test]
fn the_tighter_preset_gives_less() {
    let audit = preset("cloudcoreo-audit").unwrap();
    assert!(audit.managed_policies.is_empty());
    let trust = |preset: &Preset| {
        Document::parse(
            Kind::Trust,
            &preset
                .trust_policy
                .replace("${partition}", "aws")
                .replace("${vendor_account_id}", VENDOR),
        )
        .unwrap()
    };
    let comparison = compare(
        &trust(preset("cloudcoreo").unwrap()),
        &trust(audit),
        &Default::default(),
    );
    assert_eq!(comparison.verdict.to_string(), "equivalent");
}

fn rotating(goal: RotationGoal) -> SpecTemplate {
    SpecTemplate {
        next_external_id: Some(NextExternalId {
            id: ExternalId::new("secret-2").unwrap(),
            goal,
        }),
        ..cloudcoreo()
    }
}

#[test]
fn while_an_id_is_on_its_way_the_trust_policy_asks_for_either() {
    let ids = |template: SpecTemplate| {
        let spec = bind(template).unwrap().in_account(id(HUB)).unwrap();
        let trust: serde_json::Value = serde_json::from_str(spec.trust.text()).unwrap();
        let ids = trust.pointer("/Statement/0/Condition/StringEquals/sts:ExternalId");
        ids.unwrap().to_string()
    };
    assert_eq!(ids(cloudcoreo()), r#""secret-1""#);
    assert_eq!(
        ids(rotating(RotationGoal::Both)),
        r#"["secret-1","secret-2"]"#
    );
    assert_eq!(ids(rotating(RotationGoal::NextOnly)), r#""secret-2""#);
}

#[test]
fn an_id_on_its_way_out_can_be_kept_in_force_meanwhile() {
    let bound = bind(rotating(RotationGoal::NextOnly)).unwrap();
    let meanwhile = bound.meanwhile_in_account(id(HUB)).unwrap();
    let both = bind(rotating(RotationGoal::Both)).unwrap();
    assert_eq!(meanwhile.trust, both.in_account(id(HUB)).unwrap().trust);
    let unmoved = bind(cloudcoreo()).unwrap();
    assert_eq!(
        unmoved.meanwhile_in_account(id(HUB)).unwrap().trust,
        unmoved.in_account(id(HUB)).unwrap().trust
    );
    assert!(unmoved.rotation(id(HUB)).unwrap().is_none());
}

#[test]
fn adding_an_id_widens_taking_one_away_narrows_and_swapping_does_both() {
    let trust = |template: SpecTemplate| {
        let spec = bind(template).unwrap().in_account(id(HUB)).unwrap();
        spec.trust.clone()
    };
    let (old, both, new) = (
        trust(cloudcoreo()),
        trust(rotating(RotationGoal::Both)),
        trust(rotating(RotationGoal::NextOnly)),
    );
    let context = Context {
        account: Some(HUB),
        partition: "aws",
    };
    let rows = [
        (&both, &both, Verdict::Equivalent),
        (&old, &both, Verdict::Wider),
        (&both, &new, Verdict::Narrower),
        (&old, &new, Verdict::Different),
    ];
    for (from, to, expected) in rows {
        let told = compare(from, to, &context);
        assert_eq!(told.verdict, expected, "{told:?}");
        let words = format!("{told:?}");
        assert!(!words.contains("secret-"), "{words}");
    }
    let other_order = both
        .text()
        .replace(r#"["secret-1","secret-2"]"#, r#"["secret-2","secret-1"]"#);
    let other_order = Document::parse(Kind::Trust, &other_order).unwrap();
    assert_eq!(
        compare(&both, &other_order, &context).verdict,
        Verdict::Equivalent
    );
}

#[track_caller]
fn refuses(template: SpecTemplate, expected: &Expect) {
    expected.assert_eq(&bind(template).unwrap_err().to_string());
}

#[test]
fn a_rotation_that_rotates_nothing_is_refused() {
    assert!(bind(rotating(RotationGoal::Both)).is_ok());
    let mut same = rotating(RotationGoal::Both);
    same.external_id = Some(ExternalId::new("secret-2").unwrap());
    refuses(
        same,
        &expect!["next_external_id: it is the same as external_id: a rotation needs another one"],
    );
    let fixed = cloudcoreo().trust.replace("${external_id}", "fixed");
    let mut unasked = rotating(RotationGoal::NextOnly);
    unasked.trust = fixed;
    refuses(
        unasked,
        &expect![[
            "next_external_id: the trust policy lets nobody in by `${external_id}`: no condition compares `sts:ExternalId` with it, so there is nothing to rotate"
        ]],
    );
    let mut first = rotating(RotationGoal::Both);
    first.external_id = None;
    first.trust = first.trust.replace("${external_id}", "fixed");
    refuses(
        first,
        &expect!["next_external_id: there is no external_id that it could follow"],
    );
    let mut long = rotating(RotationGoal::Both);
    for (present, letter) in [(true, "a"), (false, "b")] {
        let id = ExternalId::new(&letter.repeat(1_224)).unwrap();
        if present {
            long.external_id = Some(id);
        } else {
            long.next_external_id = Some(NextExternalId {
                id,
                goal: RotationGoal::Both,
            });
        }
    }
    // Two of the longest still fit into the raised quota.
    assert!(bind(long).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the ids: on the way from one to the other there is always one step at which both
    /// are accepted, and it is between the two in meaning.
    #[test]
    fn between_two_ids_lies_a_policy_that_accepts_both(
        old in "[A-Za-z0-9_+=,.@:/-]{2,40}",
        new in "[A-Za-z0-9_+=,.@:/-]{2,40}",
    ) {
        prop_assume!(old != new);
        let with = |goal| {
            let mut template = rotating(goal);
            template.external_id = Some(ExternalId::new(&old).unwrap());
            template.next_external_id = Some(NextExternalId { id: ExternalId::new(&new).unwrap(), goal });
            bind(template).unwrap()
        };
        let both = with(RotationGoal::Both);
        let rotation = both.rotation(id(HUB)).unwrap().unwrap();
        let standing = |bound: &BoundTemplate| {
            rotation.standing(&bound.in_account(id(HUB)).unwrap().trust, id(HUB))
        };
        prop_assert_eq!(standing(&both), Standing::Both);
        prop_assert_eq!(standing(&with(RotationGoal::NextOnly)), Standing::NextOnly);
        let mut before = cloudcoreo();
        before.external_id = Some(ExternalId::new(&old).unwrap());
        prop_assert_eq!(standing(&bind(before).unwrap()), Standing::PresentOnly);
    }
}
