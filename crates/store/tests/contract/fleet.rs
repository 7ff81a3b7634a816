//! The fleet and the findings.

use std::collections::BTreeMap;

use rolekeeper_domain::drift::{DriftKind, Severity};
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, SkipReason, SweepOutcome};
use rolekeeper_engine::port::store::{
    FleetKey, FleetOrder, Memory as _, ReportFilter, Sweeps as _, UnitTotals,
};

use crate::given::{Place, account, at, begun, drift, drifted, report, role, sweep, sweep_id};
use crate::reports::all;

pub(crate) async fn the_fleet_shows_the_newest_report_whatever_sweep_it_is_from(place: &Place) {
    let (store, first) = begun(place, 1).await;
    let old = [report(1, Outcome::InSync), report(2, Outcome::InSync)];
    store.record(&first, &old).await.unwrap();
    store.begin(&sweep(2)).await.unwrap();
    store
        .record(&sweep_id(2), &[report(2, Outcome::Failed)])
        .await
        .unwrap();
    let expected = [report(1, Outcome::InSync), report(2, Outcome::Failed)];
    assert_eq!(all(&store, &ReportFilter::default()).await, expected);
    // The older sweep's own report stays what it was.
    assert_eq!(
        store
            .reports(&first, &ReportFilter::default(), None, 9)
            .await
            .unwrap(),
        old
    );
}

pub(crate) async fn an_account_that_was_not_reached_keeps_its_report(place: &Place) {
    let (store, first) = begun(place, 1).await;
    store
        .record(&first, &[report(1, Outcome::InSync)])
        .await
        .unwrap();
    store.begin(&sweep(2)).await.unwrap();
    let pending = [report(1, Outcome::Pending), report(2, Outcome::Pending)];
    store.record(&sweep_id(2), &pending).await.unwrap();
    let expected = [report(1, Outcome::InSync), report(2, Outcome::Pending)];
    assert_eq!(all(&store, &ReportFilter::default()).await, expected);
    assert_eq!(
        store
            .sweep(&sweep_id(2))
            .await
            .unwrap()
            .unwrap()
            .summary
            .pending,
        2
    );
}

pub(crate) async fn the_fleet_comes_in_every_order_page_by_page(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let named =
        |number: u64, name: &str, ou: &str, seconds: i64, report: AccountReport| AccountReport {
            name: name.to_owned(),
            ou_path: ou.to_owned(),
            observed_at: at(seconds),
            account: account(number),
            ..report
        };
    let told = [
        named(1, "beta", "b", 30, report(1, Outcome::InSync)),
        named(
            2,
            "Alpha",
            "a/x",
            10,
            drifted(2, DriftKind::RoleTags, Severity::Low),
        ),
        named(
            3,
            "_gamma",
            "a",
            20,
            drifted(3, DriftKind::TrustPolicy, Severity::Critical),
        ),
        named(4, "alpha", "a x", 10, report(4, Outcome::Failed)),
        named(5, "\u{00e9}psilon", "Z", 40, report(5, Outcome::Skipped)),
    ];
    store.record(&id, &told).await.unwrap();
    let keys = [
        FleetKey::Account,
        FleetKey::Worst,
        FleetKey::Name,
        FleetKey::Unit,
        FleetKey::Observed,
    ];
    for key in keys {
        for descending in [false, true] {
            let order = FleetOrder { key, descending };
            let mut expected = told.to_vec();
            expected.sort_by_key(|report| {
                let place = order.position(report);
                (place.key, place.account)
            });
            if descending {
                expected.reverse();
            }
            let mut read: Vec<AccountReport> = Vec::new();
            loop {
                let after = read.last().map(|report| order.position(report));
                let any = ReportFilter::default();
                let page = store.fleet(&any, order, after.as_ref(), 2).await.unwrap();
                if page.is_empty() {
                    break;
                }
                read.extend(page);
            }
            assert_eq!(read, expected, "{order:?}");
        }
    }
}

pub(crate) async fn an_account_that_left_the_organization_leaves_the_fleet(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let told = [1, 2].map(|number| drifted(number, DriftKind::RoleMissing, Severity::High));
    store.record(&id, &told).await.unwrap();
    store
        .remember_census(&[account(2), account(3)], at(50))
        .await
        .unwrap();
    assert_eq!(all(&store, &ReportFilter::default()).await, told[1..]);
    let open: Vec<_> = store.findings(None).await.unwrap();
    assert_eq!(
        open.iter()
            .map(|finding| finding.account)
            .collect::<Vec<_>>(),
        [account(2)]
    );
    let gone = store.findings(Some(account(1))).await.unwrap();
    assert_eq!(
        gone.iter()
            .map(|finding| finding.resolved_at)
            .collect::<Vec<_>>(),
        [Some(at(50))]
    );
    // What the sweep said stays said.
    assert_eq!(
        store
            .reports(&id, &ReportFilter::default(), None, 9)
            .await
            .unwrap()
            .len(),
        2
    );
}

