//! What the record says of an account that six permissions show little of: they neither read what a policy
//! says nor list what is attached to a role.

use std::collections::{BTreeMap, BTreeSet};

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::observation::{ObservedDocument, ObservedPolicy};
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_domain::plan::Step;
use rolekeeper_domain::policy::Document;
use rolekeeper_domain::record;
use rolekeeper_domain::role::RoleName;
use rolekeeper_engine::port::store::{Completion, Journal as _, JournalEntry, StoreError};
use rolekeeper_store::Store;

/// The version that AWS makes with a policy.
const FIRST: &str = "v1";

/// Entries read at a time.
const PAGE: u32 = 500;

/// A policy that a run made.
#[derive(Debug)]
struct Made {
    /// Its unique id, from AWS's answer.
    id: String,
    document: Document,
}

/// What earlier runs and this one did, as far as it stands.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// None: the record does not say what it says now. It was changed since it was made, or the answer that would
    /// name it was lost: what is there by its name may be a stranger's.
    policies: BTreeMap<Arn, Option<Made>>,
    /// What this run attached to the role.
    attached: BTreeSet<Arn>,
    /// Whether this run made the role: nothing is in it that this run did not put there.
    born: bool,
}

impl Known {
    /// Reads the record of one role in the account.
    pub(super) async fn read(
        store: &Store,
        account: AccountId,
        role: &RoleName,
        run: Option<&SweepId>,
    ) -> Result<Self, StoreError> {
        let mut known = Self::default();
        let mut before = None;
        loop {
            let page = store.history(account, before, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(known);
            };
            before = Some(last.id);
            for entry in &page {
                known.add(entry, role, run);
            }
        }
    }

    /// Entries come the newest first: an older one says nothing any more.
    fn add(&mut self, entry: &JournalEntry, role: &RoleName, run: Option<&SweepId>) {
        let (took, id) = match &entry.completion {
            Some(Completion::Done { created, .. }) => (true, created.clone()),
            Some(Completion::SettledDone) | None => (true, None),
            Some(Completion::Failed(_) | Completion::SettledUndone) => (false, None),
        };
        if !took {
            return;
        }
        let Ok(step) = record::step(entry.operation, &entry.parameters) else {
            return;
        };
        let answered = matches!(entry.completion, Some(Completion::Done { .. }));
        let by_this_run = answered && run == Some(&entry.sweep);
        match step {
            Step::CreatePolicy { arn, document, .. } => {
                let made = id.map(|id| Made { id, document });
                self.policies.entry(arn).or_insert(made);
            }
            Step::CreatePolicyVersion { arn, .. } | Step::DeletePolicy { arn } => {
                self.policies.entry(arn).or_insert(None);
            }
            Step::AttachRolePolicy { arn, role: on } if by_this_run && on == *role => {
                self.attached.insert(arn);
            }
            Step::CreateRole { role: made, .. } if by_this_run && made == *role => {
                self.born = true;
            }
            _ => {}
        }
    }

    /// What the policy says, if a run made it as it is: it is the one that was made, and its first version, which
    /// nobody can change, is in force.
    pub(super) fn document(&self, found: &ObservedPolicy) -> Option<ObservedDocument> {
        let made = self.policies.get(&found.arn)?.as_ref()?;
        let same = made.id == found.policy_id;
        let first = found.default_version_id == FIRST;
        (same && first).then(|| ObservedDocument::Valid(made.document.clone()))
    }

    /// What this run attached. What others attached, or detached since an earlier run, is not in the record.
    pub(super) const fn attached(&self) -> &BTreeSet<Arn> {
        &self.attached
    }

