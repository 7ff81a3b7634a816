//! The undoing steps.

mod policies;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Taken;
use super::state::{Facet, Standing, State};
use crate::arn::Arn;
use crate::observation::{Observation, PolicyVersion};
use crate::plan::{Band, Plan, Step, Withheld};
use crate::planner::builder::Builder;
use crate::policy::{Context, Document, Effect, Kind, Verdict, compare};
use crate::role::{OWNER_TAG_KEY, PolicyName, RoleName};

/// The undoing steps of `steps`, each with what stood there before it.
pub(super) fn plan(
    role: &RoleName,
    steps: &[(&Taken, State)],
    observation: &Observation,
) -> Result<Plan, Vec<String>> {
    let account = observation.account.to_string();
    let mut way = Way {
        role,
        builder: Builder::new(observation),
        plan: Plan::empty(observation.account, role.clone()),
        versions: versions(observation),
        context: Context {
            account: Some(&account),
            partition: partition(steps),
        },
        obstacles: Vec::new(),
    };
    let made: BTreeSet<&Arn> = steps
        .iter()
        .filter_map(|(taken, _)| match &taken.step {
            Step::CreatePolicy { arn, .. } => Some(arn),
            _ => None,
        })
        .collect();
    for (taken, prior) in steps.iter().rev() {
        // What goes as a whole is not turned back first.
        let goes = match &taken.step {
            Step::CreatePolicyVersion { arn, .. }
            | Step::TagPolicy { arn, .. }
            | Step::UntagPolicy { arn, .. } => made.contains(arn),
            _ => false,
        };
        if !goes {
            way.undo(taken, prior);
        }
    }
    if way.obstacles.is_empty() {
        way.plan.steps = way.builder.into_steps();
        Ok(way.plan)
    } else {
        Err(way.obstacles)
    }
}

fn versions(observation: &Observation) -> BTreeMap<Arn, Vec<PolicyVersion>> {
    let seen = observation.policies.iter().filter_map(|(arn, policy)| {
        let versions = policy.seen()?.versions.as_ref()?.seen()?;
        Some((arn.clone(), versions.clone()))
    });
    seen.collect()
}

fn partition<'a>(steps: &'a [(&Taken, State)]) -> &'a str {
    let arn = steps.iter().find_map(|(taken, _)| match &taken.step {
        Step::AttachRolePolicy { arn, .. }
        | Step::DetachRolePolicy { arn, .. }
        | Step::CreatePolicy { arn, .. }
        | Step::CreatePolicyVersion { arn, .. } => Some(arn),
        _ => None,
    });
    arn.and_then(Arn::partition)
        .map_or("", crate::arn::Partition::as_str)
}

struct Way<'a> {
    role: &'a RoleName,
    builder: Builder<'a>,
    plan: Plan,
    versions: BTreeMap<Arn, Vec<PolicyVersion>>,
    context: Context<'a>,
    obstacles: Vec<String>,
}

