//! Sessions that end when nobody expects it, and what they may see.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::call::Operation;
use rolekeeper_domain::outcome::{Mode, Outcome, SweepOutcome, SweepRecord};
use rolekeeper_domain::role::RoleSpec;
use rolekeeper_domain::selector::ManagementPolicy;
use rolekeeper_engine::event::Event;
use rolekeeper_simulator::{DEMO_ROLE, Drift, Settings};
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Process, Same, demo_spec, order};
use rolekeeper_tests::sim::stage::Stage;
use tokio_util::sync::CancellationToken;

/// A process for these roles.
async fn started(stage: &Stage, roles: &[RoleSpec]) -> Process<MemoryStore> {
    let mut settings = rig::settings("one", demo_spec());
    settings.roles = Arc::new(Same(Arc::from(roles)));
    stage.process(settings).await
}

fn outcomes(stage: &Stage, record: &SweepRecord) -> Vec<Outcome> {
    let reports = stage.store.all_reports(&record.id);
    reports
        .iter()
        .filter(|report| report.outcome != Outcome::Skipped)
        .map(|report| report.outcome)
        .collect()
}

async fn sweep(process: &Process<MemoryStore>, mode: Mode) -> SweepRecord {
    let sweep = process.engine.sweep(order(mode), CancellationToken::new());
    sweep.await.unwrap()
}

/// The demo's role under another name.
fn another() -> RoleSpec {
    let mut spec = demo_spec();
    spec.name = "AnotherVendor".parse().unwrap();
    for policy in &mut spec.managed_policies {
        policy.name = "AnotherVendor".parse().unwrap();
    }
    spec
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_in_mid_look_is_replaced_once() {
    let stage = Stage::of(5);
    let process = started(&stage, &[demo_spec()]).await;
    sweep(&process, Mode::Audit).await;
    let before = process.listener.calls()[&Operation::AssumeRole];
    stage.world.expire_sessions();
    let record = sweep(&process, Mode::Audit).await;
    let outcomes = outcomes(&stage, &record);
    assert!(!outcomes.is_empty());
    assert_eq!(outcomes, vec![Outcome::InSync; outcomes.len()]);
    let after = process.listener.calls()[&Operation::AssumeRole];
    assert_eq!(after, 2 * before, "one new session for each account");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_opened_to_verify_one_role_sees_the_others_as_well() {
    let stage = Stage::of(1);
    let account = stage.world.reachable()[0];
    assert!(stage.world.plant(account, Drift::AttachmentMissing));
    let process = started(&stage, &[demo_spec(), another()]).await;
    // Once the first role's one step is made, its verification needs a new session; the second role
    // is missing, and is looked at with that same session after it was made.
    let ending = async {
        while process.wire.writes() == 0 {
            stage.clock.wait(Duration::from_millis(1)).await;
        }
        stage.clock.wait(Duration::from_millis(30)).await;
        stage.world.expire_sessions();
    };
    let (record, ()) = tokio::join!(sweep(&process, Mode::Repair), ending);
    assert_eq!(record.outcome, Some(SweepOutcome::Completed), "{record:?}");
    assert_eq!(outcomes(&stage, &record), [Outcome::Repaired]);
    assert_eq!(
        stage.world.role(account, DEMO_ROLE).unwrap().attached.len(),
        1
    );
    assert!(stage.world.role(account, "AnotherVendor").is_some());
}

#[tokio::test(start_paused = true)]
async fn the_second_admin_role_is_tried_and_then_remembered() {
    let stage = Stage::with(Settings {
        control_tower: 1.0,
        ..rig::calm(1)
    });
    let process = started(&stage, &[demo_spec()]).await;
    let asked = |process: &Process<MemoryStore>| process.listener.calls()[&Operation::AssumeRole];
    let record = sweep(&process, Mode::Audit).await;
    assert_eq!(outcomes(&stage, &record), [Outcome::InSync]);
    assert_eq!(asked(&process), 2);
    // The next session is opened with what worked.
    stage.world.expire_sessions();
    let record = sweep(&process, Mode::Audit).await;
    assert_eq!(outcomes(&stage, &record), [Outcome::InSync]);
    assert_eq!(asked(&process), 3);
}

#[tokio::test(start_paused = true)]
async fn the_management_account_is_managed_with_the_hubs_own_credentials() {
    let stage = Stage::of(1);
    let mut settings = rig::settings("one", demo_spec());
    settings.management = ManagementPolicy::Include;
    let process = stage.process(settings).await;
    let record = sweep(&process, Mode::Repair).await;
    let reports = stage.store.all_reports(&record.id);
    let member = stage.world.reachable()[0];
    let management = reports
        .iter()
        .find(|report| report.account != member)
        .unwrap();
    assert!(
        matches!(management.outcome, Outcome::Repaired | Outcome::InSync),
        "{management:#?}"
    );
    assert!(stage.world.role(management.account, DEMO_ROLE).is_some());
    let own = process.listener.events().into_iter().any(|event| {
        matches!(event, Event::CallFinished { account, operation, .. }
            if account == Some(management.account) && operation == Operation::AssumeRole)
    });
    assert!(!own, "a role was assumed to enter the hub's own account");
}
