//! One role in the account that the keys belong to: seen with what six permissions show, made with
//! what they allow.

use std::collections::{BTreeMap, BTreeSet};

use rolekeeper_aws::Aws;
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::diff::diff;
use rolekeeper_domain::drift::{Diff, Drift, DriftKind};
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::judge::{Guardrails, judge};
use rolekeeper_domain::observation::{Observation, ObservedDocument, ObservedPolicy, Sighting};
use rolekeeper_domain::outcome::{Mode, SweepId};
use rolekeeper_domain::ownership::OwnershipRecord;
use rolekeeper_domain::plan::{Plan, PlannedStep, Step};
use rolekeeper_domain::planner::plan;
use rolekeeper_domain::role::{RoleName, RoleSpec};
use rolekeeper_domain::verdict::Verdict;
use rolekeeper_engine::ledger::{BETWEEN, LOOKS, Ledger};
use rolekeeper_engine::port::directory::Caller;
use rolekeeper_engine::port::session::{
    Entry, RoleReader, RoleWriter as _, SessionProvider as _, SessionRequest,
};
use rolekeeper_engine::port::store::{Deed, Journal as _};
use rolekeeper_store::Store;

use super::known::Known;
use super::{SIX, not_taken, told};
use crate::app::App;
use crate::failure::Failure;
use crate::output::{Style, plain};
use crate::wall_clock::{WallClock, pause};

/// One role in the one account.
pub(super) struct Site<'a> {
    pub(super) app: &'a App,
    pub(super) aws: &'a Aws,
    pub(super) caller: &'a Caller,
    pub(super) spec: &'a RoleSpec,
    /// Earlier runs are on record in it, if there is one.
    pub(super) store: Option<&'a Store>,
}

/// The record of what is done.
pub(super) type Record = Ledger<Store, WallClock>;

/// What is to be done about one role.
pub(super) struct Job {
    plan: Plan,
    observation: Observation,
    difference: Diff,
    /// The steps that go beyond the six permissions: they are left.
    beyond: Vec<String>,
}

/// What a look at one role leads to.
pub(super) enum Weighed {
    /// Nothing to do; whether the role is as specified.
    Done(bool),
    /// Something to do.
    Wants(Box<Job>),
    /// A policy of a name that is wanted says nobody knows what: nothing is done.
    Unread,
}

/// What a look showed.
pub(super) struct Looked {
    observation: Observation,
    /// Whether the role's attachments were listed, and not only those of this run are known.
    listed: bool,
    /// Whether this run made the role, so that what is in it is known without a list.
    born: bool,
}

impl Looked {
    /// The same for settling what an earlier run left open: what was not listed is not known to be absent.
    pub(super) fn to_settle(&self) -> Observation {
        let mut observation = self.observation.clone();
        if !self.listed && observation.attachments.seen().is_some() {
            let why = "what is attached to the role was not listed";
            observation.attachments = Sighting::Unread(Fault::new(Category::AccessDenied, why));
        }
        observation
    }

    /// What of the role nobody looked at, in words.
    fn unseen(&self) -> Option<&'static str> {
        self.observation.role.seen()?;
        match (self.born, self.listed) {
            (true, _) => None,
            (false, true) => Some("its inline policies were not looked at"),
            (false, false) => {
                Some("what else is attached to it and its inline policies were not looked at")
            }
        }
    }

    /// That the role is right, and how much of it was seen to be.
    fn praise(&self, role: &RoleName, how: &str, but: &str) -> String {
        match self.unseen() {
            None => format!("The role {role} {how} as specified{but}.\n"),
            Some(unseen) => format!(
                "As far as the keys can read, the role {role} {how} as specified{but}. But {unseen}.\n"
            ),
        }
    }

    /// Policies that are there and could not be read.
    fn unread(&self) -> impl Iterator<Item = (&ObservedPolicy, &Fault)> {
        let policies = self.observation.policies.values();
        let seen = policies.filter_map(Sighting::seen);
        seen.filter_map(|policy| Some((policy, policy.document.fault()?)))
    }
}

