//! Notifications.

use rolekeeper_engine::port::store::{Notice, Outbox as _};

use crate::given::{Place, at};

fn notice(dedup_key: &str, target: &str) -> Notice {
    Notice {
        id: 0,
        kind: "critical_drift".to_owned(),
        dedup_key: dedup_key.to_owned(),
        target: target.to_owned(),
        body: r#"{"text":"it's \"critical\""}"#.to_owned(),
        at: at(10),
        attempts: 0,
    }
}

pub(crate) async fn the_same_thing_is_told_once(place: &Place) {
    let store = place.open().await;
    assert!(store.post(&notice("drift", "one")).await.unwrap());
    assert!(!store.post(&notice("drift", "one")).await.unwrap());
    assert!(store.post(&notice("drift", "two")).await.unwrap());
    assert!(store.post(&notice("other", "one")).await.unwrap());
    // Keys that are one text when joined are two keys.
    assert!(store.post(&notice("b\nc", "a")).await.unwrap());
    assert!(store.post(&notice("c", "a\nb")).await.unwrap());
    let due = store.due(at(10), 9).await.unwrap();
    assert_eq!(due.len(), 5);
    store.delivered(due[0].id, at(11)).await.unwrap();
    assert!(
        !store.post(&notice("drift", "one")).await.unwrap(),
        "delivered is told as well"
    );
}

pub(crate) async fn a_notice_waits_until_it_is_delivered(place: &Place) {
    let store = place.open().await;
    store.post(&notice("drift", "one")).await.unwrap();
    assert_eq!(store.due(at(9), 9).await.unwrap(), []);
    let due = store.due(at(10), 9).await.unwrap();
    let [first] = due.as_slice() else {
        panic!("{due:?}")
    };
    assert_eq!(
        *first,
        Notice {
            id: first.id,
            ..notice("drift", "one")
        }
    );
    store
        .postponed(first.id, "503", Some(at(60)))
        .await
        .unwrap();
    drop(store);
    let store = place.open().await;
    assert_eq!(store.due(at(59), 9).await.unwrap(), []);
    let again = store.due(at(60), 9).await.unwrap();
    assert_eq!(
        again,
        [Notice {
            attempts: 1,
            ..first.clone()
        }]
    );
    store.delivered(first.id, at(61)).await.unwrap();
    store
        .postponed(first.id, "too late", Some(at(70)))
        .await
        .unwrap();
    assert_eq!(store.due(at(999), 9).await.unwrap(), []);
}

pub(crate) async fn a_notice_that_was_given_up_is_not_due(place: &Place) {
    let store = place.open().await;
    for key in ["a", "b", "c"] {
        store.post(&notice(key, "one")).await.unwrap();
    }
    let due = store.due(at(10), 2).await.unwrap();
    assert_eq!(due.len(), 2, "as many as asked for");
    store.postponed(due[0].id, "gone", None).await.unwrap();
    let keys: Vec<_> = store
        .due(at(999), 9)
        .await
        .unwrap()
        .into_iter()
        .map(|notice| notice.dedup_key)
        .collect();
    assert_eq!(keys, ["b", "c"]);
}
