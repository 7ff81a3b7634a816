//! What tests, demos and benchmarks do to the world behind its services' backs.

use std::sync::Arc;

use jiff::Timestamp;
use rolekeeper_domain::account::{AccountId, AccountState};
use rolekeeper_domain::policy::Document;

use crate::faults::Script;
use crate::iam::paper::{Kind, Paper};
use crate::iam::state::{Iam, Tags, Text};
use crate::log::Entry;
use crate::organizations::founding::account_id;
use crate::organizations::tree::{FULL_ACCESS, Guard, GuardKind, Member};
use crate::settings::{Limits, Settings};
use crate::sqs::{EVENT_QUEUE, News};
use crate::world::authorize::Rails;
use crate::world::cell::Cell;
use crate::world::credentials::Holder;
use crate::world::drift::Drift;
use crate::world::{Plot, World, read, write};

impl World {
    /// What the world was made from.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Plants a difference in an account. False when there is no such account.
    pub fn plant(&self, account: AccountId, drift: Drift) -> bool {
        let plant = |iam: &mut Iam, now: i64| self.plant_in(iam, account, drift, now);
        let planted = self.change(account, plant).is_some();
        if planted {
            self.tell(|| {
                let blueprint = self.blueprints(account).into_iter().next();
                let role = blueprint.as_ref().map_or("", |blueprint| &blueprint.name);
                let policy = blueprint
                    .as_ref()
                    .and_then(|blueprint| blueprint.managed.first());
                News::of_drift(drift, account, role, policy.map_or(role, |(name, ..)| name))
            });
        }
        planted
    }

    /// Puts the managed role into an account, whatever stood there.
    pub fn provision(&self, account: AccountId) -> bool {
        let blueprints = self.blueprints(account);
        let build = |iam: &mut Iam, now: i64| {
            for blueprint in &blueprints {
                blueprint.build(iam, account, now);
            }
        };
        self.change(account, build).is_some()
    }

    /// Takes a role out of an account, with all that hangs on it.
    pub fn remove_role(&self, account: AccountId, name: &str) -> bool {
        self.change(account, |iam, _| iam.roles.remove(name))
            .flatten()
            .is_some()
    }

    /// Puts a role into an instance profile, which keeps it from being deleted.
    pub fn add_to_instance_profile(&self, account: AccountId, role: &str, profile: &str) -> bool {
        let add = |iam: &mut Iam, _: i64| {
            iam.roles
                .get_mut(role)
                .map(|role| role.instance_profiles.push(profile.into()))
                .is_some()
        };
        self.change(account, add).unwrap_or(false)
    }

    /// Sets an account's state in Organizations.
    pub fn set_state(&self, account: AccountId, state: AccountState) -> bool {
        let closed = matches!(state, AccountState::Closed);
        let set = |member: &mut Member| member.state = state;
        let known = write(&self.tree).member_mut(account).map(set).is_some();
        if known && closed {
            self.tell(|| News::Closed(account));
        }
        known
    }

