//! A small model of one account's IAM: takes steps as IAM would, refuses what
//! IAM would refuse, and says who could do what.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test panics on purpose"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its part of the model"
)]

use std::collections::{BTreeMap, BTreeSet};

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::{Arn, Partition};
use rolekeeper_domain::diff::{diff, wants};
use rolekeeper_domain::drift::Diff;
use rolekeeper_domain::observation::{
    Observation, ObservedDocument, ObservedPolicy, ObservedRole, PolicyVersion, Sighting,
};
use rolekeeper_domain::ownership::OwnershipRecord;
use rolekeeper_domain::plan::{Plan, Step};
use rolekeeper_domain::planner::{GUARD_POLICY_NAME, plan};
use rolekeeper_domain::policy::{
    ConditionContext, Document, Effect, Kind, Policies, Principal, Request, document_says, evaluate,
};
use rolekeeper_domain::role::{
    Adopt, Boundary, Ensure, Extras, OWNER_TAG_KEY, OWNER_TAG_VALUE, PolicyName, RoleSpec,
};

pub const ACCOUNT: &str = "111111111111";
pub const VENDOR: &str = "999999999999";

pub fn account() -> AccountId {
    ACCOUNT.parse().unwrap()
}

pub fn identity(text: &str) -> Document {
    Document::parse(Kind::Identity, text).unwrap()
}

pub fn trust(text: &str) -> Document {
    Document::parse(Kind::Trust, text).unwrap()
}

pub fn arn(text: &str) -> Arn {
    text.parse().unwrap()
}

/// The vendor's account root, with the right external id.
pub fn vendor_trust() -> Document {
    trust(&format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{VENDOR}:root"}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"sts:ExternalId":"secret"}}}}}}]}}"#
    ))
}

/// The FAQ's document.
pub fn faq() -> Document {
    identity(
        r#"{"Version":"2012-10-17","Statement":[{"Action":["*"],"Effect":"Allow","Resource":"*"},{"Action":["iam:CreateUser"],"Effect":"Deny","Resource":"*"}]}"#,
    )
}

/// A specification with nothing but a name and the vendor's trust.
pub fn bare_spec() -> RoleSpec {
    RoleSpec {
        partition: Partition::Aws,
        name: "Auditor".parse().unwrap(),
        path: "/".parse().unwrap(),
        ensure: Ensure::Present,
        trust: vendor_trust(),
        description: None,
        max_session_duration: None,
        boundary: Boundary::Unmanaged,
        tags: BTreeMap::new(),
        managed_policies: Vec::new(),
        attach: BTreeSet::new(),
        inline: BTreeMap::new(),
        extras: Extras::Report,
        adopt: Adopt::IfEquivalent,
        tolerate: Vec::new(),
        legacy_users: BTreeSet::new(),
    }
}

/// The FAQ's role.
pub fn faq_spec() -> RoleSpec {
    let mut spec = bare_spec();
    spec.managed_policies
        .push(rolekeeper_domain::role::ManagedPolicySpec {
            name: "Audit".parse().unwrap(),
            path: "/".parse().unwrap(),
            document: faq(),
            tags: BTreeMap::new(),
        });
    spec
}

#[derive(Clone, Debug)]
pub struct Role {
    pub id: String,
    pub path: String,
    pub trust: ObservedDocument,
    pub description: String,
    pub max_session_duration: u32,
    pub boundary: Option<Arn>,
    pub tags: BTreeMap<String, String>,
    pub attached: BTreeSet<Arn>,
    pub inline: BTreeMap<PolicyName, Document>,
}

#[derive(Clone, Debug)]
pub struct Policy {
    pub id: String,
    /// Number, document; the last made is not always the one in force.
    pub versions: Vec<(u64, Document)>,
    pub default: u64,
    pub next: u64,
    pub tags: BTreeMap<String, String>,
    /// How many other principals it is attached to.
    pub others: u32,
}

impl Policy {
    pub fn document(&self) -> &Document {
        &self
            .versions
            .iter()
            .find(|(id, _)| *id == self.default)
            .unwrap()
            .1
    }
}

/// The account.
#[derive(Clone, Debug)]
pub struct World {
    pub spec: RoleSpec,
    pub role: Option<Role>,
    pub policies: BTreeMap<Arn, Policy>,
    /// Policies of AWS and of others, which rolekeeper must never change.
    pub foreign: BTreeMap<Arn, Document>,
    /// Whether the documents of foreign policies can be read.
    pub foreign_readable: bool,
    /// Inline policies that rolekeeper cannot read as policies, although IAM acts on them.
    pub garbled: BTreeMap<PolicyName, Document>,
    pub record: BTreeSet<String>,
    pub made: u64,
}

