//! What people tell rolekeeper.

use rolekeeper_domain::outcome::{Mode, SweepOutcome, Trigger};
use rolekeeper_engine::port::store::{
    AgreedSpec, Control as _, Fence, Halt, StoreError, SweepRequest, Sweeps as _,
};

use crate::given::{Place, account, at, begun, lead, sweep_id};

fn halt(why: &str) -> Halt {
    Halt {
        why: why.to_owned(),
        by: "ann".to_owned(),
        at: at(1),
    }
}

fn request(by: &str) -> SweepRequest {
    SweepRequest {
        id: 0,
        mode: Mode::Repair,
        accounts: Some(vec![account(1), account(2)]),
        trigger: Trigger::Api,
        requested_by: by.to_owned(),
        at: at(3),
    }
}

pub(crate) async fn a_halt_holds_until_it_is_lifted(place: &Place) {
    let store = place.open().await;
    store.halt(&halt("too many failures")).await.unwrap();
    store
        .halt(&halt("we look at it; don't resume"))
        .await
        .unwrap();
    // Across a restart, and for every replica.
    let other = place.open().await;
    assert_eq!(
        other.halted().await.unwrap(),
        Some(halt("we look at it; don't resume"))
    );
    other.resume("bob", at(9)).await.unwrap();
    assert_eq!(store.halted().await.unwrap(), None);
    store.resume("bob", at(10)).await.unwrap();
    store.halt(&halt("again")).await.unwrap();
    assert_eq!(other.halted().await.unwrap(), Some(halt("again")));
}

pub(crate) async fn requests_are_answered_in_order_and_stay_until_they_are(place: &Place) {
    let store = place.open().await;
    let everyone = SweepRequest {
        accounts: None,
        mode: Mode::Audit,
        trigger: Trigger::Event,
        ..request("ann's token")
    };
    let first = store.request(&request("ann")).await.unwrap();
    let second = store.request(&everyone).await.unwrap();
    assert!(first < second);
    let whole = |id, request: &SweepRequest| {
        Some(SweepRequest {
            id,
            ..request.clone()
        })
    };
    // Also for a process that comes after one that died before it answered.
    for store in [&store, &place.open().await] {
        let oldest = store.next_request(None).await.unwrap();
        assert_eq!(oldest, whole(first, &request("ann")));
        let by_event = store.next_request(Some(Trigger::Event)).await.unwrap();
        assert_eq!(by_event, whole(second, &everyone));
    }
    store.forget_request(first).await.unwrap();
    store.forget_request(first).await.unwrap();
    let oldest = store.next_request(None).await.unwrap();
    assert_eq!(oldest, whole(second, &everyone));
    store.forget_request(second).await.unwrap();
    assert_eq!(store.next_request(None).await.unwrap(), None);
}

pub(crate) async fn a_sweep_can_be_cancelled(place: &Place) {
    let (store, id) = begun(place, 1).await;
    assert!(!store.cancelled(&id).await.unwrap());
    store.cancel(&id, "ann", at(2)).await.unwrap();
    store.cancel(&id, "bob", at(3)).await.unwrap();
    assert!(place.open().await.cancelled(&id).await.unwrap());
    assert!(!store.cancelled(&sweep_id(2)).await.unwrap());
}

