//! What is worth remembering between sweeps.

use std::collections::BTreeMap;

use rolekeeper_domain::outcome::{AccountReport, Outcome};
use rolekeeper_engine::port::store::{Memory as _, Sweeps as _};

use crate::given::{Place, account, at, begun, report, sweep, sweep_id};

fn entry(policy: &str, version: &str, document: &str) -> (String, String, String) {
    (policy.to_owned(), version.to_owned(), document.to_owned())
}

pub(crate) async fn documents_are_known_by_policy_and_version(place: &Place) {
    let store = place.open().await;
    let long = "'\u{4e2d}".repeat(50_000);
    let told = [
        entry("ANPA1", "v1", "{}"),
        entry("ANPA1", "v2", &long),
        entry("ANPA2", "v1", "{}"),
        // What a policy's version says never changes: the first word stands.
        entry("ANPA2", "v1", "{}"),
    ];
    store.remember_documents(&told).await.unwrap();
    store
        .remember_documents(&[entry("ANPA1", "v1", "other")])
        .await
        .unwrap();
    let known = store
        .known_documents(&["ANPA1".to_owned(), "none".to_owned()])
        .await
        .unwrap();
    let key = |version: &str| ("ANPA1".to_owned(), version.to_owned());
    assert_eq!(
        known,
        BTreeMap::from([(key("v1"), "{}".to_owned()), (key("v2"), long)])
    );

    let many: Vec<_> = (0..1_200)
        .map(|number| entry(&format!("P{number}"), "v1", "{}"))
        .collect();
    store.remember_documents(&many).await.unwrap();
    let ids: Vec<_> = many.iter().map(|(policy, ..)| policy.clone()).collect();
    assert_eq!(store.known_documents(&ids).await.unwrap().len(), 1_200);
}

pub(crate) async fn a_document_that_cannot_be_kept_to_the_letter_is_not_kept(place: &Place) {
    let store = place.open().await;
    let long = "P".repeat(10_000);
    let told = [
        entry("P1", "v1", "a\0b"),
        entry("P\0", "v1", "{}"),
        entry(&long, "v1", "{}"),
    ];
    store.remember_documents(&told).await.unwrap();
    let ids = ["P1".to_owned(), "P\u{fffd}".to_owned(), long];
    assert_eq!(store.known_documents(&ids).await.unwrap(), BTreeMap::new());
}

pub(crate) async fn rates_are_remembered_and_replaced(place: &Place) {
    let store = place.open().await;
    let rates = BTreeMap::from([("a".to_owned(), 12.5), ("b".to_owned(), 1.0 / 3.0)]);
    store.remember_rates(&rates).await.unwrap();
    assert_eq!(place.open().await.rates().await.unwrap(), rates);
    let next = BTreeMap::from([("a".to_owned(), 8.75), ("c".to_owned(), f64::NAN)]);
    store.remember_rates(&next).await.unwrap();
    let expected = BTreeMap::from([("a".to_owned(), 8.75), ("b".to_owned(), 1.0 / 3.0)]);
    assert_eq!(store.rates().await.unwrap(), expected);
}

pub(crate) async fn the_census_is_remembered(place: &Place) {
    let store = place.open().await;
    store
        .remember_census(&[account(1), account(2)], at(1))
        .await
        .unwrap();
    assert_eq!(place.open().await.census_size().await.unwrap(), Some(2));
    store.remember_census(&[account(1)], at(2)).await.unwrap();
    assert_eq!(store.census_size().await.unwrap(), Some(1));
}

pub(crate) async fn an_account_is_seen_when_it_was_looked_at(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let looked = |number, outcome, seconds| AccountReport {
        observed_at: at(seconds),
        ..report(number, outcome)
    };
    let told = [
        looked(1, Outcome::InSync, 10),
        looked(2, Outcome::Failed, 20),
        looked(3, Outcome::Skipped, 30),
        looked(4, Outcome::Pending, 40),
    ];
    store.record(&id, &told).await.unwrap();
    store.begin(&sweep(2)).await.unwrap();
    let later = [
        looked(1, Outcome::Skipped, 50),
        looked(2, Outcome::InSync, 60),
    ];
    store.record(&sweep_id(2), &later).await.unwrap();
    let expected = BTreeMap::from([(account(1), at(10)), (account(2), at(60))]);
    assert_eq!(store.last_seen().await.unwrap(), expected);
}