impl Site<'_> {
    /// Looks before anything is done.
    pub(super) async fn seen(&self) -> Result<Looked, Failure> {
        self.look(self.store, None).await
    }

    /// Shows what differs and what would be done. What earlier runs made is ours: they may have been killed half-way.
    pub(super) async fn weigh(&self, looked: &Looked) -> Result<Weighed, Failure> {
        if looked.unread().next().is_some() {
            self.show_unread(looked)?;
            return Ok(Weighed::Unread);
        }
        let job = self.job(looked).await?;
        self.show(looked, &job)?;
        if !job.plan.is_empty() {
            return Ok(Weighed::Wants(Box::new(job)));
        }
        let right = job.difference.is_in_sync();
        if right {
            self.app
                .terminal
                .show(&looked.praise(&self.spec.name, "is there", ""))?;
        }
        Ok(Weighed::Done(right))
    }

    /// Looks again once a person agreed, who may have taken an hour over it: what is to be done, if it is
    /// still what was shown.
    pub(super) async fn again(&self, shown: &Job) -> Result<Option<Box<Job>>, Failure> {
        let looked = self.seen().await?;
        if looked.unread().next().is_some() {
            return Ok(None);
        }
        let job = self.job(&looked).await?;
        Ok((job.plan.digest() == shown.plan.digest()).then(|| Box::new(job)))
    }

    /// What is to be done about what was seen.
    async fn job(&self, looked: &Looked) -> Result<Job, Failure> {
        let owned = match self.store {
            Some(store) => self.owned(store).await?,
            None => OwnershipRecord::default(),
        };
        let observation = looked.observation.clone();
        let difference = diff(self.spec, &observation, &owned);
        let planned = plan(self.spec, &observation, &difference, &owned);
        let (plan, beyond) = within_the_six(planned);
        Ok(Job {
            plan,
            observation,
            difference,
            beyond,
        })
    }

    async fn owned(&self, store: &Store) -> Result<OwnershipRecord, Failure> {
        let owned = store.owned(self.caller.account).await?;
        Ok(OwnershipRecord::new(owned))
    }

    fn show_unread(&self, looked: &Looked) -> Result<(), Failure> {
        for (policy, fault) in looked.unread() {
            let words = format!(
                "{}: it is there, it is not on record as made by rolekeeper (nor is what AWS never answered to), and what it says \
                 cannot be read ({fault}). It is not attached to anything. Let the keys read it (iam:GetPolicyVersion), or remove it, or name \
                 another policy in [[roles]]; then run this again",
                policy.arn.resource()
            );
            self.app.terminal.show(&format!(
                "{} {}\n",
                self.app.terminal.paint(Style::Warning, "not verified"),
                plain(&words)
            ))?;
        }
        Ok(())
    }

    fn show(&self, looked: &Looked, job: &Job) -> Result<(), Failure> {
        // What was not listed is not known to be missing.
        let unlisted =
            |drift: &&Drift| !looked.listed && drift.kind == DriftKind::AttachmentMissing;
        let differs = job.difference.drifts.iter();
        for drift in differs.filter(|drift| !unlisted(drift)) {
            self.app.terminal.show(&format!(
                "{} {}: {}\n",
                drift.severity,
                drift.kind,
                plain(&drift.explanation)
            ))?;
        }
        for step in &job.beyond {
            let words = format!("{step}: not one of the six permissions; it is left to a person");
            self.app.terminal.show(&format!(
                "{} {}\n",
                self.app.terminal.paint(Style::Warning, "withheld"),
                plain(&words)
            ))?;
        }
        for step in &job.plan.steps {
            self.app
                .terminal
                .show(&format!("{}\n", plain(&step.step.to_string())))?;
        }
        let attaches = |step: &PlannedStep| matches!(step.step, Step::AttachRolePolicy { .. });
        if !looked.listed && job.plan.steps.iter().any(attaches) {
            self.app.terminal.tell(
                "What is attached to the role cannot be listed with these keys. Attaching again what is attached changes nothing.",
            );
        }
        Ok(())
    }

    /// Makes what is missing; answers whether the role is now there as specified.
    pub(super) async fn provision(
        &self,
        store: &Store,
        ledger: &Record,
        job: Job,
    ) -> Result<bool, Failure> {
        let Job {
            plan,
            observation,
            difference,
            beyond,
        } = job;
        self.carry_out(ledger, plan, &observation, &difference)
            .await?;
        Ok(self.settled(store, ledger).await? && beyond.is_empty())
    }

    async fn reader(&self) -> Result<rolekeeper_aws::Reader, Failure> {
        self.aws
            .sessions()
            .reader(self.request())
            .await
            .map_err(told)
    }

    fn request(&self) -> SessionRequest<'_> {
        SessionRequest {
            account: self.caller.account,
            entry: &Entry::Hub,
            label: "bootstrap",
            roles: std::slice::from_ref(self.spec),
        }
    }

    /// What can be seen with `GetRole` and `GetPolicy`, and what is on record. What neither shows is asked for,
    /// in case the keys may do more.
    async fn look(&self, store: Option<&Store>, run: Option<&SweepId>) -> Result<Looked, Failure> {
        let reader = self.reader().await?;
        let role = reader.role(&self.spec.name).await.map_err(told)?;
        let account = self.caller.account;
        let known = match store {
            Some(store) => Known::read(store, account, &self.spec.name, run).await?,
            None => Known::default(),
        };
        let mut policies = BTreeMap::new();
        for policy in &self.spec.managed_policies {
            let arn = self.spec.policy_arn(self.caller.account, policy);
            let sighting = match reader.policy(&arn).await.map_err(told)? {
                None => Sighting::Absent,
                Some(found) => {
                    let document = match known.document(&found) {
                        Some(document) => Sighting::Seen(document),
                        None => read(&reader, &found).await.map_err(told)?,
                    };
                    Sighting::Seen(ObservedPolicy { document, ..found })
                }
            };
            policies.insert(arn, sighting);
        }
        let (mut attached, mut listed) = (known.attached().clone(), role.is_none());
        if role.is_some()
            && !self.all_attached(&attached)
            && let Some(all) = list(&reader, &self.spec.name).await.map_err(told)?
        {
            (attached, listed) = (all, true);
        }
        let (attachments, inline) = if role.is_some() {
            (
                Sighting::Seen(attached),
                Sighting::Seen(
                    self.spec
                        .inline
                        .keys()
                        .map(|name| (name.clone(), Sighting::Absent))
                        .collect(),
                ),
            )
        } else {
            (Sighting::Absent, Sighting::Absent)
        };
        let observation = Observation {
            account,
            role: role.map_or(Sighting::Absent, Sighting::Seen),
            attachments,
            inline,
            policies,
            foreign_documents: BTreeMap::new(),
            legacy_users: Sighting::Seen(BTreeSet::new()),
        };
        Ok(Looked {
            observation,
            listed,
            born: known.born(),
        })
    }

    /// Whether everything that the specification attaches is among these.
    fn all_attached(&self, attached: &BTreeSet<Arn>) -> bool {
        let made = self.spec.managed_policies.iter();
        let made = made.map(|policy| self.spec.policy_arn(self.caller.account, policy));
        made.chain(self.spec.attach.iter().cloned())
            .all(|arn| attached.contains(&arn))
    }

    async fn carry_out(
        &self,
        ledger: &Record,
        planned: Plan,
        observation: &Observation,
        difference: &Diff,
    ) -> Result<(), Failure> {
        let permit = match judge(
            planned,
            observation,
            difference,
            &Guardrails::default(),
            Mode::Repair,
        ) {
            Verdict::Apply(permit) => permit,
            Verdict::Refuse(_, refusals) => {
                let words: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                return Err(Failure::new(words.join("; ")));
            }
            Verdict::InSync | Verdict::ReportOnly(_) => return Ok(()),
        };
        let writer = self
            .aws
            .sessions()
            .writer(self.request(), &permit)
            .await
            .map_err(told)?;
        for step in &permit.plan().steps {
            let deed = Deed::Role {
                role: &self.spec.name,
                step,
            };
            let call = || writer.execute(&step.step);
            let taken = ledger.take(self.caller.account, deed, call).await;
            taken.map_err(not_taken)?;
            self.app.terminal.show(&format!(
                "{} {}\n",
                self.app.terminal.paint(Style::Good, "done"),
                plain(&step.step.to_string())
            ))?;
        }
        Ok(())
    }

    /// Looks until the role reads back right; answers whether nothing at all is left.
    async fn settled(&self, store: &Store, ledger: &Record) -> Result<bool, Failure> {
        for _ in 0..LOOKS {
            let looked = self.look(Some(store), Some(ledger.sweep())).await?;
            let observation = &looked.observation;
            let owned = self.owned(store).await?;
            let difference = diff(self.spec, observation, &owned);
            let rest = difference.drifts.iter().all(|drift| is_beyond(drift.kind));
            if rest && difference.blind.is_empty() {
                ledger.settle(&self.spec.name, observation).await?;
                let whole = difference.drifts.is_empty();
                let but = if whole {
                    ""
                } else {
                    ", but for its tags: they need permissions of their own"
                };
                self.app
                    .terminal
                    .show(&looked.praise(&self.spec.name, "reads back", but))?;
                return Ok(whole);
            }
            pause(BETWEEN).await;
        }
        Err(Failure::new(format!(
            "the role {} does not read back right yet; run the command again in a minute",
            self.spec.name
        )))
    }
}

