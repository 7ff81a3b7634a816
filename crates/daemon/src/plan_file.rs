//! A plan kept in a file: exactly what a person has read, to be carried out later or refused.
//!
//! The file says each step with its parameters and preconditions; its digest is what
//! `apply` goes by. Where an account has changed in between, its plan has another
//! digest, and nothing is done there.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepRecord;
use rolekeeper_domain::plan::{Plan, PlannedStep};
use rolekeeper_domain::role::RoleName;
use rolekeeper_engine::SavedPlans;
use rolekeeper_engine::event::{Event, EventSink};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;

/// The form of the file and its version.
const SCHEMA: &str = "rolekeeper.plan/v1";

/// The largest file that is read: 50,000 accounts with a full plan each stay below it.
const MOST_BYTES: u64 = 1 << 30;

/// A saved plan.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanFile {
    schema: String,
    /// The audit it comes from.
    sweep: String,
    /// When that audit began.
    made_at: String,
    /// What was wanted when it was made, as a digest of the roles' specifications.
    spec_revision: String,
    /// Whether it was made for all selected accounts.
    #[serde(default)]
    for_everybody: bool,
    /// What the specifications give beyond those that were agreed to when it was made.
    #[serde(default)]
    widens: Vec<String>,
    plans: Vec<Entry>,
}

/// The plan for one role in one account.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    account_id: String,
    role: String,
    digest: String,
    steps: Vec<Step>,
    withheld: Vec<Withheld>,
    /// Where it gives somebody more than now.
    widens: Vec<String>,
}

/// What any of rolekeeper's documents says of itself.
#[derive(Deserialize)]
struct Named {
    schema: String,
}

/// One step.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
struct Step {
    action: String,
    resource: String,
    /// Names and values, in IAM's words; a name may come several times (tags).
    parameters: Vec<(String, String)>,
    preconditions: Vec<String>,
    because: Vec<String>,
}

/// One step that will not be taken.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
struct Withheld {
    action: String,
    resource: String,
    reason: String,
}

fn unwritable(path: &Path, problem: std::io::Error) -> Failure {
    Failure::new(format!("{} cannot be written: {problem}", path.display()))
}

/// Looks whether a plan can be written there, before a long sweep is made for it.
pub(crate) fn can_be_made(path: &Path) -> Result<(), Failure> {
    let is_new = !path.exists();
    open(path, false).map_err(|problem| unwritable(path, problem))?;
    if is_new {
        // It is made anew when there is something to write into it.
        std::fs::remove_file(path).map_err(|problem| unwritable(path, problem))?;
    }
    Ok(())
}

