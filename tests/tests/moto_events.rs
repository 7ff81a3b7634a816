//! The queue of events against moto's SQS.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod moto_support;

use std::time::Duration;

use moto_support::{HUB_KEY, HUB_SECRET, Moto};
use rolekeeper_aws::{
    Backlog, ClientBuilder, Content, EventQueue, HintKind, HubKeys, Message, Settings,
};

const MOVED: &str = r#"{"id": "e-1", "source": "aws.organizations", "detail-type": "AWS API Call via CloudTrail",
    "account": "123456789012", "detail": {"eventName": "MoveAccount", "userIdentity": {"arn": "arn:aws:iam::123456789012:user/bob"},
    "requestParameters": {"accountId": "111122223333"}}}"#;
const OTHER: &str =
    r#"{"id": "e-2", "source": "aws.ec2", "detail": {"eventName": "RunInstances"}}"#;

async fn queue(moto: &Moto, url: &str) -> EventQueue {
    let settings = Settings {
        endpoint_url: Some(moto.url().to_owned()),
        keys: HubKeys::Keys {
            access_key_id: HUB_KEY.to_owned(),
            secret_access_key: HUB_SECRET.to_owned().into(),
            session_token: None,
        },
        ..Settings::default()
    };
    ClientBuilder::new(settings)
        .build()
        .await
        .unwrap()
        .event_queue(url)
}

/// All messages that are there now, in an order that does not depend on the queue's.
async fn everything(queue: &EventQueue) -> Vec<Message> {
    let mut all = Vec::new();
    loop {
        let some = queue.receive_within(Duration::from_secs(1)).await.unwrap();
        if some.is_empty() {
            all.sort_by_key(|message: &Message| format!("{:?}", message.content));
            return all;
        }
        all.extend(some);
    }
}

#[tokio::test]
async fn a_message_stays_until_it_is_deleted_and_what_it_says_is_read_once() {
    let moto = Moto::start().await;
    // The same event twice: at least once is what SQS and EventBridge promise.
    let url = moto.queue(&[MOVED, MOVED, OTHER, "hello"]).await;
    let queue = queue(&moto, &url).await;
    assert_eq!(
        queue.backlog().await.unwrap(),
        Backlog {
            waiting: 4,
            in_flight: 0
        }
    );

    let messages = everything(&queue).await;
    let hints: Vec<&Message> = messages
        .iter()
        .filter(|message| matches!(message.content, Content::Hint(_)))
        .collect();
    let [first, second] = hints.as_slice() else {
        panic!("{messages:?}")
    };
    assert_eq!(first.content, second.content);
    let Content::Hint(hint) = &first.content else {
        panic!("{first:?}")
    };
    assert_eq!(
        (hint.kind, hint.account.to_string().as_str()),
        (HintKind::AccountMoved, "111122223333")
    );
    assert_eq!(
        hint.actor.as_deref(),
        Some("arn:aws:iam::123456789012:user/bob")
    );
    assert_eq!((hint.id.as_str(), first.received), ("e-1", 1));
    assert!(
        messages
            .iter()
            .any(|message| message.content == Content::Irrelevant)
    );
    assert!(
        messages
            .iter()
            .any(|message| matches!(message.content, Content::Unreadable(_)))
    );

    assert_eq!(
        queue.backlog().await.unwrap(),
        Backlog {
            waiting: 0,
            in_flight: 4
        }
    );
    for message in messages
        .iter()
        .filter(|message| !std::ptr::eq(*message, hints[0]))
    {
        queue.delete(message).await.unwrap();
    }
    assert_eq!(moto.left(&url).await, 1);

    queue.postpone(hints[0], Duration::ZERO).await.unwrap();
    let again = everything(&queue).await;
    assert_eq!(again.len(), 1);
    assert_eq!(
        (&again[0].content, again[0].received),
        (&hints[0].content, 2)
    );
    queue.delete(&again[0]).await.unwrap();
    // Deleting what is gone is harmless, since events come more than once.
    queue.delete(&again[0]).await.unwrap();
    assert_eq!(moto.left(&url).await, 0);
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_a_fault_that_says_so() {
    let moto = Moto::start().await;
    let queue = queue(&moto, &format!("{}/123456789012/nowhere", moto.url())).await;
    let fault = queue
        .receive_within(Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(
        fault.category,
        rolekeeper_domain::fault::Category::NotFound,
        "{fault}"
    );
}
