//! The rules of IAM, STS and Organizations that clients run into.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{ADMIN, Hand, allowing, trusting};
use rolekeeper_domain::account::AccountState;
use rolekeeper_simulator::{DEMO_ROLE, Drift, Limits, Settings, Simulator, World};
use serde_json::{Value, json};

fn body(reply: &common::Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap()
}

#[test]
fn list_accounts_goes_by_pages_some_short_some_empty_and_forgets_nobody() {
    let settings = Settings {
        accounts: 3_000,
        limits: Limits::none(),
        ..Settings::default()
    };
    let hub = Hand::hub(World::new(settings));
    let (mut seen, mut sizes, mut token) = (BTreeSet::new(), BTreeSet::new(), Value::Null);
    loop {
        let page = body(&hub.organizations("ListAccounts", json!({ "NextToken": token })));
        let accounts = page["Accounts"].as_array().unwrap();
        sizes.insert(accounts.len());
        for account in accounts {
            assert!(
                seen.insert(account["Id"].as_str().unwrap().to_owned()),
                "listed twice"
            );
        }
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(seen.len(), 3_001);
    assert!(
        sizes.contains(&0) && sizes.contains(&20) && sizes.len() > 2,
        "{sizes:?}"
    );
    let forged = hub.organizations(
        "ListAccounts",
        json!({ "NextToken": "0000001400000000000000000a" }),
    );
    assert_eq!(forged.code(), "InvalidInputException");
}

#[test]
fn fifty_thousand_accounts_live_in_one_process_and_each_can_be_entered() {
    let settings = Settings {
        accounts: 50_000,
        provisioned: true,
        limits: Limits::none(),
        ..Settings::default()
    };
    let hub = Hand::hub(World::new(settings));
    let reachable = hub.world.reachable();
    assert!(40_000 < reachable.len(), "{}", reachable.len());
    for account in reachable.iter().step_by(1_000) {
        let entered = hub.assume(*account, ADMIN, &[]);
        let role = entered.iam("GetRole", &[("RoleName", DEMO_ROLE)]);
        assert_eq!(role.code(), "ok", "{account}: {}", role.body);
    }
}

#[test]
fn an_account_shows_its_state_its_place_and_what_is_left_of_status() {
    let hub = Hand::hub(Simulator::builder().accounts(5).world());
    let account = hub.world.accounts()[1].clone();
    assert!(hub.world.move_account(account.id, "prod/payments"));
    assert!(hub.world.set_state(account.id, AccountState::Closed));
    let shown = body(&hub.organizations(
        "DescribeAccount",
        json!({ "AccountId": account.id.to_string() }),
    ));
    let shown = &shown["Account"];
    assert_eq!(
        (shown["State"].as_str(), shown["Status"].as_str()),
        (Some("CLOSED"), Some("SUSPENDED"))
    );
    let path = shown["Paths"][0].as_str().unwrap();
    let places: Vec<&str> = path
        .trim_end_matches('/')
        .split('/')
        .map(|id| id.split('-').next().unwrap())
        .collect();
    assert_eq!(places, ["o", "r", "ou", "ou", &account.id.to_string()]);
    // A closed account is of no use any more.
    assert_eq!(
        hub.try_assume(account.id, ADMIN, &[]).code(),
        "AccessDenied"
    );
}

#[test]
fn quotas_are_kept_and_version_numbers_never_come_back() {
    let hub = Hand::tame(1);
    let (account, admin) = hub.first_account();
    let document = allowing("s3:GetObject");
    admin.iam(
        "CreatePolicy",
        &[("PolicyName", "P"), ("PolicyDocument", &document)],
    );
    let arn = format!("arn:aws:iam::{account}:policy/P");
    let add = || {
        admin.iam(
            "CreatePolicyVersion",
            &[("PolicyArn", &arn), ("PolicyDocument", &document)],
        )
    };
    for _ in 0..4 {
        assert_eq!(add().code(), "ok");
    }
    assert_eq!(add().code(), "LimitExceeded");
    let drop = |id: &str| {
        admin
            .iam(
                "DeletePolicyVersion",
                &[("PolicyArn", &arn), ("VersionId", id)],
            )
            .code()
    };
    assert_eq!(drop("v1"), "DeleteConflict");
    assert_eq!(drop("v2"), "ok");
    assert_eq!(add().text("VersionId"), Some("v6"));

    let big = allowing(&format!("s3:{}", "x".repeat(6_144)));
    assert_eq!(
        admin
            .iam(
                "CreatePolicy",
                &[("PolicyName", "Big"), ("PolicyDocument", &big)]
            )
            .code(),
        "LimitExceeded"
    );
    let trust = trusting("111122223333");
    admin.iam(
        "CreateRole",
        &[("RoleName", "R"), ("AssumeRolePolicyDocument", &trust)],
    );
    let inline = allowing(&format!("s3:{}", "x".repeat(5_200)));
    let put = |name: &str| {
        admin
            .iam(
                "PutRolePolicy",
                &[
                    ("RoleName", "R"),
                    ("PolicyName", name),
                    ("PolicyDocument", &inline),
                ],
            )
            .code()
    };
    assert_eq!(
        (put("one"), put("two")),
        ("ok".to_owned(), "LimitExceeded".to_owned())
    );
    for n in 0..11 {
        let name = format!("A{n}");
        admin.iam(
            "CreatePolicy",
            &[("PolicyName", &name), ("PolicyDocument", &document)],
        );
        let arn = format!("arn:aws:iam::{account}:policy/{name}");
        let attached = admin
            .iam(
                "AttachRolePolicy",
                &[("RoleName", "R"), ("PolicyArn", &arn)],
            )
            .code();
        assert_eq!(attached, if n < 10 { "ok" } else { "LimitExceeded" });
    }
    let many: Vec<String> = (0..60)
        .map(|n| format!("arn:aws:iam::{}:root", 200_000_000_000_u64 + n))
        .collect();
    let long = trusting(&many.join("\",\""))
        .replace(r#""AWS":"#, r#""AWS":["#)
        .replace(r#"},"Action""#, r#"]},"Action""#);
    let widened = admin.iam(
        "UpdateAssumeRolePolicy",
        &[("RoleName", "R"), ("PolicyDocument", &long)],
    );
    assert_eq!(
        (widened.code().as_str(), widened.message().as_str()),
        (
            "LimitExceeded",
            "Cannot exceed quota for ACLSizePerRole: 2048"
        )
    );
}

#[test]
fn documents_come_back_encoded_and_trust_with_root_arns() {
    let hub = Hand::tame(1);
    let (_, admin) = hub.first_account();
    let trust = trusting("111122223333").replace(':', " : ");
    admin.iam(
        "CreateRole",
        &[
            ("RoleName", "R"),
            ("AssumeRolePolicyDocument", &trust.replace("sts : ", "sts:")),
        ],
    );
    let role = admin.iam("GetRole", &[("RoleName", "R")]);
    assert!(
        role.text("AssumeRolePolicyDocument")
            .unwrap()
            .starts_with("%7B%22Version%22%3A%22")
    );
    assert_eq!(
        role.document("AssumeRolePolicyDocument"),
        trusting("arn:aws:iam::111122223333:root")
    );
}

#[test]
fn a_deleted_principal_becomes_its_id_also_when_one_of_that_name_comes_back() {
    let hub = Hand::tame(2);
    let (account, admin) = hub.first_account();
    let trust = trusting("111122223333");
    let make = || {
        admin.iam(
            "CreateRole",
            &[
                ("RoleName", "Scanner"),
                ("AssumeRolePolicyDocument", &trust),
            ],
        )
    };
    let id = make().text("RoleId").unwrap().to_owned();
    let other = hub.assume(hub.world.reachable()[1], ADMIN, &[]);
    let arn = format!("arn:aws:iam::{account}:role/Scanner");
    let trusting_it = trusting(&arn);
    let fields = [
        ("RoleName", "Trusting"),
        ("AssumeRolePolicyDocument", trusting_it.as_str()),
    ];
    assert_eq!(other.iam("CreateRole", &fields).code(), "ok");
    let shown = || {
        other
            .iam("GetRole", &[("RoleName", "Trusting")])
            .document("AssumeRolePolicyDocument")
    };
    assert!(shown().contains(&arn));
    assert_eq!(
        admin.iam("DeleteRole", &[("RoleName", "Scanner")]).code(),
        "ok"
    );
    assert!(
        shown().contains(&id) && !shown().contains(&arn),
        "{}",
        shown()
    );
    make();
    assert!(shown().contains(&id), "{}", shown());
    // Nobody can be trusted who is not there.
    admin.iam("DeleteRole", &[("RoleName", "Scanner")]);
    let refused = other.iam(
        "UpdateAssumeRolePolicy",
        &[
            ("RoleName", "Trusting"),
            ("PolicyDocument", &trusting(&arn)),
        ],
    );
    assert_eq!(refused.code(), "MalformedPolicyDocument");
    assert_eq!(
        refused.message(),
        format!("Invalid principal in policy: \"AWS\":\"{arn}\"")
    );
}

#[test]
fn parallel_writes_to_one_role_collide_and_to_two_do_not() {
    let hub = Hand::hub(
        Simulator::builder()
            .accounts(1)
            .latency(Duration::from_millis(100))
            .world(),
    );
    let (_, admin) = hub.first_account();
    let trust = trusting("111122223333");
    for role in ["One", "Two"] {
        admin.iam(
            "CreateRole",
            &[("RoleName", role), ("AssumeRolePolicyDocument", &trust)],
        );
    }
    let tag = |role: &str| {
        admin
            .iam(
                "TagRole",
                &[
                    ("RoleName", role),
                    ("Tags.member.1.Key", "a"),
                    ("Tags.member.1.Value", "b"),
                ],
            )
            .code()
    };
    assert_eq!(tag("One"), "ConcurrentModification");
    admin.wait(2.0);
    assert_eq!(
        (tag("One"), tag("Two"), tag("one")),
        ("ok".into(), "ok".into(), "ConcurrentModification".into())
    );
    admin.wait(2.0);
    assert_eq!(tag("One"), "ok");
}

#[test]
fn sessions_end_and_their_tokens_belong_to_their_keys() {
    let hub = Hand::tame(1);
    let account = hub.world.reachable()[0];
    let admin = hub.assume(account, ADMIN, &[("DurationSeconds", "900")]);
    assert_eq!(admin.iam("ListRoles", &[]).code(), "ok");
    assert_eq!(
        admin
            .with_keys(&admin.key, None)
            .iam("ListRoles", &[])
            .code(),
        "InvalidClientTokenId"
    );
    assert_eq!(
        hub.with_keys("AKIANOBODY0000000000", None)
            .iam("ListRoles", &[])
            .code(),
        "InvalidClientTokenId"
    );
    admin.wait(899.0);
    assert_eq!(admin.iam("ListRoles", &[]).code(), "ok");
    admin.wait(1.0);
    let expired = admin.iam("ListRoles", &[]);
    assert_eq!(
        (expired.code().as_str(), expired.answer.status),
        ("ExpiredToken", 403)
    );
    let long = hub.try_assume(account, ADMIN, &[("DurationSeconds", "7200")]);
    assert_eq!(
        long.message(),
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    );
}

#[test]
fn after_a_write_some_replica_is_behind_for_a_while() {
    let settings = Settings {
        accounts: 1,
        inactive: 0.0,
        control_tower: 0.0,
        limits: Limits::none(),
        stale: Duration::from_secs(4),
        ..Settings::default()
    };
    let hub = Hand::hub(World::new(settings));
    let (_, admin) = hub.first_account();
    let trust = trusting("111122223333");
    admin.iam(
        "CreateRole",
        &[("RoleName", "New"), ("AssumeRolePolicyDocument", &trust)],
    );
    let look = || {
        (0..30)
            .filter(|_| admin.iam("GetRole", &[("RoleName", "New")]).code() == "ok")
            .count()
    };
    assert!(look() < 30, "all replicas knew at once");
    admin.wait(4.0);
    assert_eq!(look(), 30);
}

#[test]
fn each_drift_changes_what_it_says_and_nothing_else() {
    let hub = Hand::hub(Simulator::builder().accounts(21).provisioned().world());
    let accounts = hub.world.reachable();
    let sound = (
        hub.world.role(accounts[0], DEMO_ROLE).unwrap(),
        hub.world.policy(accounts[0], DEMO_ROLE).unwrap(),
    );
    for (account, drift) in accounts.into_iter().zip(Drift::ALL) {
        let own = |text: &str| text.replace(&account.to_string(), &sound.0.arn[13..25]);
        let before = hub.world.role(account, DEMO_ROLE).unwrap();
        assert_eq!(own(&before.arn), sound.0.arn);
        assert!(hub.world.plant(account, drift));
        let role = hub.world.role(account, DEMO_ROLE);
        let policy = hub.world.policy(account, DEMO_ROLE);
        let differs = role.as_ref() != Some(&before)
            || policy.as_ref() != Some(&sound.1)
            || hub
                .world
                .role_names(account)
                .contains(&"CloudCoreoAssumedRole".to_owned())
            || hub
                .world
                .user_names(account)
                .contains(&"cloudcoreo".to_owned());
        assert!(differs, "{drift}");
        assert_eq!(drift.to_string().parse(), Ok(drift));
        assert_eq!(drift == Drift::RoleMissing, role.is_none(), "{drift}");
        assert_eq!(drift == Drift::PolicyMissing, policy.is_none(), "{drift}");
    }
}

#[test]
fn a_share_of_drift_is_met_exactly_and_is_where_the_hub_can_mend_it() {
    let settings = Settings {
        accounts: 400,
        provisioned: true,
        drift: 0.1,
        denied: 0.05,
        ..Settings::default()
    };
    let world = World::new(settings);
    let sound = World::new(Settings {
        drift: 0.0,
        ..world.settings().clone()
    });
    let differs = |id| {
        world.role(id, DEMO_ROLE) != sound.role(id, DEMO_ROLE)
            || world.policy(id, DEMO_ROLE) != sound.policy(id, DEMO_ROLE)
    };
    let drifted = world
        .accounts()
        .iter()
        .filter(|account| differs(account.id))
        .count();
    let reachable = world
        .reachable()
        .into_iter()
        .filter(|id| differs(*id))
        .count();
    assert_eq!((drifted, reachable), (39, 39));
}

#[test]
fn a_history_keeps_every_change_with_before_and_after() {
    let hub = Hand::tame(1);
    let (_, admin) = hub.first_account();
    let trust = trusting("111122223333");
    admin.iam(
        "CreateRole",
        &[("RoleName", "Mine"), ("AssumeRolePolicyDocument", &trust)],
    );
    admin.iam(
        "CreateRole",
        &[("RoleName", "Mine"), ("AssumeRolePolicyDocument", &trust)],
    );
    admin.iam(
        "UpdateRole",
        &[("RoleName", "Mine"), ("Description", "changed")],
    );
    admin.iam("CreateUser", &[("UserName", "stray")]);
    let history = hub.world.history();
    let told: Vec<_> = history
        .iter()
        .map(|change| (change.operation, change.touched().join(" ")))
        .collect();
    assert_eq!(
        told,
        [
            ("CreateRole", "role/Mine".to_owned()),
            ("UpdateRole", "role/Mine".to_owned()),
            ("CreateUser", "user/stray".to_owned())
        ]
    );
    let (before, after) = history[1].role(&hub.world, "Mine");
    assert_eq!(
        (before.unwrap().description, after.unwrap().description),
        (None, Some("changed".to_owned()))
    );
    let strayed = hub.world.strayed(&["role/Mine"]);
    assert_eq!(strayed.len(), 1);
    assert_eq!(strayed[0].0.operation, "CreateUser");
}

#[test]
fn accounts_come_move_and_close_while_one_looks() {
    let settings = Settings {
        accounts: 30,
        churn: Duration::from_secs(10),
        limits: Limits::none(),
        ..Settings::default()
    };
    let before = World::new(settings.clone());
    let hub = Hand::hub(World::new(settings.clone()));
    for _ in 0..60 {
        hub.wait(10.0);
        hub.sts("GetCallerIdentity", &[]);
    }
    let (old, new) = (before.accounts(), hub.world.accounts());
    assert!(new.len() > old.len(), "nobody came");
    let pairs = || old.iter().zip(&new);
    assert!(
        pairs().any(|(old, new)| old.path != new.path),
        "nobody moved"
    );
    assert!(
        pairs().any(|(old, new)| old.state != new.state),
        "nobody closed"
    );
    let again = Hand::hub(World::new(settings));
    for _ in 0..60 {
        again.wait(10.0);
        again.sts("GetCallerIdentity", &[]);
    }
    assert_eq!(again.world.accounts(), new);
}