/// For this user's eyes alone: trust policies hold the external id.
fn open(path: &Path, truncate: bool) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(truncate);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl PlanFile {
    /// What an audit found to do.
    pub(crate) fn new(sweep: &SweepRecord, spec_revision: &str, mut plans: Vec<Plan>) -> Self {
        plans.sort_by(|a, b| (a.account, &a.role).cmp(&(b.account, &b.role)));
        Self {
            schema: SCHEMA.to_owned(),
            sweep: sweep.id.to_string(),
            made_at: sweep.started_at.to_string(),
            spec_revision: spec_revision.to_owned(),
            for_everybody: false,
            widens: sweep.widens.clone(),
            plans: plans
                .iter()
                .filter(|plan| !plan.is_empty())
                .map(Entry::of)
                .collect(),
        }
    }

    /// The same, made for all selected accounts or not.
    pub(crate) fn for_everybody(self, for_everybody: bool) -> Self {
        Self {
            for_everybody,
            ..self
        }
    }

    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let failed = |problem| unwritable(path, problem);
        let text = serde_json::to_string_pretty(self).map_err(|problem| failed(problem.into()))?;
        let mut file = open(path, true).map_err(failed)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.sync_all())
            .map_err(failed)
    }

    /// Reads the file and makes sure that it still says what it said when it was made.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let place = path.display();
        let failed = |problem: std::io::Error| {
            Failure::new(format!("the plan file {place} cannot be read: {problem}"))
        };
        let length = std::fs::metadata(path).map_err(failed)?.len();
        if length > MOST_BYTES {
            return Err(Failure::new(format!(
                "the plan file {place} is larger than any plan: {length} bytes"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let file: Self = serde_json::from_str(&text).map_err(|problem| {
            let problem = match serde_json::from_str(&text) {
                Ok(Named { schema }) if schema != SCHEMA => format!("it is a {schema}"),
                _ => problem.to_string(),
            };
            Failure::new(format!("{place} is no plan file: {problem}"))
                .with_help("`rolekeeper plan --out FILE` makes one")
        })?;
        if file.schema != SCHEMA {
            return Err(Failure::new(format!(
                "{place} is of the form {}, and this version reads {SCHEMA}",
                file.schema
            )));
        }
        for entry in &file.plans {
            entry
                .ids()
                .map_err(|problem| Failure::new(format!("{place}: {problem}")))?;
            if entry.recomputed() != entry.digest {
                return Err(Failure::new(format!(
                    "{place} was changed after it was made: the plan for {} in {} does not have its digest any more",
                    entry.role, entry.account_id
                ))
                .with_help("make a new one with `rolekeeper plan --out FILE`"));
            }
        }
        Ok(file)
    }

    /// Whether it was made for another specification.
    pub(crate) fn is_for(&self, spec_revision: &str) -> bool {
        self.spec_revision == spec_revision
    }

    /// Whether it was made for all selected accounts.
    pub(crate) const fn is_for_everybody(&self) -> bool {
        self.for_everybody
    }

    /// The digests that `apply` goes by.
    pub(crate) fn saved(&self) -> SavedPlans {
        let mut saved = SavedPlans::default().made_for_everybody(self.for_everybody);
        for entry in &self.plans {
            if let Ok((account, role)) = entry.ids() {
                saved.add(account, role, entry.digest.clone());
            }
        }
        saved
    }
}

impl Entry {
    fn of(plan: &Plan) -> Self {
        Self {
            account_id: plan.account.to_string(),
            role: plan.role.to_string(),
            digest: plan.digest(),
            steps: plan.steps.iter().map(Step::of).collect(),
            withheld: plan
                .withheld
                .iter()
                .map(|withheld| Withheld {
                    action: withheld.operation.action(),
                    resource: withheld.resource.clone(),
                    reason: withheld.reason.clone(),
                })
                .collect(),
            widens: plan.widens.clone(),
        }
    }

    fn ids(&self) -> Result<(AccountId, RoleName), String> {
        let account = self
            .account_id
            .parse()
            .map_err(|problem| format!("{problem}"))?;
        let role = self.role.parse().map_err(|problem| format!("{problem}"))?;
        Ok((account, role))
    }

    /// The digest of what the file says, as [`Plan::digest`] makes it.
    fn recomputed(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{} {}\n", self.account_id, self.role));
        for step in &self.steps {
            hash.update(format!("{}\n", step.action));
            for (name, value) in &step.parameters {
                hash.update(format!("  {name} {}:{value}\n", value.len()));
            }
            for precondition in &step.preconditions {
                hash.update(format!("  if {precondition}\n"));
            }
        }
        hash.finalize()
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                let _infallible = write!(text, "{byte:02x}");
                text
            })
    }
}

impl Step {
    fn of(planned: &PlannedStep) -> Self {
        Self {
            action: planned.step.operation().action(),
            resource: planned.step.resource(),
            parameters: planned
                .step
                .parameters()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            preconditions: planned
                .preconditions
                .iter()
                .map(ToString::to_string)
                .collect(),
            because: planned.because.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Gathers the plans of a sweep as they are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<Plan>>>);

impl Collector {
    /// What was gathered.
    pub(crate) fn take(&self) -> Vec<Plan> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl EventSink for Collector {
    fn emit(&self, event: &Event) {
        if let Event::Planned { plan, .. } = event {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(plan.as_ref().clone());
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use rolekeeper_domain::plan::{Band, Precondition, Step as DomainStep};

    use super::*;

    fn plan() -> Plan {
        let account: AccountId = "111111111111".parse().unwrap();
        let role: RoleName = "Auditor".parse().unwrap();
        let arn: rolekeeper_domain::arn::Arn =
            "arn:aws:iam::aws:policy/ReadOnlyAccess".parse().unwrap();
        let mut plan = Plan::empty(account, role.clone());
        plan.steps.push(PlannedStep {
            step: DomainStep::AttachRolePolicy {
                role,
                arn: arn.clone(),
            },
            band: Band::Widen,
            preconditions: vec![
                Precondition::RoleIs {
                    role_id: "AROAEXAMPLE".to_owned(),
                },
                Precondition::NotAttached { arn },
            ],
            because: vec![rolekeeper_domain::drift::DriftKind::AttachmentMissing],
            before: None,
        });
        plan
    }

    #[test]
    fn file_has_the_digest_that_the_engine_goes_by() {
        let entry = Entry::of(&plan());
        assert_eq!(entry.recomputed(), plan().digest());
    }

    #[test]
    fn edited_step_is_found_out() {
        let mut entry = Entry::of(&plan());
        let step = entry.steps.first_mut().unwrap();
        step.preconditions.pop();
        assert_ne!(entry.recomputed(), entry.digest);
    }
}
