//! The way back: the steps of a sweep undone, newest first.
//!
//! Each undoing step restores exactly what stood before the step that it undoes. So the
//! account goes through the same states as in the sweep, the other way round, and each
//! of them was safe: nobody held a permission in it that they had neither before the sweep nor
//! after it. That holds only from one of these states: when anything the sweep
//! touched was changed since, nothing of the role is undone in that account.

mod back;
mod state;
mod strangers;

use crate::observation::{Observation, Sighting};
use crate::plan::{Plan, Step};
use crate::role::{
    Adopt, Boundary, Ensure, Extras, IamPath, ManagedPolicySpec, RoleName, RoleSpec,
};

use self::state::{State, after, before};
use self::strangers::strangers;
use crate::account::AccountId;
use crate::arn::{Arn, Partition};
use crate::policy::{Document, Kind};

/// A step of a sweep, as the journal shows it.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The step.
    pub step: Step,
    /// What stood there before, see [`crate::plan::PlannedStep::before`].
    pub before: Option<String>,
    /// The id of what it made, where AWS gave it.
    pub created: Option<String>,
    /// Whether it surely had its effect. A call whose answer was lost may have had it.
    pub certain: bool,
}

impl Taken {
    /// A step of which nothing is known but what it is.
    fn unanswered(step: &Step) -> Self {
        Self {
            step: step.clone(),
            before: None,
            created: None,
            certain: false,
        }
    }
}

/// How to undo what a sweep did to one role in one account.
#[derive(Clone, Debug)]
pub struct WayBack {
    /// The steps. None while `obstacles` has anything.
    pub plan: Plan,
    /// Why nothing can be undone: what others changed since, or what cannot be
    /// written again, in words.
    pub obstacles: Vec<String>,
    target: State,
}

impl WayBack {
    /// What does not stand as it did before the sweep, in words; empty when all does.
    pub fn unfinished(&self, observation: &Observation) -> Vec<String> {
        self.target.differences(observation)
    }
}

/// Works out how to undo `taken`, the steps of one sweep for one role, oldest first.
///
/// `observation` has to cover what [`probe`] names, with the versions of its policies.
pub fn way_back(role: &RoleName, taken: &[Taken], observation: &Observation) -> WayBack {
    let mut way = WayBack {
        plan: Plan::empty(observation.account, role.clone()),
        obstacles: Vec::new(),
        target: State::default(),
    };
    let taken = effective(taken, observation, &mut way.obstacles);
    let story = Story::of(&taken, &mut way.obstacles);
    // A way back that was broken off goes on from where it stands.
    let still = (0..=story.steps.len())
        .rev()
        .find(|count| story.state(*count).differences(observation).is_empty());
    let Some(still) = still.filter(|_| way.obstacles.is_empty()) else {
        let changed = story.state(story.steps.len()).differences(observation);
        way.obstacles.extend(
            changed
                .into_iter()
                .map(|what| format!("{what} was changed since")),
        );
        return way;
    };
    let steps = story.steps.get(..still).unwrap_or_default();
    way.obstacles = strangers(steps, observation);
    way.target = story.state(0);
    if way.obstacles.is_empty() {
        match back::plan(role, steps, observation) {
            Ok(plan) => way.plan = plan,
            Err(obstacles) => way.obstacles = obstacles,
        }
    }
    way
}

/// The steps of a sweep and the states between them.
struct Story<'a> {
    /// Each step with what stood right before it.
    steps: Vec<(&'a Taken, State)>,
    /// What the sweep touched, as it stood before the first step.
    first: State,
    /// What had been touched so far, after each step.
    then: Vec<State>,
}

impl<'a> Story<'a> {
    fn of(taken: &[&'a Taken], obstacles: &mut Vec<String>) -> Self {
        let mut story = Self {
            steps: Vec::new(),
            first: State::default(),
            then: Vec::new(),
        };
        let mut now = State::default();
        for step in taken {
            let stood = before(step).unwrap_or_else(|why| {
                obstacles.push(format!("{}: {why}", step.step));
                Vec::new()
            });
            let mut prior = State::default();
            for (facet, standing) in stood {
                // What the sweep itself put there says it best: the journal's word is
                // from before the plan, not from between its steps.
                let standing = now.get(&facet).cloned().unwrap_or(standing);
                story.first.set_first(facet.clone(), standing.clone());
                prior.set(facet, standing);
            }
            after(step)
                .into_iter()
                .for_each(|(facet, standing)| now.set(facet, standing));
            story.steps.push((*step, prior));
            story.then.push(now.clone());
        }
        story
    }

    /// All that the sweep touched, as it stood after so many steps.
    fn state(&self, steps: usize) -> State {
        let mut state = self.first.clone();
        if let Some(then) = steps.checked_sub(1).and_then(|last| self.then.get(last)) {
            state.overlay(then);
        }
        state.without_homeless()
    }
}

/// Whether a step had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What it brings about is there.
    There,
    /// It is not.
    NotThere,
    /// That cannot be seen.
    Unknown,
}

