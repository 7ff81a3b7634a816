//! A role as the configuration describes it, and its way into one account.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::filler::Filler;
use super::rotation::{Ids, NextExternalId, Rotation, RotationGoal};
use super::substitute::placeholders;
use crate::account::AccountId;
use crate::arn::Partition;
use crate::limits;
use crate::policy::{Document, Kind};
use crate::role::{
    Adopt, Boundary, Ensure, Extras, IamPath, ManagedPolicySpec, PolicyName, RoleName, RoleSpec,
};

/// What the vendor presents as `sts:ExternalId`. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalId(pub(super) String);

impl ExternalId {
    /// The external id of that text.
    ///
    /// # Errors
    ///
    /// When IAM would not take it: 2 to 1,224 characters of letters, digits and `_+=,.@:/-`.
    /// The error does not repeat the text.
    pub fn new(text: &str) -> Result<Self, TemplateError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte);
        let length = limits::EXTERNAL_ID_SHORTEST..=limits::EXTERNAL_ID_LONGEST;
        if length.contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TemplateError::new(
                "external_id",
                "it has to have 2 to 1224 characters of letters, digits and _+=,.@:/-",
            ))
        }
    }
}

impl fmt::Debug for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExternalId(hidden)")
    }
}

/// The boundary as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BoundaryTemplate {
    /// Left alone.
    #[default]
    Unmanaged,
    /// There must be none.
    None,
    /// The ARN, with placeholders.
    Policy(String),
}

/// A managed policy as configured.
#[derive(Clone, Debug)]
pub struct ManagedPolicyTemplate {
    /// Its name.
    pub name: PolicyName,
    /// Its path.
    pub path: IamPath,
    /// What it says, with placeholders.
    pub document: String,
    /// Its tags, values with placeholders.
    pub tags: BTreeMap<String, String>,
}

/// One `[[roles]]` entry: a [`RoleSpec`] with placeholders still in its texts.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "the fields are those of RoleSpec, as texts with placeholders"
)]
pub struct SpecTemplate {
    pub name: RoleName,
    pub path: IamPath,
    pub ensure: Ensure,
    pub trust: String,
    pub description: Option<String>,
    pub max_session_duration: Option<u32>,
    pub boundary: BoundaryTemplate,
    pub tags: BTreeMap<String, String>,
    pub managed_policies: Vec<ManagedPolicyTemplate>,
    pub attach: Vec<String>,
    pub inline: BTreeMap<PolicyName, String>,
    pub extras: Extras,
    pub adopt: Adopt,
    pub tolerate: Vec<String>,
    pub legacy_users: BTreeSet<String>,
    pub vendor_account_id: Option<AccountId>,
    pub external_id: Option<ExternalId>,
    pub next_external_id: Option<NextExternalId>,
}

/// What is the same in all accounts of one organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The partition, from the caller's own ARN.
    pub partition: Partition,
    /// The hub account, from the caller's own ARN.
    pub hub_account_id: AccountId,
    /// The organization's id, where there is an organization.
    pub organization_id: Option<String>,
}

/// Why a template does not make a specification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {problem}")]
pub struct TemplateError {
    /// Which part of the entry, such as `trust_policy` or `managed_policies Audit`.
    pub part: String,
    /// What is wrong with it.
    pub problem: String,
}

impl TemplateError {
    pub(super) fn new(part: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self {
            part: part.into(),
            problem: problem.to_string(),
        }
    }
}

impl SpecTemplate {
    /// Ties the template to an organization, and checks it whole with the hub's
    /// account id standing in for any account's.
    ///
    /// Where nothing depends on the account the specification is made once and shared by all accounts.
    ///
    /// # Errors
    ///
    /// The first part that does not make a specification: an unknown placeholder, one without a value, a document
    /// that does not parse or is too long for IAM, an ARN of another partition.
    pub fn bind(self, binding: Binding) -> Result<BoundTemplate, TemplateError> {
        let per_account = self.uses_account()?;
        let bound = BoundTemplate {
            template: self,
            binding,
            shared: None,
        };
        let sample = bound.resolve(bound.binding.hub_account_id, bound.ids())?;
        bound.rotation(bound.binding.hub_account_id)?;
        let shared = (!per_account).then(|| Arc::new(sample));
        Ok(BoundTemplate { shared, ..bound })
    }

