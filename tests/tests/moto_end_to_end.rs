//! The whole program against moto, judged by boto3: `plan` writes nothing, `apply`
//! makes every account right, and what is not ours stays as it was.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod moto_support;

use std::collections::BTreeMap;

use moto_support::{Keeper, Moto, Recorder, mutating};
use serde_json::Value;

const CONFIG: &str = r#"
[aws]
region = "us-east-1"

[select]
exclude = { ous = ["quarantine"] }

[[roles]]
preset = "cloudcoreo"
vendor_account_id = "999999999999"
external_id = "rk-external-id-0123456789"
description = "Access for the vendor's engine"
max_session_duration = 7200
permissions_boundary = "arn:aws:iam::aws:policy/PowerUserAccess"
tags = { team = "security" }
attach = ["arn:aws:iam::aws:policy/SecurityAudit"]
extras = "remove"

[[roles.inline]]
name = "NoBilling"
document = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "aws-portal:*", "Resource": "*"}]}'
"#;

const MANAGED: &str = "CloudCoreoAssumedRolePolicy";

/// The outcome of each account by its name.
fn outcomes(report: &Value) -> BTreeMap<String, String> {
    let accounts = report["accounts"].as_array().unwrap();
    accounts
        .iter()
        .map(|account| {
            let reason = account["reason"]
                .as_str()
                .filter(|_| account["outcome"] == "skipped");
            let outcome = account["outcome"].as_str().unwrap();
            let words = reason.map_or_else(
                || outcome.to_owned(),
                |reason| format!("{outcome} {reason}"),
            );
            (account["name"].as_str().unwrap().to_owned(), words)
        })
        .collect()
}

/// The kinds of drift of each account that has some, by its name.
fn kinds(report: &Value) -> BTreeMap<String, Vec<String>> {
    let accounts = report["accounts"].as_array().unwrap();
    let of = |account: &Value| {
        let mut kinds: Vec<String> = account["drift"]
            .as_array()
            .unwrap()
            .iter()
            .map(|drift| drift["kind"].as_str().unwrap().to_owned())
            .collect();
        kinds.sort();
        kinds
    };
    let named = |account: &Value| (account["name"].as_str().unwrap().to_owned(), of(account));
    accounts
        .iter()
        .map(named)
        .filter(|(_, kinds)| !kinds.is_empty())
        .collect()
}

/// A dump without the managed role and policy: what is nobody's business.
fn bystanders(dump: &Value) -> Value {
    let managed = |item: &Value| {
        item["Arn"]
            .as_str()
            .unwrap()
            .ends_with(&format!("/{MANAGED}"))
    };
    let mut rest = dump.clone();
    for account in rest.as_object_mut().unwrap().values_mut() {
        for list in ["RoleDetailList", "Policies"] {
            account["iam"][list]
                .as_array_mut()
                .unwrap()
                .retain(|item| !managed(item));
        }
    }
    rest
}

#[tokio::test]
async fn every_kind_of_drift_is_found_repaired_and_stays_away() {
    let moto = Moto::start().await;
    let world = moto.plant("drift").await;
    let recorder = Recorder::before(moto.url()).await;
    let keeper = Keeper::new(recorder.url(), CONFIG).await;
    let before = moto.dump().await;

    let plan = keeper.run(&["plan", "--format", "json"]).await;
    assert_eq!(plan.code, 2, "{}", plan.stderr);
    assert_eq!(mutating(&recorder.take()), Vec::<String>::new());
    assert_eq!(moto.dump().await, before, "`plan` changed something");
    let report = plan.report();
    assert_eq!(report["schema"], "rolekeeper.report/v1");
    for (name, outcome) in outcomes(&report) {
        let expected = match name.as_str() {
            "right" | "respelled" => "in_sync",
            "excluded" => "skipped excluded",
            "suspended" => "skipped suspended",
            "master" => "skipped management_account",
            _ => "drifted",
        };
        assert_eq!(outcome, expected, "{name}");
    }
    let found = kinds(&report);
    for (name, kind) in [
        ("empty", "role_missing"),
        ("trust-open", "trust_policy"),
        ("trust-without-external-id", "trust_policy"),
        ("trust-dead-principal", "trust_policy"),
        ("policy-wider", "policy_document"),
        ("policy-versions-full", "policy_document"),
        ("policy-gone", "policy_missing"),
        ("policy-detached", "attachment_missing"),
        ("audit-detached", "attachment_missing"),
        ("foreign-attachment", "attachment_unexpected"),
        ("foreign-inline", "inline_unexpected"),
        ("inline-changed", "inline_document"),
        ("inline-gone", "inline_document"),
        ("description", "role_description"),
        ("session-length", "role_max_session_duration"),
        ("tag-changed", "role_tags"),
        ("tag-gone", "role_tags"),
        ("boundary-other", "role_permissions_boundary"),
        ("boundary-gone", "role_permissions_boundary"),
    ] {
        assert!(
            found[name].iter().any(|found| found == kind),
            "{name}: {:?}",
            found[name]
        );
    }
    assert_eq!(found["description"], ["role_description"]);

    let apply = keeper.run(&["apply", "--yes", "--format", "json"]).await;
    assert_eq!(apply.code, 0, "{}\n{}", apply.stdout, apply.stderr);
    assert!(!mutating(&recorder.take()).is_empty());
    for (name, outcome) in outcomes(&apply.report()) {
        let expected = match name.as_str() {
            "right" | "respelled" => "in_sync",
            "excluded" => "skipped excluded",
            "suspended" => "skipped suspended",
            "master" => "skipped management_account",
            _ => "repaired",
        };
        assert_eq!(outcome, expected, "{name}");
    }

    // The other hand's word on every account.
    let names = world.names();
    let managed: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !["excluded", "suspended"].contains(name))
        .collect();
    for (name, faults) in moto.confirm(&managed).await.as_object().unwrap() {
        assert_eq!(faults, &Value::Array(vec![]), "{name}");
    }
    let after = moto.dump().await;
    for name in ["right", "respelled", "excluded", "suspended"] {
        let id = world.account(name);
        assert_eq!(after[&id], before[&id], "{name} was touched");
    }
    assert_eq!(
        bystanders(&after),
        bystanders(&before),
        "a bystander was touched"
    );

    let again = keeper.run(&["apply", "--yes", "--format", "json"]).await;
    assert_eq!(again.code, 0, "{}\n{}", again.stdout, again.stderr);
    assert_eq!(mutating(&recorder.take()), Vec::<String>::new());
    assert_eq!(
        moto.dump().await,
        after,
        "the second `apply` changed something"
    );
}

