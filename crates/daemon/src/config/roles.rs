//! `[[roles]]`: what each managed role should be.

use std::collections::BTreeMap;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::role::{Adopt, Ensure, Extras, IamPath, PolicyName, RoleName};
use rolekeeper_domain::spec::{PRESETS, Preset, RotationGoal, preset};
use secrecy::SecretString;

use super::error::ConfigError;
use super::kind::{count, list, one_of, parsed, secret, text, texts};
use super::node::{Node, Value};
use super::section::{Section, nearest};
use super::settings::{Settings, settings};

settings! {
    /// One managed role. Documents may use `${account_id}`, `${partition}`, `${organization_id}`, `${hub_account_id}`,
    /// `${vendor_account_id}` and `${external_id}`. Where a document is wanted, a text that begins with `{` is the
    /// document itself, anything else the name of a file, relative to the configuration file.
    pub(crate) struct Entry {
        /// A ready-made description of a role, which every key below can override. `cloudcoreo`: the role and policy of CloudCoreo's FAQ. `cloudcoreo-audit`: the same vendor, reading only.
        preset: Option<String> = text(), optional;
        /// The role's name.
        name: RoleName = parsed::<RoleName>("a role name: 1 to 64 of letters, digits and +=,.@_-"), required;
        /// The role's path. It cannot be changed once the role exists.
        path: IamPath = parsed::<IamPath>("an IAM path: begins and ends with /"), default "\"/\"";
        /// `present`: there and right. `absent`: what rolekeeper made of it is removed.
        ensure: Ensure = one_of(&[("present", Ensure::Present), ("absent", Ensure::Absent)]), default "\"present\"";
        /// The account of whoever may assume the role.
        vendor_account_id: Option<AccountId> = parsed::<AccountId>("a twelve-digit account id, as a text"), optional;
        /// What the vendor must present as `sts:ExternalId`. A secret between you and the vendor; `external_id_file` reads it from a file.
        external_id: Option<SecretString> = secret(), secret;
        /// The external id that is to follow. While it is set, the trust policy accepts both wherever it asks for `${external_id}`; `rolekeeper rotate-external-id` says what comes next. `next_external_id_file` reads it from a file.
        next_external_id: Option<SecretString> = secret(), secret;
        /// How far the change to `next_external_id` is to go. `both`: either id is accepted. `next_only`: `external_id` is taken out, in a sweep that sees `next_external_id` accepted in every account.
        external_id_rotation: RotationGoal = one_of(&[("both", RotationGoal::Both), ("next_only", RotationGoal::NextOnly)]), default "\"both\"";
        /// Who may assume the role: a trust policy.
        trust_policy: Option<String> = text(), document;
        /// The longest session, in seconds. Left alone when not set.
        max_session_duration: Option<u64> = count(3600, 43200), optional;
        /// The role's description. Left alone when not set.
        description: Option<String> = text(), optional;
        /// The ARN of the permissions boundary; `none`: there must be none. Left alone when not set.
        permissions_boundary: Option<String> = text(), optional;
        /// Tags the role must have. Further tags are left alone.
        tags: BTreeMap<String, String> = texts(), default "{}";
        /// ARNs of policies that are somebody else's (AWS's own, mostly) and are attached.
        attach: Vec<String> = list(text()), default "[]";
        /// What is done about attachments and inline policies that this entry does not name.
        extras: Extras = one_of(&[("report", Extras::Report), ("remove", Extras::Remove), ("ignore", Extras::Ignore)]), default "\"report\"";
        /// When a role or policy of the right name from another hand becomes rolekeeper's: when it means the same, always, or never.
        adopt: Adopt = one_of(&[("if_equivalent", Adopt::IfEquivalent), ("always", Adopt::Always), ("never", Adopt::Never)]), default "\"if_equivalent\"";
        /// Names of temporary IAM users that should not be left behind; one that exists is drift (`legacy_user`).
        legacy_users: Vec<String> = list(text()), default "[]";
        /// Dangers of this entry that you know of, by name: what would refuse the configuration becomes a warning.
        i_understand: Vec<String> = list(text()), default "[]";
    }
}

settings! {
    /// A customer-managed policy that rolekeeper makes, keeps right and attaches.
    pub(crate) struct ManagedPolicy {
        /// Its name.
        name: PolicyName = parsed::<PolicyName>("a policy name: 1 to 128 of letters, digits and +=,.@_-"), required;
        /// Its path.
        path: IamPath = parsed::<IamPath>("an IAM path: begins and ends with /"), default "\"/\"";
        /// What it says.
        document: Option<String> = text(), document;
        /// Tags it must have. Further tags are left alone.
        tags: BTreeMap<String, String> = texts(), default "{}";
    }
}

settings! {
    /// An inline policy of the role.
    pub(crate) struct InlinePolicy {
        /// Its name.
        name: PolicyName = parsed::<PolicyName>("a policy name: 1 to 128 of letters, digits and +=,.@_-"), required;
        /// What it says.
        document: Option<String> = text(), document;
    }
}

/// One `[[roles]]` entry, its documents as texts with their placeholders.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    /// Its key, such as `roles[0]`, for errors found later.
    pub(crate) key: String,
    /// Where it came from.
    pub(crate) at: super::error::Origin,
    /// Its own keys.
    pub(crate) entry: Entry,
    /// The trust policy.
    pub(crate) trust_policy: String,
    /// `[[roles.managed_policies]]`: each with its document.
    pub(crate) managed_policies: Vec<(ManagedPolicy, String)>,
    /// `[[roles.inline]]`: each with its document.
    pub(crate) inline: Vec<(InlinePolicy, String)>,
    /// Trust policies whose Deny statements others may add.
    pub(crate) tolerate: Vec<String>,
}

