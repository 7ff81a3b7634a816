//! From `[[roles]]` to what is wanted in one account.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use rolekeeper_aws::queue_arn;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::Partition;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::least_privilege::{RoleScope, Scope};
use rolekeeper_domain::role::RoleSpec;
use rolekeeper_domain::spec::{
    Binding, BoundTemplate, BoundaryTemplate, Danger, ExternalId, ManagedPolicyTemplate,
    NextExternalId, Rotation, SpecTemplate, Surroundings, TemplateError, dangers,
};
use rolekeeper_engine::settings::{Place, Roles};
use secrecy::ExposeSecret;
use sha2::{Digest as _, Sha256};

use crate::config::{Config, ConfigError, Entry, ManagementAccount, Role};

/// What is wanted, for any account.
#[derive(Debug)]
pub(crate) struct Specs {
    templates: Vec<SpecTemplate>,
    bound: Mutex<Option<Arc<Bound>>>,
}

/// The templates, tied to an organization.
#[derive(Debug)]
struct Bound {
    binding: Binding,
    templates: Vec<BoundTemplate>,
    /// The specifications, where every account has the same.
    shared: Option<Arc<[RoleSpec]>>,
    /// The changes of external ids, where every account has the same.
    rotations: Option<Arc<[Rotation]>>,
}

impl Specs {
    /// Takes the roles of a configuration, and makes sure that they can be what they say.
    /// Answers also the dangers that the configuration says are understood.
    pub(crate) fn new(config: &Config) -> Result<(Self, Vec<String>), ConfigError> {
        let mut templates = Vec::new();
        let mut warnings = Vec::new();
        for role in &config.roles {
            let template = template(role).map_err(|problem| wrong(role, &problem))?;
            let spec = sample(&template, config).map_err(|problem| wrong(role, &problem))?;
            if let Some(spec) = spec {
                warnings.extend(guard(role, &spec, config)?);
            }
            templates.push(template);
        }
        Ok((
            Self {
                templates,
                bound: Mutex::default(),
            },
            warnings,
        ))
    }

    fn bound(&self, place: &Place<'_>) -> Result<Arc<Bound>, TemplateError> {
        let binding = Binding {
            partition: place.partition,
            hub_account_id: place.hub_account,
            organization_id: (!place.organization_id.is_empty())
                .then(|| place.organization_id.to_owned()),
        };
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bound) = bound.as_ref().filter(|bound| bound.binding == binding) {
            return Ok(Arc::clone(bound));
        }
        let templates: Vec<BoundTemplate> = self
            .templates
            .iter()
            .map(|template| template.clone().bind(binding.clone()))
            .collect::<Result<_, _>>()?;
        let (shared, rotations) = if templates.iter().all(BoundTemplate::is_shared) {
            let account = place.account;
            (
                Some(all(&templates, account)?),
                Some(rotations(&templates, account)?),
            )
        } else {
            (None, None)
        };
        let fresh = Arc::new(Bound {
            binding,
            templates,
            shared,
            rotations,
        });
        *bound = Some(Arc::clone(&fresh));
        Ok(fresh)
    }
}

impl Roles for Specs {
    fn wanted(&self, place: &Place<'_>) -> Result<Arc<[RoleSpec]>, Fault> {
        let bound = self.bound(place).map_err(invalid)?;
        match &bound.shared {
            Some(shared) => Ok(Arc::clone(shared)),
            None => all(&bound.templates, place.account).map_err(invalid),
        }
    }

    fn rotations(&self, place: &Place<'_>) -> Result<Arc<[Rotation]>, Fault> {
        let bound = self.bound(place).map_err(invalid)?;
        match &bound.rotations {
            Some(shared) => Ok(Arc::clone(shared)),
            None => rotations(&bound.templates, place.account).map_err(invalid),
        }
    }