/// What the policy says, if the keys may read it.
async fn read(
    reader: &impl RoleReader,
    found: &ObservedPolicy,
) -> Result<Sighting<ObservedDocument>, Fault> {
    let version = &found.default_version_id;
    match reader.policy_document(&found.arn, version).await {
        Ok(Some(document)) => Ok(Sighting::Seen(document)),
        Ok(None) => {
            let why = format!("its version {version} is gone");
            Ok(Sighting::Unread(Fault::new(Category::NotFound, why)))
        }
        Err(fault) if fault.category == Category::AccessDenied => Ok(Sighting::Unread(fault)),
        Err(fault) => Err(fault),
    }
}

/// What is attached to the role, if the keys may list it.
async fn list(reader: &impl RoleReader, role: &RoleName) -> Result<Option<BTreeSet<Arn>>, Fault> {
    let mut all = BTreeSet::new();
    let mut next: Option<String> = None;
    loop {
        let page = match reader.attachments(role, next.as_deref()).await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(None),
            Err(fault) if fault.category == Category::AccessDenied => return Ok(None),
            Err(fault) => return Err(fault),
        };
        all.extend(page.items);
        next = page.next;
        if next.is_none() {
            return Ok(Some(all));
        }
    }
}

/// Tags need permissions of their own, which the FAQ's user lacks.
const fn is_beyond(kind: DriftKind) -> bool {
    matches!(kind, DriftKind::RoleTags | DriftKind::PolicyTags)
}

/// The plan with only what the six permissions allow, and the steps that go beyond them.
fn within_the_six(mut planned: Plan) -> (Plan, Vec<String>) {
    let mut beyond = Vec::new();
    planned.steps.retain_mut(|step| {
        match &mut step.step {
            Step::CreateRole { tags, .. } | Step::CreatePolicy { tags, .. } => tags.clear(),
            _ => {}
        }
        let allowed = SIX.contains(&step.step.operation().action().as_str());
        if !allowed {
            beyond.push(step.step.to_string());
        }
        allowed
    });
    (planned, beyond)
}
