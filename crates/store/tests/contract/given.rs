//! What the cases start from.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::{Drift, DriftKind, Severity};
use rolekeeper_domain::outcome::{
    AccountReport, Mode, Outcome, Summary, SweepId, SweepRecord, Trigger,
};
use rolekeeper_domain::plan::{Band, PlannedStep, Precondition, Step};
use rolekeeper_domain::policy::{Document, Kind};
use rolekeeper_domain::role::RoleName;
use rolekeeper_engine::port::store::{
    Deed, EntryId, Fence, Intent, Journal as _, Lease as _, Sweeps as _,
};
use rolekeeper_store::Store;
use tempfile::TempDir;

/// Where a case has its store.
pub(crate) struct Place {
    url: String,
    _folder: Option<TempDir>,
}

impl Place {
    /// A new file.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("store.db").display());
        Self {
            url,
            _folder: Some(folder),
        }
    }

    /// A new schema on the server.
    #[cfg_attr(
        not(feature = "external"),
        expect(dead_code, reason = "needs a server")
    )]
    pub(crate) fn postgres() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        #[expect(
            clippy::disallowed_methods,
            reason = "tests are told where the server is"
        )]
        let server = std::env::var("ROLEKEEPER_TEST_POSTGRES_URL").expect(
            "the feature `external` needs ROLEKEEPER_TEST_POSTGRES_URL; cargo xtask test sets it",
        );
        let joint = if server.contains('?') { '&' } else { '?' };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Each test may run in a process of its own, and the server may have seen others.
        let schema = format!("t{}_{number}_{}", std::process::id(), moment());
        Self {
            url: format!("{server}{joint}schema={schema}"),
            _folder: None,
        }
    }

    /// The store, opened (again).
    pub(crate) async fn open(&self) -> Store {
        rolekeeper_store::open(&self.url).await.unwrap()
    }
}

/// Microseconds since 1970: names a schema that was never there.
fn moment() -> u128 {
    std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |elapsed| elapsed.as_micros())
}

/// A moment: so many seconds after the first of the year.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

/// An account by number.
pub(crate) fn account(number: u64) -> AccountId {
    format!("{number:012}").parse().unwrap()
}

/// A sweep's id by number.
pub(crate) fn sweep_id(number: u32) -> SweepId {
    SweepId::parse(&format!("sweep-{number}")).unwrap()
}

/// A sweep that has just begun.
pub(crate) fn sweep(number: u32) -> SweepRecord {
    SweepRecord {
        id: sweep_id(number),
        mode: Mode::Repair,
        trigger: Trigger::CommandLine,
        requested_by: "ann".to_owned(),
        started_at: at(i64::from(number)),
        finished_at: None,
        outcome: None,
        reason: None,
        summary: Summary::default(),
        widens: Vec::new(),
    }
}

/// A store in which this sweep has begun.
pub(crate) async fn begun(place: &Place, number: u32) -> (Store, SweepId) {
    let store = place.open().await;
    store.begin(&sweep(number)).await.unwrap();
    (store, sweep_id(number))
}

/// A report with nothing to tell but the outcome.
pub(crate) fn report(number: u64, outcome: Outcome) -> AccountReport {
    AccountReport {
        account: account(number),
        name: format!("Account {number}"),
        ou_path: "prod".to_owned(),
        outcome,
        reason: None,
        failure: None,
        drifts: Vec::new(),
        steps: Vec::new(),
        mended: Vec::new(),
        observed_at: at(0),
        duration_ms: 7,
    }
}

/// A report of one drift.
pub(crate) fn drifted(number: u64, kind: DriftKind, severity: Severity) -> AccountReport {
    AccountReport {
        drifts: vec![drift(kind, severity)],
        ..report(number, Outcome::Drifted)
    }
}

/// A drift.
pub(crate) fn drift(kind: DriftKind, severity: Severity) -> Drift {
    Drift {
        role: role(),
        kind,
        subject: None,
        severity,
        explanation: "it differs".to_owned(),
        before: Some("before".to_owned()),
        after: Some("after".to_owned()),
    }
}

/// The managed role.
pub(crate) fn role() -> RoleName {
    "Auditor".parse().unwrap()
}

/// A trust policy.
pub(crate) fn trust() -> Document {
    let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"sts:AssumeRole"}]}"#;
    Document::parse(Kind::Trust, text).unwrap()
}

/// The step that changes the trust policy.
pub(crate) fn retrust() -> PlannedStep {
    planned(Step::UpdateAssumeRolePolicy {
        role: role(),
        trust: trust(),
    })
}

/// A step with a precondition and something before it.
pub(crate) fn planned(step: Step) -> PlannedStep {
    PlannedStep {
        step,
        band: Band::Narrow,
        preconditions: vec![Precondition::RoleIs {
            role_id: "AROA1".to_owned(),
        }],
        because: vec![DriftKind::TrustPolicy],
        before: Some("what stood there".to_owned()),
    }
}

/// The lease, held by `who`.
pub(crate) async fn lead(store: &Store, who: &str) -> Fence {
    store
        .acquire(who, Duration::from_secs(3600), at(0))
        .await
        .unwrap()
        .unwrap()
}

/// Intends a step.
pub(crate) async fn intend(
    store: &Store,
    sweep: &SweepId,
    number: u64,
    step: &PlannedStep,
    fence: Fence,
) -> EntryId {
    store
        .intend(&intent(sweep, number, step, &role()), fence)
        .await
        .unwrap()
}

/// An intent.
pub(crate) fn intent<'a>(
    sweep: &'a SweepId,
    number: u64,
    step: &'a PlannedStep,
    role: &'a RoleName,
) -> Intent<'a> {
    Intent {
        sweep,
        requested_by: "ann",
        account: account(number),
        deed: Deed::Role { role, step },
        at: at(5),
    }
}
