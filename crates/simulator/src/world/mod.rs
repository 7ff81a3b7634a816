//! The world: request and time in, answer out.
//!
//! It has no clock and no randomness of its own. Everything that looks like
//! chance is drawn from the seed and from how often an account was called.

pub(crate) mod authorize;
pub(crate) mod caller;
pub(crate) mod cell;
mod churn;
pub(crate) mod credentials;
pub(crate) mod drift;
mod handle;
mod hooks;
pub(crate) mod provision;
mod render;
pub(crate) mod views;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::role::RoleSpec;

use crate::buckets::Buckets;
use crate::check::History;
use crate::faults::Faults;
use crate::iam::paper::{Library, Paper};
use crate::iam::state::{AccessKey, Entity, Iam, User};
use crate::log::Log;
use crate::organizations::founding::{account_id, found};
use crate::organizations::tree::{FULL_ACCESS, Guard, GuardKind, Tree};
use crate::seed::{choose, mix, part_of, word};
use crate::settings::{HUB_ACCESS_KEY, Limits, Settings, VENDOR_ACCESS_KEY};
use crate::sqs::{News, Queue};
use crate::world::cell::Cell;
use crate::world::credentials::Credentials;
use crate::world::drift::{Bed, Drift};
use crate::world::provision::{Access, Blueprint, DEMO_VENDOR, Nursery};

pub use crate::world::views::{AccountView, PolicyView, RoleView};

/// The user whose key the hub holds.
const HUB_USER: &str = "rolekeeper-hub";
/// The policy that makes accounts unusable for `--denied`.
const RAIL: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"NoIamByAdministrators","Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"ArnLike":{"aws:PrincipalArn":["arn:*:iam::*:role/OrganizationAccountAccessRole","arn:*:iam::*:role/AWSControlTowerExecution"]}}}]}"#;

/// The role an account is provisioned with.
type Provision = Box<dyn Fn(AccountId) -> Vec<RoleSpec> + Send + Sync>;

/// What was decided about an account when the world was made.
#[derive(Clone, Copy, Debug, Default)]
struct Nature {
    access: Access,
    provisioned: bool,
    drift: Option<Drift>,
}

/// An account's ground: its nature, and its state once it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Plot {
    nature: Nature,
    cell: Mutex<Option<Box<Cell>>>,
}

/// An AWS organization.
pub struct World {
    pub(crate) settings: Settings,
    pub(crate) tree: RwLock<Tree>,
    plots: RwLock<Vec<Arc<Plot>>>,
    pub(crate) library: Library,
    nursery: Nursery,
    demo: Blueprint,
    provision: Option<Provision>,
    pub(crate) credentials: Credentials,
    pub(crate) buckets: Buckets,
    pub(crate) limits: RwLock<Limits>,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) history: History,
    pub(crate) queue: Option<Queue>,
    ordinal: AtomicU64,
    /// The latest time the world was told, in milliseconds.
    latest: AtomicI64,
    churn: Mutex<churn::Churn>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// A world as the settings describe it, with the role of
    /// `config/demo.toml` where accounts are provisioned.
    pub fn new(settings: Settings) -> Self {
        Self::with_roles(settings, None)
    }

    /// The same with other roles for the provisioned accounts.
    pub fn provisioned_with(
        settings: Settings,
        roles: impl Fn(AccountId) -> Vec<RoleSpec> + Send + Sync + 'static,
    ) -> Self {
        Self::with_roles(settings, Some(Box::new(roles)))
    }

    fn with_roles(settings: Settings, provision: Option<Provision>) -> Self {
        let library = Library::default();
        let mut tree = found(&settings);
        let management = account_id(settings.seed, 0);
        let natures = natures(&settings, &tree);
        guard_denied(&mut tree, &natures);
        let plots = natures
            .into_iter()
            .map(|nature| {
                Arc::new(Plot {
                    nature,
                    cell: Mutex::new(None),
                })
            })
            .collect();
        let world = Self {
            nursery: Nursery::new(&library, management),
            demo: Blueprint::demo(&library),
            credentials: Credentials::new(settings.seed),
            buckets: Buckets::default(),
            limits: RwLock::new(settings.limits),
            faults: Faults::default(),
            log: Log::new(settings.log_capacity, settings.seed),
            history: History::new(settings.history),
            queue: settings
                .events
                .map(|events| Queue::new(events, settings.seed)),
            ordinal: AtomicU64::new(0),
            latest: AtomicI64::new(0),
            churn: Mutex::default(),
            tree: RwLock::new(tree),
            plots: RwLock::new(plots),
            library,
            provision,
            settings,
        };
        world.settle_hub(management);
        if let Ok(vendor) = DEMO_VENDOR.parse() {
            world.credentials.add_outsider(VENDOR_ACCESS_KEY, vendor);
        }
        world
    }

    /// Gives the hub its user and key.
    fn settle_hub(&self, management: AccountId) {
        let id = mix(self.settings.seed, &[word(HUB_USER)]);
        let mut user = User::new(Entity::new(HUB_USER, "/", id, 1_551_686_400));
        user.entity
            .attached
            .push("arn:aws:iam::aws:policy/AdministratorAccess".into());
        user.keys.push(AccessKey {
            id: HUB_ACCESS_KEY.into(),
            active: true,
            created: 1_551_686_400,
        });
        self.credentials
            .add_user_key(HUB_ACCESS_KEY.into(), management, HUB_USER.into());
        self.change(management, |iam, _| iam.users.insert(user.clone()));
    }

    /// Lets an event go to the queue, if there is one.
    pub(crate) fn tell(&self, news: impl FnOnce() -> News) {
        if let Some(queue) = &self.queue {
            queue.tell(news(), self.now());
        }
    }

    /// The time the world was last told.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.latest.load(Ordering::Relaxed)).unwrap_or_default()
    }

    fn told(&self, now: Timestamp) {
        self.latest
            .fetch_max(now.as_millisecond(), Ordering::Relaxed);
    }

    pub(crate) fn next_ordinal(&self) -> u64 {
        self.ordinal.fetch_add(1, Ordering::Relaxed)
    }

    /// An account's ground; none for an account outside the organization.
    pub(crate) fn plot(&self, account: AccountId) -> Option<(usize, Arc<Plot>)> {
        let index = read(&self.tree).index_of(account)?;
        let plot = read(&self.plots).get(index).cloned()?;
        Some((index, plot))
    }

    /// Works on an account's cell, which is made when first asked for.
    pub(crate) fn with_cell<R>(
        &self,
        account: AccountId,
        work: impl FnOnce(&mut Cell) -> R,
    ) -> Option<R> {
        let (index, plot) = self.plot(account)?;
        let mut cell = lock(&plot.cell);
        let cell = cell.get_or_insert_with(|| {
            Box::new(Cell::new(Arc::new(self.newborn(
                account,
                index,
                plot.nature,
            ))))
        });
        Some(work(cell))
    }

    /// The account's IAM as the last write left it.
    pub(crate) fn latest(&self, account: AccountId) -> Option<Arc<Iam>> {
        self.with_cell(account, |cell| Arc::clone(cell.latest()))
    }

    /// Changes an account's IAM without asking anybody, at the time last told.
    fn change<R>(&self, account: AccountId, work: impl FnOnce(&mut Iam, i64) -> R) -> Option<R> {
        let now = self.now();
        self.with_cell(account, |cell| {
            let mut iam = Iam::clone(cell.latest());
            let done = work(&mut iam, now.as_second());
            cell.commit(Arc::new(iam), self.settings.stale, now);
            done
        })
    }

    fn newborn(&self, account: AccountId, index: usize, nature: Nature) -> Iam {
        let lively = mix(self.settings.seed, &[word("lively"), index as u64]).is_multiple_of(3);
        let mut iam = self.nursery.newborn(nature.access, lively);
        if nature.provisioned {
            for blueprint in self.blueprints(account) {
                blueprint.build(&mut iam, account, 1_700_000_000);
            }
        }
        if let Some(drift) = nature.drift {
            self.plant_in(&mut iam, account, drift, 1_760_000_000);
        }
        iam
    }

    fn blueprints(&self, account: AccountId) -> Vec<Blueprint> {
        match &self.provision {
            None => vec![self.demo.clone()],
            Some(roles) => roles(account)
                .iter()
                .map(|spec| Blueprint::of(spec, &self.library))
                .collect(),
        }
    }

    fn plant_in(&self, iam: &mut Iam, account: AccountId, drift: Drift, now: i64) {
        if let Some(blueprint) = self.blueprints(account).first() {
            let account = account.to_string();
            let bed = Bed {
                library: &self.library,
                blueprint,
                account: &account,
                seed: self.settings.seed,
                now,
            };
            bed.plant(iam, drift);
        }
    }
}

