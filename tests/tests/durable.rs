//! The engine over the real store on a real file, in simulated time: killed at each step, the
//! file opened anew, nothing lost, nothing doubled, and a journal that still holds together.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test panics on purpose"
)]

use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::drift::DriftKind;
use rolekeeper_domain::outcome::{
    AccountReport, Mode, Outcome, SweepId, SweepOutcome, SweepRecord, Trigger,
};
use rolekeeper_engine::SweepOrder;
use rolekeeper_engine::port::store::{Control as _, Journal, ReportFilter, Sweeps as _};
use rolekeeper_simulator::{Drift, World};
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::durable::Durable;
use rolekeeper_tests::sim::rig::{self, Moment, Process, demo_spec, order};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// One account made from nothing, one put right in all its parts.
const DRIFTS: [&[Drift]; 2] = [
    &[Drift::RoleMissing, Drift::PolicyMissing],
    &[
        Drift::TrustOpen,
        Drift::PolicyWider,
        Drift::AttachmentUnexpected,
        Drift::RoleTags,
    ],
];

/// A small repair to take back.
const UNDONE: [&[Drift]; 2] = [
    &[Drift::RoleMissing],
    &[Drift::TrustOpen, Drift::AttachmentUnexpected],
];

struct Stage {
    world: Arc<World>,
    folder: TempDir,
    clock: SimClock,
}

impl Stage {
    fn of(drifts: &[&[Drift]]) -> Self {
        let world = Arc::new(World::new(rig::calm(drifts.len() as u32)));
        for (account, drifts) in world.reachable().iter().zip(drifts) {
            for drift in *drifts {
                assert!(world.plant(*account, *drift), "{drift:?}");
            }
        }
        Self {
            world,
            folder: tempfile::tempdir().unwrap(),
            clock: SimClock::start(),
        }
    }

    /// The file, opened by another process.
    fn store(&self) -> Arc<Durable> {
        let url = format!("sqlite:{}", self.folder.path().join("store.db").display());
        Arc::new(Durable::open(&url))
    }

    /// A new process on a file that is opened anew, once the old lease is over.
    async fn process(&self, holder: &str) -> (Arc<Durable>, Process<Durable>) {
        self.clock.wait(Duration::from_secs(60)).await;
        let store = self.store();
        let mut settings = rig::settings(holder, demo_spec());
        settings.limits.concurrency = 1;
        let process = Process::start(&self.world, &self.clock, &store, settings, 1).await;
        (store, process)
    }

    async fn sweep(&self, order: SweepOrder) -> SweepRecord {
        let (_, process) = self.process("whole").await;
        process
            .engine
            .sweep(order, CancellationToken::new())
            .await
            .unwrap()
    }

    /// Carries out a sweep whose process is killed on the way.
    async fn killed(&self, order: SweepOrder, index: u64, moment: Moment, what: &str) {
        let (_, process) = self.process("killed").await;
        process.wire.crash_at(index, moment);
        tokio::select! {
            biased;
            () = process.wire.dead.cancelled() => {}
            ended = process.engine.sweep(order, CancellationToken::new()) => {
                panic!("{what}: it was not: {ended:?}");
            }
        }
    }

    /// Nothing is open, the chain holds, and each change of the world is on record once.
    async fn adds_up(&self, what: &str) {
        let store = self.store();
        assert_eq!(Journal::open(store.as_ref()).await.unwrap(), [], "{what}");
        let verified = store.with(async |store| store.verify_journal(None).await);
        verified.unwrap().expect(what);
        assert_eq!(
            check::steps_done(store.as_ref(), &self.world).await,
            self.world.history().len(),
            "{what}: a step is lost or doubled"
        );
    }
}

fn undo(sweep: &SweepId) -> SweepOrder {
    SweepOrder {
        undo: Some(sweep.clone()),
        approved_by: Some("ann".to_owned()),
        ..SweepOrder::new(Mode::Repair, Trigger::Rollback, "ann")
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_is_killed_at_any_step_is_finished_by_the_next_process() {
    let whole = Stage::of(&DRIFTS);
    let changes = whole.world.history().len();
    whole.sweep(order(Mode::Repair)).await;
    let steps = (whole.world.history().len() - changes) as u64;
    assert!(steps >= 7, "only {steps} steps");
    for index in 0..steps {
        for moment in [Moment::Before, Moment::After] {
            let what = format!("killed {moment:?} write {index} of {steps}");
            let stage = Stage::of(&DRIFTS);
            stage
                .killed(order(Mode::Repair), index, moment, &what)
                .await;
            let record = stage.sweep(order(Mode::Repair)).await;
            assert_eq!(
                record.outcome,
                Some(SweepOutcome::Completed),
                "{what}: {record:?}"
            );
            stage.adds_up(&what).await;
            let (store, third) = stage.process("third").await;
            let quiet = third
                .engine
                .sweep(order(Mode::Repair), CancellationToken::new())
                .await;
            let quiet = quiet.unwrap();
            assert_eq!(
                third.wire.writes(),
                0,
                "{what}: a sweep over what is right wrote something"
            );
            let reports = store
                .reports(&quiet.id, &ReportFilter::default(), None, 100)
                .await
                .unwrap();
            let right = |report: &&AccountReport| report.outcome == Outcome::InSync;
            assert_eq!(
                reports.iter().filter(right).count(),
                DRIFTS.len(),
                "{what}: {reports:#?}"
            );
        }
    }
}

/// What differs, as an audit sees it.
async fn differences(stage: &Stage, what: &str) -> Vec<(DriftKind, Option<String>, String)> {
    let record = stage.sweep(order(Mode::Audit)).await;
    let store = stage.store();
    let reports = store
        .reports(&record.id, &ReportFilter::default(), None, 100)
        .await
        .unwrap();
    let seen = reports
        .iter()
        .filter(|report| report.outcome != Outcome::Skipped)
        .count();
    assert_eq!(seen, stage.world.reachable().len(), "{what}");
    let drifts = reports.into_iter().flat_map(|report| report.drifts);
    drifts
        .map(|drift| (drift.kind, drift.subject, format!("{:?}", drift.before)))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_is_killed_at_any_step_ends_as_it_began_when_another_process_repeats_it() {
    let whole = Stage::of(&UNDONE);
    let repaired = whole.sweep(order(Mode::Repair)).await;
    let changes = whole.world.history().len();
    whole.sweep(undo(&repaired.id)).await;
    let steps = (whole.world.history().len() - changes) as u64;
    assert!(steps >= 4, "only {steps} steps");
    for index in 0..steps {
        for moment in [Moment::Before, Moment::After] {
            let what = format!("killed {moment:?} write {index} of {steps} of the rollback");
            let stage = Stage::of(&UNDONE);
            let before = differences(&stage, &what).await;
            assert!(before.len() >= 3, "{what}: {before:?}");
            let repaired = stage.sweep(order(Mode::Repair)).await;
            assert_eq!(differences(&stage, &what).await, [], "{what}");
            stage.killed(undo(&repaired.id), index, moment, &what).await;
            let undone = stage.sweep(undo(&repaired.id)).await;
            let completed = Some(SweepOutcome::Completed);
            assert_eq!(undone.outcome, completed, "{what}: {undone:?}");
            assert_eq!(differences(&stage, &what).await, before, "{what}");
            stage.adds_up(&what).await;
            // The halt it leaves holds for whoever opens the file next.
            assert!(stage.store().halted().await.unwrap().is_some());
        }
    }
}
