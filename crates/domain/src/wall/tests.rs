#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::*;
use crate::arn::Partition;
use crate::policy::Kind;
use crate::role::{Adopt, Extras, IamPath, ManagedPolicySpec};

const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

fn document(kind: Kind, text: &str) -> Document {
    Document::parse(kind, text).unwrap()
}

fn spec() -> RoleSpec {
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"secret"}}}]}"#;
    RoleSpec {
        partition: Partition::Aws,
        name: "Auditor".parse().unwrap(),
        path: IamPath::default(),
        ensure: Ensure::Present,
        trust: document(Kind::Trust, trust),
        description: None,
        max_session_duration: None,
        boundary: Boundary::Unmanaged,
        tags: BTreeMap::from([("owner".to_owned(), "security".to_owned())]),
        managed_policies: vec![ManagedPolicySpec {
            name: "Audit".parse().unwrap(),
            path: IamPath::default(),
            document: document(Kind::Identity, EVERYTHING),
            tags: BTreeMap::new(),
        }],
        attach: BTreeSet::new(),
        inline: BTreeMap::new(),
        extras: Extras::Report,
        adopt: Adopt::IfEquivalent,
        tolerate: Vec::new(),
        legacy_users: BTreeSet::new(),
    }
}

fn site() -> Site<'static> {
    Site {
        account: "111122223333".parse().unwrap(),
        organization: "o-exampleorgid",
        admin_role: "OrganizationAccountAccessRole",
    }
}

fn rail(kind: Kind, text: &str) -> Rail {
    Rail {
        name: "Guard".to_owned(),
        target: "ou-ab12-11111111".to_owned(),
        document: document(kind, text),
    }
}

/// The usual policy at the root, and this one beside it.
fn service(statement: &str) -> Rails {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    Rails {
        service: vec![
            vec![rail(Kind::ServiceControl, EVERYTHING)],
            vec![
                rail(Kind::ServiceControl, EVERYTHING),
                rail(Kind::ServiceControl, &text),
            ],
        ],
        ..Rails::default()
    }
}

#[track_caller]
fn check(rails: &Rails, spec: &RoleSpec, expected: &Expect) {
    let walls = against_repair(rails, &site(), spec);
    let text: String = walls
        .iter()
        .map(|wall| match wall {
            Wall::Denies {
                demand: Some(demand),
                ..
            } => format!("{wall}\n  {demand:?}\n"),
            other => format!("{other}\n"),
        })
        .collect();
    expected.assert_eq(&text);
}

#[test]
fn without_policies_of_the_organization_there_is_no_wall() {
    check(&Rails::default(), &spec(), &expect![""]);
    let deny_other = r#"{"Effect":"Deny","Action":"ec2:*","Resource":"*"}"#;
    check(&service(deny_other), &spec(), &expect![""]);
}

