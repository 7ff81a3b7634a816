//! Plans that somebody read before they are carried out: exactly these, whatever happens meanwhile.
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::time::Duration;

use rolekeeper_domain::call::Operation;
use rolekeeper_domain::outcome::{Mode, Outcome, StepResult, SweepRecord};
use rolekeeper_engine::SavedPlans;
use rolekeeper_engine::event::Event;
use rolekeeper_simulator::Drift;
use rolekeeper_simulator::faults::{Effect, Fault, Script};
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order};
use rolekeeper_tests::sim::stage::Stage;
use tokio_util::sync::CancellationToken;

async fn started(stage: &Stage) -> Process<MemoryStore> {
    stage.process(rig::settings("one", demo_spec())).await
}

/// What an audit plans.
async fn saved(process: &Process<MemoryStore>) -> SavedPlans {
    let audit = process
        .engine
        .sweep(order(Mode::Audit), CancellationToken::new());
    audit.await.unwrap();
    let mut saved = SavedPlans::default();
    for event in process.listener.events() {
        if let Event::Planned { plan, .. } = event {
            saved.add(plan.account, plan.role.clone(), plan.digest());
        }
    }
    saved
}

async fn carry_out(process: &Process<MemoryStore>, saved: SavedPlans) -> SweepRecord {
    let mut asked = order(Mode::Repair);
    asked.plans = Some(saved);
    let done = process.engine.sweep(asked, CancellationToken::new());
    done.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_is_carried_out_exactly_or_not_at_all() {
    let stage = Stage::of(3);
    for account in stage.world.reachable() {
        assert!(stage.world.plant(account, Drift::RoleMissing));
    }
    let process = started(&stage).await;
    let saved = saved(&process).await;
    assert_eq!(saved.accounts().len(), 3);
    // Somebody else makes the role in the meantime, but not quite right.
    let changed = stage.account(1);
    stage.world.provision(changed);
    stage.world.plant(changed, Drift::TrustOpen);
    let record = carry_out(&process, saved).await;
    assert_eq!(
        stage.report(&record.id, stage.account(0)).outcome,
        Outcome::Repaired
    );
    let refused = stage.report(&record.id, changed);
    assert_eq!(refused.outcome, Outcome::Drifted);
    assert!(
        refused
            .steps
            .iter()
            .all(|step| step.result == StepResult::Refused),
        "{refused:#?}"
    );
    assert!(
        stage
            .store
            .journal()
            .iter()
            .all(|entry| entry.account != changed)
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_look_adds_no_step_that_nobody_has_read() {
    let stage = Stage::of(1);
    let account = stage.account(0);
    assert!(stage.world.plant(account, Drift::AttachmentMissing));
    let process = started(&stage).await;
    let saved = saved(&process).await;
    // The one step comes to nothing, and before the next look somebody opens the trust policy.
    let lost = Script::on("AttachRolePolicy", Fault::internal(Effect::None)).nth(1);
    stage.world.script(lost);
    let meddling = async {
        while process.wire.writes() == 0 {
            stage.clock.wait(Duration::from_millis(5)).await;
        }
        assert!(stage.world.plant(account, Drift::TrustOpen));
    };
    let (record, ()) = tokio::join!(carry_out(&process, saved), meddling);
    let report = stage.report(&record.id, account);
    let done: Vec<Operation> = report
        .steps
        .iter()
        .filter(|step| step.result == StepResult::Done)
        .map(|step| step.operation)
        .collect();
    assert_eq!(done, [], "{report:#?}");
    assert_eq!(report.outcome, Outcome::Drifted, "{report:#?}");
    assert!(
        report.reason.as_deref().unwrap().contains("somebody else"),
        "{report:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_saved_step_that_came_to_nothing_is_taken_again() {
    let stage = Stage::of(1);
    let account = stage.account(0);
    assert!(stage.world.plant(account, Drift::AttachmentMissing));
    let process = started(&stage).await;
    let saved = saved(&process).await;
    let lost = Script::on("AttachRolePolicy", Fault::internal(Effect::None)).nth(1);
    stage.world.script(lost);
    let record = carry_out(&process, saved).await;
    assert_eq!(stage.report(&record.id, account).outcome, Outcome::Repaired);
}