pub fn owner_tags() -> BTreeMap<String, String> {
    BTreeMap::from([(OWNER_TAG_KEY.to_owned(), OWNER_TAG_VALUE.to_owned())])
}

impl World {
    /// An account in which nothing of the specification exists.
    pub fn empty(spec: RoleSpec) -> Self {
        Self {
            spec,
            role: None,
            policies: BTreeMap::new(),
            foreign: BTreeMap::new(),
            foreign_readable: true,
            garbled: BTreeMap::new(),
            record: BTreeSet::new(),
            made: 0,
        }
    }

    /// An account in which everything is as the specification says, made by rolekeeper.
    pub fn of(spec: RoleSpec) -> Self {
        let mut world = Self::empty(spec.clone());
        for arn in &spec.attach {
            world.foreign.insert(arn.clone(), identity(ALLOW_NOTHING));
        }
        world.repair();
        world
    }

    pub fn role(&mut self) -> &mut Role {
        self.role.as_mut().unwrap()
    }

    pub fn policy_arn(&self, place: usize) -> Arn {
        self.spec
            .policy_arn(account(), self.spec.managed_policies.get(place).unwrap())
    }

    pub fn policy(&mut self, place: usize) -> &mut Policy {
        let arn = self.policy_arn(place);
        self.policies.get_mut(&arn).unwrap()
    }

    /// Puts another document in force, as somebody at the console would.
    pub fn rewrite(&mut self, place: usize, document: Document) {
        let policy = self.policy(place);
        policy.versions.push((policy.next, document));
        policy.default = policy.next;
        policy.next += 1;
    }

    pub fn attach_foreign(&mut self, arn: &Arn, document: Document) {
        self.foreign.insert(arn.clone(), document);
        self.role().attached.insert(arn.clone());
    }

    pub fn ownership(&self) -> OwnershipRecord {
        OwnershipRecord::new(self.record.iter().cloned())
    }

    pub fn diff(&self) -> Diff {
        diff(&self.spec, &self.observe(), &self.ownership())
    }

    pub fn plan(&self) -> Plan {
        let observation = self.observe();
        plan(
            &self.spec,
            &observation,
            &diff(&self.spec, &observation, &self.ownership()),
            &self.ownership(),
        )
    }

    /// Takes every step of a fresh plan; answers the plan.
    pub fn repair(&mut self) -> Plan {
        let plan = self.plan();
        self.record.extend(plan.adopts.iter().cloned());
        for step in &plan.steps {
            self.apply(&step.step).unwrap();
        }
        plan
    }

    /// Looks around as the engine does: a first look, then what is wanted besides.
    pub fn observe(&self) -> Observation {
        let mut observation = self.first_look();
        let wants = wants(&self.spec, &observation, &self.ownership());
        for arn in wants.versions {
            let policy = &self.policies[&arn];
            let versions = policy.versions.iter().map(|(id, _)| PolicyVersion {
                id: format!("v{id}"),
                is_default: *id == policy.default,
                created_at: i64::try_from(*id).unwrap(),
            });
            if let Some(Sighting::Seen(found)) = observation.policies.get_mut(&arn) {
                found.versions = Some(Sighting::Seen(versions.collect()));
            }
        }
        for arn in wants
            .documents
            .into_iter()
            .filter(|_| self.foreign_readable)
        {
            if let Some(document) = self.foreign.get(&arn) {
                observation.foreign_documents.insert(arn, document.clone());
            }
        }
        observation
    }

