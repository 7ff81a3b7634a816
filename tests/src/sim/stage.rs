//! A quiet organization, a store and a clock: what most simulations begin with.

use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{AccountReport, Mode, SweepId, Trigger};
use rolekeeper_engine::EngineSettings;
use rolekeeper_engine::port::store::{Control as _, SweepRequest};
use rolekeeper_simulator::{Settings, World};

use super::clock::SimClock;
use super::memory::MemoryStore;
use super::rig::{self, Process};

/// The three, for as many processes as a test starts.
#[derive(Debug)]
pub struct Stage {
    /// The organization.
    pub world: Arc<World>,
    /// What outlives the processes.
    pub store: Arc<MemoryStore>,
    /// Their time.
    pub clock: SimClock,
}

#[expect(clippy::expect_used, reason = "the stage is part of the tests")]
impl Stage {
    /// An organization of members that all have the role, as the spec says.
    pub fn of(accounts: u32) -> Self {
        Self::with(Settings {
            ragged_pages: false,
            ..rig::calm(accounts)
        })
    }

    /// An organization with these settings.
    pub fn with(settings: Settings) -> Self {
        let world = Arc::new(World::new(settings));
        let store = Arc::new(MemoryStore::default());
        store.watch(&world);
        Self {
            world,
            store,
            clock: SimClock::start(),
        }
    }

    /// A process with these settings.
    pub async fn process(&self, settings: EngineSettings) -> Process<MemoryStore> {
        Process::start(&self.world, &self.clock, &self.store, settings, 1).await
    }

    /// One of the accounts that the hub can get into.
    pub fn account(&self, index: usize) -> AccountId {
        *self.world.reachable().get(index).expect("an account")
    }

    /// Lets time pass until something is so.
    pub async fn until(&self, is_so: impl AsyncFn() -> bool) {
        while !is_so().await {
            self.clock.wait(Duration::from_millis(50)).await;
        }
    }

    /// An event from AWS, or somebody, asks for a repair of these accounts.
    pub async fn ask(&self, trigger: Trigger, accounts: &[AccountId]) {
        let request = SweepRequest {
            id: 0,
            mode: Mode::Repair,
            accounts: Some(accounts.to_vec()),
            trigger,
            requested_by: "somebody".to_owned(),
            at: self.clock.true_time(),
        };
        let asked = self.store.request(&request).await;
        asked.expect("a store that can be written");
    }

    /// What a sweep says of an account.
    pub fn report(&self, sweep: &SweepId, account: AccountId) -> AccountReport {
        let mut reports = self.store.all_reports(sweep).into_iter();
        reports
            .find(|report| report.account == account)
            .expect("a report")
    }
}