/// Looks whether a step whose answer nobody has was taken. `observation` has to cover what
/// [`probe`] names, with the versions of its policies.
///
/// What somebody else has brought about in the meantime counts as well: the
/// account is then as the step would have left it.
pub fn effect(step: &Step, observation: &Observation) -> Effect {
    let taken = Taken::unanswered(step);
    let there = match step {
        Step::DeletePolicyVersion { arn, version_id } => {
            let policy = observation.policies.get(arn).and_then(Sighting::seen);
            let versions = policy.and_then(|policy| policy.versions.as_ref()?.seen());
            match versions {
                Some(versions) => !versions.iter().any(|version| version.id == *version_id),
                None if matches!(observation.policies.get(arn), Some(Sighting::Absent)) => true,
                None => return Effect::Unknown,
            }
        }
        _ => State::of(after(&taken)).differences(observation).is_empty(),
    };
    let blind = observation.role.fault().is_some()
        || observation.attachments.fault().is_some()
        || observation.inline.fault().is_some()
        || observation.policies.values().any(|policy| {
            let unread = policy
                .seen()
                .is_some_and(|policy| policy.document.fault().is_some());
            policy.fault().is_some() || unread
        });
    match (there, blind) {
        (true, _) => Effect::There,
        (false, true) => Effect::Unknown,
        (false, false) => Effect::NotThere,
    }
}

/// Whether two steps change the same thing, so that what stands there does not tell which of them did it.
pub fn meet(one: &Step, other: &Step) -> bool {
    let facets = |step: &Step| {
        let left = after(&Taken::unanswered(step));
        left.into_iter().map(|(facet, _)| facet)
    };
    let ours: Vec<_> = facets(one).collect();
    // An idle version of a policy is no facet.
    let is_same = one.operation() == other.operation() && one.resource() == other.resource();
    is_same || facets(other).any(|facet| ours.contains(&facet))
}

/// The steps that had an effect. Of a call whose answer was lost, the next step on the same thing says it by
/// what it found there, or what stands in the account. Where that is neither what the call leaves nor what
/// stood before it, or cannot be read, nobody can say: an obstacle.
fn effective<'a>(
    taken: &'a [Taken],
    observation: &Observation,
    obstacles: &mut Vec<String>,
) -> Vec<&'a Taken> {
    let mut effective = Vec::new();
    for (index, step) in taken.iter().enumerate() {
        let left = after(step);
        let touches = |other: &&Taken| {
            after(other)
                .iter()
                .any(|(facet, _)| left.iter().any(|(ours, _)| ours == facet))
        };
        let next = taken.iter().skip(index + 1).find(touches);
        let had_effect = match next {
            _ if step.certain => true,
            Some(next) => before(next).is_ok_and(|found| {
                left.iter()
                    .any(|standing| found.contains(standing) && standing.1.is_some())
            }),
            None => stands_after(step, observation).unwrap_or_else(|what| {
                obstacles.extend(what.into_iter().map(|what| {
                    format!(
                        "{what} cannot be read or was changed since, and the answer to {} was lost",
                        step.step
                    )
                }));
                false
            }),
        };
        if had_effect {
            effective.push(step);
        }
    }
    effective
}

/// Whether the account stands as `taken` leaves it, and not as before it; else what stands otherwise than both.
fn stands_after(taken: &Taken, observation: &Observation) -> Result<bool, Vec<String>> {
    let after = State::of(after(taken));
    let differs = after.differences(observation);
    if differs.is_empty() {
        return Ok(true);
    }
    let stood =
        before(taken).is_ok_and(|before| State::of(before).differences(observation).is_empty());
    if stood || after.is_homeless(observation) {
        return Ok(false);
    }
    Err(differs)
}

/// A specification that names what has to be looked at to undo these steps, or to see
/// whether they were taken. It is only good for looking: it wants nothing.
///
/// # Errors
///
/// When a policy's name is not one.
pub fn probe(
    role: &RoleName,
    steps: &[&Step],
    account: AccountId,
    partition: Partition,
) -> Result<RoleSpec, String> {
    const NOBODY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}]}"#;
    const NOTHING: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
    let document = |kind, text| Document::parse(kind, text).map_err(|error| error.to_string());
    let nothing = document(Kind::Identity, NOTHING)?;
    let mut managed_policies: Vec<ManagedPolicySpec> = Vec::new();
    for arn in steps.iter().filter_map(|step| own_policy(step)) {
        let (path, name) = path_and_name(arn)?;
        let known = managed_policies
            .iter()
            .any(|policy| policy.name == name && policy.path == path);
        if arn.account() == Some(account) && !known {
            let document = nothing.clone();
            managed_policies.push(ManagedPolicySpec {
                name,
                path,
                document,
                tags: Default::default(),
            });
        }
    }
    Ok(RoleSpec {
        name: role.clone(),
        partition,
        path: IamPath::default(),
        ensure: Ensure::Present,
        trust: document(Kind::Trust, NOBODY)?,
        description: None,
        max_session_duration: None,
        boundary: Boundary::Unmanaged,
        tags: Default::default(),
        managed_policies,
        attach: Default::default(),
        inline: Default::default(),
        extras: Extras::Ignore,
        adopt: Adopt::Never,
        tolerate: Vec::new(),
        legacy_users: Default::default(),
    })
}

/// The policy that a step changes, not merely attaches.
const fn own_policy(step: &Step) -> Option<&Arn> {
    match step {
        Step::CreatePolicy { arn, .. }
        | Step::CreatePolicyVersion { arn, .. }
        | Step::DeletePolicyVersion { arn, .. }
        | Step::TagPolicy { arn, .. }
        | Step::UntagPolicy { arn, .. }
        | Step::DeletePolicy { arn } => Some(arn),
        _ => None,
    }
}

fn path_and_name(arn: &Arn) -> Result<(IamPath, crate::role::PolicyName), String> {
    let name = arn.name();
    let path = arn
        .resource()
        .strip_prefix("policy")
        .and_then(|rest| rest.strip_suffix(name));
    let path = path
        .unwrap_or("/")
        .parse()
        .map_err(|error| format!("{error}"))?;
    Ok((path, name.parse().map_err(|error| format!("{error}"))?))
}

#[cfg(test)]
mod tests;
