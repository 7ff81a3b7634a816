//! One role in the account that the keys belong to: seen with what six permissions show, made with
//! what they allow.

use std::collections::{BTreeMap, BTreeSet};

use rolekeeper_aws::Aws;
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::diff::diff;
use rolekeeper_domain::drift::Diff;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::judge::{Guardrails, judge};
use rolekeeper_domain::observation::{Observation, ObservedDocument, ObservedPolicy, Sighting};
use rolekeeper_domain::outcome::Mode;
use rolekeeper_domain::ownership::OwnershipRecord;
use rolekeeper_domain::plan::{Plan, Step};
use rolekeeper_domain::planner::plan;
use rolekeeper_domain::role::RoleSpec;
use rolekeeper_domain::verdict::Verdict;
use rolekeeper_engine::ledger::Ledger;
use rolekeeper_engine::port::directory::Caller;
use rolekeeper_engine::port::session::{
    Entry, Receipt, RoleReader, RoleWriter as _, SessionProvider as _, SessionRequest,
};
use rolekeeper_engine::port::store::Deed;
use rolekeeper_store::Store;

use super::{SIX, not_taken, told};
use crate::app::App;
use crate::failure::Failure;
use crate::output::{Style, plain};
use crate::wall_clock::{WallClock, pause};

/// Looks at what was made before giving up, and the time between them: IAM is eventually consistent.
const LOOKS: u32 = 20;
const BETWEEN: std::time::Duration = std::time::Duration::from_secs(3);

/// One role in the one account.
pub(super) struct Site<'a> {
    pub(super) app: &'a App,
    pub(super) aws: &'a Aws,
    pub(super) caller: &'a Caller,
    pub(super) spec: &'a RoleSpec,
}

/// The record of what is done.
pub(super) type Record = Ledger<Store, WallClock>;

/// What is to be done about one role.
pub(super) struct Job {
    plan: Plan,
    observation: Observation,
    difference: Diff,
    /// Whether something is left that goes beyond the six permissions.
    leaves: bool,
}

/// What a look at one role leads to.
pub(super) enum Weighed {
    /// Nothing to do; whether the role is as specified.
    Done(bool),
    /// Something to do.
    Wants(Box<Job>),
}

impl Site<'_> {
    /// Looks, and shows what differs and what would be done.
    pub(super) async fn weigh(&self) -> Result<Weighed, Failure> {
        let observation = self.look().await?;
        let difference = diff(self.spec, &observation, &OwnershipRecord::default());
        for drift in &difference.drifts {
            self.app.terminal.show(&format!(
                "{} {}: {}\n",
                drift.severity,
                drift.kind,
                plain(&drift.explanation)
            ))?;
        }
        let planned = plan(
            self.spec,
            &observation,
            &difference,
            &OwnershipRecord::default(),
        );
        let (planned, beyond) = within_the_six(planned);
        for step in &beyond {
            let words = format!("{step}: not one of the six permissions; it is left to a person");
            self.app.terminal.show(&format!(
                "{} {}\n",
                self.app.terminal.paint(Style::Warning, "withheld"),
                plain(&words)
            ))?;
        }
        for step in &planned.steps {
            self.app
                .terminal
                .show(&format!("{}\n", plain(&step.step.to_string())))?;
        }
        if planned.is_empty() {
            let right = difference.is_in_sync();
            if right {
                self.app.terminal.show(&format!(
                    "The role {} is there as specified.\n",
                    self.spec.name
                ))?;
            }
            return Ok(Weighed::Done(right));
        }
        Ok(Weighed::Wants(Box::new(Job {
            plan: planned,
            observation,
            difference,
            leaves: !beyond.is_empty(),
        })))
    }

    /// Makes what is missing; answers whether the role is now there as specified.
    pub(super) async fn provision(&self, ledger: &Record, job: Job) -> Result<bool, Failure> {
        let Job {
            plan,
            observation,
            difference,
            leaves,
        } = job;
        // What an earlier run left open when it was killed.
        ledger.settle(&self.spec.name, &observation).await?;
        self.carry_out(ledger, plan, &observation, &difference)
            .await?;
        Ok(self.settled(ledger).await? && !leaves)
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

    /// What can be seen with `GetRole` and `GetPolicy`, and what follows from it.
    async fn look(&self) -> Result<Observation, Failure> {
        let reader = self.reader().await?;
        let role = reader.role(&self.spec.name).await.map_err(told)?;
        let mut policies = BTreeMap::new();
        let mut attached: BTreeSet<Arn> = BTreeSet::new();
        for policy in &self.spec.managed_policies {
            let arn = self.spec.policy_arn(self.caller.account, policy);
            let sighting = match reader.policy(&arn).await.map_err(told)? {
                None => Sighting::Absent,
                Some(found) => {
                    if role.is_some() && found.attachment_count > 0 {
                        attached.insert(arn.clone());
                    }
                    // The text cannot be read; AWS makes `v1` with the policy, and only a person makes others.
                    let document = ObservedDocument::Valid(policy.document.clone());
                    Sighting::Seen(ObservedPolicy {
                        document: Sighting::Seen(document),
                        ..found
                    })
                }
            };
            policies.insert(arn, sighting);
        }
        let (attachments, inline) = if role.is_some() {
            // Policies of others cannot be seen; attaching again what is attached changes nothing.
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
        Ok(Observation {
            account: self.caller.account,
            role: role.map_or(Sighting::Absent, Sighting::Seen),
            attachments,
            inline,
            policies,
            foreign_documents: BTreeMap::new(),
            legacy_users: Sighting::Seen(BTreeSet::new()),
        })
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
            let call = self.take(&writer, &step.step);
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

    /// Takes one step; what was made a moment ago may not be seen yet by the next.
    async fn take(&self, writer: &rolekeeper_aws::Writer, step: &Step) -> Result<Receipt, Fault> {
        let mut looks = 0;
        loop {
            match writer.execute(step).await {
                Err(fault) if fault.category == Category::NotFound && looks < LOOKS => looks += 1,
                answer => return answer,
            }
            pause(BETWEEN).await;
        }
    }

    /// Looks until the role reads back right; answers whether nothing at all is left.
    async fn settled(&self, ledger: &Record) -> Result<bool, Failure> {
        for _ in 0..LOOKS {
            let observation = self.look().await?;
            let difference = diff(self.spec, &observation, &OwnershipRecord::default());
            if difference.drifts.iter().all(|drift| is_beyond(drift.kind)) {
                ledger.settle(&self.spec.name, &observation).await?;
                let whole = difference.drifts.is_empty();
                let but = if whole {
                    ""
                } else {
                    ", but for its tags: they need permissions of their own"
                };
                let words = format!(
                    "The role {} reads back as specified{but}.\n",
                    self.spec.name
                );
                self.app.terminal.show(&words)?;
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

/// Tags need permissions of their own, which the FAQ's user lacks.
const fn is_beyond(kind: rolekeeper_domain::drift::DriftKind) -> bool {
    use rolekeeper_domain::drift::DriftKind;
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
