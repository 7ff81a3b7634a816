//! What the journal's records say, as JSON. A reader outside rolekeeper (a SIEM)
//! sees exactly this.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_domain::plan::Step;
use rolekeeper_engine::port::store::{
    Completion, Deed, EntryId, Intent, JournalEntry, StoreError, Subject,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::db::corrupt;
use crate::rows::{FaultRow, from_json, operation};

/// A step about to be taken.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct IntentBody {
    at: Timestamp,
    sweep: String,
    requested_by: String,
    account: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    action: String,
    resource: String,
    parameters: Value,
    preconditions: Vec<String>,
    because: Vec<String>,
    before: Option<String>,
    after: Option<String>,
}

impl IntentBody {
    pub(super) fn new(intent: &Intent<'_>) -> Result<Self, StoreError> {
        let deed = &intent.deed;
        let subject = deed.subject();
        Ok(Self {
            at: intent.at,
            sweep: intent.sweep.as_str().to_owned(),
            requested_by: intent.requested_by.to_owned(),
            account: intent.account.to_string(),
            role: subject.role().map(ToString::to_string),
            user: subject.user().map(str::to_owned),
            action: deed.operation().action(),
            resource: deed.resource(),
            parameters: from_json(&deed.parameters())?,
            preconditions: deed.preconditions(),
            because: deed
                .because()
                .iter()
                .map(|kind| kind.as_str().to_owned())
                .collect(),
            before: deed.before().map(str::to_owned),
            after: match deed {
                Deed::Role { step, .. } => after(&step.step),
                Deed::User { .. } => None,
            },
        })
    }

    /// The entry, with its end if it has one.
    pub(super) fn entry(
        self,
        id: i64,
        completion: Option<CompletionBody>,
    ) -> Result<JournalEntry, StoreError> {
        let (completed_at, completion) = match completion {
            Some(body) => (Some(body.at), Some(body.completion()?)),
            None => (None, None),
        };
        Ok(JournalEntry {
            id: EntryId(id),
            sweep: SweepId::parse(&self.sweep)
                .ok_or_else(|| corrupt(format!("`{}` as a sweep's id", self.sweep)))?,
            requested_by: self.requested_by,
            account: self
                .account
                .parse()
                .map_err(|error| corrupt(format!("{error}")))?,
            subject: subject(self.role, self.user)?,
            operation: operation(&self.action)?,
            resource: self.resource,
            parameters: self.parameters.to_string(),
            preconditions: self.preconditions,
            before: self.before,
            after: self.after,
            intended_at: self.at,
            completed_at,
            completion,
        })
    }

    /// What ownership needs of the step.
    pub(super) fn subject(&self) -> (&str, &str) {
        (&self.action, &self.resource)
    }

    /// The account it is about.
    pub(super) fn account(&self) -> Result<AccountId, StoreError> {
        self.account
            .parse()
            .map_err(|error| corrupt(format!("{error}")))
    }
}

/// What an intent was about: exactly one of the two.
fn subject(role: Option<String>, user: Option<String>) -> Result<Subject, StoreError> {
    match (role, user) {
        (Some(role), None) => role
            .parse()
            .map(Subject::Role)
            .map_err(|error| corrupt(format!("{error}"))),
        (None, Some(user)) => Ok(Subject::User(user)),
        (None, None) => Err(corrupt("a step on nothing")),
        (Some(role), Some(user)) => Err(corrupt(format!(
            "a step on the role {role} and the user {user}"
        ))),
    }
}

/// How a step ended. Repeats what the step was, so that a reader of the stream
/// need not hold the intents in memory.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct CompletionBody {
    at: Timestamp,
    entry: i64,
    account: String,
    action: String,
    resource: String,
    result: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<FaultRow>,
}

impl CompletionBody {
    pub(super) fn new(
        intent: &IntentBody,
        entry: EntryId,
        completion: &Completion,
        at: Timestamp,
    ) -> Self {
        let (result, request_id, created, fault) = match completion {
            Completion::Done {
                request_id,
                created,
            } => ("done", request_id.clone(), created.clone(), None),
            Completion::Failed(fault) => ("failed", None, None, Some(FaultRow::from(fault))),
            Completion::SettledDone => ("settled_done", None, None, None),
            Completion::SettledUndone => ("settled_undone", None, None, None),
        };
        Self {
            at,
            entry: entry.0,
            account: intent.account.clone(),
            action: intent.action.clone(),
            resource: intent.resource.clone(),
            result: result.to_owned(),
            request_id,
            created,
            fault,
        }
    }

    pub(super) fn completion(self) -> Result<Completion, StoreError> {
        match (self.result.as_str(), self.fault) {
            ("done", None) => Ok(Completion::Done {
                request_id: self.request_id,
                created: self.created,
            }),
            ("failed", Some(fault)) => fault.fault().map(Completion::Failed),
            ("settled_done", None) => Ok(Completion::SettledDone),
            ("settled_undone", None) => Ok(Completion::SettledUndone),
            (other, _) => Err(corrupt(format!("`{other}` as the end of a step"))),
        }
    }
}

/// A resource of another hand became ours.
#[derive(Debug, Serialize)]
pub(super) struct AdoptionBody<'a> {
    pub(super) at: Timestamp,
    pub(super) sweep: &'a str,
    pub(super) account: String,
    pub(super) resource: &'a str,
}

/// What the step puts in the place of [`JournalEntry::before`]: the whole document,
/// or the value.
fn after(step: &Step) -> Option<String> {
    let tags = |tags: &BTreeMap<String, String>| json!(tags).to_string();
    match step {
        Step::CreateRole { trust, .. } | Step::UpdateAssumeRolePolicy { trust, .. } => {
            Some(trust.text().to_owned())
        }
        Step::CreatePolicy { document, .. }
        | Step::CreatePolicyVersion { document, .. }
        | Step::PutRolePolicy { document, .. } => Some(document.text().to_owned()),
        Step::UpdateRole {
            description,
            max_session_duration,
            ..
        } => Some(
            json!({ "Description": description, "MaxSessionDuration": max_session_duration })
                .to_string(),
        ),
        Step::PutRolePermissionsBoundary { boundary, .. } => Some(boundary.as_str().to_owned()),
        Step::TagRole { tags: set, .. } | Step::TagPolicy { tags: set, .. } => Some(tags(set)),
        Step::AttachRolePolicy { arn, .. } => Some(arn.as_str().to_owned()),
        Step::DeleteRolePermissionsBoundary { .. }
        | Step::UntagRole { .. }
        | Step::DeleteRole { .. }
        | Step::DeletePolicyVersion { .. }
        | Step::UntagPolicy { .. }
        | Step::DeletePolicy { .. }
        | Step::DetachRolePolicy { .. }
        | Step::DeleteRolePolicy { .. } => None,
    }
}
