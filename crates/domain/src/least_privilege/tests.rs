#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect};

use super::*;
use crate::call::Service;
use crate::plan::Step;
use crate::user::UserStep;

const ACCOUNT: &str = "111122223333";

fn role(name: &str) -> RoleScope {
    RoleScope {
        name: name.parse().unwrap(),
        path: IamPath::default(),
        policies: vec![(IamPath::default(), "Audit".parse().unwrap())],
        attach: Vec::new(),
        boundary: Boundary::Unmanaged,
        settings: false,
        extras: Extras::Report,
        ensure: Ensure::Present,
        legacy_users: BTreeSet::new(),
    }
}

fn scope(roles: Vec<RoleScope>) -> Scope {
    Scope {
        account: Some(ACCOUNT.parse().unwrap()),
        roles,
        ..Scope::default()
    }
}

/// A scope in which every condition of the table holds for some role.
fn everything() -> Scope {
    let full = RoleScope {
        attach: vec!["arn:aws:iam::aws:policy/SecurityAudit".parse().unwrap()],
        boundary: Boundary::Policy("arn:aws:iam::aws:policy/ReadOnlyAccess".parse().unwrap()),
        settings: true,
        extras: Extras::Remove,
        legacy_users: BTreeSet::from(["cloudcoreo".to_owned()]),
        ..role("Full")
    };
    let bare = RoleScope {
        boundary: Boundary::None,
        ..role("Bare")
    };
    let gone = RoleScope {
        ensure: Ensure::Absent,
        ..role("Gone")
    };
    Scope {
        roles: vec![full, bare, gone],
        admin_roles: vec!["OrganizationAccountAccessRole".to_owned()],
        organization_role: Some(
            "arn:aws:iam::444455556666:role/OrganizationReader"
                .parse()
                .unwrap(),
        ),
        queue: Some(
            "arn:aws:sqs:us-east-1:444455556666:rolekeeper"
                .parse()
                .unwrap(),
        ),
        repair: true,
        rollback: true,
        tag_selectors: true,
        units_listed: true,
        source_identity: true,
        hub_managed: true,
        walls: true,
        retired_users: BTreeSet::from(["cloudcoreo".to_owned()]),
        ..Scope::default()
    }
}

#[track_caller]
fn check(audience: Audience, scope: &Scope, expected: &Expect) {
    let mut lines = String::new();
    for grant in grants_for(audience, scope) {
        let words = |texts: &BTreeSet<String>| texts.iter().cloned().collect::<Vec<_>>().join(" ");
        lines += &format!(
            "{}\n  on {}\n",
            words(&grant.actions),
            words(&grant.resources)
        );
        if !grant.attachable.is_empty() {
            lines += &format!("  only {}\n", words(&grant.attachable));
        }
    }
    expected.assert_eq(&lines);
}