    fn uses_account(&self) -> Result<bool, TemplateError> {
        for (part, text) in self.texts() {
            let used = placeholders(text).map_err(|unknown| TemplateError::new(part, unknown))?;
            if used.contains("account_id") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn texts(&self) -> Vec<(String, &str)> {
        let mut all: Vec<(String, &str)> = vec![("trust_policy".to_owned(), &self.trust)];
        all.extend(
            self.description
                .iter()
                .map(|text| ("description".to_owned(), text.as_str())),
        );
        if let BoundaryTemplate::Policy(arn) = &self.boundary {
            all.push(("permissions_boundary".to_owned(), arn));
        }
        all.extend(
            self.tags
                .iter()
                .map(|(key, value)| (format!("tags {key}"), value.as_str())),
        );
        for policy in &self.managed_policies {
            all.push((
                format!("managed_policies {}", policy.name),
                &policy.document,
            ));
            let tags = policy.tags.iter();
            all.extend(tags.map(|(key, value)| {
                (
                    format!("managed_policies {} tags {key}", policy.name),
                    value.as_str(),
                )
            }));
        }
        all.extend(
            self.attach
                .iter()
                .map(|arn| ("attach".to_owned(), arn.as_str())),
        );
        all.extend(
            self.inline
                .iter()
                .map(|(name, text)| (format!("inline {name}"), text.as_str())),
        );
        all.extend(
            self.tolerate
                .iter()
                .map(|text| ("tolerate".to_owned(), text.as_str())),
        );
        all
    }
}

/// A template tied to an organization: makes the specification of any of its accounts.
#[derive(Clone, Debug)]
pub struct BoundTemplate {
    template: SpecTemplate,
    binding: Binding,
    shared: Option<Arc<RoleSpec>>,
}

impl BoundTemplate {
    /// The template.
    pub const fn template(&self) -> &SpecTemplate {
        &self.template
    }

    /// Whether the specification is the same in every account.
    pub const fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// The specification in one account.
    ///
    /// # Errors
    ///
    /// When it is invalid there alone: a document that becomes too long, an ARN that does not parse.
    pub fn in_account(&self, account: AccountId) -> Result<Arc<RoleSpec>, TemplateError> {
        match &self.shared {
            Some(shared) => Ok(Arc::clone(shared)),
            None => self.resolve(account, self.ids()).map(Arc::new),
        }
    }

    /// The specification in one account while its external id has to stay accepted beside the next.
    ///
    /// # Errors
    ///
    /// As [`BoundTemplate::in_account`].
    pub fn meanwhile_in_account(&self, account: AccountId) -> Result<Arc<RoleSpec>, TemplateError> {
        match &self.template.next_external_id {
            Some(next) if next.goal == RotationGoal::NextOnly => {
                self.resolve(account, Ids::Both).map(Arc::new)
            }
            Some(_) | None => self.in_account(account),
        }
    }

    /// The rotation of the external id in one account; none when there is none.
    ///
    /// # Errors
    ///
    /// When there is nothing to rotate: no present id, the same id, a trust policy that does not ask for it.
    pub fn rotation(&self, account: AccountId) -> Result<Option<Rotation>, TemplateError> {
        let template = &self.template;
        let Some(next) = &template.next_external_id else {
            return Ok(None);
        };
        let wrong = |problem: &str| Err(TemplateError::new("next_external_id", problem));
        match &template.external_id {
            None => return wrong("there is no external_id that it could follow"),
            Some(present) if *present == next.id => {
                return wrong("it is the same as external_id: a rotation needs another one");
            }
            Some(_) => {}
        }
        if template.ensure == Ensure::Absent {
            return Ok(None);
        }
        let trust = |ids| self.resolve(account, ids).map(|spec| spec.trust);
        let (present, both, next_only) =
            (trust(Ids::Present)?, trust(Ids::Both)?, trust(Ids::Next)?);
        let trusts = (present, &both, next_only);
        Rotation::new(
            template.name.clone(),
            next.goal,
            trusts,
            self.binding.partition,
        )
        .map(Some)
    }

    fn ids(&self) -> Ids {
        let next = self.template.next_external_id.as_ref();
        next.map_or(Ids::Present, |next| next.goal.into())
    }

    fn resolve(&self, account: AccountId, ids: Ids) -> Result<RoleSpec, TemplateError> {
        let template = &self.template;
        let filler = Filler::new(template, &self.binding, account, ids);
        let mut managed_policies = Vec::with_capacity(template.managed_policies.len());
        for policy in &template.managed_policies {
            let part = format!("managed_policies {}", policy.name);
            managed_policies.push(ManagedPolicySpec {
                name: policy.name.clone(),
                path: policy.path.clone(),
                document: filler.document(
                    &part,
                    Kind::Identity,
                    &policy.document,
                    limits::MANAGED_POLICY_CHARACTERS,
                )?,
                tags: filler.tags(&part, &policy.tags)?,
            });
        }
        let mut inline = BTreeMap::new();
        for (name, text) in &template.inline {
            let part = format!("inline {name}");
            let document = filler.document(
                &part,
                Kind::Identity,
                text,
                limits::INLINE_POLICIES_CHARACTERS,
            )?;
            inline.insert(name.clone(), document);
        }
        let together: usize = inline.values().map(Document::size).sum();
        if together > limits::INLINE_POLICIES_CHARACTERS {
            return Err(too_long(
                "inline",
                together,
                limits::INLINE_POLICIES_CHARACTERS,
            ));
        }
        let mut attach = BTreeSet::new();
        for text in &template.attach {
            attach.insert(filler.arn("attach", text)?);
        }
        let mut tolerate = Vec::with_capacity(template.tolerate.len());
        for text in &template.tolerate {
            tolerate.push(filler.document("tolerate", Kind::Trust, text, usize::MAX)?);
        }
        let spec = RoleSpec {
            partition: self.binding.partition,
            name: template.name.clone(),
            path: template.path.clone(),
            ensure: template.ensure,
            trust: filler.document(
                "trust_policy",
                Kind::Trust,
                &template.trust,
                limits::TRUST_POLICY_CHARACTERS_RAISED,
            )?,
            description: template
                .description
                .as_ref()
                .map(|text| filler.plain("description", text))
                .transpose()?,
            max_session_duration: template.max_session_duration,
            boundary: match &template.boundary {
                BoundaryTemplate::Unmanaged => Boundary::Unmanaged,
                BoundaryTemplate::None => Boundary::None,
                BoundaryTemplate::Policy(text) => {
                    Boundary::Policy(filler.arn("permissions_boundary", text)?)
                }
            },
            tags: filler.tags("tags", &template.tags)?,
            managed_policies,
            attach,
            inline,
            extras: template.extras,
            adopt: template.adopt,
            tolerate,
            legacy_users: template.legacy_users.clone(),
        };
        within_quotas(&spec, account)?;
        Ok(spec)
    }
}

pub(super) fn too_long(part: &str, size: usize, limit: usize) -> TemplateError {
    TemplateError::new(part, format!("{size} characters, and IAM takes {limit}"))
}

fn within_quotas(spec: &RoleSpec, account: AccountId) -> Result<(), TemplateError> {
    let attachments = spec.attachments(account).len();
    if attachments > limits::ATTACHMENTS_PER_ROLE_RAISED {
        let most = limits::ATTACHMENTS_PER_ROLE_RAISED;
        return Err(TemplateError::new(
            "attach",
            format!("{attachments} policies, and a role takes {most} at most"),
        ));
    }
    let names: BTreeSet<String> = spec
        .managed_policies
        .iter()
        .map(|policy| policy.name.as_str().to_ascii_lowercase())
        .collect();
    if names.len() < spec.managed_policies.len() {
        return Err(TemplateError::new(
            "managed_policies",
            "two have one name (IAM does not tell case apart)",
        ));
    }
    let description = spec
        .description
        .as_ref()
        .map_or(0, |text| text.chars().count());
    if description > limits::DESCRIPTION_CHARACTERS {
        return Err(too_long(
            "description",
            description,
            limits::DESCRIPTION_CHARACTERS,
        ));
    }
    let seconds = limits::SHORTEST_MAX_SESSION..=limits::LONGEST_MAX_SESSION;
    if spec
        .max_session_duration
        .is_some_and(|found| !seconds.contains(&found))
    {
        return Err(TemplateError::new(
            "max_session_duration",
            "it has to be 3600 to 43200 seconds",
        ));
    }
    Ok(())
}