pub(crate) async fn an_approval_needs_a_sweep_that_waits(place: &Place) {
    let (store, id) = begun(place, 1).await;
    assert!(!store.approve(&id, "ann", at(2)).await.unwrap());
    let widens = ["999999999999 gains s3:*".to_owned()];
    store.await_approval(&id, 40, &widens, at(3)).await.unwrap();
    assert_eq!(store.awaiting_approval().await.unwrap(), [(id.clone(), 40)]);
    assert!(!store.approved(&id).await.unwrap());
    assert!(
        !store.approve(&id, "ann", at(4)).await.unwrap(),
        "nobody holds the lease, so nobody waits"
    );
    lead(&store, "first").await;
    assert_eq!(store.approved_by(&id).await.unwrap(), None);
    assert!(place.open().await.approve(&id, "ann", at(4)).await.unwrap());
    assert!(store.approved(&id).await.unwrap());
    assert_eq!(
        store.approved_by(&id).await.unwrap().as_deref(),
        Some("ann")
    );
    assert_eq!(store.awaiting_approval().await.unwrap(), []);
    assert!(
        !store.approve(&id, "bob", at(5)).await.unwrap(),
        "it no longer waits"
    );

    store.begin(&crate::given::sweep(2)).await.unwrap();
    store
        .await_approval(&sweep_id(2), 1, &[], at(6))
        .await
        .unwrap();
    store
        .finish(&sweep_id(2), SweepOutcome::Cancelled, None, at(7))
        .await
        .unwrap();
    assert_eq!(store.awaiting_approval().await.unwrap(), []);
    assert!(
        !store.approve(&sweep_id(2), "ann", at(8)).await.unwrap(),
        "it has ended"
    );
}

pub(crate) async fn what_people_tell_is_in_the_journal(place: &Place) {
    let (store, id) = begun(place, 1).await;
    store.halt(&halt("stop")).await.unwrap();
    store.resume("bob", at(2)).await.unwrap();
    store.resume("bob", at(2)).await.unwrap();
    store.cancel(&id, "ann", at(3)).await.unwrap();
    store.cancel(&id, "ann", at(3)).await.unwrap();
    store
        .await_approval(&id, 2, &["more".to_owned()], at(4))
        .await
        .unwrap();
    lead(&store, "first").await;
    store.approve(&id, "ann", at(5)).await.unwrap();
    let told: Vec<_> = store
        .export_journal(0, 100)
        .await
        .unwrap()
        .iter()
        .map(|line| format!("{} by {}", line.kind, line.body["by"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            "halt by ann",
            "resume by bob",
            "cancel by ann",
            "approval by ann"
        ]
    );
    assert!(store.verify_journal(None).await.unwrap().is_ok());
}

pub(crate) async fn the_last_agreement_of_a_role_is_the_one_that_counts(place: &Place) {
    let (store, id) = begun(place, 1).await;
    assert_eq!(store.agreed_specs().await.unwrap(), []);
    let fence = lead(&store, "me").await;
    let spec = |role: &str, body: &str| AgreedSpec {
        role: role.parse().unwrap(),
        digest: format!("digest of {body}"),
        body: body.to_owned(),
        by: "ann".to_owned(),
        sweep: id.clone(),
        at: at(7),
    };
    for (role, body) in [
        ("Reader", "{}"),
        ("Auditor", "1"),
        ("Auditor", "2 'quoted' \u{1F511}"),
    ] {
        store.agree(&spec(role, body), fence).await.unwrap();
    }
    let kept = store.agreed_specs().await.unwrap();
    assert_eq!(
        kept,
        [
            spec("Auditor", "2 'quoted' \u{1F511}"),
            spec("Reader", "{}")
        ]
    );
    // It is a record of the chain, and one that only the writer makes.
    assert_eq!(
        store.verify_journal(None).await.unwrap().unwrap().records,
        3
    );
    let told = store.agree(&spec("Auditor", "3"), Fence(fence.0 - 1)).await;
    assert!(matches!(told, Err(StoreError::Fenced { .. })), "{told:?}");
    assert_eq!(store.agreed_specs().await.unwrap(), kept);
}

pub(crate) async fn what_a_sweep_widens_is_read_back(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let none: Vec<String> = Vec::new();
    assert_eq!(store.sweep(&id).await.unwrap().unwrap().widens, none);
    let widens = vec!["Auditor: anyone".to_owned(), "a \"quoted\" one".to_owned()];
    store.note_widens(&id, &widens).await.unwrap();
    assert_eq!(store.sweep(&id).await.unwrap().unwrap().widens, widens);
}