    fn first_look(&self) -> Observation {
        let role = self.role.as_ref();
        let policies = self.spec.managed_policies.iter().map(|policy| {
            let arn = self.spec.policy_arn(account(), policy);
            let seen = self.policies.get(&arn).map_or(Sighting::Absent, |found| {
                let attached = role.is_some_and(|role| role.attached.contains(&arn));
                Sighting::Seen(ObservedPolicy {
                    arn: arn.clone(),
                    policy_id: found.id.clone(),
                    default_version_id: format!("v{}", found.default),
                    document: Sighting::Seen(ObservedDocument::Valid(found.document().clone())),
                    tags: found.tags.clone(),
                    attachment_count: found.others + u32::from(attached),
                    versions: None,
                })
            });
            (arn, seen)
        });
        Observation {
            account: account(),
            policies: policies.collect(),
            attachments: role.map_or(Sighting::Absent, |role| {
                Sighting::Seen(role.attached.clone())
            }),
            inline: role.map_or(Sighting::Absent, |role| {
                let shown = |name: &PolicyName, document: &Document| {
                    Sighting::Seen(if self.garbled.get(name) == Some(document) {
                        let (text, why) =
                            (document.text().to_owned(), "of another grammar".to_owned());
                        ObservedDocument::Malformed { text, why }
                    } else {
                        ObservedDocument::Valid(document.clone())
                    })
                };
                let inline = role.inline.iter();
                Sighting::Seen(
                    inline
                        .map(|(name, found)| (name.clone(), shown(name, found)))
                        .collect(),
                )
            }),
            role: role.map_or(Sighting::Absent, |role| {
                Sighting::Seen(ObservedRole {
                    arn: Arn::of_role(
                        Partition::Aws,
                        account(),
                        &role.path,
                        self.spec.name.as_str(),
                    ),
                    role_id: role.id.clone(),
                    path: role.path.clone(),
                    trust: role.trust.clone(),
                    description: role.description.clone(),
                    max_session_duration: role.max_session_duration,
                    boundary: role.boundary.clone(),
                    tags: role.tags.clone(),
                })
            }),
            foreign_documents: BTreeMap::new(),
            legacy_users: Sighting::Absent,
        }
    }

