//! What is wanted in a simulation and by which rules it is rolled out: differs from seed to seed.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{AccountReport, Outcome, SweepId};
use rolekeeper_domain::role::{Adopt, Ensure, Extras, OWNER_TAG_KEY, RoleSpec};
use rolekeeper_engine::EngineSettings;
use rolekeeper_engine::port::store::Control as _;
use rolekeeper_engine::settings::Freeze;
use rolekeeper_simulator::{Drift, Settings, World};

use super::check;
use super::clock::SimClock;
use super::memory::MemoryStore;
use super::rig::{self, demo_spec};
use super::stays;
use super::twin::Twin;
use super::wanted::{absent, second_spec, untagged};

/// Who asks for sweeps that somebody agreed to beforehand.
pub const WITH_A_WORD: &str = "somebody who agreed";

/// How long after a freeze began a step may begin: not at all.
const FREEZE_LATENESS: SignedDuration = SignedDuration::ZERO;

/// One seed's variety.
#[derive(Clone, Debug)]
pub struct Variety {
    wanted: Vec<RoleSpec>,
    built: Vec<RoleSpec>,
    /// Which of the roles should be gone from some moment on.
    leaver: Option<usize>,
    /// Whether that moment has come.
    left: bool,
    pub(super) adopt: Adopt,
    pub(super) extras: Extras,
    /// Whether roles can come to be another hand's.
    pub(super) foreign: bool,
    pub(super) flap_limit: u32,
    /// How many accounts may change without a word; 0: any number.
    pub approve_above: u64,
    /// The share of sweeps that wait for a word and get it.
    pub approving: f64,
    frozen: Option<(Timestamp, Timestamp)>,
}

impl Variety {
    /// What a seed makes of it.
    pub fn of(random: &mut StdRng) -> Self {
        let foreign = random.random_bool(0.25);
        let adopt = *[
            Adopt::Always,
            Adopt::Always,
            Adopt::IfEquivalent,
            Adopt::Never,
        ]
        .choose(random)
        .unwrap_or(&Adopt::Always);
        let extras = if random.random_bool(0.3) {
            Extras::Report
        } else {
            Extras::Remove
        };
        let mut built = vec![demo_spec()];
        if random.random_bool(0.4) {
            // Drift goes into the first of them.
            built.insert(random.random_range(0..2), second_spec());
        }
        if foreign {
            built = built.into_iter().map(untagged).collect();
        }
        let as_wanted = |spec: &RoleSpec| RoleSpec {
            adopt,
            extras,
            ..spec.clone()
        };
        let mut wanted: Vec<RoleSpec> = built.iter().map(as_wanted).collect();
        if random.random_bool(0.5) {
            wanted.reverse();
        }
        let leaver = random
            .random_bool(0.25)
            .then(|| random.random_range(0..wanted.len()));
        let frozen = random.random_bool(0.25).then(|| {
            let from = SimClock::begin() + SignedDuration::from_secs(random.random_range(0..180));
            let length = SignedDuration::from_secs(random.random_range(30..1_800));
            (from, from + length)
        });
        Self {
            wanted,
            built,
            leaver,
            left: false,
            adopt,
            extras,
            foreign,
            // The storms repair the same things over and over.
            flap_limit: *[0, 0, 0, 1, 2].choose(random).unwrap_or(&0),
            approve_above: *[0, 0, 0, 1, 3].choose(random).unwrap_or(&0),
            approving: *[0.0, 0.5, 1.0].choose(random).unwrap_or(&1.0),
            frozen,
        }
    }

    /// A world in which these roles stand where accounts are provisioned.
    pub fn world(&self, settings: Settings, random: &mut StdRng) -> World {
        let built = self.built.clone();
        let world = World::provisioned_with(settings, move |_| built.clone());
        for account in world.reachable() {
            if self.foreign && random.random_bool(0.6) {
                world.plant(account, Drift::RoleTags);
            }
            if self.foreign && random.random_bool(0.6) {
                world.plant(account, Drift::PolicyTags);
            }
            if let Some(other) = self.built.get(1)
                && random.random_bool(0.3)
            {
                world.remove_role(account, other.name.as_str());
            }
        }
        world
    }