#[test]
fn an_audit_session_reads_the_roles_and_nothing_else() {
    check(
        Audience::Session,
        &scope(vec![role("Auditor")]),
        &expect![[r"
            iam:GetRole iam:GetRolePolicy iam:ListAttachedRolePolicies iam:ListRolePolicies
              on arn:aws:iam::111122223333:role/*/Auditor arn:aws:iam::111122223333:role/Auditor
            iam:GetPolicy iam:GetPolicyVersion
              on arn:aws:iam::111122223333:policy/* arn:aws:iam::aws:policy/*
            iam:ListPolicyVersions
              on arn:aws:iam::111122223333:policy/Audit
        "]],
    );
}

#[test]
fn an_audit_session_never_writes_whatever_the_spec_asks_for() {
    for grant in grants_for(Audience::Session, &everything()) {
        for action in grant.actions {
            assert_eq!(
                Operation::from_action(&action).unwrap().access(),
                Access::Read,
                "{action}"
            );
        }
    }
}

#[test]
fn an_admin_role_that_only_audits_has_no_write_action() {
    let only_audit = Scope {
        repair: false,
        rollback: false,
        retired_users: BTreeSet::new(),
        ..everything()
    };
    assert_eq!(
        grants_for(Audience::Admin, &only_audit),
        grants_for(Audience::Session, &only_audit)
    );
}

#[test]
fn an_admin_role_attaches_only_what_the_spec_names() {
    let audit = "arn:aws:iam::aws:policy/SecurityAudit".parse().unwrap();
    let repair = Scope {
        repair: true,
        ..scope(vec![RoleScope {
            attach: vec![audit],
            ..role("Auditor")
        }])
    };
    let grants = grants_for(Audience::Admin, &repair);
    let attach = grants
        .iter()
        .find(|grant| grant.actions.contains("iam:AttachRolePolicy"))
        .unwrap();
    assert_eq!(
        attach.attachable,
        BTreeSet::from([
            "arn:aws:iam::111122223333:policy/Audit".to_owned(),
            "arn:aws:iam::aws:policy/SecurityAudit".to_owned(),
        ])
    );
    assert!(
        grants
            .iter()
            .all(|grant| !grant.actions.contains("iam:DetachRolePolicy"))
    );
}

#[test]
fn the_hub_enters_admin_roles_and_reads_the_organization() {
    let hub = Scope {
        admin_roles: vec![
            "OrganizationAccountAccessRole".to_owned(),
            "team/Admin".to_owned(),
        ],
        partition: Partition::AwsUsGov,
        ..Scope::default()
    };
    check(
        Audience::Hub,
        &hub,
        &expect![[r"
            sts:AssumeRole
              on arn:aws-us-gov:iam::*:role/OrganizationAccountAccessRole arn:aws-us-gov:iam::*:role/team/Admin
            organizations:DescribeOrganization organizations:ListAccounts organizations:ListRoots
              on *
            organizations:ListOrganizationalUnitsForParent
              on arn:aws-us-gov:organizations::*:ou/o-*/ou-* arn:aws-us-gov:organizations::*:root/o-*/r-*
        "]],
    );
}

#[test]
fn a_bootstrap_needs_the_six_actions_of_the_faq_alone() {
    let actions: BTreeSet<String> = grants_for(Audience::Bootstrap, &everything())
        .into_iter()
        .flat_map(|grant| grant.actions)
        .collect();
    let faq = [
        "iam:AttachRolePolicy",
        "iam:CreatePolicy",
        "iam:CreateRole",
        "iam:GetPolicy",
        "iam:GetRole",
        "iam:GetUser",
    ];
    assert_eq!(actions, faq.map(str::to_owned).into());
}

#[test]
fn no_policy_has_a_wildcard_action() {
    for audience in [
        Audience::Hub,
        Audience::Organization,
        Audience::Admin,
        Audience::Session,
        Audience::Bootstrap,
    ] {
        let policy = policy_for(audience, &everything());
        let parsed: Value = serde_json::from_str(&policy).unwrap();
        for statement in parsed["Statement"].as_array().unwrap() {
            assert!(
                !statement["Action"].to_string().contains('*'),
                "{statement}"
            );
        }
    }
}

#[test]
fn every_call_that_needs_a_permission_is_in_the_table() {
    let listed: BTreeSet<Operation> = TABLE.iter().map(|row| row.operation).collect();
    let missing: Vec<String> = Operation::ALL
        .iter()
        .filter(|operation| !listed.contains(operation))
        .map(|operation| operation.action())
        .collect();
    // GetCallerIdentity needs none; the others are not called by anything yet.
    expect![[r#"
        [
            "sts:GetCallerIdentity",
            "iam:ListEntitiesForPolicy",
            "iam:ListInstanceProfilesForRole",
            "iam:DeleteUserPermissionsBoundary",
        ]
    "#]]
    .assert_debug_eq(&missing);
}

#[test]
fn every_row_is_used_by_a_configuration_that_asks_for_everything() {
    for row in TABLE {
        assert!(
            !row.grants(&everything()).is_empty(),
            "{}: {}",
            row.operation.action(),
            row.purpose
        );
    }
}

#[test]
fn every_service_but_iam_is_called_by_the_hub_alone() {
    for row in TABLE {
        let hub = row.audiences == [Audience::Hub] || row.audiences == [Audience::Organization];
        assert_eq!(
            hub,
            row.operation.service() != Service::Iam,
            "{}",
            row.operation.action()
        );
    }
}

#[test]
fn a_repair_session_has_exactly_the_actions_of_its_steps() {
    let role: RoleName = "Auditor".parse().unwrap();
    let own: Arn = format!("arn:aws:iam::{ACCOUNT}:policy/Audit")
        .parse()
        .unwrap();
    let foreign: Arn = "arn:aws:iam::aws:policy/AdministratorAccess"
        .parse()
        .unwrap();
    let tags = BTreeMap::from([("owner".to_owned(), "security".to_owned())]);
    let steps = [
        Step::DetachRolePolicy {
            role: role.clone(),
            arn: foreign,
        },
        Step::DeletePolicyVersion {
            arn: own.clone(),
            version_id: "v1".to_owned(),
        },
        Step::TagRole {
            role: role.clone(),
            tags,
        },
        Step::AttachRolePolicy { role, arn: own },
    ];
    expect![[r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:DetachRolePolicy","Resource":["arn:aws:iam::111122223333:role/*/Auditor","arn:aws:iam::111122223333:role/Auditor"],"Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/AdministratorAccess"}}},{"Effect":"Allow","Action":"iam:DeletePolicyVersion","Resource":"arn:aws:iam::111122223333:policy/Audit"},{"Effect":"Allow","Action":"iam:TagRole","Resource":["arn:aws:iam::111122223333:role/*/Auditor","arn:aws:iam::111122223333:role/Auditor"]},{"Effect":"Allow","Action":"iam:AttachRolePolicy","Resource":["arn:aws:iam::111122223333:role/*/Auditor","arn:aws:iam::111122223333:role/Auditor"],"Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::111122223333:policy/Audit"}}}]}"#]]
    .assert_eq(&repair_session(Partition::Aws, ACCOUNT.parse().unwrap(), &steps));
}

#[test]
fn a_session_policy_that_grows_too_long_widens_resources_and_never_actions() {
    let account = ACCOUNT.parse().unwrap();
    for roles in [1_u32, 3, 8, 40] {
        let steps: Vec<Step> = (0..roles)
            .flat_map(|n| {
                let role: RoleName = format!("AVeryLongRoleNameThatFillsThePolicy{n}")
                    .parse()
                    .unwrap();
                let arn: Arn = format!("arn:aws:iam::{ACCOUNT}:policy/some/path/Policy{n}")
                    .parse()
                    .unwrap();
                [
                    Step::DeletePolicy { arn: arn.clone() },
                    Step::DetachRolePolicy {
                        role: role.clone(),
                        arn,
                    },
                    Step::DeleteRole { role },
                ]
            })
            .collect();
        let policy = repair_session(Partition::Aws, account, &steps);
        assert!(
            policy.len() <= MAX_SESSION_POLICY,
            "{roles} roles: {} characters",
            policy.len()
        );
        let parsed: Value = serde_json::from_str(&policy).unwrap();
        let actions: BTreeSet<String> = parsed["Statement"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|statement| match &statement["Action"] {
                Value::String(only) => vec![only.clone()],
                many => many
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|action| action.as_str().unwrap().to_owned())
                    .collect(),
            })
            .collect();
        assert_eq!(
            actions,
            ["iam:DeletePolicy", "iam:DeleteRole", "iam:DetachRolePolicy"]
                .map(str::to_owned)
                .into()
        );
    }
}

#[test]
fn a_denied_call_names_the_statement_that_is_missing() {
    let scope = Scope {
        repair: true,
        ..scope(vec![role("Auditor")])
    };
    expect![[r#"{"Effect":"Allow","Action":"iam:CreatePolicy","Resource":"arn:aws:iam::111122223333:policy/Audit"}"#]]
        .assert_eq(&missing_statement(Operation::CreatePolicy, &scope).unwrap());
    assert_eq!(
        missing_statement(Operation::GetCallerIdentity, &scope),
        None
    );
}

#[test]
fn a_users_sessions_touch_that_user_alone() {
    let account = ACCOUNT.parse().unwrap();
    let reading = user_audit_session(Partition::Aws, account, "cloudcoreo");
    assert!(
        reading.contains("iam:ListAccessKeys") && !reading.contains("Delete"),
        "{reading}"
    );
    let steps = [
        UserStep::DeleteKey {
            key: "AKIA".to_owned(),
        },
        UserStep::DeleteUser,
    ];
    expect![[r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:DeleteAccessKey","iam:DeleteUser"],"Resource":["arn:aws:iam::111122223333:user/*/cloudcoreo","arn:aws:iam::111122223333:user/cloudcoreo"]}]}"#]]
        .assert_eq(&user_repair_session(Partition::Aws, account, "cloudcoreo", &steps));
}

#[test]
fn a_session_policy_that_grows_too_long_still_says_what_may_be_attached() {
    let account = ACCOUNT.parse().unwrap();
    for roles in [1_u32, 6, 12] {
        let steps: Vec<Step> = (0..roles)
            .flat_map(|n| {
                let role: RoleName = format!("ARoleNameThatFillsThePolicy{n}").parse().unwrap();
                let arn: Arn = format!("arn:aws:iam::{ACCOUNT}:policy/Policy{n}")
                    .parse()
                    .unwrap();
                let tags = BTreeMap::from([("owner".to_owned(), "security".to_owned())]);
                [
                    Step::TagRole {
                        role: role.clone(),
                        tags,
                    },
                    Step::AttachRolePolicy { role, arn },
                ]
            })
            .collect();
        let policy = repair_session(Partition::Aws, account, &steps);
        assert!(policy.len() <= MAX_SESSION_POLICY, "{}", policy.len());
        let parsed: Value = serde_json::from_str(&policy).unwrap();
        for statement in parsed["Statement"].as_array().unwrap() {
            let attaches = statement["Action"].to_string().contains("AttachRolePolicy");
            let bound = statement.get("Condition").is_some();
            assert_eq!(attaches, bound, "{roles} roles: {statement}");
        }
    }
}
