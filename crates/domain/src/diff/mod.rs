//! How what was seen differs from what is wanted.
//!
//! One file for each facet. What could not be read is never drift: it is
//! [`Blind`], and while anything is blind nothing is repaired.

mod absent;
mod attachments;
mod boundary;
mod inline;
mod meaning;
mod policies;
mod settings;
mod trust;
mod wants;

use std::collections::BTreeMap;

use crate::drift::{Blind, Diff, Drift, DriftKind, Severity};
use crate::fault::Fault;
use crate::observation::{Observation, ObservedRole, Sighting};
use crate::ownership::OwnershipRecord;
use crate::role::{Ensure, RoleName, RoleSpec};

pub(crate) use attachments::unexpected_attachments;
pub(crate) use inline::unexpected_inline;
pub(crate) use meaning::{Meaning, drifted, meaning, within_spec};
pub(crate) use policies::oldest_idle_version;
pub(crate) use settings::tag_changes;
pub(crate) use trust::observed_trust;
pub use wants::{Wants, wants};

/// Compares an observation with its specification.
///
/// Drifts come the worst first, and in a fixed order among equals. Only the tags that the
/// specification names are compared, and the owner tag is not among them: adopting writes
/// nothing to AWS, so a role that is ours by adoption may lack it.
pub fn diff(spec: &RoleSpec, observation: &Observation, record: &OwnershipRecord) -> Diff {
    let mut findings = Findings::new(&spec.name);
    match spec.ensure {
        Ensure::Present => present(spec, observation, &mut findings),
        Ensure::Absent => absent::compare(spec, observation, record, &mut findings),
    }
    legacy_users(observation, &mut findings);
    findings.into_diff()
}

fn present(spec: &RoleSpec, observation: &Observation, findings: &mut Findings<'_>) {
    match &observation.role {
        Sighting::Seen(role) => {
            facets_of_role(spec, role, observation, findings);
            attachments::compare(spec, observation, findings);
            inline::compare(spec, observation, findings);
        }
        Sighting::Absent => findings.add(
            DriftKind::RoleMissing,
            Severity::High,
            Words::new(format!(
                "the role {} does not exist, so nobody can use it",
                spec.name
            ))
            .after(spec.arn(observation.account).to_string()),
        ),
        Sighting::Unread(fault) => findings.blind("role", fault),
    }
    policies::compare(spec, observation, findings);
}

fn facets_of_role(
    spec: &RoleSpec,
    role: &ObservedRole,
    observation: &Observation,
    findings: &mut Findings<'_>,
) {
    trust::compare(spec, role, observation.account, findings);
    boundary::compare(spec, role, findings);
    settings::compare(spec, role, findings);
}

fn legacy_users(observation: &Observation, findings: &mut Findings<'_>) {
    match &observation.legacy_users {
        Sighting::Seen(users) => {
            for user in users {
                findings.add(
                    DriftKind::LegacyUser,
                    Severity::Critical,
                    Words::new(format!(
                        "the temporary IAM user {user} is still there: whoever has its keys can make roles and \
                         attach policies; `rolekeeper retire-user {user}` ends that"
                    ))
                    .subject(user)
                    .before(user.clone()),
                );
            }
        }
        Sighting::Absent => {}
        Sighting::Unread(fault) => findings.blind("legacy users", fault),
    }
}

/// The text of one drift, beside its kind and severity.
pub(crate) struct Words {
    subject: Option<String>,
    explanation: String,
    before: Option<String>,
    after: Option<String>,
}

impl Words {
    pub(crate) const fn new(explanation: String) -> Self {
        Self {
            subject: None,
            explanation,
            before: None,
            after: None,
        }
    }

    pub(crate) fn subject(mut self, subject: impl ToString) -> Self {
        self.subject = Some(subject.to_string());
        self
    }

    pub(crate) fn before(mut self, before: impl Into<String>) -> Self {
        self.before = Some(before.into());
        self
    }

    pub(crate) fn after(mut self, after: impl Into<String>) -> Self {
        self.after = Some(after.into());
        self
    }
}

/// What the facets found so far.
pub(crate) struct Findings<'a> {
    role: &'a RoleName,
    diff: Diff,
}

impl<'a> Findings<'a> {
    fn new(role: &'a RoleName) -> Self {
        Self {
            role,
            diff: Diff::default(),
        }
    }

    pub(crate) fn add(&mut self, kind: DriftKind, severity: Severity, words: Words) {
        let Words {
            subject,
            explanation,
            before,
            after,
        } = words;
        self.diff.drifts.push(Drift {
            role: self.role.clone(),
            kind,
            subject,
            severity,
            explanation,
            before,
            after,
        });
    }

    /// Something could not be read. One line for each part, however many calls failed.
    pub(crate) fn blind(&mut self, facet: &'static str, fault: &Fault) {
        if !self.diff.blind.iter().any(|blind| blind.facet == facet) {
            self.diff.blind.push(Blind {
                facet,
                fault: fault.clone(),
            });
        }
    }

    pub(crate) fn tolerate(&mut self, what: String) {
        self.diff.tolerated.push(what);
    }

    fn into_diff(mut self) -> Diff {
        self.diff.drifts.sort_by(|a, b| {
            (b.severity, a.kind, &a.subject).cmp(&(a.severity, b.kind, &b.subject))
        });
        self.diff
    }
}

/// `a=1, b absent`, or `none`.
pub(crate) fn tag_text(tags: &BTreeMap<String, Option<String>>) -> String {
    let words: Vec<String> = tags
        .iter()
        .map(|(key, value)| match value {
            Some(value) => format!("{key}={value}"),
            None => format!("{key} absent"),
        })
        .collect();
    words.join(", ")
}