pub(crate) async fn the_fleet_is_counted_by_outcome_reason_and_finding(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let skipped = |number, reason: SkipReason| AccountReport {
        reason: Some(reason.as_str().to_owned()),
        ..report(number, Outcome::Skipped)
    };
    let told = [
        report(1, Outcome::InSync),
        report(2, Outcome::InSync),
        skipped(3, SkipReason::Excluded),
        skipped(4, SkipReason::Closed),
        skipped(5, SkipReason::Closed),
        drifted(6, DriftKind::RoleTags, Severity::Low),
        drifted(7, DriftKind::RoleTags, Severity::Low),
        drifted(8, DriftKind::TrustPolicy, Severity::Critical),
    ];
    store.record(&id, &told).await.unwrap();
    store
        .finish(&id, SweepOutcome::Completed, None, at(60))
        .await
        .unwrap();
    let totals = store.fleet_totals().await.unwrap();
    let accounts = [
        (Outcome::InSync, 2),
        (Outcome::Drifted, 3),
        (Outcome::Skipped, 3),
    ];
    assert_eq!(totals.accounts, BTreeMap::from(accounts));
    let skipped = [(SkipReason::Excluded, 1), (SkipReason::Closed, 2)];
    assert_eq!(totals.skipped, BTreeMap::from(skipped));
    let findings = [
        ((role(), DriftKind::RoleTags, Severity::Low), 2),
        ((role(), DriftKind::TrustPolicy, Severity::Critical), 1),
    ];
    assert_eq!(totals.findings, BTreeMap::from(findings));
    assert_eq!(totals.last_start, BTreeMap::from([(Mode::Repair, at(1))]));
    assert_eq!(
        totals.last_success,
        BTreeMap::from([(Mode::Repair, at(60))])
    );
}

pub(crate) async fn units_are_counted_without_the_units_below(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let below = |report: AccountReport| AccountReport {
        ou_path: "prod/eu".to_owned(),
        ..report
    };
    let told = [
        report(1, Outcome::InSync),
        below(drifted(2, DriftKind::RoleTags, Severity::Low)),
        below(drifted(3, DriftKind::TrustPolicy, Severity::Critical)),
    ];
    store.record(&id, &told).await.unwrap();
    let expected = [
        UnitTotals {
            ou_path: "prod".to_owned(),
            accounts: BTreeMap::from([(Outcome::InSync, 1)]),
            worst: None,
        },
        UnitTotals {
            ou_path: "prod/eu".to_owned(),
            accounts: BTreeMap::from([(Outcome::Drifted, 2)]),
            worst: Some(Severity::Critical),
        },
    ];
    assert_eq!(store.fleet_units().await.unwrap(), expected);
}

pub(crate) async fn a_drift_becomes_a_finding_that_is_resolved_when_it_is_gone(place: &Place) {
    let store = place.open().await;
    let seen = |number: u32, outcome, drifts| {
        let observed_at = at(i64::from(number) * 100);
        (
            number,
            AccountReport {
                observed_at,
                drifts,
                ..report(1, outcome)
            },
        )
    };
    let trust = drift(DriftKind::TrustPolicy, Severity::Critical);
    let tags = drift(DriftKind::RoleTags, Severity::Low);
    let story = [
        seen(1, Outcome::Drifted, vec![trust.clone(), tags.clone()]),
        seen(2, Outcome::Drifted, vec![trust.clone()]),
        seen(3, Outcome::InSync, Vec::new()),
    ];
    let mut told = Vec::new();
    for (number, report) in story {
        store.begin(&sweep(number)).await.unwrap();
        store.record(&sweep_id(number), &[report]).await.unwrap();
        let mut findings = store.findings(Some(account(1))).await.unwrap();
        findings.sort_by_key(|finding| finding.drift.kind);
        told.push(
            findings
                .into_iter()
                .map(|found| (found.drift.kind, found.first_seen, found.resolved_at))
                .collect::<Vec<_>>(),
        );
    }
    let (tags, trust) = (DriftKind::RoleTags, DriftKind::TrustPolicy);
    let expected = [
        [(tags, at(100), None), (trust, at(100), None)],
        [(tags, at(100), Some(at(200))), (trust, at(100), None)],
        [
            (tags, at(100), Some(at(200))),
            (trust, at(100), Some(at(300))),
        ],
    ];
    assert_eq!(told, expected);
    assert_eq!(store.findings(None).await.unwrap(), []);
}

pub(crate) async fn an_account_that_could_not_be_read_resolves_nothing(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let drift = drifted(1, DriftKind::TrustPolicy, Severity::Critical);
    store.record(&id, &[drift]).await.unwrap();
    for (number, outcome) in [(2, Outcome::Failed), (3, Outcome::Pending)] {
        store.begin(&sweep(number)).await.unwrap();
        store
            .record(&sweep_id(number), &[report(1, outcome)])
            .await
            .unwrap();
        assert_eq!(store.findings(None).await.unwrap().len(), 1, "{outcome}");
    }
}
