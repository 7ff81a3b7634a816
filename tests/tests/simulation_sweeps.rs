//! A halt that nothing loses, a canary that must show something, a freeze that begins in the midst of an
//! account, and events that are heard whatever else waits.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics on purpose"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{Mode, Outcome, SweepOutcome, SweepRecord, Trigger};
use rolekeeper_engine::event::Event;
use rolekeeper_engine::port::store::{Control as _, Halt, Sweeps as _};
use rolekeeper_engine::schedule::{Cadence, Schedule};
use rolekeeper_engine::{EngineSettings, SweepOrder};
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::{ApiError, Drift};
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order};
use rolekeeper_tests::sim::stage::Stage;
use tokio_util::sync::CancellationToken;

/// By id, as a canary is drawn where all were seen at the same time.
fn account(stage: &Stage, index: usize) -> AccountId {
    let mut accounts = stage.world.reachable();
    accounts.sort();
    *accounts.get(index).expect("an account")
}

fn spoil(stage: &Stage, accounts: std::ops::Range<usize>) {
    for index in accounts {
        assert!(stage.world.plant(account(stage, index), Drift::RoleMissing));
    }
}

async fn ended(stage: &Stage, trigger: Trigger) -> Option<SweepRecord> {
    let sweeps = stage.store.sweeps(None, 100).await.unwrap();
    let mut ended = sweeps.into_iter().filter(|sweep| sweep.outcome.is_some());
    ended.find(|sweep| sweep.trigger == trigger)
}

fn settings() -> EngineSettings {
    rig::settings("one", demo_spec())
}

/// A daemon that repairs every hour.
fn hourly() -> EngineSettings {
    EngineSettings {
        schedule: Schedule {
            cadence: Cadence::Every(Duration::from_secs(3_600)),
            mode: Mode::Repair,
            ..Schedule::NEVER
        },
        ..settings()
    }
}

async fn repair(process: &Process<MemoryStore>) -> SweepRecord {
    let sweep = process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new());
    sweep.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_halt_is_on_disk_while_other_accounts_are_still_under_way() {
    let stage = Stage::of(40);
    spoil(&stage, 0..40);
    let refused = Fault {
        effect: Effect::None,
        trouble: Trouble::Error(ApiError {
            status: 403,
            code: "AccessDenied".into(),
            message: "simulated".to_owned(),
        }),
    };
    let never = Fault {
        effect: Effect::None,
        trouble: Trouble::Timeout,
    };
    // The one fails at its last step, when the other one waits for the answer to its first.
    let denied = Script::on("AttachRolePolicy", refused).account(account(&stage, 0));
    stage.world.script(denied);
    let silent = Script::on("CreateRole", never).account(account(&stage, 1));
    stage.world.script(silent);
    let process = stage.process(settings()).await;
    let ended = tokio::select! {
        biased;
        () = stage.until(async || stage.store.halted().await.unwrap().is_some()) => None,
        record = repair(&process) => Some(record),
    };
    assert_eq!(ended, None, "the halt came with the end of the sweep only");
    let journal = stage.store.journal();
    let open = journal.iter().filter(|entry| entry.completion.is_none());
    assert!(open.count() > 0, "another account is under way");
}

#[tokio::test(start_paused = true)]
async fn a_canary_in_which_nothing_was_written_is_drawn_again() {
    let stage = Stage::of(40);
    let limited = || EngineSettings {
        flap_limit: 2,
        ..settings()
    };
    // The first three come back twice, and are left alone from then on.
    for _ in 0..2 {
        spoil(&stage, 0..3);
        let record = repair(&stage.process(limited()).await).await;
        assert_eq!(record.summary.repaired, 3, "{record:?}");
        stage.clock.wait(Duration::from_secs(60)).await;
    }
    // The others are seen after them once, so that the first three come first in the next.
    spoil(&stage, 3..40);
    repair(&stage.process(limited()).await).await;
    stage.clock.wait(Duration::from_secs(60)).await;
    spoil(&stage, 0..40);
    let process = stage.process(limited()).await;
    let record = repair(&process).await;
    assert_eq!(record.summary.repaired, 37, "{record:?}");
    let waves: Vec<u64> = process
        .listener
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::WaveStarted { accounts, .. } => Some(*accounts),
            _ => None,
        })
        .collect();
    assert_eq!(waves.iter().take(2).copied().collect::<Vec<_>>(), [3, 3]);
    let again = |event: &Event| matches!(event, Event::CanaryAgain { .. });
    assert_eq!(process.listener.count(again), 1);
}

