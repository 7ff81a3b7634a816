//! The commands as a person meets them: what stands on stdout, what on stderr, and the exit code.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod credentials;
mod dangers;
mod events;
mod faq;
mod harness;
mod killed;
mod leaving;
mod migrating;
mod mistakes;
mod other_hand;
mod record;
mod recovery;
mod repair;
mod rotation;
mod undone;
mod vendor;
mod walls;
mod ways;

use std::collections::BTreeSet;

use expect_test::{ExpectFile, expect_file};
use harness::{Desk, Ran};
use serde_json::Value;

fn golden(runs: &[Ran], expected: ExpectFile) {
    let text: String = runs.iter().map(Ran::transcript).collect();
    expected.assert_eq(&text);
}

/// How many writes the simulator has seen.
fn writes(desk: &Desk) -> u64 {
    use rolekeeper_domain::call::{Access, Operation};
    let summary = desk.simulator.world().summary();
    let rows = summary["requests"].as_array().unwrap();
    rows.iter()
        .filter(|row| {
            let action = format!(
                "{}:{}",
                row["service"].as_str().unwrap(),
                row["operation"].as_str().unwrap()
            );
            Operation::from_action(&action)
                .is_some_and(|operation| operation.access() == Access::Write)
        })
        .map(|row| row["count"].as_u64().unwrap())
        .sum()
}

#[test]
fn audit_shows_the_worst_first_and_writes_nothing() {
    let desk = Desk::new();
    let plan = desk.run(&["plan"]).exits(3);
    assert_eq!(writes(&desk), 0);
    let sweeps = desk.run(&["sweeps"]).exits(0);
    let accounts = desk.run(&["accounts"]).exits(0);
    golden(
        &[plan, sweeps, accounts],
        expect_file!["../../../../tests/golden/cli/plan.txt"],
    );
}

#[test]
fn json_is_one_document_that_follows_the_schema() {
    let desk = Desk::new();
    let schema: Value =
        serde_json::from_str(include_str!("../../schema/report.v1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let plan = desk.run(&["plan", "--format", "json"]).exits(3);
    let document: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert!(validator.is_valid(&document));
    assert_eq!(plan.stderr, "");
    let report = desk.run(&["report", "--format", "json"]).exits(0);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(report, document);
    let kinds: BTreeSet<&str> = document["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|account| account["drift"].as_array().unwrap())
        .map(|drift| drift["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.len() >= 12, "{kinds:?}");
    let apply = desk.run(&["apply", "--yes", "--format", "json"]).exits(3);
    let document: Value = serde_json::from_str(&apply.stdout).unwrap();
    assert!(validator.is_valid(&document));
    let accounts: Value =
        serde_json::from_str(&desk.run(&["accounts", "--format", "json"]).exits(0).stdout).unwrap();
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 31);
}

#[test]
fn organization_in_sync_ends_with_0() {
    let desk = Desk::with(|settings| {
        settings.drift = 0.0;
        settings.denied = 0.0;
    });
    let plan = desk.run(&["plan"]).exits(0);
    let report = desk.run(&["report", "--format", "markdown"]).exits(0);
    golden(
        &[plan, report],
        expect_file!["../../../../tests/golden/cli/in_sync.txt"],
    );
}

#[test]
fn check_names_what_is_missing_and_what_would_help() {
    let desk = Desk::new();
    let offline = desk.run(&["check", "--offline"]).exits(0);
    assert_eq!(desk.simulator.world().requests().len(), 0);
    let online = desk.run(&["check"]);
    golden(
        &[offline, online],
        expect_file!["../../../../tests/golden/cli/check.txt"],
    );
}

#[test]
fn configuration_and_policies_can_be_looked_at_without_aws() {
    let desk = Desk::new();
    desk.write("agreed.json", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*"],"Resource":"*"}]}"#);
    desk.write("same.json", r#"{ "Version": "2012-10-17", "Statement": { "Action": "S3:get*", "Effect": "Allow", "Resource": ["*"] } }"#);
    desk.write("wider.json", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#);
    desk.write("broken.json", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allows","Action":"s3:*","Resource":"*"}]}"#);
    let runs = [
        desk.run(&["config", "show"]).exits(0),
        desk.run(&["iam-policy", "hub"]).exits(0),
        desk.run(&["iam-policy", "admin"]).exits(0),
        desk.run(&["iam-policy", "admin", "--audit-only"]).exits(0),
        desk.run(&["iam-policy", "session"]).exits(0),
        desk.run(&["iam-policy", "bootstrap"]).exits(0),
        desk.run(&["policy", "diff", "agreed.json", "same.json"])
            .exits(0),
        desk.run(&["policy", "diff", "agreed.json", "wider.json"])
            .exits(2),
        desk.run(&["policy", "diff", "agreed.json", "broken.json"])
            .exits(1),
        desk.run(&["policy", "explain", "wider.json"]).exits(0),
    ];
    // A queue that cannot be named would be missing from the policy without a word.
    desk.write(
        "stand-in.toml",
        &format!(
            "{}\n[events]\nqueue_url = \"http://127.0.0.1:4566/123456789012/rolekeeper\"\n",
            desk.configuration()
        ),
    );
    let unnamed = desk
        .run(&["iam-policy", "hub", "--config", "stand-in.toml"])
        .exits(1);
    assert!(
        unnamed.stderr.contains("events.queue_url"),
        "{}",
        unnamed.stderr
    );
    assert_eq!(desk.simulator.world().requests().len(), 0);
    golden(
        &runs,
        expect_file!["../../../../tests/golden/cli/offline.txt"],
    );
}

#[test]
fn demo_audits_repairs_and_finds_nothing_left_to_do() {
    let desk = Desk::new();
    let demo = desk
        .run(&["demo", "--once", "--accounts", "20", "--seed", "3"])
        .exits(0);
    assert!(demo.stdout.contains("0 of them writes"), "{}", demo.stdout);
    let last = demo.stdout.lines().last().unwrap();
    assert!(last.ends_with("0 of them writes."), "{last}");
    assert!(demo.stdout.contains("What was done"), "{}", demo.stdout);
}
