//! Reports, the fleet and findings.

use std::collections::BTreeMap;

use rolekeeper_domain::call::Operation;
use rolekeeper_domain::drift::{DriftKind, Severity};
use rolekeeper_domain::fault::{Category, Denial, Fault};
use rolekeeper_domain::outcome::{
    AccountReport, Mode, Outcome, SkipReason, StepReport, StepResult, Summary, SweepOutcome,
};
use rolekeeper_engine::port::store::{
    FleetKey, FleetOrder, Memory as _, ReportFilter, Sweeps as _, UnitTotals,
};
use rolekeeper_store::Store;

use crate::given::{Place, account, at, begun, drift, drifted, report, role, sweep, sweep_id};

/// Texts that break what is put together from text.
fn hostile() -> [String; 6] {
    [
        "'; DROP TABLE reports; --".to_owned(),
        "\"quoted\" \\ `back` $1 ? % _".to_owned(),
        "a\0b\u{1}\u{7f}\r\n\t".to_owned(),
        "\u{0394}\u{4e2d}\u{202e}\u{0301}\u{feff}".to_owned(),
        String::new(),
        "x'".repeat(50_000),
    ]
}

async fn all(store: &Store, filter: &ReportFilter) -> Vec<AccountReport> {
    store
        .fleet(filter, FleetOrder::default(), None, 100_000)
        .await
        .unwrap()
}

pub(crate) async fn recording_no_reports_changes_nothing(place: &Place) {
    let (store, id) = begun(place, 1).await;
    store.record(&id, &[]).await.unwrap();
    assert_eq!(store.sweep(&id).await.unwrap(), Some(sweep(1)));
}

pub(crate) async fn a_report_is_read_back_to_the_letter(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let mut told = Vec::new();
    for (number, text) in (1..).zip(hostile()) {
        told.push(AccountReport {
            name: text.clone(),
            ou_path: text.clone(),
            reason: Some(text.clone()),
            failure: Some(Fault {
                operation: Some(Operation::GetRole),
                code: Some(text.clone()),
                request_id: Some(text.clone()),
                denial: Some(Denial::ServiceControlPolicy),
                ..Fault::new(Category::AccessDenied, text.clone())
            }),
            drifts: vec![{
                let mut drift = drift(DriftKind::InlineUnexpected, Severity::Critical);
                drift.subject = Some(text.clone());
                drift.explanation = text.clone();
                drift.before = None;
                drift
            }],
            steps: vec![StepReport {
                operation: Operation::DeleteRolePolicy,
                resource: text.clone(),
                result: StepResult::Withheld,
                reason: Some(text),
            }],
            observed_at: "2026-03-01T12:00:00.123456789Z".parse().unwrap(),
            ..report(number, Outcome::Failed)
        });
    }
    store.record(&id, &told).await.unwrap();
    let any = ReportFilter::default();
    assert_eq!(store.reports(&id, &any, None, 100).await.unwrap(), told);
    assert_eq!(all(&store, &any).await, told);
    for report in &told {
        let found = store.fleet_account(report.account).await.unwrap();
        assert_eq!(found.as_ref(), Some(report));
        let findings = store.findings(Some(report.account)).await.unwrap();
        assert_eq!(
            findings.first().map(|finding| &finding.drift),
            report.drifts.first()
        );
    }
}