impl Way<'_> {
    fn undo(&mut self, taken: &Taken, prior: &State) {
        let role = self.role.clone();
        match &taken.step {
            Step::CreateRole { .. } => self.push(Step::DeleteRole { role }, Band::Narrow),
            Step::DeleteRole { .. } => self.make_role(taken, prior),
            Step::UpdateAssumeRolePolicy { trust: after, .. } => {
                if let Some(trust) = self.trust(prior) {
                    let band = self.weigh(after, &trust, "the trust policy");
                    self.push(Step::UpdateAssumeRolePolicy { role, trust }, band);
                }
            }
            Step::UpdateRole { .. } => match prior.get(&Facet::Settings).and_then(settings) {
                Some((description, max_session_duration)) => {
                    self.push(Step::UpdateRole { role, description, max_session_duration }, Band::Turn);
                }
                None => self.unknown(taken),
            },
            Step::PutRolePermissionsBoundary { .. } | Step::DeleteRolePermissionsBoundary { .. } => {
                self.boundary(taken, prior);
            }
            Step::TagRole { tags, .. } => {
                self.role_tags(tags.keys(), prior);
            }
            Step::UntagRole { keys, .. } => self.role_tags(keys.iter(), prior),
            Step::CreatePolicy { arn, .. } => self.delete_policy(arn),
            Step::DeletePolicy { arn } => self.make_policy(arn, prior, taken),
            Step::CreatePolicyVersion { arn, document } => {
                self.document(taken, arn, Some(document), prior);
            }
            Step::DeletePolicyVersion { .. } => self.plan.withheld.push(Withheld {
                operation: taken.step.operation(),
                resource: taken.step.resource(),
                reason: "a version that was not in force was removed to make room; its text is not on record"
                    .to_owned(),
            }),
            Step::TagPolicy { arn, tags } => self.policy_tags(arn, tags.keys(), prior),
            Step::UntagPolicy { arn, keys } => self.policy_tags(arn, keys.iter(), prior),
            Step::AttachRolePolicy { arn, .. } => {
                self.push(Step::DetachRolePolicy { role, arn: arn.clone() }, Band::Narrow);
            }
            Step::DetachRolePolicy { arn, .. } => {
                self.plan.widens.push(format!("{arn} is attached to {role} again"));
                self.push(Step::AttachRolePolicy { role, arn: arn.clone() }, Band::Widen);
            }
            Step::PutRolePolicy { policy, document, .. } => {
                self.inline(taken, policy, Some(document), prior);
            }
            Step::DeleteRolePolicy { policy, .. } => self.inline(taken, policy, None, prior),
        }
    }

    /// An inline policy as it was, from what it is now.
    fn inline(
        &mut self,
        taken: &Taken,
        policy: &PolicyName,
        now: Option<&Document>,
        prior: &State,
    ) {
        let (role, name) = (self.role.clone(), policy.clone());
        let facet = Facet::Inline(name.clone());
        let stood = prior.get(&facet).cloned();
        match (stood, now) {
            (Some(Some(text)), now) => {
                let Some(document) = self.parsed(Kind::Identity, &text, &facet) else {
                    return;
                };
                let band = match now {
                    Some(now) => self.weigh(now, &document, &facet.words()),
                    None => {
                        self.plan
                            .widens
                            .push(format!("{role} has {} again", facet.words()));
                        Band::Widen
                    }
                };
                self.push(
                    Step::PutRolePolicy {
                        role,
                        policy: name,
                        document,
                    },
                    band,
                );
            }
            (Some(None), Some(now)) => {
                let band = if denies(now) {
                    Band::Widen
                } else {
                    Band::Narrow
                };
                if band == Band::Widen {
                    self.plan
                        .widens
                        .push(format!("what {policy} denies is no longer denied"));
                }
                self.push(Step::DeleteRolePolicy { role, policy: name }, band);
            }
            (None, _) | (Some(None), None) => self.unknown(taken),
        }
    }

    fn push(&mut self, step: Step, band: Band) {
        self.builder.push(step, band, &[], band == Band::Widen);
    }

    fn unknown(&mut self, taken: &Taken) {
        let step = &taken.step;
        let what = format!("{step}: the journal does not say what stood there before");
        if !self
            .obstacles
            .iter()
            .any(|known| known.starts_with(&step.to_string()))
        {
            self.obstacles.push(what);
        }
    }

    /// A document that can be written again.
    fn parsed(&mut self, kind: Kind, text: &str, facet: &Facet) -> Option<Document> {
        let words = facet.words();
        match Document::parse(kind, text) {
            Ok(document) => {
                let dead = document.dead_principals().join(", ");
                if dead.is_empty() {
                    return Some(document);
                }
                self.obstacles.push(format!(
                    "{words} as it was names principals that no longer exist ({dead}): AWS takes it no more"
                ));
            }
            Err(error) => self
                .obstacles
                .push(format!("{words} as it was is no policy: {error}")),
        }
        None
    }

    fn trust(&mut self, prior: &State) -> Option<Document> {
        match prior.get(&Facet::Trust) {
            Some(Some(text)) => self.parsed(Kind::Trust, text, &Facet::Trust),
            _ => {
                self.obstacles
                    .push("the journal does not hold the trust policy as it was".to_owned());
                None
            }
        }
    }

    /// The band of an exchange of documents; says who gains.
    fn weigh(&mut self, from: &Document, to: &Document, what: &str) -> Band {
        let comparison = compare(from, to, &self.context);
        self.plan.widens.extend(
            comparison
                .gained
                .iter()
                .map(|gain| format!("{what}: {gain}")),
        );
        match comparison.verdict {
            Verdict::Equivalent => Band::Turn,
            Verdict::Narrower => Band::Narrow,
            Verdict::Wider | Verdict::Different | Verdict::Unproven => Band::Widen,
        }
    }

    fn boundary(&mut self, taken: &Taken, prior: &State) {
        let role = self.role.clone();
        match prior.get(&Facet::Boundary) {
            Some(Some(text)) => match text.parse() {
                Ok(boundary) => {
                    self.plan.widens.push(format!(
                        "{text} bounds {role} again, instead of what bounds it now"
                    ));
                    self.push(
                        Step::PutRolePermissionsBoundary { role, boundary },
                        Band::Widen,
                    );
                }
                Err(_) => self.unknown(taken),
            },
            Some(None) => {
                self.plan
                    .widens
                    .push(format!("nothing bounds {role} any more"));
                self.push(Step::DeleteRolePermissionsBoundary { role }, Band::Widen);
            }
            None => self.unknown(taken),
        }
    }

    fn role_tags<'k>(&mut self, keys: impl Iterator<Item = &'k String>, prior: &State) {
        let role = self.role.clone();
        let (tags, gone) = tags_before(keys, |key| prior.get(&Facet::RoleTag(key)).cloned());
        if !tags.is_empty() {
            self.push(
                Step::TagRole {
                    role: role.clone(),
                    tags,
                },
                Band::Turn,
            );
        }
        if !gone.is_empty() {
            self.push(Step::UntagRole { role, keys: gone }, Band::Turn);
        }
    }

    fn make_role(&mut self, taken: &Taken, prior: &State) {
        let before = taken.before.as_deref().unwrap_or_default();
        let value: Value = serde_json::from_str(before).unwrap_or_default();
        let path = value
            .get("path")
            .and_then(Value::as_str)
            .and_then(|path| path.parse().ok());
        let settings = prior.get(&Facet::Settings).and_then(settings);
        let boundary = match prior.get(&Facet::Boundary).cloned().flatten() {
            None => Ok(None),
            Some(text) => text.parse().map(Some),
        };
        let (Some(trust), Some(path), Some(settings), Ok(boundary)) =
            (self.trust(prior), path, settings, boundary)
        else {
            return self.unknown(taken);
        };
        let role = self.role.clone();
        self.plan
            .widens
            .push(format!("{role} is there again, for those it trusted"));
        let step = Step::CreateRole {
            role,
            path,
            trust,
            description: Some(settings.0),
            max_session_duration: Some(settings.1),
            boundary,
            tags: owned(tags_of(before)),
        };
        self.push(step, Band::Widen);
    }
}

