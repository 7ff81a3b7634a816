//! What must hold after every change to the world, whatever goes wrong.

use rolekeeper_domain::fault::Category;
use rolekeeper_domain::outcome::AccountReport;
use rolekeeper_domain::policy::{Document, Principal};
use rolekeeper_domain::role::{Ensure, RoleSpec};
use rolekeeper_engine::port::store::{Completion, Journal, JournalEntry};
use rolekeeper_simulator::check::Probe;
use rolekeeper_simulator::{DEMO_EXTERNAL_ID, DEMO_VENDOR, World};

use super::memory::{MemoryStore, Span};
use super::rig::demo_spec;
use super::sent::{Sent, Watched as _, difference};

/// A change of the world that was not on record when it was made, in words: an intent that was open then
/// says the same account and call with the same parameters, documents and all.
pub fn unrecorded(world: &World, store: &MemoryStore) -> Option<String> {
    against(world, &store.journal(), &store.spans(), store.sent())
}

/// The same against any journal.
pub fn against(
    world: &World,
    journal: &[JournalEntry],
    spans: &[Span],
    sent: &Sent,
) -> Option<String> {
    for (index, change) in world.history().iter().enumerate() {
        let what = format!("{} in {} was made", change.operation, change.account);
        let Some(body) = sent.of(index) else {
            return Some(format!("{what} by a call that nobody sent"));
        };
        let open = journal.iter().zip(spans).filter(|(entry, span)| {
            entry.account == change.account
                && span.from <= index
                && span.to.is_none_or(|to| index < to)
        });
        let mut differences = Vec::new();
        for (entry, _) in open {
            differences.push(difference(entry, change, &body));
        }
        if !differences.contains(&None) {
            let found: Vec<String> = differences.into_iter().flatten().collect();
            return Some(format!(
                "{what} without an intent on record; open were: {found:?}"
            ));
        }
    }
    None
}

/// What is wrong with the journal once nothing is under way, in words: an entry that is open, a change that
/// is on record as done never or twice, or an entry that is done and changed nothing.
pub fn unsettled(world: &World, store: &MemoryStore) -> Option<String> {
    match without_a_change(world, store) {
        Err(what) => Some(what),
        Ok(idle) => {
            let first = idle.first()?;
            Some(format!("done on record and not in the world: {first:?}"))
        }
    }
}

/// The same where AWS may say yes and do nothing: an entry that is done and changed nothing proves nothing.
pub fn unaccounted(world: &World, store: &MemoryStore) -> Option<String> {
    without_a_change(world, store).err()
}

/// Whether an entry says that nobody can tell any more: its answer was lost, and a later step changed the same thing
/// before anybody saw what had become of it.
fn was_overtaken(entry: &JournalEntry) -> bool {
    const SAID: &str = "a later step changed the same thing";
    matches!(
        &entry.completion,
        Some(Completion::Failed(fault)) if fault.message.contains(SAID)
    )
}

/// The entries that are done and changed nothing. An error when one is open, or a change is on record never or
/// twice.
fn without_a_change(world: &World, store: &MemoryStore) -> Result<Vec<JournalEntry>, String> {
    let (journal, sent) = (store.journal(), store.sent());
    if let Some(open) = journal.iter().find(|entry| entry.completion.is_none()) {
        return Err(format!("still open: {open:?}"));
    }
    let mut done: Vec<&JournalEntry> = journal.iter().filter(|entry| is_done(entry)).collect();
    let mut perhaps: Vec<&JournalEntry> = journal
        .iter()
        .filter(|entry| was_overtaken(entry))
        .collect();
    for (index, change) in world.history().iter().enumerate() {
        let body = sent.of(index).unwrap_or_default();
        let says_so = |entry: &&JournalEntry| difference(entry, change, &body).is_none();
        let entries = if done.iter().any(says_so) {
            &mut done
        } else {
            &mut perhaps
        };
        let Some(found) = entries.iter().position(says_so) else {
            return Err(format!(
                "change {index}, {} in {}, was made and no entry says so",
                change.operation, change.account
            ));
        };
        entries.remove(found);
    }
    Ok(done.into_iter().cloned().collect())
}

