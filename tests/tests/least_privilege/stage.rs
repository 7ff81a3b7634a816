//! An organization in which hub and admin roles have exactly the statements that a test gives them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::least_privilege::{
    Audience, Grant, RoleScope, Scope, document_of, grants_for,
};
use rolekeeper_domain::outcome::{AccountReport, Mode, StepResult, SweepRecord};
use rolekeeper_domain::policy::Kind;
use rolekeeper_domain::role::{Boundary, RoleSpec};
use rolekeeper_engine::rollout::{Rollout, Share};
use rolekeeper_engine::{EngineSettings, SweepError, SweepOrder};
use rolekeeper_simulator::{Service, Settings, World};
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::hand::{Hand, between};
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order};
use tokio_util::sync::CancellationToken;

/// The role that rolekeeper enters accounts by.
pub(crate) const ADMIN: &str = "OrganizationAccountAccessRole";
/// The temporary user that some account may still have.
pub(crate) const USER: &str = "cloudcoreo";
const EVERYTHING: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// A spec in which every part of a role is kept.
pub(crate) fn full() -> RoleSpec {
    let inline = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"aws-portal:*","Resource":"*"}]}"#;
    RoleSpec {
        boundary: Boundary::Policy("arn:aws:iam::aws:policy/PowerUserAccess".parse().unwrap()),
        attach: BTreeSet::from(["arn:aws:iam::aws:policy/SecurityAudit".parse().unwrap()]),
        inline: BTreeMap::from([(
            "NoBilling".parse().unwrap(),
            rig::document(Kind::Identity, inline),
        )]),
        legacy_users: BTreeSet::from([USER.to_owned()]),
        ..demo_spec()
    }
}

/// The same without a boundary, which is another call.
pub(crate) fn unbounded() -> RoleSpec {
    RoleSpec {
        boundary: Boundary::None,
        ..full()
    }
}

/// What the policies are made for, where these roles are swept.
pub(crate) fn scope(spec: &RoleSpec, repair: bool) -> Scope {
    Scope {
        roles: vec![RoleScope::from(spec)],
        admin_roles: vec![ADMIN.to_owned()],
        repair,
        ..Scope::default()
    }
}

/// What hub and admin roles are given for that.
pub(crate) fn both(scope: &Scope) -> (Vec<Grant>, Vec<Grant>) {
    (
        grants_for(Audience::Hub, scope),
        grants_for(Audience::Admin, scope),
    )
}

/// These statements without an action.
pub(crate) fn without(grants: &[Grant], action: &str) -> Vec<Grant> {
    let narrowed = grants.iter().cloned().map(|mut grant| {
        grant.actions.remove(action);
        grant
    });
    narrowed.filter(|grant| !grant.actions.is_empty()).collect()
}

/// All actions of these statements.
pub(crate) fn actions(grants: &[Grant]) -> BTreeSet<String> {
    let actions = grants.iter().flat_map(|grant| grant.actions.iter());
    actions.cloned().collect()
}

/// Whether these words say that this action was denied, and to whom.
pub(crate) fn names(words: &str, action: &str) -> bool {
    words.contains("AccessDenied") && words.contains(action) && words.contains("User: arn:aws:")
}

/// Whether some account says that this action was denied, and to whom.
pub(crate) fn denied(reports: &[AccountReport], action: &str) -> bool {
    reports.iter().any(|report| {
        let failed = report
            .failure
            .as_ref()
            .is_some_and(|fault| names(&fault.to_string(), action));
        let reasons = report
            .steps
            .iter()
            .filter(|step| step.result == StepResult::Failed)
            .filter_map(|step| step.reason.as_deref());
        failed || reasons.into_iter().any(|reason| names(reason, action))
    })
}

/// The organization, and what is wanted in it.
pub(crate) struct Stage {
    pub(crate) world: Arc<World>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: SimClock,
    pub(crate) spec: RoleSpec,
    /// The members; the management account has no admin role.
    pub(crate) accounts: Vec<AccountId>,
}