    /// Whether this run made the role.
    pub(super) const fn born(&self) -> bool {
        self.born
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use jiff::Timestamp;
    use rolekeeper_domain::call::Operation;
    use rolekeeper_domain::fault::{Category, Fault};
    use rolekeeper_domain::observation::Sighting;
    use rolekeeper_domain::policy::Kind;
    use rolekeeper_engine::port::store::{EntryId, Subject};

    use super::*;

    const TEXT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
    const ARN: &str = "arn:aws:iam::123456789012:policy/Audit";

    fn entry(step: &Step, completion: Option<Completion>) -> Result<JournalEntry, Box<dyn Error>> {
        Ok(JournalEntry {
            id: EntryId(1),
            sweep: sweep()?,
            requested_by: "ann".to_owned(),
            account: "123456789012".parse()?,
            subject: Subject::Role("Auditor".parse()?),
            operation: step.operation(),
            resource: step.resource(),
            parameters: record::parameters(step).to_string(),
            preconditions: Vec::new(),
            before: None,
            after: None,
            intended_at: Timestamp::UNIX_EPOCH,
            completed_at: None,
            completion,
        })
    }

    fn sweep() -> Result<SweepId, Box<dyn Error>> {
        Ok(SweepId::parse("sweep-1").ok_or("a sweep's id")?)
    }

    fn done(id: &str) -> Completion {
        Completion::Done {
            request_id: None,
            created: Some(id.to_owned()),
        }
    }

    fn found(id: &str, version: &str) -> Result<ObservedPolicy, Box<dyn Error>> {
        Ok(ObservedPolicy {
            arn: ARN.parse()?,
            policy_id: id.to_owned(),
            default_version_id: version.to_owned(),
            document: Sighting::Absent,
            tags: BTreeMap::new(),
            attachment_count: 3,
            versions: None,
        })
    }

    #[test]
    fn only_what_a_run_made_and_nobody_changed_is_known() -> Result<(), Box<dyn Error>> {
        let role: RoleName = "Auditor".parse()?;
        let create = Step::CreatePolicy {
            arn: ARN.parse()?,
            name: "Audit".parse()?,
            path: "/".parse()?,
            document: Document::parse(Kind::Identity, TEXT)?,
            tags: BTreeMap::new(),
        };
        let failed = Completion::Failed(Fault::new(Category::Conflict, "it is there already"));
        let rows = [
            (Some(done("ANPA1")), "ANPA1", "v1", true),
            // Deleted, and made anew by somebody else.
            (Some(done("ANPA1")), "ANPA2", "v1", false),
            // Somebody gave it another version.
            (Some(done("ANPA1")), "ANPA1", "v2", false),
            // The answer was lost, and with it the id: whose policy this is, nobody knows.
            (Some(Completion::SettledDone), "ANPA1", "v1", false),
            (None, "ANPA1", "v1", false),
            (Some(failed), "ANPA1", "v1", false),
            (Some(Completion::SettledUndone), "ANPA1", "v1", false),
        ];
        for (completion, id, version, expected) in rows {
            let shown = format!("{completion:?} {id} {version}");
            let mut known = Known::default();
            known.add(&entry(&create, completion)?, &role, None);
            let document = known.document(&found(id, version)?);
            assert_eq!(document.is_some(), expected, "{shown}");
        }
        // The newest entry counts, and they come the newest first.
        let mut known = Known::default();
        let deleted = Step::DeletePolicy { arn: ARN.parse()? };
        known.add(&entry(&deleted, Some(done("")))?, &role, None);
        known.add(&entry(&create, Some(done("ANPA1")))?, &role, None);
        assert!(known.document(&found("ANPA1", "v1")?).is_none());
        Ok(())
    }

    #[test]
    fn attached_is_what_this_run_attached() -> Result<(), Box<dyn Error>> {
        let role: RoleName = "Auditor".parse()?;
        let attach = Step::AttachRolePolicy {
            role: role.clone(),
            arn: ARN.parse()?,
        };
        assert_eq!(attach.operation(), Operation::AttachRolePolicy);
        let this = sweep()?;
        let another = SweepId::parse("sweep-2").ok_or("a sweep's id")?;
        let rows = [
            (Some(done("")), Some(&this), true),
            (Some(done("")), Some(&another), false),
            (Some(done("")), None, false),
            (None, Some(&this), false),
        ];
        for (completion, run, expected) in rows {
            let mut known = Known::default();
            known.add(&entry(&attach, completion)?, &role, run);
            assert_eq!(!known.attached().is_empty(), expected, "{run:?}");
            assert!(!known.born());
        }
        Ok(())
    }
}