/// An account whose walk panicked, in words: the engine catches that and reports it.
pub fn panicked(store: &MemoryStore) -> Option<String> {
    const SAID: &str = "rolekeeper itself failed";
    let tells = |report: &AccountReport| {
        report.failure.as_ref().is_some_and(|fault| {
            fault.category == Category::Internal && fault.message.contains(SAID)
        })
    };
    let report = store.last_reports().into_iter().find(tells)?;
    Some(format!("a walk panicked: {report:?}"))
}

fn is_done(entry: &JournalEntry) -> bool {
    entry.completion.as_ref().is_some_and(Completion::is_done)
}

/// How many steps were taken by the record of any store. As many as the world has seen changes, where none was
/// lost or doubled.
#[expect(clippy::expect_used, reason = "the rig is part of the tests")]
pub async fn steps_done(store: &impl Journal, world: &World) -> usize {
    let mut done = 0;
    for account in world.reachable() {
        let history = store.history(account, None, 1_000).await;
        let history = history.expect("a store that can be read");
        done += history.iter().filter(|entry| is_done(entry)).count();
    }
    done
}

/// A change that touched what is not ours, in words.
pub fn strayed(world: &World) -> Option<String> {
    strayed_from(world, &[demo_spec()])
}

/// The same for any roles.
pub fn strayed_from(world: &World, specs: &[RoleSpec]) -> Option<String> {
    let ours: Vec<String> = specs.iter().flat_map(names).collect();
    let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
    let (change, others) = world.strayed(&ours).into_iter().next()?;
    Some(format!(
        "{} in {} touched {}",
        change.operation,
        change.account,
        others.join(", ")
    ))
}

/// What a specification names.
fn names(spec: &RoleSpec) -> Vec<String> {
    let policies = spec.managed_policies.iter();
    let policies = policies.map(|policy| format!("policy/{}", policy.name));
    std::iter::once(format!("role/{}", spec.name))
        .chain(policies)
        .collect()
}

/// A moment at which somebody could do what they could neither before nor by the
/// specification, in words. Counts the changes from number `start` on.
pub fn exposed(world: &World, start: usize) -> Option<String> {
    exposed_under(world, &[demo_spec()], start)
}

/// The same for any roles; one that should be absent gives nothing to anybody.
pub fn exposed_under(world: &World, specs: &[RoleSpec], start: usize) -> Option<String> {
    specs.iter().find_map(|spec| {
        let managed = spec.managed_policies.iter();
        let managed = managed.map(|policy| policy.document.clone());
        let policies: Vec<Document> = match spec.ensure {
            Ensure::Present => managed.chain(spec.inline.values().cloned()).collect(),
            Ensure::Absent => Vec::new(),
        };
        exposures(world, spec.name.as_str(), &spec.trust, &policies, start)
    })
}

fn exposures(
    world: &World,
    role: &str,
    trust: &Document,
    policies: &[Document],
    start: usize,
) -> Option<String> {
    let found = world
        .exposures(role, trust, policies, &probes(), start)
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
pub fn probes() -> Vec<Probe> {
    // One that is agreed, one that a drift asks for and nobody else, and none.
    let ids = [None, Some(DEMO_EXTERNAL_ID), Some("stolen")];
    let actions = ["s3:GetObject", "iam:CreateUser", "iam:AttachRolePolicy"];
    let mut probes = Vec::new();
    for account in [DEMO_VENDOR, "987654321098", "123456789012"] {
        for external_id in &ids {
            for action in actions {
                probes.push(Probe {
                    principal: Principal::User {
                        arn: format!("arn:aws:iam::{account}:user/engine"),
                    },
                    external_id: external_id.map(str::to_owned),
                    action: action.to_owned(),
                    resource: "*".to_owned(),
                });
            }
        }
    }
    probes
}
