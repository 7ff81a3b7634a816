//! What a sweep touched, as it stood at some moment of the sweep.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Taken;
use crate::arn::Arn;
use crate::observation::{Observation, ObservedDocument, ObservedPolicy, ObservedRole, Sighting};
use crate::plan::Step;
use crate::policy::{Document, Kind};
use crate::role::PolicyName;

/// One thing that a step changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Facet {
    Role,
    Trust,
    Settings,
    Boundary,
    RoleTag(String),
    Attachment(Arn),
    Inline(PolicyName),
    Policy(Arn),
    Document(Arn),
    PolicyTag(Arn, String),
}

/// How it stands: a document's text, a value, or nothing there.
pub(super) type Standing = Option<String>;

/// The facets that are known, each as it stands.
#[derive(Clone, Debug, Default)]
pub(super) struct State(BTreeMap<Facet, Standing>);

/// There, without more to say.
pub(super) fn there() -> Standing {
    Some(String::new())
}

impl State {
    pub(super) fn of(facets: Vec<(Facet, Standing)>) -> Self {
        Self(facets.into_iter().collect())
    }

    pub(super) fn get(&self, facet: &Facet) -> Option<&Standing> {
        self.0.get(facet)
    }

    pub(super) fn set(&mut self, facet: Facet, standing: Standing) {
        self.0.insert(facet, standing);
    }

    /// Notes how a facet stood, unless something earlier is known.
    pub(super) fn set_first(&mut self, facet: Facet, standing: Standing) {
        self.0.entry(facet).or_insert(standing);
    }

    /// Sets every facet that `other` knows.
    pub(super) fn overlay(&mut self, other: &Self) {
        self.0.extend(
            other
                .0
                .iter()
                .map(|(facet, standing)| (facet.clone(), standing.clone())),
        );
    }

    /// Takes out what is not there at all when the role or policy it belongs to is not.
    pub(super) fn without_homeless(mut self) -> Self {
        let no_role = self.0.get(&Facet::Role) == Some(&None);
        let gone: Vec<Arn> = self
            .0
            .iter()
            .filter_map(|(facet, standing)| match (facet, standing) {
                (Facet::Policy(arn), None) => Some(arn.clone()),
                _ => None,
            })
            .collect();
        self.0.retain(|facet, _| match facet {
            Facet::Role | Facet::Policy(_) => true,
            Facet::Document(arn) | Facet::PolicyTag(arn, _) => !gone.contains(arn),
            Facet::Trust
            | Facet::Settings
            | Facet::Boundary
            | Facet::RoleTag(_)
            | Facet::Attachment(_)
            | Facet::Inline(_) => !no_role,
        });
        self
    }

    /// Whether the role or the policies that all of it belongs to are not there.
    pub(super) fn is_homeless(&self, observation: &Observation) -> bool {
        let no_role = matches!(observation.role, Sighting::Absent);
        self.0.keys().all(|facet| match facet {
            Facet::Role
            | Facet::Trust
            | Facet::Settings
            | Facet::Boundary
            | Facet::RoleTag(_)
            | Facet::Attachment(_)
            | Facet::Inline(_) => no_role,
            Facet::Policy(arn) | Facet::Document(arn) | Facet::PolicyTag(arn, _) => {
                matches!(observation.policies.get(arn), Some(Sighting::Absent))
            }
        })
    }

    /// What is otherwise in the account, in words; what cannot be read is otherwise too.
    pub(super) fn differences(&self, observation: &Observation) -> Vec<String> {
        self.0
            .iter()
            .filter(|(facet, standing)| !stands(facet, standing, observation))
            .map(|(facet, _)| facet.words())
            .collect()
    }
}

impl Facet {
    pub(super) fn words(&self) -> String {
        match self {
            Self::Role => "the role itself".to_owned(),
            Self::Trust => "the trust policy".to_owned(),
            Self::Settings => "the description or the session length".to_owned(),
            Self::Boundary => "the permissions boundary".to_owned(),
            Self::RoleTag(key) => format!("the role's tag {key}"),
            Self::Attachment(arn) => format!("whether {arn} is attached"),
            Self::Inline(policy) => format!("the inline policy {policy}"),
            Self::Policy(arn) => format!("the policy {arn} itself"),
            Self::Document(arn) => format!("the document of {arn}"),
            Self::PolicyTag(arn, key) => format!("the tag {key} of {arn}"),
        }
    }
}

