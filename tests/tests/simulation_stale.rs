//! Each single read of a repair, one at a time, is answered by a replica that is behind.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics on purpose"
)]

use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::outcome::{Mode, Outcome, SweepOutcome};
use rolekeeper_domain::role::RoleSpec;
use rolekeeper_engine::port::store::Control as _;
use rolekeeper_simulator::{Drift, World};
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::replica::Replica;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order};
use rolekeeper_tests::sim::wanted::{absent, second_spec};
use tokio_util::sync::CancellationToken;

struct Stage {
    world: Arc<World>,
    store: Arc<MemoryStore>,
    clock: SimClock,
    replica: Arc<Replica>,
    specs: Arc<[RoleSpec]>,
}

impl Stage {
    /// One account that was as it should be, and was looked at, before somebody changed it.
    async fn of(specs: &[RoleSpec], drifts: &[Drift]) -> Self {
        let settings = rig::calm(1);
        let built = specs.to_vec();
        let world = Arc::new(World::provisioned_with(settings, move |_| built.clone()));
        let store = Arc::new(MemoryStore::default());
        store.watch(&world);
        let stage = Self {
            world,
            store,
            clock: SimClock::start(),
            replica: Arc::default(),
            specs: Arc::from(specs),
        };
        stage.sweep("looks", Mode::Audit).await;
        let account = *stage.world.reachable().first().expect("an account");
        for drift in drifts {
            assert!(stage.world.plant(account, *drift));
        }
        stage.replica.planted();
        stage.clock.wait(Duration::from_secs(60)).await;
        stage
    }

    async fn sweep(&self, holder: &str, mode: Mode) -> (Option<SweepOutcome>, Vec<Outcome>, u64) {
        let mut settings = rig::settings_of(holder, Arc::clone(&self.specs));
        settings.limits.concurrency = 1;
        settings.flap_limit = 0;
        let process = Process::start(&self.world, &self.clock, &self.store, settings, 1).await;
        process.wire.read_from(&self.replica);
        let record = process.engine.sweep(order(mode), CancellationToken::new());
        let record = record.await.unwrap();
        let reports = self.store.all_reports(&record.id);
        let outcomes = reports.iter().map(|report| report.outcome);
        let outcomes = outcomes.filter(|outcome| *outcome != Outcome::Skipped);
        (record.outcome, outcomes.collect(), process.wire.writes())
    }

    fn holds(&self, what: &str) {
        let (world, specs) = (&self.world, &self.specs);
        assert_eq!(check::unrecorded(world, &self.store), None, "{what}");
        assert_eq!(check::strayed_from(world, specs), None, "{what}");
        assert_eq!(check::exposed_under(world, specs, 0), None, "{what}");
        assert_eq!(check::unsettled(world, &self.store), None, "{what}");
    }

    /// The next sweeps put right what the stale one left, and then write nothing.
    async fn converges(&self, what: &str) {
        self.replica.fall_behind(None);
        self.clock.wait(Duration::from_secs(60)).await;
        let now = self.clock.true_time();
        self.store.resume("somebody", now).await.unwrap();
        let (outcome, reports, _) = self.sweep("second", Mode::Repair).await;
        assert_eq!(outcome, Some(SweepOutcome::Completed), "{what}");
        let right = |one: &Outcome| matches!(one, Outcome::InSync | Outcome::Repaired);
        assert!(reports.iter().all(right), "{what}: {reports:?}");
        self.holds(what);
        self.clock.wait(Duration::from_secs(60)).await;
        let (_, reports, writes) = self.sweep("third", Mode::Repair).await;
        assert_eq!((reports, writes), (vec![Outcome::InSync], 0), "{what}");
    }
}

/// Answers at how many of its reads a repair was told what was true before.
async fn each_read_stale(specs: &[RoleSpec], drifts: &[Drift]) -> u64 {
    let whole = Stage::of(specs, drifts).await;
    whole.replica.fall_behind(None);
    whole.sweep("first", Mode::Repair).await;
    let reads = whole.replica.reads();
    let mut stale = 0;
    for nth in 0..reads {
        let what = format!("{drifts:?}: read {nth} of {reads} was stale");
        let stage = Stage::of(specs, drifts).await;
        stage.replica.fall_behind(Some(nth));
        stage.sweep("first", Mode::Repair).await;
        stale += u64::from(stage.replica.was_stale());
        stage.holds(&what);
        stage.converges(&what).await;
    }
    stale
}

#[tokio::test(start_paused = true)]
async fn a_repair_is_right_in_the_end_whichever_single_read_is_stale() {
    for (drifts, at_least) in [
        (
            &[Drift::AttachmentUnexpected, Drift::RoleDescription][..],
            4,
        ),
        (&[Drift::PolicyWider, Drift::AttachmentMissing], 4),
        (&[Drift::RoleMissing, Drift::PolicyMissing], 6),
        (&[Drift::TrustOtherAccount, Drift::InlineUnexpected], 4),
    ] {
        let stale = each_read_stale(&[demo_spec()], drifts).await;
        assert!(stale >= at_least, "{drifts:?}: only {stale} stale reads");
    }
}

#[tokio::test(start_paused = true)]
async fn two_roles_are_right_in_the_end_whichever_single_read_is_stale() {
    let specs = [demo_spec(), second_spec()];
    let stale = each_read_stale(&specs, &[Drift::TrustOpen, Drift::PolicyNarrower]).await;
    assert!(stale >= 4, "only {stale} stale reads");
}

#[tokio::test(start_paused = true)]
async fn a_role_is_gone_in_the_end_whichever_single_read_is_stale() {
    let specs = [absent(demo_spec())];
    let stale = each_read_stale(&specs, &[Drift::AttachmentUnexpected]).await;
    assert!(stale >= 4, "only {stale} stale reads");
}