    fn wanted_meanwhile(&self, place: &Place<'_>) -> Result<Arc<[RoleSpec]>, Fault> {
        let bound = self.bound(place).map_err(invalid)?;
        let specs = bound.templates.iter().map(|template| {
            let spec = template.meanwhile_in_account(place.account)?;
            Ok(spec.as_ref().clone())
        });
        specs.collect::<Result<_, _>>().map_err(invalid)
    }
}

fn invalid(problem: TemplateError) -> Fault {
    Fault::new(Category::InvalidSpec, problem.to_string())
}

fn all(templates: &[BoundTemplate], account: AccountId) -> Result<Arc<[RoleSpec]>, TemplateError> {
    templates
        .iter()
        .map(|template| {
            template
                .in_account(account)
                .map(|spec| spec.as_ref().clone())
        })
        .collect()
}

fn rotations(
    templates: &[BoundTemplate],
    account: AccountId,
) -> Result<Arc<[Rotation]>, TemplateError> {
    let rotations = templates
        .iter()
        .map(|template| template.rotation(account).transpose());
    rotations.flatten().collect()
}

/// The specifications of a configuration in an account that stands for any: for what needs their names alone.
pub(crate) fn samples(config: &Config) -> Vec<RoleSpec> {
    config
        .roles
        .iter()
        .filter_map(|role| sample(&template(role).ok()?, config).ok().flatten())
        .collect()
}

/// A digest of everything that `[[roles]]` says, for saved plans: another digest, another specification.
pub(crate) fn revision(config: &Config) -> String {
    let mut hash = Sha256::new();
    for role in &config.roles {
        if let Ok(template) = template(role) {
            hash.update(format!("{template:?}"));
        }
        // The debug form hides it.
        let ids = [&role.entry.external_id, &role.entry.next_external_id];
        for id in ids.into_iter().flatten() {
            hash.update(Sha256::digest(id.expose_secret()));
        }
    }
    hash.finalize()
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}

fn template(role: &Role) -> Result<SpecTemplate, TemplateError> {
    let entry = &role.entry;
    Ok(SpecTemplate {
        name: entry.name.clone(),
        path: entry.path.clone(),
        ensure: entry.ensure,
        trust: role.trust_policy.clone(),
        description: entry.description.clone(),
        max_session_duration: entry
            .max_session_duration
            .and_then(|seconds| u32::try_from(seconds).ok()),
        boundary: match entry.permissions_boundary.as_deref() {
            None => BoundaryTemplate::Unmanaged,
            Some("none") => BoundaryTemplate::None,
            Some(arn) => BoundaryTemplate::Policy(arn.to_owned()),
        },
        tags: entry.tags.clone(),
        managed_policies: role
            .managed_policies
            .iter()
            .map(|(policy, document)| ManagedPolicyTemplate {
                name: policy.name.clone(),
                path: policy.path.clone(),
                document: document.clone(),
                tags: policy.tags.clone(),
            })
            .collect(),
        attach: entry.attach.clone(),
        inline: role
            .inline
            .iter()
            .map(|(policy, document)| (policy.name.clone(), document.clone()))
            .collect(),
        extras: entry.extras,
        adopt: entry.adopt,
        tolerate: role.tolerate.clone(),
        legacy_users: entry.legacy_users.iter().cloned().collect(),
        vendor_account_id: entry.vendor_account_id,
        external_id: entry
            .external_id
            .as_ref()
            .map(|id| ExternalId::new(id.expose_secret()))
            .transpose()?,
        next_external_id: next_external_id(entry)?,
    })
}

fn next_external_id(entry: &Entry) -> Result<Option<NextExternalId>, TemplateError> {
    let Some(id) = &entry.next_external_id else {
        return Ok(None);
    };
    let id = ExternalId::new(id.expose_secret()).map_err(|problem| TemplateError {
        part: "next_external_id".to_owned(),
        ..problem
    })?;
    let goal = entry.external_id_rotation;
    Ok(Some(NextExternalId { id, goal }))
}