    /// What is wanted now.
    pub fn specs(&self) -> Vec<RoleSpec> {
        let leaves = |index: usize| self.left && self.leaver == Some(index);
        let specs = self.wanted.iter().cloned().enumerate();
        specs
            .map(|(index, spec)| if leaves(index) { absent(spec) } else { spec })
            .collect()
    }

    /// From now on the one that is to leave should be gone. Answers whether there is one that was wanted so far.
    pub fn leave(&mut self) -> bool {
        let comes = self.leaver.is_some() && !self.left;
        self.left |= comes;
        comes
    }

    /// The settings of a process.
    pub fn settings(&self, holder: &str) -> EngineSettings {
        let mut settings = rig::settings_of(holder, Arc::from(self.specs()));
        settings.flap_limit = self.flap_limit;
        settings.rollout.approve_above = self.approve_above;
        settings.freeze = self.freeze();
        settings
    }

    fn freeze(&self) -> Option<Freeze> {
        let (from, to) = self.frozen?;
        Some(Arc::new(move |now| {
            (from <= now && now < to).then(|| "year's end".to_owned())
        }))
    }

    /// How long it is from `now` until nothing is frozen any more.
    pub fn thaw(&self, now: Timestamp) -> Duration {
        let left = self.frozen.map(|(_, to)| to.duration_since(now));
        Duration::try_from(left.unwrap_or_default()).unwrap_or_default()
    }

    /// What does not hold, in words. Exposure is judged from change number `start` on.
    pub fn violated(&self, world: &World, store: &MemoryStore, start: usize) -> Option<String> {
        let specs = self.specs();
        check::unrecorded(world, store)
            .or_else(|| check::strayed_from(world, &specs))
            .or_else(|| check::exposed_under(world, &specs, start))
            .or_else(|| self.begun_in_a_freeze(store))
            .or_else(|| self.too_many_without_a_word(store))
            .or_else(|| self.repaired_too_often(store))
            .or_else(|| self.taken_over(world))
            .or_else(|| check::panicked(store))
    }

    fn begun_in_a_freeze(&self, store: &MemoryStore) -> Option<String> {
        let (from, to) = self.frozen?;
        let from = from + FREEZE_LATENESS;
        let entry = store
            .journal()
            .into_iter()
            .find(|entry| from <= entry.intended_at && entry.intended_at < to)?;
        Some(format!("begun while changes were frozen: {entry:?}"))
    }

    fn too_many_without_a_word(&self, store: &MemoryStore) -> Option<String> {
        if self.approve_above == 0 {
            return None;
        }
        let journal = store.journal();
        let sweeps: BTreeSet<&SweepId> = journal.iter().map(|entry| &entry.sweep).collect();
        let approved = store.approvals();
        sweeps.into_iter().find_map(|sweep| {
            let of_it = journal.iter().filter(|entry| entry.sweep == *sweep);
            let has_a_word = approved.contains(sweep)
                || of_it.clone().any(|entry| entry.requested_by == WITH_A_WORD);
            let accounts: BTreeSet<AccountId> = of_it.map(|entry| entry.account).collect();
            let many = accounts.len() as u64 > self.approve_above;
            (many && !has_a_word)
                .then(|| format!("{sweep} changed {accounts:?} and nobody was asked"))
        })
    }

    fn repaired_too_often(&self, store: &MemoryStore) -> Option<String> {
        let findings = store.all_findings();
        let often = findings
            .into_iter()
            .find(|finding| self.flap_limit > 0 && finding.repairs > self.flap_limit)?;
        Some(format!(
            "repaired more than {} times: {often:?}",
            self.flap_limit
        ))
    }

