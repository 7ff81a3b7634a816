//! What is forgotten, and what never is.

use rolekeeper_domain::drift::{DriftKind, Severity};
use rolekeeper_domain::outcome::{Outcome, SweepOutcome};
use rolekeeper_domain::plan::Step;
use rolekeeper_engine::port::store::{
    Completion, Control as _, FleetOrder, Journal as _, ReportFilter, Sweeps as _,
};
use rolekeeper_store::{Break, Head, Pruned, Retention};

use crate::given::{
    Place, account, at, begun, drifted, intend, lead, planned, report, retrust, sweep, sweep_id,
};

const DAY: i64 = 86_400;
const SHORT: Retention = Retention {
    keep_days: 10,
    keep_sweeps: 2,
};

pub(crate) async fn a_young_store_keeps_everything(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    store
        .record(&id, &[drifted(1, DriftKind::RoleTags, Severity::Low)])
        .await
        .unwrap();
    intend(&store, &id, 1, &retrust(), fence).await;
    let pruned = store.prune(Retention::default(), at(DAY)).await.unwrap();
    assert_eq!(pruned, Pruned::default());
    assert_eq!(store.head().await.unwrap().seq, 1);
}

pub(crate) async fn old_sweeps_go_and_the_fleet_stays(place: &Place) {
    let store = place.open().await;
    for number in 1..=6 {
        store.begin(&sweep(number)).await.unwrap();
        let id = sweep_id(number);
        store
            .record(&id, &[report(u64::from(number), Outcome::InSync)])
            .await
            .unwrap();
        // The second is the last that completed; the third never ended.
        let outcome = if number <= 2 {
            SweepOutcome::Completed
        } else {
            SweepOutcome::Halted
        };
        if number != 3 {
            store.finish(&id, outcome, None, at(9)).await.unwrap();
        }
    }
    let pruned = store.prune(SHORT, at(100 * DAY)).await.unwrap();
    assert_eq!(
        pruned,
        Pruned {
            sweeps: 2,
            ..Pruned::default()
        }
    );
    let left: Vec<_> = store.sweeps(None, 10).await.unwrap();
    let left: Vec<_> = left.iter().map(|sweep| sweep.id.as_str()).collect();
    assert_eq!(left, ["sweep-6", "sweep-5", "sweep-3", "sweep-2"]);
    let any = ReportFilter::default();
    assert_eq!(
        store
            .fleet(&any, FleetOrder::default(), None, 10)
            .await
            .unwrap()
            .len(),
        6
    );
    assert_eq!(
        store.reports(&sweep_id(1), &any, None, 10).await.unwrap(),
        []
    );
}

pub(crate) async fn the_journal_is_cut_at_its_old_end_and_still_verifies(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    for number in 1..=3 {
        let entry = intend(&store, &id, number, &retrust(), fence).await;
        store
            .complete(entry, &Completion::SettledDone, at(6))
            .await
            .unwrap();
    }
    let cut_at = store.head().await.unwrap();
    store.cancel(&id, "ann", at(20 * DAY)).await.unwrap();
    let known = store.head().await.unwrap();
    let pruned = store.prune(SHORT, at(25 * DAY)).await.unwrap();
    assert_eq!(
        pruned,
        Pruned {
            journal: 6,
            ..Pruned::default()
        }
    );
    assert_eq!(store.history(account(1), None, 10).await.unwrap(), []);
    let verified = store.verify_journal(Some(known)).await.unwrap().unwrap();
    assert_eq!(
        (verified.records, verified.from.seq, verified.to.seq),
        (2, 6, 8)
    );
    let lines = store.export_journal(0, 10).await.unwrap();
    let kinds: Vec<_> = lines.iter().map(|line| line.kind.as_str()).collect();
    assert_eq!(kinds, ["cancel", "pruned"]);
    assert_eq!(lines[0].prev, verified.from.hash);
    assert_eq!(lines[1].body["hash"], verified.from.hash);
    let again = store.prune(SHORT, at(25 * DAY)).await.unwrap();
    assert_eq!(again, Pruned::default());

    // The place that the record of the cut names is known from it; an older one is not.
    assert!(
        store
            .verify_journal(Some(cut_at.clone()))
            .await
            .unwrap()
            .is_ok()
    );
    let older = Head {
        seq: 3,
        hash: "00".to_owned(),
    };
    let told = store.verify_journal(Some(older.clone())).await.unwrap();
    let too_old = Break::TooOld {
        known: older,
        from: cut_at.clone(),
        retained: true,
    };
    assert_eq!(
        too_old.to_string(),
        "3:00 cannot be checked: older than what retention kept, which begins after record 6"
    );
    assert_eq!(told, Err(too_old));
    let forged = Head {
        hash: "00".to_owned(),
        ..cut_at.clone()
    };
    let told = store.verify_journal(Some(forged.clone())).await.unwrap();
    assert_eq!(told, Err(Break::Cut { known: forged }));

    // A second cut: what the first one led to is still told, as long as its record is kept.
    store
        .cancel(&sweep_id(9), "ann", at(40 * DAY))
        .await
        .unwrap();
    let pruned = store.prune(SHORT, at(31 * DAY)).await.unwrap();
    assert_eq!(pruned.journal, 1);
    assert!(store.verify_journal(Some(cut_at)).await.unwrap().is_ok());
}

pub(crate) async fn an_open_entry_is_never_forgotten(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    let first = intend(&store, &id, 1, &retrust(), fence).await;
    let open = intend(&store, &id, 2, &retrust(), fence).await;
    store
        .complete(first, &Completion::SettledUndone, at(6))
        .await
        .unwrap();
    let pruned = store.prune(SHORT, at(1_000 * DAY)).await.unwrap();
    assert_eq!(
        pruned,
        Pruned {
            journal: 1,
            ..Pruned::default()
        }
    );
    let left: Vec<_> = store
        .open()
        .await
        .unwrap()
        .iter()
        .map(|entry| entry.id)
        .collect();
    assert_eq!(left, [open]);
    store
        .complete(open, &Completion::SettledUndone, at(1_000 * DAY))
        .await
        .unwrap();
    assert!(store.verify_journal(None).await.unwrap().is_ok());
}

pub(crate) async fn ownership_outlives_the_journal(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    store
        .adopt(account(1), "role/Auditor", &id, at(1), fence)
        .await
        .unwrap();
    let pruned = store.prune(SHORT, at(100 * DAY)).await.unwrap();
    // The newest record stays: it is where the chain goes on.
    assert_eq!(pruned, Pruned::default());
    let step = planned(Step::DeleteRolePermissionsBoundary {
        role: crate::given::role(),
    });
    intend(&store, &id, 1, &step, fence).await;
    let pruned = store.prune(SHORT, at(100 * DAY)).await.unwrap();
    assert_eq!(
        pruned,
        Pruned {
            journal: 1,
            ..Pruned::default()
        }
    );
    assert_eq!(store.owned(account(1)).await.unwrap(), ["role/Auditor"]);
}