#[tokio::test]
async fn what_is_not_ours_is_changed_only_as_adopt_allows() {
    let moto = Moto::start().await;
    let world = moto.plant("stubborn").await;
    let recorder = Recorder::before(moto.url()).await;
    let before = moto.dump().await;
    let keeper = Keeper::new(recorder.url(), CONFIG).await;

    let apply = keeper.run(&["apply", "--yes", "--format", "json"]).await;
    assert_eq!(apply.code, 2, "{}\n{}", apply.stdout, apply.stderr);
    let report = apply.report();
    let found = outcomes(&report);
    assert_eq!(found["empty"], "repaired");
    assert_eq!(found["foreign-role"], "drifted");
    assert_eq!(found["foreign-equivalent"], "in_sync");
    assert_eq!(found["other-path"], "drifted");
    let after = moto.dump().await;
    for name in ["foreign-role", "foreign-equivalent", "other-path"] {
        let id = world.account(name);
        assert_eq!(after[&id], before[&id], "{name} was touched");
    }
    let accounts = report["accounts"].as_array().unwrap();
    let other_path = accounts
        .iter()
        .find(|account| account["name"] == "other-path")
        .unwrap();
    assert_eq!(kinds(&report)["other-path"], ["role_path"]);
    assert!(
        other_path["steps"]
            .as_array()
            .unwrap()
            .iter()
            .all(|step| step["result"] == "withheld"),
        "{other_path}"
    );

    let always = CONFIG.replace(
        "extras = \"remove\"",
        "extras = \"remove\"\nadopt = \"always\"",
    );
    let keeper = Keeper::new(recorder.url(), &always).await;
    let id = world.account("foreign-role");
    let apply = keeper
        .run(&["apply", "--yes", "--accounts", &id, "--format", "json"])
        .await;
    assert_eq!(apply.code, 0, "{}\n{}", apply.stdout, apply.stderr);
    let confirmed = moto.confirm(&["foreign-role", "empty"]).await;
    assert_eq!(
        confirmed,
        serde_json::json!({"foreign-role": [], "empty": []})
    );
}

#[tokio::test]
async fn a_bootstrap_makes_the_role_with_the_six_actions_of_the_faq() {
    const PRESET: &str = r#"
[[roles]]
preset = "cloudcoreo"
vendor_account_id = "999999999999"
external_id = "rk-external-id-0123456789"
"#;
    let six = [
        "AttachRolePolicy",
        "CreatePolicy",
        "CreateRole",
        "GetPolicy",
        "GetRole",
        "GetUser",
    ];
    let moto = Moto::start().await;
    moto.plant("stubborn").await;
    let keys = moto.user("empty").await;
    let secret = keys.1.clone();
    let recorder = Recorder::before(moto.url()).await;
    let keeper = Keeper::new(recorder.url(), PRESET).await.with_keys(keys);

    let plan = keeper.run(&["bootstrap", "--plan"]).await;
    assert!(mutating(&recorder.take()).is_empty(), "{}", plan.stderr);
    let done = keeper.run(&["bootstrap", "--yes"]).await;
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    for name in recorder.take().into_keys() {
        // Everybody may ask who they are.
        let may = six.contains(&name.as_str()) || name == "GetCallerIdentity";
        assert!(may, "{name} is not one of the six");
    }
    assert_eq!(moto.bare("empty").await, serde_json::json!([]));

    let again = keeper.run(&["bootstrap", "--yes"]).await;
    assert_eq!(again.code, 0, "{}\n{}", again.stdout, again.stderr);
    let again_asked = recorder.take();
    assert!(!again_asked.contains_key("CreateRole") && !again_asked.contains_key("CreatePolicy"));
    assert_eq!(moto.bare("empty").await, serde_json::json!([]));

    // The keys are nowhere to be found.
    for said in [&plan, &done, &again] {
        assert!(!said.stdout.contains(&secret) && !said.stderr.contains(&secret));
    }
    for file in std::fs::read_dir(keeper.folder()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(
            !bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        );
    }
}