    fn next_id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{:04}", self.made)
    }

    /// Takes a step as IAM would.
    pub fn apply(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::CreatePolicy { .. }
            | Step::CreatePolicyVersion { .. }
            | Step::DeletePolicyVersion { .. }
            | Step::TagPolicy { .. }
            | Step::UntagPolicy { .. }
            | Step::DeletePolicy { .. } => self.apply_to_policy(step),
            Step::CreateRole {
                path,
                trust,
                description,
                max_session_duration,
                boundary,
                tags,
                ..
            } => {
                if self.role.is_some() {
                    return Err("EntityAlreadyExists: role".to_owned());
                }
                self.role = Some(Role {
                    id: self.next_id("AROA"),
                    path: path.to_string(),
                    trust: ObservedDocument::Valid(trust.clone()),
                    description: description.clone().unwrap_or_default(),
                    max_session_duration: max_session_duration.unwrap_or(3600),
                    boundary: boundary.clone(),
                    tags: tags.clone(),
                    attached: BTreeSet::new(),
                    inline: BTreeMap::new(),
                });
                Ok(())
            }
            Step::DeleteRole { .. } => {
                let role = self.role.as_ref().ok_or("NoSuchEntity: role")?;
                if !role.attached.is_empty() || !role.inline.is_empty() {
                    return Err("DeleteConflict: role".to_owned());
                }
                self.role = None;
                Ok(())
            }
            _ => self.apply_to_role(step),
        }
    }

    fn apply_to_role(&mut self, step: &Step) -> Result<(), String> {
        let attachable = |world: &Self, arn: &Arn| {
            world.policies.contains_key(arn) || world.foreign.contains_key(arn)
        };
        if let Step::AttachRolePolicy { arn, .. } = step
            && !attachable(self, arn)
        {
            return Err(format!("NoSuchEntity: {arn}"));
        }
        let role = self.role.as_mut().ok_or("NoSuchEntity: role")?;
        match step {
            Step::UpdateAssumeRolePolicy { trust, .. } => {
                role.trust = ObservedDocument::Valid(trust.clone())
            }
            Step::UpdateRole {
                description,
                max_session_duration,
                ..
            } => {
                role.description.clone_from(description);
                role.max_session_duration = *max_session_duration;
            }
            Step::PutRolePermissionsBoundary { boundary, .. } => {
                role.boundary = Some(boundary.clone())
            }
            Step::DeleteRolePermissionsBoundary { .. } => {
                role.boundary.take().ok_or("NoSuchEntity: boundary")?;
            }
            Step::TagRole { tags, .. } => role.tags.extend(tags.clone()),
            Step::UntagRole { keys, .. } => role.tags.retain(|key, _| !keys.contains(key)),
            Step::AttachRolePolicy { arn, .. } => {
                role.attached.insert(arn.clone());
            }
            Step::DetachRolePolicy { arn, .. } => {
                if !role.attached.remove(arn) {
                    return Err(format!("NoSuchEntity: {arn} is not attached"));
                }
            }
            Step::PutRolePolicy {
                policy, document, ..
            } => {
                role.inline.insert(policy.clone(), document.clone());
            }
            Step::DeleteRolePolicy { policy, .. } => {
                role.inline
                    .remove(policy)
                    .ok_or("NoSuchEntity: inline policy")?;
            }
            other => return Err(format!("not a step on a role: {other}")),
        }
        Ok(())
    }

    fn apply_to_policy(&mut self, step: &Step) -> Result<(), String> {
        if let Step::CreatePolicy {
            arn,
            document,
            tags,
            ..
        } = step
        {
            if self.policies.contains_key(arn) {
                return Err("EntityAlreadyExists: policy".to_owned());
            }
            let id = self.next_id("ANPA");
            let policy = Policy {
                id,
                versions: vec![(1, document.clone())],
                default: 1,
                next: 2,
                tags: tags.clone(),
                others: 0,
            };
            self.policies.insert(arn.clone(), policy);
            return Ok(());
        }
        let (Step::CreatePolicyVersion { arn, .. }
        | Step::DeletePolicyVersion { arn, .. }
        | Step::TagPolicy { arn, .. }
        | Step::UntagPolicy { arn, .. }
        | Step::DeletePolicy { arn }) = step
        else {
            return Err(format!("not a step on a policy: {step}"));
        };
        let attached = self
            .role
            .as_ref()
            .is_some_and(|role| role.attached.contains(arn));
        let policy = self.policies.get_mut(arn).ok_or("NoSuchEntity: policy")?;
        match step {
            Step::CreatePolicyVersion { document, .. } => {
                if policy.versions.len() >= 5 {
                    return Err("LimitExceeded: versions".to_owned());
                }
                policy.versions.push((policy.next, document.clone()));
                policy.default = policy.next;
                policy.next += 1;
            }
            Step::DeletePolicyVersion { version_id, .. } => {
                let id = number(version_id);
                if id == policy.default {
                    return Err("DeleteConflict: version in force".to_owned());
                }
                policy.versions.retain(|(found, _)| *found != id);
            }
            Step::TagPolicy { tags, .. } => policy.tags.extend(tags.clone()),
            Step::UntagPolicy { keys, .. } => policy.tags.retain(|key, _| !keys.contains(key)),
            _ => {
                if attached || policy.others > 0 || policy.versions.len() > 1 {
                    return Err("DeleteConflict: policy".to_owned());
                }
                self.policies.remove(arn);
            }
        }
        Ok(())
    }

    /// The policies in force on the role.
    pub fn documents(&self) -> Vec<Document> {
        let Some(role) = &self.role else {
            return Vec::new();
        };
        let attached = role.attached.iter().map(|arn| self.content(arn));
        attached.chain(role.inline.values().cloned()).collect()
    }

    pub fn content(&self, arn: &Arn) -> Document {
        match self.policies.get(arn) {
            Some(policy) => policy.document().clone(),
            None => self.foreign[arn].clone(),
        }
    }

    /// Who can do what: a row for each of [`who`], a column for each of [`what`].
    pub fn power(&self) -> Power {
        let Some(role) = &self.role else {
            return Power::none();
        };
        let boundary = role.boundary.as_ref().map(|arn| self.content(arn));
        match &role.trust {
            ObservedDocument::Valid(trust) => {
                Power::of(trust, &self.documents(), boundary.as_ref())
            }
            ObservedDocument::Malformed { .. } => Power::none(),
        }
    }

    /// What the specification agrees to in this account. What it ignores or leaves alone is agreed.
    pub fn agreed(&self) -> Power {
        let spec = &self.spec;
        if spec.ensure == Ensure::Absent {
            return Power::none();
        }
        let mut documents: Vec<Document> = spec
            .managed_policies
            .iter()
            .map(|policy| policy.document.clone())
            .collect();
        documents.extend(spec.attach.iter().map(|arn| self.foreign[arn].clone()));
        documents.extend(spec.inline.values().cloned());
        let boundary = match &spec.boundary {
            Boundary::None => None,
            Boundary::Policy(arn) => Some(self.foreign[arn].clone()),
            Boundary::Unmanaged => {
                let role = self.role.as_ref();
                role.and_then(|role| role.boundary.as_ref())
                    .map(|arn| self.content(arn))
            }
        };
        if spec.extras == Extras::Ignore
            && let Some(role) = &self.role
        {
            let wanted = spec.attachments(account());
            documents.extend(
                role.attached
                    .iter()
                    .filter(|arn| !wanted.contains(*arn))
                    .map(|arn| self.content(arn)),
            );
            let ours = |name: &PolicyName| {
                spec.inline.contains_key(name) || name.as_str() == GUARD_POLICY_NAME
            };
            let extra = role.inline.iter().filter(|(name, _)| !ours(name));
            documents.extend(extra.map(|(_, document)| document.clone()));
        }
        Power::of(&spec.trust, &documents, boundary.as_ref())
    }
}

