//! Invariants over what happened: for tests that let everything go wrong and
//! then ask whether anything was done that must never be done.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::policy::{
    ConditionContext, Document, Kind, Policies, Principal, Request, evaluate,
};

use crate::ask::Ask;
use crate::iam::principals::effective_trust;
use crate::iam::state::Iam;
use crate::world::World;
use crate::world::authorize::managed;
use crate::world::views::{PolicyView, RoleView, policy_view, role_view};

/// One change that was made through the API.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub account: AccountId,
    /// By which IAM operation.
    pub operation: &'static str,
    /// By whom: the caller's ARN.
    pub caller: String,
    /// The role, policy or user it names.
    pub subject: String,
    before: Arc<Iam>,
    after: Arc<Iam>,
}

impl Mutation {
    /// A role before and after.
    pub fn role(&self, world: &World, name: &str) -> (Option<RoleView>, Option<RoleView>) {
        let view = |iam: &Iam| role_view(world, self.account, iam, name);
        (view(&self.before), view(&self.after))
    }

    /// A customer-managed policy before and after.
    pub fn policy(&self, name: &str) -> (Option<PolicyView>, Option<PolicyView>) {
        (
            policy_view(&self.before, name),
            policy_view(&self.after, name),
        )
    }

    /// The names of the roles and policies (as `role/…`, `policy/…`, `user/…`)
    /// that differ.
    pub fn touched(&self) -> Vec<String> {
        let mut touched = Vec::new();
        diff(&mut touched, "role", &self.before.roles, &self.after.roles);
        diff(
            &mut touched,
            "policy",
            &self.before.policies,
            &self.after.policies,
        );
        diff(&mut touched, "user", &self.before.users, &self.after.users);
        diff(
            &mut touched,
            "group",
            &self.before.groups,
            &self.after.groups,
        );
        touched
    }
}

fn diff<T: crate::iam::state::Named + Clone>(
    touched: &mut Vec<String>,
    kind: &str,
    before: &crate::iam::state::Roster<T>,
    after: &crate::iam::state::Roster<T>,
) {
    let same = |entity: &Arc<T>, others: &crate::iam::state::Roster<T>| {
        others
            .get(entity.name())
            .is_some_and(|other| Arc::ptr_eq(entity, other))
    };
    let gone = before.iter().filter(|entity| !same(entity, after));
    let come = after
        .iter()
        .filter(|entity| before.get(entity.name()).is_none());
    touched.extend(
        gone.chain(come)
            .map(|entity| format!("{kind}/{}", entity.name())),
    );
}

/// Every change, in order, when the world was told to keep them.
#[derive(Debug)]
pub(crate) struct History {
    kept: Option<Mutex<Vec<Mutation>>>,
}

impl History {
    pub(crate) fn new(keep: bool) -> Self {
        Self {
            kept: keep.then(Mutex::default),
        }
    }

    pub(crate) fn record(&self, ask: &Ask<'_>, before: &Arc<Iam>, after: &Arc<Iam>) {
        let Some(kept) = &self.kept else { return };
        let named = [
            "RoleName",
            "PolicyArn",
            "PolicyName",
            "UserName",
            "GroupName",
        ];
        let subject = named
            .into_iter()
            .find_map(|name| ask.get(name))
            .unwrap_or_default();
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Mutation {
                at: ask.now,
                account: ask.account,
                operation: ask.operation,
                caller: ask.caller.arn(),
                subject: subject.to_owned(),
                before: Arc::clone(before),
                after: Arc::clone(after),
            });
    }
}

/// Who might do what with a role: a question for [`World::exposures`].
#[derive(Clone, Debug)]
pub struct Probe {
    /// Who tries to assume the role.
    pub principal: Principal,
    /// With which external id.
    pub external_id: Option<String>,
    /// What it would do then.
    pub action: String,
    /// With which resource.
    pub resource: String,
}

/// A permission that somebody had for a moment and should never have had.
#[derive(Clone, Debug)]
pub struct Exposure {
    /// The change after which it was there.
    pub mutation: Mutation,
    /// Who could do what.
    pub probe: Probe,
}

impl World {
    /// Every change in order; empty unless the world keeps history.
    pub fn history(&self) -> Vec<Mutation> {
        self.history
            .kept
            .as_ref()
            .map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default()
    }

    /// The changes that touched anything but the named resources
    /// (`role/Name`, `policy/Name`, `user/Name`).
    pub fn strayed(&self, allowed: &[&str]) -> Vec<(Mutation, Vec<String>)> {
        let stray = |mutation: Mutation| {
            let others: Vec<String> = mutation
                .touched()
                .into_iter()
                .filter(|name| !allowed.contains(&name.as_str()))
                .collect();
            (!others.is_empty()).then_some((mutation, others))
        };
        self.history().into_iter().filter_map(stray).collect()
    }

