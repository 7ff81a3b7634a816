//! An organization, a sweep over it, and what must hold while that is undone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::DriftKind;
use rolekeeper_domain::outcome::{AccountReport, Mode, SweepId, SweepRecord, Trigger};
use rolekeeper_engine::port::store::{Control as _, Halt};
use rolekeeper_engine::{EngineSettings, SweepOrder};
use rolekeeper_simulator::check::Exposure;
use rolekeeper_simulator::{DEMO_ROLE, Drift, World};
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order};
use tokio_util::sync::CancellationToken;

/// What is wrong in the accounts before the sweep: between them every step that a plan can have
/// but those that make room.
pub(crate) const DRIFTS: [&[Drift]; 5] = [
    &[Drift::RoleMissing, Drift::PolicyMissing],
    &[
        Drift::TrustOpen,
        Drift::PolicyWider,
        Drift::AttachmentUnexpected,
    ],
    &[
        Drift::AttachmentMissing,
        Drift::RoleTags,
        Drift::RoleDescription,
    ],
    &[
        Drift::RolePermissionsBoundary,
        Drift::InlineUnexpected,
        Drift::PolicyTags,
    ],
    &[
        Drift::PolicyNarrower,
        Drift::TrustWithoutExternalId,
        Drift::RoleMaxSessionDuration,
    ],
];

pub(crate) struct Stage {
    pub(crate) world: Arc<World>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: SimClock,
}

/// What differs, account by account, as the reports say it.
pub(crate) type Differences = BTreeMap<AccountId, Vec<(DriftKind, Option<String>, Option<String>)>>;

impl Stage {
    /// An account for each of [`DRIFTS`].
    pub(crate) fn new() -> Self {
        Self::of(&DRIFTS)
    }

    /// So many accounts, in each of which the same is wrong.
    pub(crate) fn alike(accounts: usize, drifts: &[Drift]) -> Self {
        Self::of(&vec![drifts; accounts])
    }

    fn of(drifts: &[&[Drift]]) -> Self {
        let accounts = u32::try_from(drifts.len()).unwrap();
        let quiet = rolekeeper_tests::sim::stage::Stage::with(rig::calm(accounts));
        let (world, store, clock) = (quiet.world, quiet.store, quiet.clock);
        for (account, drifts) in world.reachable().iter().zip(drifts) {
            for drift in *drifts {
                assert!(world.plant(*account, *drift), "{drift:?}");
            }
        }
        Self {
            world,
            store,
            clock,
        }
    }

    pub(crate) async fn process(&self, holder: &str) -> Process<MemoryStore> {
        self.process_with(settings(holder)).await
    }

    pub(crate) async fn process_with(&self, settings: EngineSettings) -> Process<MemoryStore> {
        // What was changed a moment ago is seen by now, and an old lease is over.
        self.clock.wait(Duration::from_secs(60)).await;
        Process::start(&self.world, &self.clock, &self.store, settings, 1).await
    }

    pub(crate) async fn sweep(&self, order: SweepOrder) -> SweepRecord {
        let process = self.process(&order.requested_by).await;
        carried_out(&process, order).await
    }

    /// The accounts in the order of a rollback.
    pub(crate) fn accounts(&self) -> Vec<AccountId> {
        let mut accounts = self.world.reachable();
        accounts.sort();
        accounts
    }

    /// How many changes the world has seen.
    pub(crate) fn changes(&self) -> usize {
        self.world.history().len()
    }

    /// Where something was changed from the change number `start` on.
    pub(crate) fn changed_since(&self, start: usize) -> BTreeSet<AccountId> {
        let changes = self.world.history().split_off(start);
        changes.iter().map(|change| change.account).collect()
    }

    /// What must hold whatever becomes of a rollback that began after `began` changes of the world,
    /// and undoes a sweep that began after `swept`.
    #[track_caller]
    pub(crate) fn holds(&self, swept: usize, began: usize, what: &str) {
        let (world, store) = (&self.world, &self.store);
        assert_eq!(check::unrecorded(world, store), None, "{what}");
        assert_eq!(check::strayed(world), None, "{what}");
        let exposures = world.exposures_on_the_way_back(DEMO_ROLE, &check::probes(), swept, began);
        let exposures: Vec<String> = exposures
            .iter()
            .map(|exposure| {
                let Exposure { mutation, probe } = exposure;
                format!("{} let {probe:?}", mutation.operation)
            })
            .collect();
        assert_eq!(exposures, Vec::<String>::new(), "{what}");
    }

    pub(crate) async fn differences(&self) -> Differences {
        let record = self.sweep(order(Mode::Audit)).await;
        let reports = self.store.all_reports(&record.id).into_iter();
        reports
            .filter(|report| !report.drifts.is_empty())
            .map(|report| {
                let drifts = report.drifts.into_iter();
                let mut all: Vec<_> = drifts
                    .map(|drift| (drift.kind, drift.subject, drift.before))
                    .collect();
                all.sort();
                (report.account, all)
            })
            .collect()
    }

    pub(crate) fn report(&self, sweep: &SweepId, account: AccountId) -> AccountReport {
        let reports = self.store.all_reports(sweep);
        reports
            .into_iter()
            .find(|report| report.account == account)
            .unwrap()
    }
}

/// An order to undo a sweep, with a person's word for whatever needs one.
pub(crate) fn undo(sweep: &SweepId, mode: Mode) -> SweepOrder {
    SweepOrder {
        undo: Some(sweep.clone()),
        approved_by: Some("ann".to_owned()),
        ..SweepOrder::new(mode, Trigger::Rollback, "ann")
    }
}

/// What the processes here go by; one account at a time.
pub(crate) fn settings(holder: &str) -> EngineSettings {
    let mut settings = rig::settings(holder, demo_spec());
    settings.limits.concurrency = 1;
    settings
}

/// Somebody else says stop.
pub(crate) async fn bob_halts(stage: &Stage) -> Halt {
    let halt = Halt {
        why: "not so fast".to_owned(),
        by: "bob".to_owned(),
        at: stage.clock.true_time(),
    };
    stage.store.halt(&halt).await.unwrap();
    halt
}

/// A sweep to its end, after which another process may write.
pub(crate) async fn carried_out(process: &Process<MemoryStore>, order: SweepOrder) -> SweepRecord {
    let ended = process.engine.sweep(order, CancellationToken::new()).await;
    process.engine.release_lease().await.unwrap();
    ended.unwrap()
}
