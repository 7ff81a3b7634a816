//! The whole engine over a simulated organization: the plain paths.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics on purpose"
)]

use std::time::Duration;

use rolekeeper_domain::call::Operation;
use rolekeeper_domain::outcome::{Mode, Outcome, SweepOutcome, SweepRecord};
use rolekeeper_engine::port::store::{JournalEntry, Memory as _};
use rolekeeper_simulator::{DEMO_ROLE, Drift, Limits, Settings};
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order};
use rolekeeper_tests::sim::sent::Watched as _;
use rolekeeper_tests::sim::stage::Stage;
use tokio_util::sync::CancellationToken;

async fn sweep(stage: &Stage, mode: Mode) -> (SweepRecord, Process<MemoryStore>) {
    let settings = rig::settings("one", demo_spec());
    let process = stage.process(settings).await;
    let record = process
        .engine
        .sweep(order(mode), CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(check::unrecorded(&stage.world, &stage.store), None);
    (record, process)
}

#[tokio::test(start_paused = true)]
async fn an_organization_that_is_right_is_in_sync_and_untouched() {
    let stage = Stage::with(rig::calm(10));
    let (record, process) = sweep(&stage, Mode::Repair).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Completed));
    assert_eq!(
        (record.summary.in_sync, record.summary.skipped),
        (10, 1),
        "{record:?}"
    );
    assert_eq!(process.wire.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cold_audit_takes_six_calls_an_account_a_warm_one_five_and_with_a_live_session_four() {
    let stage = Stage::with(rig::calm(20));
    let iam_and_sts = |process: &Process<MemoryStore>| -> u64 {
        let calls = process.listener.calls();
        let per_account = [
            Operation::AssumeRole,
            Operation::GetRole,
            Operation::ListAttachedRolePolicies,
            Operation::ListRolePolicies,
            Operation::GetPolicy,
            Operation::GetPolicyVersion,
        ];
        let others = calls
            .iter()
            .filter(|(operation, _)| !per_account.contains(operation));
        assert!(
            others
                .into_iter()
                .all(|(operation, _)| operation.name().starts_with("List")
                    || *operation == Operation::DescribeOrganization
                    || *operation == Operation::GetCallerIdentity)
        );
        per_account
            .iter()
            .filter_map(|operation| calls.get(operation))
            .sum()
    };
    let (_, cold) = sweep(&stage, Mode::Audit).await;
    assert_eq!(iam_and_sts(&cold), 6 * 20);
    let (_, warm) = sweep(&stage, Mode::Audit).await;
    assert_eq!(iam_and_sts(&warm), 5 * 20);
    warm.engine
        .sweep(order(Mode::Audit), CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(iam_and_sts(&warm), (5 + 4) * 20);
}

#[tokio::test(start_paused = true)]
async fn the_independent_calls_of_a_look_go_out_together() {
    let stage = Stage::with(rig::calm(1));
    let rates = std::collections::BTreeMap::from([("iam:read".to_owned(), 1_000.0)]);
    stage.store.remember_rates(&rates).await.unwrap();
    let (record, _) = sweep(&stage, Mode::Audit).await;
    let reports = stage.store.all_reports(&record.id);
    let report = reports
        .iter()
        .find(|report| report.outcome == Outcome::InSync)
        .unwrap();
    // AssumeRole, then four calls at once, then the document: three rounds of 20 ms for
    // six calls.
    assert!(
        (60..66).contains(&report.duration_ms),
        "{} ms",
        report.duration_ms
    );
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_drift_is_found_repaired_and_then_left_alone() {
    let stage = Stage::with(rig::calm(Drift::visible().len() as u32));
    let accounts = stage.world.reachable();
    for (account, drift) in accounts.iter().zip(Drift::visible()) {
        assert!(stage.world.plant(*account, *drift));
    }
    let (audit, process) = sweep(&stage, Mode::Audit).await;
    assert_eq!(audit.summary.drifted, accounts.len() as u64, "{audit:?}");
    assert_eq!(process.wire.writes(), 0, "an audit writes nothing");
    for (account, drift) in accounts.iter().zip(Drift::visible()) {
        let reports = stage.store.all_reports(&audit.id);
        let report = reports
            .iter()
            .find(|report| report.account == *account)
            .unwrap();
        let kinds: Vec<&str> = report
            .drifts
            .iter()
            .map(|drift| drift.kind.as_str())
            .collect();
        assert!(kinds.contains(&drift.kind()), "{drift:?} reads {kinds:?}");
    }

    let (repair, process) = sweep(&stage, Mode::Repair).await;
    for report in stage.store.all_reports(&repair.id) {
        let index = accounts
            .iter()
            .position(|account| *account == report.account);
        let Some(drift) = index.and_then(|index| Drift::visible().get(index)) else {
            continue;
        };
        // A path cannot be changed in place: reported and withheld.
        let expected = if *drift == Drift::RolePath {
            Outcome::Drifted
        } else {
            Outcome::Repaired
        };
        assert_eq!(report.outcome, expected, "{drift:?}: {report:#?}");
    }
    assert_eq!(repair.outcome, Some(SweepOutcome::Completed), "{repair:?}");
    assert!(process.wire.writes() > 0);

    let (again, process) = sweep(&stage, Mode::Repair).await;
    assert_eq!(process.wire.writes(), 0, "a second sweep writes nothing");
    assert_eq!(again.summary.drifted, 1, "{again:?}");
    let strays = stage
        .world
        .strayed(&[&format!("role/{DEMO_ROLE}"), &format!("policy/{DEMO_ROLE}")]);
    assert!(strays.is_empty(), "{strays:?}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_organization_is_provisioned_in_waves() {
    let stage = Stage::with(Settings {
        accounts: 40,
        provisioned: false,
        inactive: 0.0,
        limits: Limits::none(),
        latency: Duration::from_millis(20),
        history: true,
        ..Settings::default()
    });
    let (record, process) = sweep(&stage, Mode::Repair).await;
    assert_eq!(record.summary.repaired, 40, "{record:?}");
    let waves: Vec<(u32, u64)> = process
        .listener
        .events()
        .into_iter()
        .filter_map(|event| match event {
            rolekeeper_engine::event::Event::WaveStarted { wave, accounts, .. } => {
                Some((wave, accounts))
            }
            _ => None,
        })
        .collect();
    assert_eq!(waves, [(1, 3), (2, 1), (3, 16), (4, 20)]);
    for account in stage.world.reachable() {
        let role = stage.world.role(account, DEMO_ROLE).expect("it was made");
        assert_eq!(role.attached.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_on_record_would_be_noticed() {
    let stage = Stage::with(rig::calm(2));
    let account = *stage.world.reachable().first().unwrap();
    stage.world.plant(account, Drift::RoleDescription);
    sweep(&stage, Mode::Repair).await;
    let blank = MemoryStore::default();
    blank.watch(&stage.world);
    let noticed = check::unrecorded(&stage.world, &blank).expect("a finding");
    assert!(noticed.contains("UpdateRole"), "{noticed}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_on_record_as_something_else_would_be_noticed() {
    let stage = Stage::with(rig::calm(2));
    let account = *stage.world.reachable().first().unwrap();
    stage.world.plant(account, Drift::TrustOpen);
    stage.world.plant(account, Drift::AttachmentUnexpected);
    sweep(&stage, Mode::Repair).await;
    let (journal, spans) = (stage.store.journal(), stage.store.spans());
    let noticed = |doctored: &[JournalEntry]| {
        check::against(&stage.world, doctored, &spans, stage.store.sent())
    };
    assert_eq!(noticed(&journal), None);
    // Another document, another policy, another role: one at a time.
    for (operation, from, to) in [
        (
            Operation::UpdateAssumeRolePolicy,
            "999999999999",
            "999999999998",
        ),
        (
            Operation::DetachRolePolicy,
            "AdministratorAccess",
            "ReadOnlyAccess",
        ),
        (Operation::DetachRolePolicy, DEMO_ROLE, "Another"),
    ] {
        let mut doctored = journal.clone();
        for entry in doctored
            .iter_mut()
            .filter(|entry| entry.operation == operation)
        {
            entry.parameters = entry.parameters.replace(from, to);
        }
        let found = noticed(&doctored).expect(to);
        assert!(found.contains(to), "{found}");
    }
    let mut renamed = journal.clone();
    for entry in &mut renamed {
        entry.resource = entry.resource.replace(DEMO_ROLE, "Another");
    }
    let found = noticed(&renamed).expect("a finding");
    assert!(found.contains("a record of role/Another"), "{found}");
}