pub(crate) async fn a_second_report_of_an_account_replaces_the_first(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let drift = drifted(1, DriftKind::TrustPolicy, Severity::Critical);
    store
        .record(&id, &[drift, report(2, Outcome::InSync)])
        .await
        .unwrap();
    store
        .record(&id, &[report(1, Outcome::Repaired)])
        .await
        .unwrap();
    let reports = store
        .reports(&id, &ReportFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(
        reports,
        [report(1, Outcome::Repaired), report(2, Outcome::InSync)]
    );
    let summary = store.sweep(&id).await.unwrap().unwrap().summary;
    assert_eq!(
        summary,
        Summary {
            accounts: 2,
            in_sync: 1,
            repaired: 1,
            ..Summary::default()
        }
    );
}

pub(crate) async fn within_one_call_the_last_report_of_an_account_counts(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let twice = [report(1, Outcome::Failed), report(1, Outcome::InSync)];
    store.record(&id, &twice).await.unwrap();
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

pub(crate) async fn ten_thousand_accounts_are_recorded_and_paged(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let told: Vec<_> = (1..=10_000)
        .map(|number| match number % 100 {
            0 => drifted(number, DriftKind::RoleTags, Severity::Low),
            _ => report(number, Outcome::InSync),
        })
        .collect();
    store.record(&id, &told).await.unwrap();
    let summary = store.sweep(&id).await.unwrap().unwrap().summary;
    let expected = Summary {
        accounts: 10_000,
        in_sync: 9_900,
        drifted: 100,
        ..Summary::default()
    };
    assert_eq!(summary, expected);
    let mut read = Vec::new();
    loop {
        let after = read.last().map(|report: &AccountReport| report.account);
        let page = store
            .reports(&id, &ReportFilter::default(), after, 999)
            .await
            .unwrap();
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read, told);
    assert_eq!(store.findings(None).await.unwrap().len(), 100);
}

pub(crate) async fn a_page_holds_while_the_data_change(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let told: Vec<_> = (1..=6)
        .map(|number| report(number * 10, Outcome::InSync))
        .collect();
    store.record(&id, &told).await.unwrap();
    let any = ReportFilter::default();
    let first = store.reports(&id, &any, None, 3).await.unwrap();
    // An account before the page appears, one on it changes, one behind it appears.
    let new = [5, 20, 45].map(|number| report(number, Outcome::Failed));
    store.record(&id, &new).await.unwrap();
    let next = store
        .reports(&id, &any, Some(first[2].account), 3)
        .await
        .unwrap();
    let ids: Vec<_> = next.iter().map(|report| report.account).collect();
    assert_eq!(ids, [40, 45, 50].map(account));
}

pub(crate) async fn a_filter_finds_by_outcome_unit_and_text(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let accounts = [
        (1, "Payments", "prod", Outcome::InSync),
        (2, "payments-test", "prod/payments", Outcome::Failed),
        (3, "Ledger", "production", Outcome::InSync),
        (4, "Root", "/", Outcome::InSync),
        (5, "\u{00c9}tude", "prod/payments/eu", Outcome::InSync),
    ];
    let told = accounts.map(|(number, name, ou_path, outcome)| AccountReport {
        name: name.to_owned(),
        ou_path: ou_path.to_owned(),
        ..report(number, outcome)
    });
    store.record(&id, &told).await.unwrap();
    let check = async |filter: ReportFilter, expected: &[u64]| {
        let expected: Vec<_> = expected.iter().copied().map(account).collect();
        let ids = |reports: Vec<AccountReport>| {
            reports
                .iter()
                .map(|report| report.account)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(all(&store, &filter).await), expected, "{filter:?}");
        assert_eq!(
            ids(store.reports(&id, &filter, None, 9).await.unwrap()),
            expected
        );
    };
    let any = ReportFilter::default();
    let ou = |ou: &str| ReportFilter {
        ou: Some(ou.to_owned()),
        ..ReportFilter::default()
    };
    let text = |text: &str| ReportFilter {
        text: Some(text.to_owned()),
        ..ReportFilter::default()
    };
    check(any.clone(), &[1, 2, 3, 4, 5]).await;
    check(
        ReportFilter {
            outcome: Some(Outcome::Failed),
            ..any.clone()
        },
        &[2],
    )
    .await;
    check(ou("/"), &[1, 2, 3, 4, 5]).await;
    check(ou("prod"), &[1, 2, 5]).await;
    check(ou("prod/payments"), &[2, 5]).await;
    check(ou("payments"), &[]).await;
    check(text("PAYments"), &[1, 2]).await;
    check(text("\u{00e9}TUDE"), &[5]).await;
    check(text("00000000003"), &[3]).await;
    check(text(""), &[1, 2, 3, 4, 5]).await;
    let both = ReportFilter {
        outcome: Some(Outcome::InSync),
        ..text("payments")
    };
    check(both, &[1]).await;
}

pub(crate) async fn a_search_gives_no_letter_a_meaning(place: &Place) {
    let (store, id) = begun(place, 1).await;
    let names = ["100% sure", "a_b", "a\\b", "plain"];
    let told: Vec<_> = (1..)
        .zip(names)
        .map(|(number, name)| AccountReport {
            name: name.to_owned(),
            ..report(number, Outcome::InSync)
        })
        .collect();
    store.record(&id, &told).await.unwrap();
    for (text, expected) in [("%", 1), ("_", 2), ("\\", 3)] {
        let filter = ReportFilter {
            text: Some(text.to_owned()),
            ..ReportFilter::default()
        };
        let found: Vec<_> = all(&store, &filter)
            .await
            .iter()
            .map(|found| found.account)
            .collect();
        assert_eq!(found, [account(expected)], "{text}");
    }
    let long = ReportFilter {
        text: Some("x".repeat(100_000)),
        ..ReportFilter::default()
    };
    assert_eq!(all(&store, &long).await, []);
}

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