fn number(version_id: &str) -> u64 {
    version_id.trim_start_matches('v').parse().unwrap()
}

pub const ALLOW_NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:GetCallerIdentity","Resource":"*"}]}"#;

/// Who asks: the vendor with and without its external id, another company, a user of the account itself.
pub fn who() -> Vec<Request> {
    let ask = |principal: Principal, external_id: Option<&str>| {
        let mut context = ConditionContext::new();
        if let Some(id) = external_id {
            context.set("sts:ExternalId", id);
        }
        Request {
            principal,
            action: "sts:AssumeRole".to_owned(),
            resource: format!("arn:aws:iam::{ACCOUNT}:role/Auditor"),
            context,
        }
    };
    let root = |account: &str| Principal::Root {
        account: account.to_owned(),
    };
    let user = Principal::User {
        arn: format!("arn:aws:iam::{ACCOUNT}:user/someone"),
    };
    let mut with_second_factor = ask(root(VENDOR), Some("secret"));
    with_second_factor
        .context
        .set("aws:MultiFactorAuthPresent", "true");
    vec![
        with_second_factor,
        ask(root(VENDOR), Some("secret")),
        ask(root(VENDOR), None),
        ask(root("666666666666"), Some("secret")),
        ask(user, None),
    ]
}

pub const ACTIONS: [&str; 5] = [
    "s3:GetObject",
    "s3:PutObject",
    "iam:CreateUser",
    "iam:GetUser",
    "ec2:RunInstances",
];
pub const RESOURCES: [&str; 2] = ["arn:aws:s3:::open/x", "arn:aws:s3:::shut/x"];

/// What is asked for.
pub fn what() -> Vec<Request> {
    let principal = Principal::Session {
        role: format!("arn:aws:iam::{ACCOUNT}:role/Auditor"),
        name: "session".to_owned(),
    };
    let mut all = Vec::new();
    for action in ACTIONS {
        for resource in RESOURCES {
            for region in [None, Some("eu-west-1")] {
                let mut context = ConditionContext::new();
                if let Some(region) = region {
                    context.set("aws:RequestedRegion", region);
                }
                all.push(Request {
                    principal: principal.clone(),
                    action: action.to_owned(),
                    resource: resource.to_owned(),
                    context,
                });
            }
        }
    }
    all
}

/// Who can do what, as bits: each of [`who`] times each of [`what`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Power {
    pub enter: u64,
    pub act: u64,
}

impl Power {
    pub const fn none() -> Self {
        Self { enter: 0, act: 0 }
    }

    pub fn of(trust: &Document, documents: &[Document], boundary: Option<&Document>) -> Self {
        let bits = |flags: Vec<bool>| {
            flags
                .into_iter()
                .enumerate()
                .fold(0, |all, (n, flag)| all | (u64::from(flag) << n))
        };
        let enter = who()
            .iter()
            .map(|request| document_says(trust, request) == Some(Effect::Allow))
            .collect();
        let policies = Policies {
            identity: documents,
            boundary,
            same_account: true,
            ..Policies::default()
        };
        let act = what()
            .iter()
            .map(|request| evaluate(request, &policies).is_allowed())
            .collect();
        Self {
            enter: bits(enter),
            act: bits(act),
        }
    }

    /// Each pair of who and what that is held here but neither in `one` nor in `other`.
    pub fn beyond(self, one: Self, other: Self) -> Vec<String> {
        let mut out = Vec::new();
        for (p, _) in who().iter().enumerate() {
            for (r, request) in what().iter().enumerate() {
                let held = |power: Self| power.enter >> p & 1 == 1 && power.act >> r & 1 == 1;
                if held(self) && !held(one) && !held(other) {
                    out.push(format!(
                        "who {p} can {} on {}",
                        request.action, request.resource
                    ));
                }
            }
        }
        out
    }

    /// Whether somebody lacks here what they have both in `one` and in `other`.
    pub fn lacks(self, one: Self, other: Self) -> bool {
        let enter = one.enter & other.enter;
        let act = one.act & other.act;
        enter != 0 && act != 0 && (self.enter & enter != enter || self.act & act != act)
    }
}