/// Whether a facet stands so in the account.
fn stands(facet: &Facet, standing: &Standing, observation: &Observation) -> bool {
    let role = |is: &dyn Fn(&ObservedRole) -> bool| observation.role.seen().is_some_and(is);
    match facet {
        Facet::Role => match standing {
            None => matches!(observation.role, Sighting::Absent),
            // The id of the role that was made, where AWS gave it.
            Some(id) => role(&|role| id.is_empty() || role.role_id == *id),
        },
        Facet::Trust => role(&|role| same(Kind::Trust, standing.as_deref(), &role.trust)),
        Facet::Settings => role(&|role| Some(settings_text(role)) == *standing),
        Facet::Boundary => {
            role(&|role| role.boundary.as_ref().map(Arn::as_str) == standing.as_deref())
        }
        Facet::RoleTag(key) => role(&|role| role.tags.get(key) == standing.as_ref()),
        Facet::Attachment(arn) => observation
            .attachments
            .seen()
            .is_some_and(|attached| attached.contains(arn) == standing.is_some()),
        Facet::Inline(name) => {
            observation
                .inline
                .seen()
                .is_some_and(|found| match (found.get(name), standing) {
                    (None | Some(Sighting::Absent), None) => true,
                    (Some(Sighting::Seen(found)), Some(text)) => {
                        same(Kind::Identity, Some(text), found)
                    }
                    _ => false,
                })
        }
        Facet::Policy(arn) => match observation.policies.get(arn) {
            Some(Sighting::Absent) => standing.is_none(),
            Some(Sighting::Seen(found)) => standing
                .as_ref()
                .is_some_and(|id| id.is_empty() || found.policy_id == *id),
            Some(Sighting::Unread(_)) | None => false,
        },
        Facet::Document(arn) => policy(arn, observation)
            .and_then(|found| found.document.seen())
            .is_some_and(|found| same(Kind::Identity, standing.as_deref(), found)),
        Facet::PolicyTag(arn, key) => {
            policy(arn, observation).is_some_and(|found| found.tags.get(key) == standing.as_ref())
        }
    }
}

fn policy<'a>(arn: &Arn, observation: &'a Observation) -> Option<&'a ObservedPolicy> {
    observation.policies.get(arn).and_then(Sighting::seen)
}

/// Whether the text means what was found; a text that is no policy is compared as it is.
fn same(kind: Kind, text: Option<&str>, found: &ObservedDocument) -> bool {
    let Some(text) = text else { return false };
    match (Document::parse(kind, text), found) {
        (Ok(wanted), ObservedDocument::Valid(found)) => wanted.fingerprint() == found.fingerprint(),
        _ => text == found.text(),
    }
}

fn settings_text(role: &ObservedRole) -> String {
    settings(&role.description, role.max_session_duration)
}

pub(super) fn settings(description: &str, max_session_duration: u32) -> String {
    format!("{max_session_duration} {description}")
}

/// What a step leaves behind, facet by facet.
pub(super) fn after(taken: &Taken) -> Vec<(Facet, Standing)> {
    let made = || Some(taken.created.clone().unwrap_or_default());
    match &taken.step {
        Step::CreateRole {
            trust,
            description,
            max_session_duration,
            boundary,
            tags,
            ..
        } => {
            let mut all = vec![
                (Facet::Role, made()),
                (Facet::Trust, Some(trust.text().to_owned())),
                (Facet::Boundary, boundary.as_ref().map(ToString::to_string)),
            ];
            if let (Some(description), Some(seconds)) = (description, max_session_duration) {
                all.push((Facet::Settings, Some(settings(description, *seconds))));
            }
            all.extend(
                tags.iter()
                    .map(|(key, value)| (Facet::RoleTag(key.clone()), Some(value.clone()))),
            );
            all
        }
        Step::DeleteRole { .. } => vec![(Facet::Role, None)],
        Step::UpdateAssumeRolePolicy { trust, .. } => {
            vec![(Facet::Trust, Some(trust.text().to_owned()))]
        }
        Step::UpdateRole {
            description,
            max_session_duration,
            ..
        } => {
            vec![(
                Facet::Settings,
                Some(settings(description, *max_session_duration)),
            )]
        }
        Step::PutRolePermissionsBoundary { boundary, .. } => {
            vec![(Facet::Boundary, Some(boundary.to_string()))]
        }
        Step::DeleteRolePermissionsBoundary { .. } => vec![(Facet::Boundary, None)],
        Step::TagRole { tags, .. } => tags
            .iter()
            .map(|(key, value)| (Facet::RoleTag(key.clone()), Some(value.clone())))
            .collect(),
        Step::UntagRole { keys, .. } => keys
            .iter()
            .map(|key| (Facet::RoleTag(key.clone()), None))
            .collect(),
        Step::CreatePolicy {
            arn,
            document,
            tags,
            ..
        } => {
            let mut all = vec![
                (Facet::Policy(arn.clone()), made()),
                (
                    Facet::Document(arn.clone()),
                    Some(document.text().to_owned()),
                ),
            ];
            all.extend(tags.iter().map(|(key, value)| {
                (
                    Facet::PolicyTag(arn.clone(), key.clone()),
                    Some(value.clone()),
                )
            }));
            all
        }
        Step::CreatePolicyVersion { arn, document } => {
            vec![(
                Facet::Document(arn.clone()),
                Some(document.text().to_owned()),
            )]
        }
        // An idle version is no facet.
        Step::DeletePolicyVersion { .. } => Vec::new(),
        Step::DeletePolicy { arn } => vec![(Facet::Policy(arn.clone()), None)],
        Step::TagPolicy { arn, tags } => tags
            .iter()
            .map(|(key, value)| {
                (
                    Facet::PolicyTag(arn.clone(), key.clone()),
                    Some(value.clone()),
                )
            })
            .collect(),
        Step::UntagPolicy { arn, keys } => keys
            .iter()
            .map(|key| (Facet::PolicyTag(arn.clone(), key.clone()), None))
            .collect(),
        Step::AttachRolePolicy { arn, .. } => vec![(Facet::Attachment(arn.clone()), there())],
        Step::DetachRolePolicy { arn, .. } => vec![(Facet::Attachment(arn.clone()), None)],
        Step::PutRolePolicy {
            policy, document, ..
        } => {
            vec![(
                Facet::Inline(policy.clone()),
                Some(document.text().to_owned()),
            )]
        }
        Step::DeleteRolePolicy { policy, .. } => vec![(Facet::Inline(policy.clone()), None)],
    }
}

