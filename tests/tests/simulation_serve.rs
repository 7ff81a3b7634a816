//! The daemon's loop: what was asked for is answered, whatever becomes of the process and the clock; and a
//! question about a configuration that is not in force any more is withdrawn.
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::time::Duration;

use rolekeeper_domain::outcome::{Mode, SweepOutcome, SweepRecord, Trigger};
use rolekeeper_engine::EngineSettings;
use rolekeeper_engine::port::store::{Control as _, Sweeps as _};
use rolekeeper_engine::schedule::{Cadence, Schedule};
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::{ApiError, Drift};
use rolekeeper_tests::sim::rig::{self, Moment, demo_spec};
use rolekeeper_tests::sim::stage::Stage;
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_secs(3_600);

fn settings(holder: &str, cadence: Cadence) -> EngineSettings {
    EngineSettings {
        schedule: Schedule {
            cadence,
            mode: Mode::Repair,
            ..Schedule::NEVER
        },
        ..rig::settings(holder, demo_spec())
    }
}

/// The sweeps of that kind, the newest first.
async fn sweeps(stage: &Stage, trigger: Trigger) -> Vec<SweepRecord> {
    let mut all = stage.store.sweeps(None, 100).await.unwrap();
    all.retain(|sweep| sweep.trigger == trigger);
    all
}

async fn is_completed(stage: &Stage, trigger: Trigger) -> bool {
    let all = sweeps(stage, trigger).await;
    all.iter()
        .any(|sweep| sweep.outcome == Some(SweepOutcome::Completed))
}

#[tokio::test(start_paused = true)]
async fn a_question_about_a_configuration_that_was_replaced_is_withdrawn() {
    let stage = Stage::of(4);
    assert!(stage.world.plant(stage.account(0), Drift::RoleMissing));
    let asks = |holder: &str| EngineSettings {
        approve_widening: true,
        ..settings(holder, Cadence::Every(HOUR))
    };
    let process = stage.process(asks("one")).await;
    let cancel = CancellationToken::new();
    let people = async {
        stage
            .until(async || !stage.store.waiting().is_empty())
            .await;
        let asked = stage.store.waiting().pop().unwrap();
        process.engine.reconfigure(asks("one"));
        let began = stage.clock.true_time();
        stage
            .until(async || stage.store.waiting().iter().any(|sweep| *sweep != asked))
            .await;
        let withdrawn = stage.store.sweep(&asked).await.unwrap().unwrap();
        assert_eq!(withdrawn.outcome, Some(SweepOutcome::Cancelled));
        let why = withdrawn.reason.unwrap();
        assert!(why.contains("configuration was read again"), "{why}");
        // The new one is asked about at once, not at the next hour.
        let waited = stage.clock.true_time().duration_since(began);
        assert!(waited.as_secs() < 60, "{waited}");
        let now = stage.clock.true_time();
        assert!(!stage.store.approve(&asked, "ann", now).await.unwrap());
        cancel.cancel();
    };
    tokio::join!(process.engine.serve(cancel.clone()), people);
    assert_eq!(process.wire.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_sweep_fails_as_a_whole_is_answered_once_that_is_over() {
    let stage = Stage::of(4);
    assert!(stage.world.plant(stage.account(0), Drift::TrustOpen));
    let denied = Fault {
        effect: Effect::None,
        trouble: Trouble::Error(ApiError {
            status: 400,
            code: "AccessDeniedException".into(),
            message: "simulated".to_owned(),
        }),
    };
    stage.world.script(Script::on("ListAccounts", denied));
    let process = stage.process(settings("one", Cadence::Never)).await;
    let cancel = CancellationToken::new();
    stage.ask(Trigger::Event, &[stage.account(0)]).await;
    let people = async {
        stage
            .until(async || sweeps(&stage, Trigger::Event).await.len() == 3)
            .await;
        stage.world.clear_scripts();
        stage
            .until(async || is_completed(&stage, Trigger::Event).await)
            .await;
        cancel.cancel();
    };
    tokio::join!(process.engine.serve(cancel.clone()), people);
    let all = sweeps(&stage, Trigger::Event).await;
    assert_eq!(all.first().unwrap().summary.repaired, 1, "{all:?}");
    // Not one attempt after the other, and none once it was answered.
    assert!(all.len() <= 5, "{} sweeps", all.len());
    assert_eq!(stage.store.next_request(None).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_process_was_asked_by_an_event_is_answered_by_the_next() {
    let stage = Stage::of(4);
    let account = stage.account(0);
    assert!(stage.world.plant(account, Drift::RoleMissing));
    stage.ask(Trigger::Event, &[stage.account(0)]).await;
    let killed = stage.process(settings("one", Cadence::Never)).await;
    killed.wire.crash_at(0, Moment::Before);
    tokio::select! {
        () = killed.wire.dead.cancelled() => {}
        () = killed.engine.serve(CancellationToken::new()) => {}
    }
    stage.clock.wait(Duration::from_secs(60)).await;
    let next = stage.process(settings("two", Cadence::Never)).await;
    let cancel = CancellationToken::new();
    let people = async {
        stage
            .until(async || is_completed(&stage, Trigger::Event).await)
            .await;
        cancel.cancel();
    };
    tokio::join!(next.engine.serve(cancel.clone()), people);
    assert!(
        stage
            .world
            .role(account, demo_spec().name.as_str())
            .is_some()
    );
    assert_eq!(stage.store.next_request(None).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_asked_for_is_not_begun_again_by_the_next_process() {
    let stage = Stage::of(4);
    assert!(stage.world.plant(stage.account(0), Drift::RoleMissing));
    stage.ask(Trigger::Api, &[stage.account(0)]).await;
    let killed = stage.process(settings("one", Cadence::Never)).await;
    killed.wire.crash_at(0, Moment::Before);
    tokio::select! {
        () = killed.wire.dead.cancelled() => {}
        () = killed.engine.serve(CancellationToken::new()) => {}
    }
    // It is on record as begun, and whoever asked can see what became of it.
    assert_eq!(stage.store.next_request(None).await.unwrap(), None);
    assert_eq!(sweeps(&stage, Trigger::Api).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_a_day_ahead_stops_no_schedule() {
    let stage = Stage::of(2);
    let process = stage.process(settings("one", Cadence::Every(HOUR))).await;
    process.clock.jump(86_400);
    let cancel = CancellationToken::new();
    let people = async {
        stage
            .until(async || is_completed(&stage, Trigger::Schedule).await)
            .await;
        // For a while the next one is awaited by the clock that is ahead.
        stage.clock.wait(Duration::from_secs(60)).await;
        process.clock.jump(-86_400);
        stage.clock.wait(2 * HOUR).await;
        cancel.cancel();
    };
    tokio::join!(process.engine.serve(cancel.clone()), people);
    let all = sweeps(&stage, Trigger::Schedule).await;
    assert!(all.len() >= 2, "{all:?}");
}
