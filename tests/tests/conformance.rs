//! The simulator beside moto, asked the same questions by the same hand; and the AWS CLI,
//! which knows neither.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test panics on purpose"
)]

mod moto_support;

use std::path::{Path, PathBuf};

use moto_support::Moto;
use rolekeeper_simulator::{DEMO_ROLE, Simulator};
use rolekeeper_tests::program::needed;
use serde_json::Value;
use tokio::process::Command;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conformance")
        .join(name)
}

/// What the stand-in at `url` answers to every question.
async fn answers(url: &str) -> Vec<u8> {
    let output = Command::new(needed("ROLEKEEPER_TEST_PYTHON"))
        .arg(script("conformance.py"))
        .args(["--endpoint-url", url])
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "conformance.py at {url}: {words}");
    output.stdout
}

#[tokio::test]
async fn the_simulator_and_moto_differ_only_where_it_is_accepted_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::builder().accounts(10).start().unwrap();
    let moto = Moto::start().await;
    let url = simulator.endpoint_url();
    let (ours, theirs) = tokio::join!(answers(&url), answers(moto.url()));
    let (left, right) = (
        folder.path().join("simulator.json"),
        folder.path().join("moto.json"),
    );
    std::fs::write(&left, ours).unwrap();
    std::fs::write(&right, theirs).unwrap();

    let output = Command::new(needed("ROLEKEEPER_TEST_PYTHON"))
        .arg(script("compare.py"))
        .args([&left, &right, &script("accepted.toml")])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{words}");
}

/// The AWS CLI against the simulator: the environment is all it is told.
struct Cli<'a> {
    simulator: &'a Simulator,
    keys: Vec<(&'static str, String)>,
}

impl Cli<'_> {
    async fn ask(&self, arguments: &[&str]) -> Value {
        let home = tempfile::tempdir().unwrap();
        let output = Command::new(needed("ROLEKEEPER_TEST_AWS_CLI"))
            .args(arguments)
            .args(["--output", "json"])
            .env_clear()
            .env("HOME", home.path())
            .env("AWS_ENDPOINT_URL", self.simulator.endpoint_url())
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_PAGER", "")
            .envs(self.keys.iter().map(|(name, value)| (*name, value)))
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "aws {}: {words}",
            arguments.join(" ")
        );
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }
}

fn text(answer: &Value, pointer: &str) -> String {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    found
        .unwrap_or_else(|| panic!("no {pointer} in {answer}"))
        .to_owned()
}

#[tokio::test]
async fn the_aws_cli_lists_accounts_enters_one_and_reads_and_changes_its_role() {
    let simulator = Simulator::builder()
        .accounts(45)
        .provisioned()
        .start()
        .unwrap();
    let (id, secret) = simulator.hub_keys();
    let hub = Cli {
        simulator: &simulator,
        keys: vec![
            ("AWS_ACCESS_KEY_ID", id.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
        ],
    };
    // Three pages, which the CLI follows by itself.
    let listed = hub.ask(&["organizations", "list-accounts"]).await;
    let accounts = listed.pointer("/Accounts").and_then(Value::as_array);
    let accounts = accounts.unwrap();
    assert_eq!(accounts.len(), 46);
    let me = text(&hub.ask(&["sts", "get-caller-identity"]).await, "/Account");
    let member = accounts
        .iter()
        .map(|account| text(account, "/Id"))
        .find(|account| *account != me)
        .unwrap();

    let role = format!("arn:aws:iam::{member}:role/OrganizationAccountAccessRole");
    let entered = hub
        .ask(&[
            "sts",
            "assume-role",
            "--role-arn",
            &role,
            "--role-session-name",
            "cli",
        ])
        .await;
    let inside = Cli {
        simulator: &simulator,
        keys: vec![
            (
                "AWS_ACCESS_KEY_ID",
                text(&entered, "/Credentials/AccessKeyId"),
            ),
            (
                "AWS_SECRET_ACCESS_KEY",
                text(&entered, "/Credentials/SecretAccessKey"),
            ),
            (
                "AWS_SESSION_TOKEN",
                text(&entered, "/Credentials/SessionToken"),
            ),
        ],
    };
    let read = inside
        .ask(&["iam", "get-role", "--role-name", DEMO_ROLE])
        .await;
    assert_eq!(
        text(&read, "/Role/Arn"),
        format!("arn:aws:iam::{member}:role/{DEMO_ROLE}")
    );
    let attached = inside
        .ask(&[
            "iam",
            "list-attached-role-policies",
            "--role-name",
            DEMO_ROLE,
        ])
        .await;
    let policy = text(&attached, "/AttachedPolicies/0/PolicyArn");
    inside
        .ask(&[
            "iam",
            "detach-role-policy",
            "--role-name",
            DEMO_ROLE,
            "--policy-arn",
            &policy,
        ])
        .await;
    let left = inside
        .ask(&[
            "iam",
            "list-attached-role-policies",
            "--role-name",
            DEMO_ROLE,
        ])
        .await;
    assert_eq!(
        left.pointer("/AttachedPolicies")
            .and_then(Value::as_array)
            .map(Vec::len),
        Some(0)
    );
}