/// What rolekeeper makes carries its tag, also when it makes it again.
fn owned(tags: BTreeMap<String, String>) -> BTreeMap<String, String> {
    crate::ownership::with_owner_tag(&tags)
}

fn tags_of(before: &str) -> BTreeMap<String, String> {
    let value: Value = serde_json::from_str(before).unwrap_or_default();
    let tags = value
        .get("tags")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    tags.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn tags_before<'k>(
    keys: impl Iterator<Item = &'k String>,
    stood: impl Fn(String) -> Option<Standing>,
) -> (BTreeMap<String, String>, Vec<String>) {
    let mut tags = BTreeMap::new();
    let mut gone = Vec::new();
    for key in keys {
        match stood(key.clone()) {
            Some(Some(value)) => drop(tags.insert(key.clone(), value)),
            // The owner tag stays: what is ours by the journal stays ours.
            Some(None) if key != OWNER_TAG_KEY => gone.push(key.clone()),
            Some(None) | None => {}
        }
    }
    (tags, gone)
}

/// The standing of [`Facet::Settings`], taken apart.
fn settings(standing: &Standing) -> Option<(String, u32)> {
    let (seconds, description) = standing.as_deref()?.split_once(' ')?;
    Some((description.to_owned(), seconds.parse().ok()?))
}

fn denies(document: &Document) -> bool {
    document
        .statements()
        .iter()
        .any(|statement| statement.effect() == Effect::Deny)
}
