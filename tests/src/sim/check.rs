//! What must hold after every change to the world, whatever goes wrong.

use rolekeeper_domain::call::Operation;
use rolekeeper_domain::policy::{Document, Kind, Principal};
use rolekeeper_simulator::check::Probe;
use rolekeeper_simulator::{DEMO_EXTERNAL_ID, DEMO_ROLE, DEMO_VENDOR, World};

use super::memory::MemoryStore;
use super::rig::{POLICY, document, trust_text};

/// A change of the world that was not on record when it was made, in words.
pub fn unrecorded(world: &World, store: &MemoryStore) -> Option<String> {
    let (journal, spans) = (store.journal(), store.spans());
    for (index, change) in world.history().iter().enumerate() {
        let operation = Operation::from_action(&format!("iam:{}", change.operation));
        let known = journal.iter().zip(&spans).any(|(entry, span)| {
            entry.account == change.account
                && Some(entry.operation) == operation
                && span.from <= index
                && span.to.is_none_or(|to| index < to)
        });
        if !known {
            return Some(format!(
                "{} in {} was made without an intent on record",
                change.operation, change.account
            ));
        }
    }
    None
}

/// A change that touched what is not ours, in words.
pub fn strayed(world: &World) -> Option<String> {
    let ours = [format!("role/{DEMO_ROLE}"), format!("policy/{DEMO_ROLE}")];
    let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
    let (change, others) = world.strayed(&ours).into_iter().next()?;
    Some(format!(
        "{} in {} touched {}",
        change.operation,
        change.account,
        others.join(", ")
    ))
}

/// A moment at which somebody could do what they could neither before nor by the
/// specification, in words. Counts the changes from number `start` on.
pub fn exposed(world: &World, start: usize) -> Option<String> {
    let trust = document(Kind::Trust, &trust_text());
    let policies = [document(Kind::Identity, POLICY)];
    let exposure = exposures(world, &trust, &policies, start)?;
    Some(exposure)
}

fn exposures(
    world: &World,
    trust: &Document,
    policies: &[Document],
    start: usize,
) -> Option<String> {
    let found = world
        .exposures(DEMO_ROLE, trust, policies, &probes(), start)
        .into_iter()
        .next()?;
    Some(format!(
        "after {} in {} {:?} (external id {:?}) could do {} and could neither before nor should",
        found.mutation.operation,
        found.mutation.account,
        found.probe.principal,
        found.probe.external_id,
        found.probe.action
    ))
}

/// Who might try what: the vendor, the account that one drift trusts, and a stranger, with
/// and without the agreed word; harmless and dangerous things.
fn probes() -> Vec<Probe> {
    let ids = [
        None,
        Some(DEMO_EXTERNAL_ID.to_owned()),
        Some("guessed".to_owned()),
    ];
    let external = Some("stolen".to_owned());
    let ids: Vec<Option<String>> = ids.into_iter().chain([external]).collect();
    let actions = [
        "s3:GetObject",
        "iam:CreateUser",
        "iam:AttachRolePolicy",
        "ec2:RunInstances",
    ];
    let mut probes = Vec::new();
    for account in [DEMO_VENDOR, "987654321098", "123456789012"] {
        for external_id in &ids {
            for action in actions {
                probes.push(Probe {
                    principal: Principal::User {
                        arn: format!("arn:aws:iam::{account}:user/engine"),
                    },
                    external_id: external_id.clone(),
                    action: action.to_owned(),
                    resource: "*".to_owned(),
                });
            }
        }
    }
    probes
}