impl Stage {
    /// Members that have the role as `built`, and should have it as `spec`.
    pub(crate) fn new(settings: Settings, built: &RoleSpec, spec: &RoleSpec) -> Self {
        let built = built.clone();
        // Setting the stage takes no time, so that two changes in a row are not two at once.
        let settings = Settings {
            latency: Duration::ZERO,
            ..settings
        };
        let world = World::provisioned_with(settings, move |_| vec![built.clone()]);
        let management = world.management_account().unwrap();
        let mut accounts = world.reachable();
        accounts.retain(|account| *account != management);
        Self {
            world: Arc::new(world),
            store: Arc::default(),
            clock: SimClock::start(),
            spec: spec.clone(),
            accounts,
        }
    }

    /// From here on hub and admin roles may do this and nothing else.
    pub(crate) fn narrow(&self, hub: &[Grant], admin: &[Grant]) {
        for account in &self.accounts {
            self.narrow_admin(*account, admin);
        }
        self.narrow_hub(hub);
    }

    /// The hub's own user.
    pub(crate) fn hub(&self) -> Hand<'_> {
        Hand::hub(&self.world, &self.clock)
    }

    /// Whoever comes in by the admin role.
    pub(crate) fn admin(&self, account: AccountId) -> Hand<'_> {
        Hand::admin(&self.world, &self.clock, account)
    }

    fn narrow_hub(&self, grants: &[Grant]) {
        let hub = self.hub();
        let user = between(&hub.ask(Service::Iam, "Action=GetUser"), "UserName");
        let policy = encoded(&document_of(grants));
        for form in [
            format!(
                "Action=PutUserPolicy&UserName={user}&PolicyName=least&PolicyDocument={policy}"
            ),
            format!("Action=DetachUserPolicy&UserName={user}&PolicyArn={EVERYTHING}"),
        ] {
            hub.ask(Service::Iam, &form);
        }
    }

    fn narrow_admin(&self, account: AccountId, grants: &[Grant]) {
        let admin = self.admin(account);
        let policy = encoded(&document_of(grants));
        for form in [
            format!(
                "Action=PutRolePolicy&RoleName={ADMIN}&PolicyName=least&PolicyDocument={policy}"
            ),
            format!("Action=DetachRolePolicy&RoleName={ADMIN}&PolicyArn={EVERYTHING}"),
        ] {
            admin.ask(Service::Iam, &form);
        }
    }

    /// A process over it, a moment later: what was written is seen by now, and no lease is held.
    pub(crate) async fn process(
        &self,
        aws: rolekeeper_aws::Settings,
        change: impl FnOnce(&mut EngineSettings),
    ) -> Process<MemoryStore> {
        self.clock.wait(Duration::from_secs(60)).await;
        let mut settings = EngineSettings {
            admin_roles: vec![ADMIN.to_owned()],
            // A denial everywhere is the point here, not a reason to stop.
            rollout: Rollout {
                max_failures: Share::ALL,
                canary: usize::MAX,
                ..Rollout::default()
            },
            ..rig::settings("one", self.spec.clone())
        };
        change(&mut settings);
        let Self {
            world,
            clock,
            store,
            ..
        } = self;
        Process::start_with(world, clock, store, settings, aws, 1).await
    }

    /// Carries out an order.
    pub(crate) async fn carry_out(
        &self,
        order: SweepOrder,
    ) -> Result<(SweepRecord, Vec<AccountReport>), SweepError> {
        let process = self.process(rig::hub(), |_| {}).await;
        let record = process.engine.sweep(order, CancellationToken::new()).await;
        process.engine.release_lease().await.unwrap();
        let record = record?;
        let reports = self.reports(&record);
        Ok((record, reports))
    }

    /// What the members say after a sweep over everybody.
    pub(crate) async fn sweep(&self, mode: Mode) -> Result<Vec<AccountReport>, SweepError> {
        Ok(self.carry_out(order(mode)).await?.1)
    }

    /// What a sweep said about the members.
    pub(crate) fn reports(&self, sweep: &SweepRecord) -> Vec<AccountReport> {
        let mut reports = self.store.all_reports(&sweep.id);
        reports.retain(|report| self.accounts.contains(&report.account));
        reports
    }
}

/// As a value in a form.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
