//! Exactly one writer.

use std::time::Duration;

use rolekeeper_engine::port::store::{Completion, Fence, Journal as _, Lease as _, StoreError};
use rolekeeper_store::Store;
use tokio::task::JoinSet;

use crate::given::{Place, at, begun, intend, intent, retrust, role};

const HOUR: Duration = Duration::from_secs(3600);
/// Over as soon as it is given, by whatever clock.
const OVER: Duration = Duration::ZERO;

async fn acquire(store: &Store, who: &str, ttl: Duration) -> Option<Fence> {
    store.acquire(who, ttl, at(0)).await.unwrap()
}

pub(crate) async fn one_holder_at_a_time(place: &Place) {
    let (first, second) = (place.open().await, place.open().await);
    assert!(acquire(&first, "first", HOUR).await.is_some());
    assert_eq!(acquire(&second, "second", HOUR).await, None);
    let (holder, until) = second.holder().await.unwrap().unwrap();
    assert_eq!(holder, "first");
    assert!(until > at(0));
}

pub(crate) async fn the_token_grows_with_each_change_of_holder(place: &Place) {
    let store = place.open().await;
    let first = acquire(&store, "first", OVER).await.unwrap();
    assert_eq!(
        acquire(&store, "first", OVER).await,
        Some(first),
        "kept, not changed"
    );
    let second = acquire(&store, "second", OVER).await.unwrap();
    let third = acquire(&store, "first", HOUR).await.unwrap();
    assert!(first < second && second < third);
    store.release("first").await.unwrap();
    assert!(
        acquire(&store, "first", HOUR).await.unwrap() > third,
        "given back and taken anew"
    );
}

pub(crate) async fn a_lease_that_ran_out_goes_to_the_next(place: &Place) {
    let store = place.open().await;
    acquire(&store, "first", OVER).await.unwrap();
    assert!(acquire(&store, "second", HOUR).await.is_some());
    assert_eq!(acquire(&store, "first", HOUR).await, None);
}

pub(crate) async fn a_lease_from_a_clock_that_was_ahead_is_cut_to_its_length(place: &Place) {
    let store = place.open().await;
    // As one that was given for a moment, a day ahead.
    acquire(&store, "first", HOUR * 24).await.unwrap();
    assert_eq!(acquire(&store, "second", HOUR).await, None);
    let (_, until) = store.holder().await.unwrap().unwrap();
    let kept = acquire(&store, "second", OVER).await;
    assert_eq!(kept, None, "who holds it is given the time of one renewal");
    let (holder, cut) = store.holder().await.unwrap().unwrap();
    assert_eq!(holder, "first");
    assert!(cut < until);
    assert!(acquire(&store, "second", HOUR).await.is_some());
}

pub(crate) async fn a_replica_that_lost_the_lease_cannot_write(place: &Place) {
    let (paused, sweep) = begun(place, 1).await;
    let old = acquire(&paused, "paused", OVER).await.unwrap();
    let entry = intend(&paused, &sweep, 1, &retrust(), old).await;
    let taker = place.open().await;
    let new = acquire(&taker, "taker", HOUR).await.unwrap();
    // The taker sees what was under way, before it does anything itself.
    assert_eq!(taker.open().await.unwrap().len(), 1);
    let (step, role) = (retrust(), role());
    let told = paused.intend(&intent(&sweep, 1, &step, &role), old).await;
    assert_eq!(
        told,
        Err(StoreError::Fenced {
            ours: old.0,
            held: new.0
        })
    );
    // What it did before is recorded nevertheless.
    let done = Completion::Done {
        request_id: None,
        created: None,
    };
    paused.complete(entry, &done, at(9)).await.unwrap();
    assert_eq!(taker.open().await.unwrap(), []);
    intend(&taker, &sweep, 1, &step, new).await;
}

pub(crate) async fn a_lease_given_back_fences_its_old_holder(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let fence = acquire(&store, "first", HOUR).await.unwrap();
    store.release("someone else").await.unwrap();
    intend(&store, &sweep, 1, &retrust(), fence).await;
    store.release("first").await.unwrap();
    assert_eq!(store.holder().await.unwrap(), None);
    let (step, role) = (retrust(), role());
    let told = store.intend(&intent(&sweep, 1, &step, &role), fence).await;
    assert!(matches!(told, Err(StoreError::Fenced { .. })), "{told:?}");
}

pub(crate) async fn many_replicas_at_once_get_one_holder(place: &Place) {
    let mut tasks = JoinSet::new();
    for number in 0..6 {
        let replica = place.open().await;
        tasks.spawn(async move { acquire(&replica, &format!("replica-{number}"), HOUR).await });
    }
    let held: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(held.len(), 1);
}