/// What stood there before a step, facet by facet, as the journal kept it.
pub(super) fn before(taken: &Taken) -> Result<Vec<(Facet, Standing)>, String> {
    let text = taken.before.clone();
    let json = || -> Result<Value, String> {
        let text = taken
            .before
            .as_deref()
            .ok_or("the journal does not say what stood there before")?;
        serde_json::from_str(text).map_err(|error| error.to_string())
    };
    Ok(match &taken.step {
        Step::CreateRole { .. } => vec![(Facet::Role, None)],
        Step::DeleteRole { .. } => role_before(&json()?),
        Step::UpdateAssumeRolePolicy { .. } => vec![(Facet::Trust, text)],
        Step::UpdateRole { .. } => {
            let value = json()?;
            vec![(Facet::Settings, settings_before(&value))]
        }
        Step::PutRolePermissionsBoundary { .. } | Step::DeleteRolePermissionsBoundary { .. } => {
            vec![(Facet::Boundary, text)]
        }
        Step::TagRole { .. } | Step::UntagRole { .. } => tags(&json()?, Facet::RoleTag),
        Step::CreatePolicy { arn, .. } => vec![(Facet::Policy(arn.clone()), None)],
        Step::CreatePolicyVersion { arn, .. } => {
            vec![(Facet::Document(arn.clone()), text)]
        }
        Step::DeletePolicyVersion { .. } => Vec::new(),
        Step::DeletePolicy { arn } => {
            let value = json()?;
            let document = value
                .get("document")
                .and_then(Value::as_str)
                .map(str::to_owned);
            let mut all = vec![
                (Facet::Policy(arn.clone()), there()),
                (Facet::Document(arn.clone()), document),
            ];
            let key = |key| Facet::PolicyTag(arn.clone(), key);
            all.extend(
                value
                    .get("tags")
                    .map(|value| tags(value, key))
                    .unwrap_or_default(),
            );
            all
        }
        Step::TagPolicy { arn, .. } | Step::UntagPolicy { arn, .. } => {
            tags(&json()?, |key| Facet::PolicyTag(arn.clone(), key))
        }
        Step::AttachRolePolicy { arn, .. } => vec![(Facet::Attachment(arn.clone()), None)],
        Step::DetachRolePolicy { arn, .. } => vec![(Facet::Attachment(arn.clone()), there())],
        Step::PutRolePolicy { policy, .. } | Step::DeleteRolePolicy { policy, .. } => {
            vec![(Facet::Inline(policy.clone()), text)]
        }
    })
}

fn role_before(value: &Value) -> Vec<(Facet, Standing)> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut all = vec![
        (Facet::Role, there()),
        (Facet::Trust, text("trust")),
        (Facet::Settings, settings_before(value)),
        (Facet::Boundary, text("boundary")),
    ];
    all.extend(
        value
            .get("tags")
            .map(|value| tags(value, Facet::RoleTag))
            .unwrap_or_default(),
    );
    all
}

fn settings_before(value: &Value) -> Standing {
    let description = value.get("description")?.as_str()?;
    let seconds = u32::try_from(value.get("max_session_duration")?.as_u64()?).ok()?;
    Some(settings(description, seconds))
}

fn tags(value: &Value, facet: impl Fn(String) -> Facet) -> Vec<(Facet, Standing)> {
    let tags = value.as_object().into_iter().flatten();
    tags.map(|(key, value)| (facet(key.clone()), value.as_str().map(str::to_owned)))
        .collect()
}