    /// The moments at which a probe could do what it could neither before the
    /// first change to the account nor under the spec, given as the trust
    /// policy and the policies of the role.
    ///
    /// `start` cuts the history: only changes from then on count, and "before"
    /// is what the first of them found.
    pub fn exposures(
        &self,
        role: &str,
        trust: &Document,
        policies: &[Document],
        probes: &[Probe],
        start: usize,
    ) -> Vec<Exposure> {
        let wanted = |probe: &Probe, account| allowed(probe, account, role, trust, policies, None);
        self.exposures_beyond(role, probes, start, wanted)
    }

    /// The same for a way back: what may be is what an account held before its
    /// first change from number `target` on. The changes from `target` to
    /// `start` are those that are undone.
    pub fn exposures_on_the_way_back(
        &self,
        role: &str,
        probes: &[Probe],
        target: usize,
        start: usize,
    ) -> Vec<Exposure> {
        let history = self.history();
        let undone = history.get(target..).unwrap_or_default();
        let held = |probe: &Probe, account| {
            let first = undone.iter().find(|change| change.account == account);
            first.is_some_and(|first| self.allows(probe, account, &first.before, role))
        };
        self.exposures_beyond(role, probes, start, held)
    }

    /// What was neither before the first change from `start` on nor is `wanted`.
    fn exposures_beyond(
        &self,
        role: &str,
        probes: &[Probe],
        start: usize,
        wanted: impl Fn(&Probe, AccountId) -> bool,
    ) -> Vec<Exposure> {
        let history = self.history();
        let changes = history.get(start..).unwrap_or_default();
        let mut exposures = Vec::new();
        let mut firsts: Vec<&Mutation> = Vec::new();
        for change in changes {
            if !firsts.iter().any(|first| first.account == change.account) {
                firsts.push(change);
            }
            let first = firsts.iter().find(|first| first.account == change.account);
            for probe in probes {
                let before = first
                    .is_some_and(|first| self.allows(probe, change.account, &first.before, role));
                if !before
                    && !wanted(probe, change.account)
                    && self.allows(probe, change.account, &change.after, role)
                {
                    exposures.push(Exposure {
                        mutation: change.clone(),
                        probe: probe.clone(),
                    });
                }
            }
        }
        exposures
    }

    /// Whether a probe can do now what it asks for, by assuming a role.
    pub fn can(&self, account: AccountId, role: &str, probe: &Probe) -> bool {
        self.latest(account)
            .is_some_and(|iam| self.allows(probe, account, &iam, role))
    }

    fn allows(&self, probe: &Probe, account: AccountId, iam: &Iam, name: &str) -> bool {
        let Some(role) = iam.roles.get(name) else {
            return false;
        };
        let trust = effective_trust(self, role);
        let Some(trust) = trust.meaning() else {
            return false;
        };
        let attached = role
            .entity
            .attached
            .iter()
            .filter_map(|arn| managed(arn, iam, account));
        let papers = attached.chain(
            role.entity
                .inline
                .iter()
                .map(|(_, paper)| Arc::clone(paper)),
        );
        let policies: Vec<Document> = papers
            .filter_map(|paper| paper.meaning().cloned())
            .collect();
        let boundary = role
            .entity
            .boundary
            .as_ref()
            .and_then(|arn| managed(arn, iam, account));
        let boundary = boundary.as_ref().and_then(|paper| paper.meaning());
        allowed(probe, account, name, trust, &policies, boundary)
    }
}

/// Whether the probe gets in, and may do there what it wants to.
fn allowed(
    probe: &Probe,
    account: AccountId,
    role: &str,
    trust: &Document,
    policies: &[Document],
    boundary: Option<&Document>,
) -> bool {
    let arn = format!("arn:aws:iam::{account}:role/{role}");
    let mut context = ConditionContext::new();
    if let Some(id) = &probe.external_id {
        context.set("sts:ExternalId", id.as_str());
    }
    let enter = Request {
        principal: probe.principal.clone(),
        action: "sts:AssumeRole".to_owned(),
        resource: arn.clone(),
        context,
    };
    // The prober's own policies let it try anything.
    let everything = Document::parse(
        Kind::Identity,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    );
    let own: Vec<Document> = everything.into_iter().collect();
    let door = Policies {
        identity: &own,
        resource: Some(trust),
        same_account: false,
        ..Policies::default()
    };
    let act = Request {
        principal: Principal::Session {
            role: arn,
            name: "probe".to_owned(),
        },
        action: probe.action.clone(),
        resource: probe.resource.clone(),
        context: ConditionContext::new(),
    };
    let powers = Policies {
        identity: policies,
        boundary,
        same_account: true,
        ..Policies::default()
    };
    evaluate(&enter, &door).is_allowed() && evaluate(&act, &powers).is_allowed()
}