    /// Moves an account under a unit by its path of names; `/` is the root.
    /// False when either is not there.
    pub fn move_account(&self, account: AccountId, path: &str) -> bool {
        let mut tree = write(&self.tree);
        let mut place = Some(0_u32);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let found = tree
                .units
                .iter()
                .position(|unit| unit.parent == place && *unit.name == *name);
            place = found.and_then(|index| u32::try_from(index).ok());
            if place.is_none() {
                return false;
            }
        }
        let Some(member) = tree.member_mut(account) else {
            return false;
        };
        member.parent = place.unwrap_or(0);
        drop(tree);
        self.tell(|| News::Moved(account));
        true
    }

    /// An account appears under the root, as if somebody had created it.
    pub fn add_account(&self, name: &str) -> AccountId {
        let joined = self.now().as_second();
        let id = {
            let mut tree = write(&self.tree);
            let next = u32::try_from(tree.members.len()).unwrap_or(u32::MAX);
            let id = account_id(self.settings.seed, next);
            let (state, tags) = (AccountState::Active, Tags::new());
            tree.add_member(Member {
                id,
                name: name.into(),
                state,
                parent: 0,
                joined,
                invited: false,
                tags,
            });
            id
        };
        self.grow();
        self.tell(|| News::Created(id));
        id
    }

    /// Gives the accounts that the tree has and the world has not their ground.
    pub(crate) fn grow(&self) {
        let wanted = read(&self.tree).members.len();
        let mut plots = write(&self.plots);
        while plots.len() < wanted {
            plots.push(Arc::new(Plot::default()));
        }
    }

    /// Hangs a service control policy on the root (`r-…`), a unit or an account.
    ///
    /// # Errors
    ///
    /// When the document is none that Organizations takes.
    pub fn attach_service_control_policy(
        &self,
        target: &str,
        document: &str,
    ) -> Result<(), String> {
        self.attach_guard(target, document, GuardKind::ServiceControl)
    }

    /// Hangs a resource control policy on the root (`r-…`), a unit or an account.
    ///
    /// # Errors
    ///
    /// When the document is none that Organizations takes.
    pub fn attach_resource_control_policy(
        &self,
        target: &str,
        document: &str,
    ) -> Result<(), String> {
        self.attach_guard(target, document, GuardKind::ResourceControl)
    }

    fn attach_guard(&self, target: &str, document: &str, kind: GuardKind) -> Result<(), String> {
        let rules = if kind == GuardKind::ServiceControl {
            Kind::Identity
        } else {
            Kind::ResourceControl
        };
        let paper = self
            .library
            .take(rules, document)
            .map_err(|error| error.message)?;
        let mut tree = write(&self.tree);
        let id: Text = format!("p-planted{:03}", tree.guards.len()).into();
        let (name, description) = (Arc::clone(&id), "planted".into());
        tree.guards.push(Guard {
            id: Arc::clone(&id),
            name,
            description,
            kind,
            aws_managed: false,
            paper,
        });
        tree.attachments
            .entry(target.into())
            .or_insert_with(|| vec![FULL_ACCESS.into()])
            .push(id);
        tree.generation += 1;
        Ok(())
    }

    /// Changes the rates from now on.
    pub fn set_limits(&self, limits: Limits) {
        *write(&self.limits) = limits;
    }

    /// The rates in force.
    pub fn limits(&self) -> Limits {
        *read(&self.limits)
    }

    /// Gives one target account a rate of its own (IAM calls a second); none
    /// takes it back.
    pub fn set_target_rate(&self, account: AccountId, rate: Option<f64>) -> bool {
        self.with_cell(account, |cell| cell.own_rate = rate)
            .is_some()
    }

    /// Adds a fault that waits for its call.
    pub fn script(&self, script: Script) {
        self.faults.add(script);
    }

    /// Forgets all scripted faults.
    pub fn clear_scripts(&self) {
        self.faults.clear();
    }

    /// The latest requests, oldest first.
    pub fn requests(&self) -> Vec<Entry> {
        self.log.entries()
    }

    /// Counts of requests by service, operation and verdict, as `/_sim/summary`.
    pub fn summary(&self) -> serde_json::Value {
        self.log.summary()
    }

    /// Empties the log and fills the buckets.
    pub fn reset(&self) {
        self.log.clear();
        self.buckets.clear();
    }

    /// Every session from now on is refused as expired.
    pub fn expire_sessions(&self) {
        self.credentials.drop_sessions();
    }

    pub(crate) fn is_member(&self, account: AccountId) -> bool {
        read(&self.tree).index_of(account).is_some()
    }

    /// Whether the account may be used at all.
    pub(crate) fn is_usable(&self, account: AccountId) -> bool {
        read(&self.tree)
            .member(account)
            .is_some_and(Member::is_usable)
    }

    pub(crate) fn organization_id(&self) -> Text {
        Arc::clone(&read(&self.tree).id)
    }

    /// The account's IAM as the replica knows it that answers this call.
    pub(crate) fn seen(&self, account: AccountId, now: Timestamp) -> Option<Arc<Iam>> {
        self.with_cell(account, |cell: &mut Cell| {
            Arc::clone(cell.seen(self.settings.seed, self.settings.stale, now))
        })
    }

    /// What the organization's policies say about an account.
    pub(crate) fn rails(&self, account: AccountId) -> Rails {
        let tree = read(&self.tree);
        if tree.guards.len() <= 1 && !tree.detached {
            return Rails::default();
        }
        let Some(member) = tree.member(account) else {
            return Rails::default();
        };
        let mut conditional = false;
        let mut levels = |kind: GuardKind| -> Vec<Vec<Document>> {
            let levels = tree.guards_of(member, kind).into_iter().map(|level| {
                conditional |= level.iter().any(|paper| paper.is_conditional());
                level
                    .iter()
                    .filter_map(|paper| paper.meaning().cloned())
                    .collect::<Vec<_>>()
            });
            levels.collect()
        };
        // Neither kind binds the management account.
        if tree.is_management(account) {
            return Rails::default();
        }
        let mut resource = levels(GuardKind::ResourceControl);
        for level in resource.iter_mut().filter(|level| !level.is_empty()) {
            // RCPFullAWSAccess hangs everywhere and cannot be taken off.
            level.extend(everybody().meaning().cloned());
        }
        let mut service = levels(GuardKind::ServiceControl);
        for level in service.iter_mut().filter(|level| level.is_empty()) {
            // Nothing hangs there: nothing is allowed.
            level.extend(nothing().meaning().cloned());
        }
        Rails {
            service,
            resource,
            conditional,
        }
    }

    /// The URL of the queue that events come to, if the world has one.
    pub fn queue_url(&self) -> Option<String> {
        self.queue.as_ref()?;
        let management = self.management_account()?;
        Some(format!(
            "https://sqs.us-east-1.amazonaws.com/{management}/{EVENT_QUEUE}"
        ))
    }

    /// The account that an access key belongs to.
    pub(crate) fn key_account(&self, key: &str) -> Option<AccountId> {
        self.credentials.holder(key).map(|holder| match holder {
            Holder::User { account, .. } | Holder::Outsider { account } => account,
            Holder::Session(session) => session.account,
        })
    }

    /// When a long-term key was last used, for which service and where.
    pub(crate) fn last_used(&self, key: &str) -> Option<(i64, &'static str, String)> {
        self.credentials.last_used(key)
    }
}

/// The resource control policy that forbids nothing.
fn everybody() -> &'static Paper {
    static EVERYBODY: std::sync::OnceLock<Arc<Paper>> = std::sync::OnceLock::new();
    EVERYBODY.get_or_init(|| {
        Paper::known_as(
            Kind::ResourceControl,
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#,
        )
    })
}

/// A policy under which nothing is allowed.
fn nothing() -> &'static Paper {
    static NOTHING: std::sync::OnceLock<Arc<Paper>> = std::sync::OnceLock::new();
    NOTHING.get_or_init(|| {
        Paper::known(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"none:Nothing","Resource":"*"}]}"#)
    })
}
