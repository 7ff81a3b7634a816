//! The daemon against moto: a change that EventBridge tells of is looked at and put right at once,
//! long before the schedule would.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod moto_support;

use moto_support::{Keeper, Moto};
use serde_json::{Value, json};

fn config(queue: &str) -> String {
    format!(
        r#"
[[roles]]
preset = "cloudcoreo"
vendor_account_id = "999999999999"
external_id = "rk-external-id-0123456789"
description = "Access for the vendor's engine"
max_session_duration = 7200
permissions_boundary = "arn:aws:iam::aws:policy/PowerUserAccess"
tags = {{ team = "security" }}
attach = ["arn:aws:iam::aws:policy/SecurityAudit"]
extras = "remove"

[[roles.inline]]
name = "NoBilling"
document = '{{"Version": "2012-10-17", "Statement": [{{"Effect": "Deny", "Action": "aws-portal:*", "Resource": "*"}}]}}'

[schedule]
every = "1d"
mode = "repair"

[rollout]
approve_widening = false

[events]
queue_url = "{queue}"
gather = "1s"

[http]
listen = "127.0.0.1:0"
"#
    )
}

/// Sweeps that ended, the newest first. Asking takes a process of its own, so that asking
/// again and again is no busy loop.
async fn ended(keeper: &Keeper, sweeps: usize) -> Vec<Value> {
    for _ in 0..200 {
        let run = keeper.run(&["sweeps", "--format", "json"]).await;
        let listed: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
        let listed = listed["sweeps"]
            .as_array()
            .or(listed.as_array())
            .cloned()
            .unwrap_or_default();
        let done: Vec<Value> = listed
            .into_iter()
            .filter(|sweep| sweep["outcome"].is_string())
            .collect();
        if done.len() >= sweeps {
            return done;
        }
    }
    panic!("there were never {sweeps} sweeps");
}

#[tokio::test]
async fn a_change_that_an_event_tells_of_is_put_right_before_the_next_sweep_is_due() {
    let moto = Moto::start().await;
    let world = moto.plant("legacy").await;
    let account = world.account("legacy");
    let queue = moto.queue(&[]).await;
    let keeper = Keeper::new(moto.url(), &config(&queue)).await;
    let mut daemon = keeper.daemon();
    ended(&keeper, 1).await;
    assert_eq!(moto.confirm(&["legacy"]).await, json!({"legacy": []}));

    moto.tamper("legacy", "trust-without-external-id").await;
    assert_ne!(moto.confirm(&["legacy"]).await, json!({"legacy": []}));
    let told = json!({"id": "e-1", "source": "aws.iam", "account": account, "detail": {
        "eventName": "UpdateAssumeRolePolicy", "recipientAccountId": account,
        "userIdentity": {"arn": format!("arn:aws:sts::{account}:assumed-role/Admin/mallory")},
        "requestParameters": {"roleName": "CloudCoreoAssumedRolePolicy"}}});
    // Twice, as it may well come.
    for _ in 0..2 {
        moto.send(&queue, &told.to_string()).await;
    }
    let sweeps = ended(&keeper, 2).await;
    assert_eq!(
        (&sweeps[0]["trigger"], &sweeps[0]["mode"]),
        (&json!("event"), &json!("repair"))
    );
    assert_eq!(moto.confirm(&["legacy"]).await, json!({"legacy": []}));
    // The second copy may have come too late for the first sweep, and is taken off all the same.
    let mut left = u64::MAX;
    for _ in 0..100 {
        left = moto.left(&queue).await;
        if left == 0 {
            break;
        }
    }
    assert_eq!(left, 0, "an event was left on the queue");
    assert!(daemon.try_wait().unwrap().is_none(), "the daemon ended");
    daemon.kill().await.unwrap();
}