#[tokio::test(start_paused = true)]
async fn a_freeze_that_begins_in_the_midst_of_an_account_holds_from_its_next_step_on() {
    let stage = Stage::of(2);
    spoil(&stage, 0..2);
    let frozen = Arc::new(AtomicBool::new(false));
    let mut settings = settings();
    settings.limits.concurrency = 1;
    let switch = Arc::clone(&frozen);
    settings.freeze = Some(Arc::new(move |_| {
        switch
            .load(Ordering::Relaxed)
            .then(|| "year's end".to_owned())
    }));
    let process = stage.process(settings).await;
    let freeze = async {
        while process.wire.writes() < 1 {
            stage.clock.wait(Duration::from_millis(1)).await;
        }
        frozen.store(true, Ordering::Relaxed);
        process.wire.writes()
    };
    let (record, written) = tokio::join!(repair(&process), freeze);
    assert_eq!(process.wire.writes(), written, "{record:?}");
    let mut reports = stage.store.all_reports(&record.id);
    reports.retain(|report| report.outcome != Outcome::Skipped);
    assert_eq!(reports.len(), 2);
    for report in reports {
        let why = report.reason.clone().unwrap_or_default();
        assert!(why.contains("year's end"), "{report:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn under_a_halt_what_an_event_names_is_looked_at_and_reported() {
    let stage = Stage::of(5);
    let process = stage.process(hourly()).await;
    let halt = Halt {
        why: "drill".to_owned(),
        by: "ann".to_owned(),
        at: stage.clock.true_time(),
    };
    stage.store.halt(&halt).await.unwrap();
    assert!(stage.world.plant(account(&stage, 2), Drift::TrustOpen));
    stage.ask(Trigger::Event, &[account(&stage, 2)]).await;
    let cancel = CancellationToken::new();
    let seen = async {
        stage
            .until(async || ended(&stage, Trigger::Event).await.is_some())
            .await;
        cancel.cancel();
        ended(&stage, Trigger::Event).await.unwrap()
    };
    let ((), record) = tokio::join!(process.engine.serve(cancel.clone()), seen);
    assert_eq!(
        (record.mode, record.outcome),
        (Mode::Audit, Some(SweepOutcome::Completed))
    );
    assert_eq!(record.summary.drifted, 1, "{record:?}");
    assert_eq!(process.wire.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_about_an_account_that_is_not_listed_stops_no_other() {
    let stage = Stage::of(5);
    spoil(&stage, 1..2);
    let process = stage.process(settings()).await;
    let stranger: AccountId = "000000000042".parse().unwrap();
    let asked = SweepOrder {
        accounts: Some(BTreeSet::from([account(&stage, 1), stranger])),
        ..SweepOrder::new(Mode::Repair, Trigger::Event, "events from AWS")
    };
    let ended = process.engine.sweep(asked, CancellationToken::new()).await;
    let record = ended.unwrap();
    assert_eq!(record.outcome, Some(SweepOutcome::Completed));
    assert_eq!(record.summary.repaired, 1, "{record:?}");
}

#[tokio::test(start_paused = true)]
async fn an_organization_that_is_right_asks_for_its_word_and_hears_events_while_it_waits() {
    let stage = Stage::of(5);
    let settings = EngineSettings {
        approve_widening: true,
        ..hourly()
    };
    let process = stage.process(settings).await;
    let cancel = CancellationToken::new();
    let people = async {
        stage
            .until(async || !stage.store.waiting().is_empty())
            .await;
        assert!(stage.world.plant(account(&stage, 3), Drift::TrustOpen));
        stage.ask(Trigger::Event, &[account(&stage, 3)]).await;
        stage
            .until(async || ended(&stage, Trigger::Event).await.is_some())
            .await;
        let by_event = ended(&stage, Trigger::Event).await.unwrap();
        assert_eq!(by_event.summary.accounts, 1, "{by_event:?}");
        assert_eq!(by_event.outcome, Some(SweepOutcome::Completed));
        assert_eq!(
            ended(&stage, Trigger::Schedule).await,
            None,
            "it still waits"
        );
        let waiting = stage.store.waiting().pop().unwrap();
        let now = stage.clock.true_time();
        assert!(stage.store.approve(&waiting, "ann", now).await.unwrap());
        stage
            .until(async || ended(&stage, Trigger::Schedule).await.is_some())
            .await;
        cancel.cancel();
    };
    tokio::join!(process.engine.serve(cancel.clone()), people);
    let record = ended(&stage, Trigger::Schedule).await.unwrap();
    assert_eq!(record.outcome, Some(SweepOutcome::Completed), "{record:?}");
    assert_eq!(stage.store.agreed_specs().await.unwrap().len(), 1);
    // From now on an account that joins is given the role by its event alone.
    spoil(&stage, 4..5);
    let asked = SweepOrder {
        accounts: Some(BTreeSet::from([account(&stage, 4)])),
        ..SweepOrder::new(Mode::Repair, Trigger::Event, "events from AWS")
    };
    let joined = process.engine.sweep(asked, CancellationToken::new()).await;
    assert_eq!(joined.unwrap().summary.repaired, 1);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_is_taken_up_looks_first_at_whom_the_one_before_did_not_reach() {
    let stage = Stage::of(60);
    let mut one_by_one = settings();
    one_by_one.limits.concurrency = 1;
    let process = stage.process(one_by_one.clone()).await;
    let cancel = CancellationToken::new();
    let cut = async {
        stage.clock.wait(Duration::from_secs(3)).await;
        cancel.cancel();
    };
    let by_schedule = SweepOrder::new(Mode::Audit, Trigger::Schedule, "schedule");
    let (first, ()) = tokio::join!(process.engine.sweep(by_schedule, cancel.clone()), cut);
    let first = first.unwrap();
    assert_eq!(first.outcome, Some(SweepOutcome::Cancelled));
    assert!(
        first.summary.in_sync > 5 && first.summary.pending > 5,
        "{first:?}"
    );
    let seen: BTreeSet<AccountId> = stage
        .store
        .all_reports(&first.id)
        .iter()
        .filter(|report| report.outcome == Outcome::InSync)
        .map(|report| report.account)
        .collect();
    stage.clock.wait(Duration::from_secs(60)).await;
    let process = stage.process(one_by_one).await;
    let taken_up = SweepOrder::new(Mode::Audit, Trigger::Startup, "startup");
    let sweep = process.engine.sweep(taken_up, CancellationToken::new());
    assert_eq!(sweep.await.unwrap().summary.in_sync, 60);
    let begun: Vec<bool> = process
        .listener
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::AccountStarted { account, .. } => Some(seen.contains(account)),
            _ => None,
        })
        .collect();
    assert_eq!(begun.len(), 60);
    assert!(begun.is_sorted(), "who was not seen comes first: {begun:?}");
}

#[tokio::test(start_paused = true)]
async fn what_both_stages_of_a_sweep_did_in_an_account_is_told() {
    let stage = Stage::of(1);
    let approved = SweepOrder {
        approved_by: Some("ann".to_owned()),
        ..order(Mode::Repair)
    };
    let agreeing = EngineSettings {
        approve_widening: true,
        ..settings()
    };
    let first = stage.process(agreeing.clone()).await;
    let agreed = first
        .engine
        .sweep(approved.clone(), CancellationToken::new());
    agreed.await.unwrap();
    first.engine.release_lease().await.unwrap();
    // One role is put back without a word, another one is new and was approved.
    assert!(stage.world.plant(account(&stage, 0), Drift::TrustOpen));
    let second = rolekeeper_domain::role::RoleSpec {
        name: "Second".parse().unwrap(),
        managed_policies: Vec::new(),
        ..demo_spec()
    };
    let both = EngineSettings {
        roles: Arc::new(rig::Same(Arc::from([demo_spec(), second]))),
        holder: "two".to_owned(),
        ..agreeing
    };
    let process = stage.process(both).await;
    let record = process
        .engine
        .sweep(approved, CancellationToken::new())
        .await
        .unwrap();
    let reports = stage.store.all_reports(&record.id);
    let report = reports.first().unwrap();
    assert_eq!(report.outcome, Outcome::Repaired, "{report:#?}");
    let done: Vec<String> = report
        .steps
        .iter()
        .map(|step| format!("{} {}", step.operation.name(), step.resource))
        .collect();
    for step in [
        "UpdateAssumeRolePolicy role/CloudCoreoAssumedRolePolicy",
        "CreateRole role/Second",
    ] {
        assert!(done.iter().any(|done| done.starts_with(step)), "{done:?}");
    }
    let roles: BTreeSet<&str> = report
        .drifts
        .iter()
        .map(|drift| drift.role.as_str())
        .collect();
    assert_eq!(roles.len(), 2, "{report:#?}");
}
