//! The queue: what happened comes late, twice, out of order, or never.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{Hand, trusting};
use rolekeeper_simulator::{Drift, EVENT_QUEUE, Events, Simulator};
use serde_json::{Value, json};

fn telling(events: Events) -> Hand {
    let told = Simulator::builder()
        .accounts(30)
        .provisioned()
        .with(|settings| settings.events = Some(events));
    Hand::hub(told.world())
}

/// Receives and deletes until nothing comes any more; gives the events.
fn drain(hub: &Hand) -> Vec<Value> {
    let url = hub.world.queue_url().unwrap();
    let mut events = Vec::new();
    loop {
        let order = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20 });
        let reply: Value = serde_json::from_str(&hub.sqs("ReceiveMessage", order).body).unwrap();
        let Some(messages) = reply["Messages"].as_array() else {
            return events;
        };
        for message in messages {
            events.push(serde_json::from_str(message["Body"].as_str().unwrap()).unwrap());
            let order = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
            assert_eq!(hub.sqs("DeleteMessage", order).code(), "ok");
        }
    }
}

#[test]
fn calls_drift_and_new_accounts_are_told_of_where_they_happened() {
    let hub = telling(Events {
        twice: 0.0,
        ..Events::default()
    });
    let (account, admin) = hub.first_account();
    let trust = trusting("111122223333");
    admin.iam(
        "CreateRole",
        &[("RoleName", "New"), ("AssumeRolePolicyDocument", &trust)],
    );
    admin.iam(
        "CreateRole",
        &[("RoleName", "New"), ("AssumeRolePolicyDocument", &trust)],
    );
    hub.world.plant(account, Drift::TrustOpen);
    let newcomer = hub.world.add_account("newcomer");
    hub.world.move_account(newcomer, "prod");
    let told: BTreeSet<String> = drain(&hub)
        .iter()
        .map(|event| {
            format!(
                "{} {}",
                event["detail"]["eventName"].as_str().unwrap(),
                event["account"].as_str().unwrap()
            )
        })
        .collect();
    let expected = [
        format!("CreateAccountResult {newcomer}"),
        format!("CreateRole {account}"),
        format!("MoveAccount {newcomer}"),
        format!("UpdateAssumeRolePolicy {account}"),
    ];
    assert_eq!(told.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn some_events_never_come_and_some_come_twice_with_the_same_id() {
    let hub = telling(Events {
        delay: Duration::from_secs(1),
        lost: 0.3,
        twice: 0.3,
    });
    for account in hub.world.reachable() {
        for drift in Drift::ALL {
            hub.world.plant(account, drift);
        }
    }
    let planted = 30 * Drift::ALL.len();
    hub.wait(10.0);
    let events = drain(&hub);
    let ids: BTreeSet<&str> = events
        .iter()
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    let (came, copies) = (ids.len(), events.len() - ids.len());
    assert!(
        (planted * 6 / 10..planted * 8 / 10).contains(&came),
        "{came} of {planted}"
    );
    assert!(
        (came * 2 / 10..came * 4 / 10).contains(&copies),
        "{copies} of {came}"
    );
}

#[test]
fn a_message_that_is_not_deleted_comes_again_and_its_old_receipt_is_void() {
    let hub = telling(Events::default());
    let url = hub.world.queue_url().unwrap();
    hub.sqs(
        "SendMessage",
        json!({ "QueueUrl": url, "MessageBody": "{}" }),
    );
    let receive = || -> Value {
        let order = json!({ "QueueUrl": url, "VisibilityTimeout": 30 });
        serde_json::from_str(&hub.sqs("ReceiveMessage", order).body).unwrap()
    };
    let first = receive();
    assert!(receive()["Messages"].is_null());
    let backlog: Value = serde_json::from_str(
        &hub.sqs("GetQueueAttributes", json!({ "QueueUrl": url }))
            .body,
    )
    .unwrap();
    assert_eq!(
        backlog["Attributes"]["ApproximateNumberOfMessagesNotVisible"],
        "1"
    );
    hub.wait(30.0);
    let second = receive();
    assert_eq!(
        second["Messages"][0]["Attributes"]["ApproximateReceiveCount"],
        "2"
    );
    assert_eq!(
        second["Messages"][0]["MessageId"],
        first["Messages"][0]["MessageId"]
    );
    let delete = |message: &Value| {
        let order =
            json!({ "QueueUrl": url, "ReceiptHandle": message["Messages"][0]["ReceiptHandle"] });
        hub.sqs("DeleteMessage", order).code()
    };
    assert_eq!(delete(&first), "com.amazonaws.sqs#ReceiptHandleIsInvalid");
    assert_eq!(delete(&second), "ok");
}

#[test]
fn without_events_there_is_no_queue() {
    let hub = Hand::tame(1);
    let order = json!({ "QueueName": EVENT_QUEUE });
    assert_eq!(
        hub.sqs("GetQueueUrl", order).code(),
        "com.amazonaws.sqs#QueueDoesNotExist"
    );
}