#[test]
fn a_denial_is_a_wall_unless_the_admin_role_is_exempt() {
    let deny = r#"{"Effect":"Deny","Action":["iam:CreateRole","iam:AttachRolePolicy","ec2:*"],"Resource":"*"}"#;
    check(
        &service(deny),
        &spec(),
        &expect![[r#"
            the service control policy Guard (at ou-ab12-11111111) denies iam:AttachRolePolicy, iam:CreateRole, which a repair may have to call
        "#]],
    );
    let but = r#"{"Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/OrganizationAccountAccessRole"}}}"#;
    check(&service(but), &spec(), &expect![""]);
    let region = r#"{"Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["us-east-1"]}}}"#;
    check(&service(region), &spec(), &expect![""]);
    let names =
        r#"{"Effect":"Deny","Action":"iam:*","Resource":"arn:aws:iam::*:role/aws-controltower*"}"#;
    check(&service(names), &spec(), &expect![""]);
}

#[test]
fn a_denial_that_looks_at_what_only_the_call_shows_is_not_sure() {
    let office = r#"{"Effect":"Deny","Action":"iam:CreateRole","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}"#;
    check(
        &service(office),
        &spec(),
        &expect![[r#"
            the service control policy Guard (at ou-ab12-11111111) may deny iam:CreateRole, which a repair may have to call
        "#]],
    );
}

#[test]
fn a_policy_that_demands_a_tag_says_which() {
    let tag = r#"{"Effect":"Deny","Action":"iam:CreateRole","Resource":"*","Condition":{"Null":{"aws:RequestTag/CostCenter":"true"}}}"#;
    check(
        &service(tag),
        &spec(),
        &expect![[r#"
            the service control policy Guard (at ou-ab12-11111111) denies iam:CreateRole, which a repair may have to call
              Tags({"CostCenter"})
        "#]],
    );
    let mut tagged = spec();
    tagged
        .tags
        .insert("CostCenter".to_owned(), "4711".to_owned());
    check(&service(tag), &tagged, &expect![""]);
}

#[test]
fn a_policy_that_demands_a_boundary_says_so() {
    let bound = r#"{"Effect":"Deny","Action":["iam:CreateRole","iam:PutRolePolicy"],"Resource":"*","Condition":{"StringNotEquals":{"iam:PermissionsBoundary":"arn:aws:iam::aws:policy/PowerUserAccess"}}}"#;
    check(
        &service(bound),
        &spec(),
        &expect![[r#"
            the service control policy Guard (at ou-ab12-11111111) denies iam:CreateRole, iam:PutRolePolicy, which a repair may have to call
              Boundary
        "#]],
    );
    let mut bounded = spec();
    bounded.boundary = Boundary::Policy("arn:aws:iam::aws:policy/PowerUserAccess".parse().unwrap());
    check(&service(bound), &bounded, &expect![""]);
}

#[test]
fn a_level_that_lists_what_is_allowed_and_forgets_iam_is_a_wall() {
    let only = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*","s3:*"],"Resource":"*"}]}"#;
    let rails = Rails {
        service: vec![vec![rail(Kind::ServiceControl, only)]],
        ..Rails::default()
    };
    check(
        &rails,
        &spec(),
        &expect![[r#"
            no service control policy allows iam:AttachRolePolicy, iam:CreatePolicy, iam:CreatePolicyVersion, iam:CreateRole, iam:DeletePolicyVersion, iam:DeleteRolePolicy, iam:PutRolePolicy, iam:TagPolicy, iam:TagRole, iam:UpdateAssumeRolePolicy, which a repair may have to call
        "#]],
    );
}

#[test]
fn a_data_perimeter_keeps_the_vendor_out_of_a_perfect_role() {
    let vendor = Vendor {
        account: "999999999999".parse().unwrap(),
        external_id: Some("secret"),
    };
    let perimeter = |condition: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Resource":"*","Condition":{condition}}}]}}"#
        );
        Rails {
            resource: vec![vec![rail(Kind::ResourceControl, &text)]],
            ..Rails::default()
        }
    };
    let closed = perimeter(
        r#"{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorgid"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}"#,
    );
    let kept_out = Wall::KeepsOut {
        policy: "Guard".to_owned(),
        target: "ou-ab12-11111111".to_owned(),
        surely: true,
    };
    assert_eq!(
        against_vendor(&Rails::default(), &site(), &spec(), &vendor),
        None
    );
    assert_eq!(
        against_vendor(&closed, &site(), &spec(), &vendor),
        Some(kept_out)
    );
    // With the vendor's account named as an exception there is a door.
    let door = perimeter(
        r#"{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorgid","aws:PrincipalAccount":["999999999999"]}}"#,
    );
    assert_eq!(against_vendor(&door, &site(), &spec(), &vendor), None);
    // A role that would not let the vendor in has another problem.
    let stranger = Vendor {
        external_id: Some("guessed"),
        ..vendor
    };
    assert_eq!(against_vendor(&closed, &site(), &spec(), &stranger), None);
}
