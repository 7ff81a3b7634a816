//! Sweeps.

use rolekeeper_domain::outcome::{Mode, Outcome, Summary, SweepOutcome, SweepRecord, Trigger};
use rolekeeper_engine::port::store::{
    Control as _, FleetOrder, FleetTotals, Journal as _, Lease as _, Memory as _, Outbox as _,
    ReportFilter, StoreError, Sweeps as _,
};

use crate::given::{Place, account, at, begun, report, sweep, sweep_id};

pub(crate) async fn a_new_store_holds_nothing(place: &Place) {
    let store = place.open().await;
    let any = ReportFilter::default();
    assert_eq!(store.sweeps(None, 10).await.unwrap(), []);
    assert_eq!(store.sweep(&sweep_id(1)).await.unwrap(), None);
    assert_eq!(store.last_completed().await.unwrap(), None);
    assert_eq!(store.unfinished().await.unwrap(), []);
    assert_eq!(
        store.reports(&sweep_id(1), &any, None, 10).await.unwrap(),
        []
    );
    assert_eq!(
        store
            .fleet(&any, FleetOrder::default(), None, 10)
            .await
            .unwrap(),
        []
    );
    assert_eq!(store.fleet_account(account(1)).await.unwrap(), None);
    assert_eq!(store.fleet_totals().await.unwrap(), FleetTotals::default());
    assert_eq!(store.fleet_units().await.unwrap(), []);
    assert_eq!(store.findings(None).await.unwrap(), []);
    assert_eq!(store.open().await.unwrap(), []);
    assert_eq!(store.owned(account(1)).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.census_size().await.unwrap(), None);
    assert!(store.rates().await.unwrap().is_empty());
    assert!(
        store
            .known_documents(&["p".to_owned()])
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.last_seen().await.unwrap().is_empty());
    assert_eq!(store.halted().await.unwrap(), None);
    assert_eq!(store.next_request(None).await.unwrap(), None);
    assert_eq!(store.awaiting_approval().await.unwrap(), []);
    assert_eq!(store.holder().await.unwrap(), None);
    assert_eq!(store.due(at(0), 10).await.unwrap(), []);
}

pub(crate) async fn a_sweep_is_read_back_as_it_was_told(place: &Place) {
    let store = place.open().await;
    for (number, mode) in (1..).zip(Mode::ALL) {
        for (step, trigger) in (0..).zip(Trigger::ALL) {
            let told = SweepRecord {
                mode: *mode,
                trigger: *trigger,
                requested_by: "ann's \"token\" \u{0441}\u{4e2d}".to_owned(),
                ..sweep(number * 100 + step)
            };
            store.begin(&told).await.unwrap();
            assert_eq!(store.sweep(&told.id).await.unwrap(), Some(told));
        }
    }
    let ended = sweep_id(100);
    for outcome in SweepOutcome::ALL {
        store
            .finish(&ended, *outcome, Some("it's over"), at(900))
            .await
            .unwrap();
        let record = store.sweep(&ended).await.unwrap().unwrap();
        assert_eq!(record.outcome, Some(*outcome));
        assert_eq!(record.reason.as_deref(), Some("it's over"));
        assert_eq!(record.finished_at, Some(at(900)));
    }
}

pub(crate) async fn beginning_a_sweep_again_changes_nothing(place: &Place) {
    let (store, id) = begun(place, 1).await;
    store
        .record(&id, &[report(1, Outcome::InSync)])
        .await
        .unwrap();
    store.begin(&sweep(1)).await.unwrap();
    let summary = store.sweep(&id).await.unwrap().unwrap().summary;
    assert_eq!(
        summary,
        Summary {
            accounts: 1,
            in_sync: 1,
            ..Summary::default()
        }
    );
}

