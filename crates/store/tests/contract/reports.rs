//! Reports.

use rolekeeper_domain::call::Operation;
use rolekeeper_domain::drift::{DriftKind, Severity};
use rolekeeper_domain::fault::{Category, Denial, Fault};
use rolekeeper_domain::outcome::{AccountReport, Outcome, StepReport, StepResult, Summary};
use rolekeeper_engine::port::store::{FleetOrder, ReportFilter, Sweeps as _};
use rolekeeper_store::Store;

use crate::given::{Place, account, begun, drift, drifted, report, sweep};

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

pub(crate) async fn all(store: &Store, filter: &ReportFilter) -> Vec<AccountReport> {
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