/// What stands for `${hub_account_id}`, `${account_id}` and `${organization_id}` before AWS was asked: AWS's own examples.
const SAMPLE_HUB: &str = "210987654321";
const SAMPLE_ACCOUNT: &str = "123456789012";
const SAMPLE_ORGANIZATION: &str = "o-exampleorgid";

/// The specification in an account that stands for any.
fn sample(template: &SpecTemplate, config: &Config) -> Result<Option<RoleSpec>, TemplateError> {
    let (Ok(hub), Ok(account)) = (SAMPLE_HUB.parse(), SAMPLE_ACCOUNT.parse()) else {
        return Ok(None);
    };
    let binding = Binding {
        partition: partition_of(&config.aws.region),
        hub_account_id: hub,
        organization_id: Some(SAMPLE_ORGANIZATION.to_owned()),
    };
    let spec = template.clone().bind(binding)?.in_account(account)?;
    Ok(Some(spec.as_ref().clone()))
}

/// The partition that a Region lies in: the best guess before AWS was asked.
pub(crate) fn partition_of(region: &str) -> Partition {
    if region.starts_with("cn-") {
        Partition::AwsCn
    } else if region.starts_with("us-gov-") {
        Partition::AwsUsGov
    } else {
        Partition::Aws
    }
}

/// Refuses what is dangerous wherever it is written; answers what was said to be understood.
fn guard(role: &Role, spec: &RoleSpec, config: &Config) -> Result<Vec<String>, ConfigError> {
    let ways_in = config.aws.organization_role_arn.iter();
    let ways_in = ways_in.map(|arn| arn.as_str().to_owned());
    let surroundings = Surroundings {
        admin_roles: config
            .aws
            .admin_roles
            .iter()
            .cloned()
            .chain(ways_in)
            .collect(),
        own_accounts: SAMPLE_HUB.parse().into_iter().collect(),
        // An organization's id that is written out is not known to be ours; the placeholder is.
        organization: Some(SAMPLE_ORGANIZATION.to_owned()),
    };
    let mut warnings = Vec::new();
    for danger in dangers(spec, &surroundings) {
        let understood = role
            .entry
            .i_understand
            .iter()
            .any(|word| word == danger.name());
        if danger.can_be_understood() && understood {
            warnings.push(format!("{}: {danger} (i_understand)", role.key));
        } else {
            return Err(refused(role, &danger));
        }
    }
    Ok(warnings)
}

fn refused(role: &Role, danger: &Danger) -> ConfigError {
    let allowed = "a role that is not a danger to the accounts it is in";
    let error = ConfigError::new(
        role.at.clone(),
        role.key.clone(),
        danger.to_string(),
        allowed,
    );
    if danger.can_be_understood() {
        error.with_help(format!(
            "if this is meant: i_understand = [\"{}\"]",
            danger.name()
        ))
    } else {
        error
    }
}

fn wrong(role: &Role, problem: &TemplateError) -> ConfigError {
    ConfigError::new(
        role.at.clone(),
        format!("{}.{}", role.key, problem.part),
        problem.problem.clone(),
        String::new(),
    )
}

/// What the configuration makes necessary of permissions.
pub(crate) fn scope(config: &Config, writes: bool) -> Scope {
    let partition = partition_of(&config.aws.region);
    Scope {
        partition,
        account: None,
        roles: samples(config).iter().map(RoleScope::from).collect(),
        admin_roles: config.aws.admin_roles.clone(),
        organization_role: config.aws.organization_role_arn.clone(),
        queue: config
            .events
            .as_ref()
            .and_then(|events| queue_arn(events.queue_url.as_deref()?, partition)),
        repair: writes,
        rollback: writes,
        tag_selectors: !config.include.tags.is_empty() || !config.exclude.tags.is_empty(),
        units_listed: !config.include.ous.is_empty() || !config.exclude.ous.is_empty(),
        source_identity: config.aws.source_identity.is_some(),
        hub_managed: config.aws.management_account == ManagementAccount::Include,
        ..Scope::default()
    }
}
