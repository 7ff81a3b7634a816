//! Does what a plan rests on still hold?

use std::collections::BTreeMap;

use super::builder::fingerprint;
use crate::arn::Arn;
use crate::observation::{Observation, ObservedPolicy, Sighting};
use crate::plan::{Plan, PlannedStep, Precondition};
use crate::verdict::Refusal;

/// Holds all preconditions of a plan against a fresh observation, before its first step.
///
/// What an earlier step of the plan will bring about ([`Precondition::AfterStep`]) is not looked at. When
/// anything is refused, take no step at all: the order of the others was worked out with it.
///
/// # Errors
///
/// One [`Refusal::Stale`] for each precondition that no longer holds, or can no longer be seen to hold.
pub fn recheck(plan: &Plan, observation: &Observation) -> Result<(), Vec<Refusal>> {
    let mut refusals: Vec<Refusal> = Vec::new();
    for step in &plan.steps {
        for precondition in &step.preconditions {
            if let Err(refusal) = check(precondition, observation)
                && !refusals.contains(&refusal)
            {
                refusals.push(refusal);
            }
        }
    }
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(refusals)
    }
}

/// Holds the preconditions of one step against a fresh observation.
///
/// # Errors
///
/// The first that no longer holds, as [`Refusal::Stale`].
pub fn recheck_step(step: &PlannedStep, observation: &Observation) -> Result<(), Refusal> {
    step.preconditions
        .iter()
        .try_for_each(|precondition| check(precondition, observation))
}

fn check(precondition: &Precondition, observation: &Observation) -> Result<(), Refusal> {
    if holds(precondition, observation) {
        Ok(())
    } else {
        Err(Refusal::Stale {
            what: format!("it is no longer so that {precondition}"),
        })
    }
}

fn holds(precondition: &Precondition, observation: &Observation) -> bool {
    let role = observation.role.seen();
    match precondition {
        Precondition::AfterStep { .. } => true,
        Precondition::RoleAbsent => matches!(observation.role, Sighting::Absent),
        Precondition::RoleIs { role_id } => role.is_some_and(|role| role.role_id == *role_id),
        Precondition::TrustIs {
            fingerprint: wanted,
        } => role.is_some_and(|role| fingerprint(&role.trust) == *wanted),
        Precondition::PolicyAbsent { arn } => {
            matches!(observation.policies.get(arn), Some(Sighting::Absent))
        }
        Precondition::PolicyIs {
            arn,
            policy_id,
            default_version_id,
        } => policy(arn, observation).is_some_and(|policy| {
            policy.policy_id == *policy_id && policy.default_version_id == *default_version_id
        }),
        Precondition::VersionsAre { arn, ids } => policy(arn, observation).is_some_and(|policy| {
            let Some(Sighting::Seen(versions)) = &policy.versions else {
                return false;
            };
            versions.iter().map(|version| &version.id).eq(ids)
        }),
        Precondition::Attached { arn } => observation
            .attachments
            .seen()
            .is_some_and(|attached| attached.contains(arn)),
        Precondition::NotAttached { arn } => observation
            .attachments
            .seen()
            .is_some_and(|attached| !attached.contains(arn)),
        Precondition::AttachmentsAre { arns } => observation.attachments.seen() == Some(arns),
        Precondition::InlineNamesAre { names } => observation
            .inline
            .seen()
            .is_some_and(|found| found.keys().eq(names)),
        Precondition::InlineIs {
            policy,
            fingerprint: wanted,
        } => {
            let found = observation
                .inline
                .seen()
                .and_then(|found| found.get(policy));
            found
                .and_then(Sighting::seen)
                .is_some_and(|document| fingerprint(document) == *wanted)
        }
        Precondition::InlineAbsent { policy } => observation
            .inline
            .seen()
            .is_some_and(|found| !found.contains_key(policy)),
        Precondition::BoundaryIs { boundary } => {
            role.is_some_and(|role| role.boundary == *boundary)
        }
        Precondition::RoleTagsAre { tags } => role.is_some_and(|role| agree(tags, &role.tags)),
        Precondition::PolicyTagsAre { arn, tags } => {
            policy(arn, observation).is_some_and(|policy| agree(tags, &policy.tags))
        }
        Precondition::SettingsAre {
            description,
            max_session_duration,
        } => role.is_some_and(|role| {
            role.description == *description && role.max_session_duration == *max_session_duration
        }),
    }
}

fn policy<'a>(arn: &Arn, observation: &'a Observation) -> Option<&'a ObservedPolicy> {
    observation.policies.get(arn).and_then(Sighting::seen)
}

fn agree(wanted: &BTreeMap<String, Option<String>>, found: &BTreeMap<String, String>) -> bool {
    wanted
        .iter()
        .all(|(key, value)| found.get(key) == value.as_ref())
}