/// Reads every `[[roles]]` entry.
pub(crate) fn read_all(top: &Section<'_>) -> Result<Vec<Role>, ConfigError> {
    let mut roles: Vec<Role> = Vec::new();
    for mut section in top.sections("roles")? {
        let role = read_one(&mut section)?;
        // IAM's role names are unique without regard to case.
        let same = |other: &&Role| {
            other
                .entry
                .name
                .as_str()
                .eq_ignore_ascii_case(role.entry.name.as_str())
        };
        if let Some(other) = roles.iter().find(same) {
            return Err(section.wrong(
                format!(
                    "the role name {}, which {} has as well",
                    role.entry.name, other.key
                ),
                "one entry for each role name",
            ));
        }
        roles.push(role);
    }
    if roles.is_empty() {
        return Err(top
            .missing("roles", "at least one [[roles]] entry")
            .with_help(
                "the shortest one has preset = \"cloudcoreo\", vendor_account_id and external_id",
            ));
    }
    Ok(roles)
}

fn read_one(section: &mut Section<'_>) -> Result<Role, ConfigError> {
    if let Some(node) = section.take("preset") {
        let name = text().parse(&node)?;
        let preset = preset(&name).ok_or_else(|| unknown_preset(&node, &name))?;
        section.fill(&keys_of(preset), preset.name);
    }
    let entry = Entry::read(section)?;
    let trust_policy = entry.trust_policy.clone().ok_or_else(|| {
        section.missing("trust_policy", "a trust policy, or the file that holds it")
    })?;
    let mut managed_policies = Vec::new();
    for below in section.sections("managed_policies")? {
        let policy = ManagedPolicy::read(&below)?;
        below.finish()?;
        let document = policy.document.clone().ok_or_else(|| {
            below.missing("document", "a policy document, or the file that holds it")
        })?;
        managed_policies.push((policy, document));
    }
    let mut inline = Vec::new();
    for below in section.sections("inline")? {
        let policy = InlinePolicy::read(&below)?;
        below.finish()?;
        let document = policy.document.clone().ok_or_else(|| {
            below.missing("document", "a policy document, or the file that holds it")
        })?;
        inline.push((policy, document));
    }
    let tolerate = read_tolerate(section)?;
    section.finish()?;
    let role = Role {
        key: section.path().to_owned(),
        at: section.origin().clone(),
        entry,
        trust_policy,
        managed_policies,
        inline,
        tolerate,
    };
    needs(section, &role)?;
    Ok(role)
}

fn read_tolerate(section: &Section<'_>) -> Result<Vec<String>, ConfigError> {
    let Some(node) = section.take("tolerate") else {
        return Ok(Vec::new());
    };
    match &node.value {
        Value::List(items) => items
            .iter()
            .map(|item| section.document_of(item, &text()))
            .collect(),
        _ => Err(node.wrong("a list of trust policies, or of files that hold one")),
    }
}

/// A placeholder that a document uses has to have a value.
fn needs(section: &Section<'_>, role: &Role) -> Result<(), ConfigError> {
    let uses = |placeholder: &str| {
        role.trust_policy.contains(placeholder)
            || role
                .managed_policies
                .iter()
                .any(|(_, document)| document.contains(placeholder))
            || role
                .inline
                .iter()
                .any(|(_, document)| document.contains(placeholder))
    };
    if uses("${vendor_account_id}") && role.entry.vendor_account_id.is_none() {
        return Err(section
            .missing("vendor_account_id", "a twelve-digit account id, as a text")
            .with_help("it is the account of whoever may assume the role; the vendor tells you"));
    }
    if uses("${external_id}") && role.entry.external_id.is_none() {
        return Err(section
            .missing(
                "external_id",
                "a text of 2 to 1224 characters, or external_id_file",
            )
            .with_help(
                "it keeps other customers of the vendor out of your accounts; the vendor tells you",
            ));
    }
    if role.entry.next_external_id.is_none()
        && role.entry.external_id_rotation == RotationGoal::NextOnly
    {
        return Err(section
            .missing(
                "next_external_id",
                "a text of 2 to 1224 characters, or next_external_id_file",
            )
            .with_help(
                "external_id_rotation says how far the change to it is to go; a change that is done needs neither",
            ));
    }
    Ok(())
}

/// What a preset says, as the keys of an entry.
fn keys_of(preset: &Preset) -> toml::Table {
    let text = |text: &str| toml::Value::String(text.to_owned());
    let policies = preset.managed_policies.iter().map(|(name, document)| {
        toml::Value::Table(
            [
                ("name".to_owned(), text(name)),
                ("document".to_owned(), text(document)),
            ]
            .into_iter()
            .collect(),
        )
    });
    let mut keys = toml::Table::new();
    keys.insert("name".to_owned(), text(preset.role_name));
    keys.insert("trust_policy".to_owned(), text(preset.trust_policy));
    keys.insert(
        "managed_policies".to_owned(),
        toml::Value::Array(policies.collect()),
    );
    keys.insert(
        "attach".to_owned(),
        toml::Value::Array(preset.attach.iter().map(|arn| text(arn)).collect()),
    );
    keys
}

fn unknown_preset(node: &Node, name: &str) -> ConfigError {
    let known: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    let error = node.wrong(
        known
            .iter()
            .map(|name| super::node::quoted(name))
            .collect::<Vec<_>>()
            .join(", "),
    );
    match nearest(name, &known) {
        Some(near) => error.with_help(format!("did you mean \"{near}\"?")),
        None => error,
    }
}