    /// A change of a role from another hand, where `adopt` forbids that.
    fn taken_over(&self, world: &World) -> Option<String> {
        if self.adopt != Adopt::Never {
            return None;
        }
        let mut made = BTreeSet::new();
        for change in world.history() {
            for spec in &self.wanted {
                let name = spec.name.as_str();
                let (before, after) = change.role(world, name);
                let ours = (change.account, name);
                match before {
                    None if after.is_some() => drop(made.insert(ours)),
                    Some(role)
                        if change.touched().contains(&format!("role/{name}"))
                            && !role.tags.contains_key(OWNER_TAG_KEY)
                            && !made.contains(&ours) =>
                    {
                        return Some(format!(
                            "{} of a role from another hand: {change:?}",
                            change.operation
                        ));
                    }
                    _ => {}
                }
            }
        }
        None
    }

    /// An account that is neither right nor left alone for a reason that the settings give, in words.
    pub fn wrong(
        &self,
        world: &World,
        store: &MemoryStore,
        reports: &[AccountReport],
    ) -> Option<String> {
        let left_out = world.reachable().into_iter().find(|account| {
            let report = reports.iter().find(|report| report.account == *account);
            report.is_none_or(|report| report.outcome == Outcome::Skipped)
        });
        if let Some(account) = left_out {
            return Some(format!("{account} was not looked at"));
        }
        let wrong = reports.iter().find_map(|report| match report.outcome {
            Outcome::InSync | Outcome::Repaired | Outcome::Skipped => None,
            Outcome::Drifted => stays::groundless(self, world, store, report),
            Outcome::Failed | Outcome::Pending => Some(format!("{report:?}")),
        });
        let missing = || {
            let right = |report: &&AccountReport| {
                matches!(report.outcome, Outcome::InSync | Outcome::Repaired)
            };
            reports
                .iter()
                .filter(right)
                .find_map(|report| self.unlike(world, report.account))
        };
        wrong.or_else(missing)
    }

    /// What is said to be right and is not there, or is there and should be gone.
    fn unlike(&self, world: &World, account: AccountId) -> Option<String> {
        let specs = self.specs();
        let spec = specs.iter().find(|spec| {
            let is_there = world.role(account, spec.name.as_str()).is_some();
            let is_wanted = spec.ensure == Ensure::Present;
            is_there != is_wanted
        })?;
        Some(format!(
            "{account} is reported as right and {} should be {:?}",
            spec.name, spec.ensure
        ))
    }
}

impl fmt::Display for Variety {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |specs: &[RoleSpec]| {
            let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
            names.join(", ")
        };
        write!(
            f,
            "wanted {}; built {}; leaver {:?}; adopt {:?}; extras {:?}; foreign {}; flap limit {}; approval above {} ({} approving); frozen {:?}",
            names(&self.wanted),
            names(&self.built),
            self.leaver,
            self.adopt,
            self.extras,
            self.foreign,
            self.flap_limit,
            self.approve_above,
            self.approving,
            self.frozen
        )
    }
}

/// Somebody who approves what waits, some of it, after a while.
#[derive(Debug)]
pub struct Someone {
    agrees: bool,
    after: Duration,
    approved: AtomicBool,
}

impl Someone {
    /// Who agrees to such a share.
    pub fn of(share: f64, random: &mut StdRng) -> Self {
        Self {
            agrees: random.random_bool(share),
            after: Duration::from_secs(random.random_range(1..40)),
            approved: AtomicBool::new(false),
        }
    }

    /// Whether they approved anything.
    pub fn has_approved(&self) -> bool {
        self.approved.load(Ordering::Relaxed)
    }

    /// Approves what waits.
    pub async fn approve(&self, store: &Twin, clock: &SimClock) -> Infallible {
        loop {
            clock.wait(self.after).await;
            for sweep in store.waiting().iter().filter(|_| self.agrees) {
                let done = store.approve(sweep, "ann", clock.true_time()).await;
                // A broken store takes no word.
                let approved = done == Ok(true);
                self.approved.fetch_or(approved, Ordering::Relaxed);
            }
        }
    }
}
