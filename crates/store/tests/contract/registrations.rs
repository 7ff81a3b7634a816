//! What the vendor was told.

use rolekeeper_domain::outcome::SweepOutcome;
use rolekeeper_domain::registration::{Action, Registration, State, Task, Told, Trouble};
use rolekeeper_engine::port::registration::Registrations as _;
use rolekeeper_engine::port::store::Sweeps as _;
use rolekeeper_store::{Retention, Store};

use crate::given::{Place, account, at, sweep, sweep_id};

fn registration(number: u64) -> Registration {
    let role = "Auditor".parse().unwrap();
    Registration {
        name: "it's \"prod\" \u{0}".to_owned(),
        ..Registration::new(account(number), role)
    }
}

fn task(due: i64) -> Task {
    Task {
        action: Action::Register,
        digest: "d1".to_owned(),
        wanted_at: at(5),
        attempts: 3,
        due_at: Some(at(due)),
    }
}

async fn save(store: &Store, it: &Registration) -> bool {
    store
        .save_registrations(std::slice::from_ref(it))
        .await
        .unwrap()
        == 1
}

pub(crate) async fn a_registration_is_read_back_as_it_was_written(place: &Place) {
    let store = place.open().await;
    assert_eq!(store.registrations_of(account(1)).await.unwrap(), []);
    let blank = registration(1);
    let full = Registration {
        told: Some(Told {
            digest: "d0".to_owned(),
            vendor_id: Some("42".to_owned()),
            at: at(3),
        }),
        validated_at: Some(at(4)),
        withdrawn_at: Some(at(2)),
        task: Some(task(9)),
        trouble: Some(Trouble {
            at: at(6),
            why: "the vendor answered 503".to_owned(),
        }),
        ..registration(2)
    };
    for it in [&blank, &full] {
        assert!(save(&store, it).await);
    }
    drop(store);
    let store = place.open().await;
    for it in [blank, full] {
        let expected = Registration {
            version: 1,
            // PostgreSQL's texts cannot hold a NUL.
            name: it.name.replace('\0', "\u{fffd}"),
            ..it
        };
        let found = store.registrations_of(expected.account).await.unwrap();
        assert_eq!(found, [expected]);
    }
}

pub(crate) async fn a_registration_is_written_by_the_first_of_two(place: &Place) {
    let store = place.open().await;
    let fresh = registration(1);
    assert!(save(&store, &fresh).await);
    assert!(!save(&store, &fresh).await, "made once");
    let found = store.registrations_of(account(1)).await.unwrap().remove(0);
    let mine = Registration {
        task: Some(task(9)),
        ..found.clone()
    };
    let theirs = Registration {
        task: Some(task(99)),
        ..found
    };
    assert!(save(&store, &mine).await);
    assert!(!save(&store, &theirs).await);
    let found = store.registrations_of(account(1)).await.unwrap().remove(0);
    assert_eq!((found.version, found.task), (2, Some(task(9))));
    // Of several, each is written that nobody else wrote meanwhile.
    let both = [mine, registration(2)];
    assert_eq!(store.save_registrations(&both).await.unwrap(), 1);
    assert_eq!(store.save_registrations(&[]).await.unwrap(), 0);
}

pub(crate) async fn calls_are_due_in_their_order_and_for_their_role(place: &Place) {
    let store = place.open().await;
    let due = |number: u64, due: i64| Registration {
        task: Some(task(due)),
        ..registration(number)
    };
    let given_up = Registration {
        task: Some(Task {
            due_at: None,
            ..task(0)
        }),
        ..registration(4)
    };
    let elsewhere = Registration {
        role: "Other".parse().unwrap(),
        ..due(5, 1)
    };
    for it in [due(1, 20), due(2, 10), due(3, 30), given_up, elsewhere] {
        assert!(save(&store, &it).await);
    }
    let role = "Auditor".parse().unwrap();
    let numbers = |found: Vec<Registration>| -> Vec<u64> {
        found.iter().map(|it| it.account.number()).collect()
    };
    let found = store.registrations_due(&role, at(9), 9).await.unwrap();
    assert_eq!(numbers(found), [0_u64; 0]);
    let found = store.registrations_due(&role, at(20), 9).await.unwrap();
    assert_eq!(numbers(found), [2, 1]);
    let found = store.registrations_due(&role, at(99), 2).await.unwrap();
    assert_eq!(numbers(found), [2, 1], "as many as asked for");
    let page = store.registrations(&role, None, 3).await.unwrap();
    assert_eq!(numbers(page), [1, 2, 3]);
    let page = store.registrations(&role, Some(account(3)), 3).await;
    assert_eq!(numbers(page.unwrap()), [4]);
}

pub(crate) async fn registrations_are_counted_by_where_they_stand(place: &Place) {
    let store = place.open().await;
    assert!(store.registration_counts().await.unwrap().is_empty());
    let told = Told {
        digest: "d0".to_owned(),
        vendor_id: None,
        at: at(3),
    };
    let rows = [
        (None, None),
        (None, Some(task(9))),
        (
            Some(told.clone()),
            Some(Task {
                due_at: None,
                ..task(9)
            }),
        ),
        (Some(told.clone()), None),
        (Some(told), None),
    ];
    let mut expected = std::collections::BTreeMap::new();
    for (number, (told, task)) in (1..).zip(rows) {
        let it = Registration {
            told,
            task,
            ..registration(number)
        };
        *expected.entry(it.state()).or_insert(0) += 1;
        assert!(save(&store, &it).await);
    }
    assert_eq!(
        expected.len(),
        State::ALL.len(),
        "each state is in the table"
    );
    assert_eq!(store.registration_counts().await.unwrap(), expected);
}

pub(crate) async fn what_a_sweep_went_by_is_remembered_as_long_as_the_sweep(place: &Place) {
    let store = place.open().await;
    for (number, revision) in [(1, "r1"), (2, "r2"), (3, "r1"), (4, "r1"), (4, "r1")] {
        store.begin(&sweep(number)).await.unwrap();
        let id = sweep_id(number);
        let ended = store.finish(&id, SweepOutcome::Halted, None, at(9));
        ended.await.unwrap();
        store.mark_sweep(&id, revision).await.unwrap();
    }
    drop(store);
    let store = place.open().await;
    let under = async |revision| Vec::from_iter(store.sweeps_under(revision).await.unwrap());
    assert_eq!(under("r1").await, [1, 3, 4].map(sweep_id));
    assert_eq!(under("r2").await, [sweep_id(2)]);
    assert_eq!(under("r3").await, []);
    let keep = Retention {
        keep_sweeps: 2,
        ..Retention::default()
    };
    store.prune(keep, at(10)).await.unwrap();
    assert_eq!(under("r1").await, [3, 4].map(sweep_id));
}

pub(crate) async fn refused_settings_are_remembered_and_replaced(place: &Place) {
    let store = place.open().await;
    assert_eq!(store.refused_settings().await.unwrap(), None);
    for settings in ["s1", "s2"] {
        store.refuse_settings(settings).await.unwrap();
        let store = place.open().await;
        let known = store.refused_settings().await.unwrap();
        assert_eq!(known.as_deref(), Some(settings));
    }
}