pub(crate) async fn sweeps_are_listed_newest_first_page_by_page(place: &Place) {
    let store = place.open().await;
    for number in 1..=5 {
        store.begin(&sweep(number)).await.unwrap();
    }
    let ids = |records: Vec<SweepRecord>| {
        records
            .into_iter()
            .map(|record| record.id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(store.sweeps(None, 2).await.unwrap()),
        ["sweep-5", "sweep-4"]
    );
    let next = store.sweeps(Some(&sweep_id(4)), 10).await.unwrap();
    assert_eq!(ids(next), ["sweep-3", "sweep-2", "sweep-1"]);
    assert_eq!(store.sweeps(Some(&sweep_id(1)), 10).await.unwrap(), []);
    assert_eq!(store.sweeps(Some(&sweep_id(9)), 10).await.unwrap(), []);
}

pub(crate) async fn a_sweep_that_never_ended_is_listed_as_such(place: &Place) {
    let (store, _) = begun(place, 1).await;
    store.begin(&sweep(2)).await.unwrap();
    store
        .finish(&sweep_id(1), SweepOutcome::Completed, None, at(9))
        .await
        .unwrap();
    drop(store);
    let store = place.open().await;
    assert_eq!(store.unfinished().await.unwrap(), [sweep(2)]);
}

pub(crate) async fn the_last_completed_sweep_is_not_a_halted_one(place: &Place) {
    let store = place.open().await;
    let ends = [
        SweepOutcome::Completed,
        SweepOutcome::Halted,
        SweepOutcome::Failed,
    ];
    for (number, outcome) in (1..).zip(ends) {
        store.begin(&sweep(number)).await.unwrap();
        store
            .finish(&sweep_id(number), outcome, None, at(9))
            .await
            .unwrap();
    }
    assert_eq!(
        store.last_completed().await.unwrap().unwrap().id,
        sweep_id(1)
    );
}

pub(crate) async fn what_is_done_beside_the_roles_is_no_success_of_theirs(place: &Place) {
    let store = place.open().await;
    let triggers = [
        Trigger::Schedule,
        Trigger::RetireUser,
        Trigger::Bootstrap,
        Trigger::Rollback,
        Trigger::Event,
    ];
    for (number, trigger) in (1..).zip(triggers) {
        let told = SweepRecord {
            trigger,
            ..sweep(number)
        };
        store.begin(&told).await.unwrap();
        let (id, end) = (sweep_id(number), at(10 + i64::from(number)));
        store
            .finish(&id, SweepOutcome::Completed, None, end)
            .await
            .unwrap();
    }
    let totals = store.fleet_totals().await.unwrap();
    assert_eq!(totals.last_start[&Mode::Repair], at(1));
    assert_eq!(totals.last_success[&Mode::Repair], at(11));
    let last = store.last_completed().await.unwrap().unwrap();
    assert_eq!(last.trigger, Trigger::Schedule);
}

pub(crate) async fn a_sweep_over_a_few_accounts_is_not_taken_for_one_over_all(place: &Place) {
    let store = place.open().await;
    for (number, accounts) in [(1, 10), (2, 1), (3, 9), (4, 2)] {
        store.begin(&sweep(number)).await.unwrap();
        let reports: Vec<_> = (1..=accounts)
            .map(|account| report(account, Outcome::InSync))
            .collect();
        store.record(&sweep_id(number), &reports).await.unwrap();
        let end = at(10 + i64::from(number));
        store
            .finish(&sweep_id(number), SweepOutcome::Completed, None, end)
            .await
            .unwrap();
    }
    let last = store.last_completed().await.unwrap().unwrap();
    assert_eq!(last.id, sweep_id(3));
    let totals = store.fleet_totals().await.unwrap();
    let modes: Vec<_> = totals.last_success.values().copied().collect();
    assert_eq!(modes, [at(13)]);
}

pub(crate) async fn reports_of_a_sweep_that_never_began_are_refused(place: &Place) {
    let store = place.open().await;
    let told = store
        .record(&sweep_id(7), &[report(1, Outcome::InSync)])
        .await;
    assert!(matches!(told, Err(StoreError::Corrupt { .. })), "{told:?}");
    assert_eq!(store.fleet_account(account(1)).await.unwrap(), None);
}