/// Decides about every account: how one gets in, and what drifted.
fn natures(settings: &Settings, tree: &Tree) -> Vec<Nature> {
    let mut natures = vec![Nature::default(); tree.members.len()];
    let mut set = |index: u32, change: &dyn Fn(&mut Nature)| {
        if let Some(nature) = natures.get_mut(index as usize) {
            change(nature);
        }
    };
    let members = tree.members.iter().zip(0_u32..).skip(1);
    let active: Vec<u32> = members
        .clone()
        .filter(|(member, _)| member.is_usable())
        .map(|(_, index)| index)
        .collect();
    for index in choose(
        settings.seed,
        "control tower",
        &active,
        part_of(active.len(), settings.control_tower),
    ) {
        set(index, &|nature| nature.access = Access::ControlTower);
    }
    let denied = choose(
        settings.seed,
        "denied",
        &active,
        part_of(active.len(), settings.denied),
    );
    for (&index, access) in denied.iter().zip(Access::DENIALS.into_iter().cycle()) {
        set(index, &|nature| nature.access = access);
    }
    if settings.provisioned {
        for (_, index) in members {
            set(index, &|nature| nature.provisioned = true);
        }
        let reachable: Vec<u32> = active
            .iter()
            .copied()
            .filter(|index| !denied.contains(index))
            .collect();
        let drifted = choose(
            settings.seed,
            "drift",
            &reachable,
            part_of(active.len(), settings.drift),
        );
        for (index, &drift) in drifted.into_iter().zip(Drift::visible().iter().cycle()) {
            set(index, &|nature| nature.drift = Some(drift));
        }
    }
    natures
}

/// Hangs the policy that denies over the accounts that are to be denied so.
fn guard_denied(tree: &mut Tree, natures: &[Nature]) {
    let guarded = natures
        .iter()
        .zip(&tree.members)
        .filter(|(nature, _)| nature.access == Access::Guarded);
    let targets: Vec<String> = guarded.map(|(_, member)| member.id.to_string()).collect();
    if targets.is_empty() {
        return;
    }
    for target in targets {
        tree.attachments.insert(
            target.into(),
            vec![FULL_ACCESS.into(), "p-noiambyadmins".into()],
        );
    }
    tree.guards.push(Guard {
        id: "p-noiambyadmins".into(),
        name: "NoIamByAdministrators".into(),
        description: "Administration goes through the pipeline".into(),
        kind: GuardKind::ServiceControl,
        aws_managed: false,
        paper: Paper::known(RAIL),
    });
}
