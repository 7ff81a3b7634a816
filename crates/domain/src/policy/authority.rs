//! How a role as a whole differs: who may use it, and what it may do.

use super::compare::{Comparison, Context, Difference, Side, Verdict, difference, settle};
use super::document::{Document, Effect, Kind};
use super::report::{Reporter, Voice};
use super::set::{Formula, Set};
use super::space::Space;
use super::subsume;

/// Everything that makes up the power of a role.
#[derive(Clone, Copy, Debug, Default)]
pub struct Authority<'a> {
    /// The trust policy; `None` when there is no role: nobody may use it.
    pub trust: Option<&'a Document>,
    /// Attached and inline policies, in any order.
    pub policies: &'a [Document],
    /// The permissions boundary; `None` when there is none: no limit.
    pub boundary: Option<&'a Document>,
}

/// Compares two states of a role: trust and permissions each, then both. The
/// permissions are what the policies allow together, within the boundary,
/// less what any of them denies; a boundary counts by itself too, since it
/// also limits what resource policies grant to the role.
pub fn compare_authority(
    before: &Authority<'_>,
    after: &Authority<'_>,
    context: &Context<'_>,
) -> Comparison {
    let nobody = Document::assembled(
        Kind::Trust,
        String::new(),
        super::Version::V2012,
        Vec::new(),
    );
    let trust = super::compare(
        before.trust.unwrap_or(&nobody),
        after.trust.unwrap_or(&nobody),
        context,
    );
    let permissions = permissions(before, after, context);
    let mut whole = trust;
    whole.verdict = whole.verdict.and(permissions.verdict);
    whole.gained.extend(permissions.gained);
    whole.lost.extend(permissions.lost);
    whole
}

fn permissions(before: &Authority<'_>, after: &Authority<'_>, context: &Context<'_>) -> Comparison {
    if before.boundary == after.boundary && same_documents(before.policies, after.policies) {
        return Comparison::equivalent();
    }
    let all: Vec<&Document> = [before, after].into_iter().flat_map(documents).collect();
    let Some(space) = Space::of(&all) else {
        return Comparison {
            verdict: if lies_within(after, before) && lies_within(before, after) {
                Verdict::Equivalent
            } else {
                Verdict::Unproven
            },
            gained: Vec::new(),
            lost: Vec::new(),
        };
    };
    let (old, new) = (side(&space, before), side(&space, after));
    let reporter = Reporter {
        space: &space,
        kind: Kind::Identity,
        context,
    };
    let mut gained = difference(&reporter, &old, &new, Voice::Gained);
    let mut lost = difference(&reporter, &new, &old, Voice::Lost);
    boundary(&space, before, after, "no longer limited by", &mut gained);
    boundary(&space, after, before, "now limited by", &mut lost);
    settle(
        &space,
        gained,
        lost,
        || lies_within(after, before),
        || lies_within(before, after),
    )
}

fn documents<'a>(authority: &Authority<'a>) -> impl Iterator<Item = &'a Document> {
    authority.policies.iter().chain(authority.boundary)
}

fn same_documents(one: &[Document], other: &[Document]) -> bool {
    one.len() == other.len()
        && one.iter().all(|d| other.contains(d))
        && other.iter().all(|d| one.contains(d))
}

fn union<'a>(
    space: &Space<'_>,
    documents: impl Iterator<Item = &'a Document>,
    effect: Effect,
) -> Set {
    documents.fold(Set::default(), |set, d| set.or(space.set(d, effect)))
}

fn boundary_allows(space: &Space<'_>, authority: &Authority<'_>) -> Formula {
    authority.boundary.map_or(Formula::Always, |b| {
        Formula::Some(space.set(b, Effect::Allow))
    })
}

fn side<'a>(space: &Space<'_>, authority: &Authority<'a>) -> Side<'a> {
    let granted = Formula::Some(union(space, authority.policies.iter(), Effect::Allow));
    Side {
        allows: Formula::And(vec![granted, boundary_allows(space, authority)]),
        denies: Formula::Some(union(space, documents(authority), Effect::Deny)),
        granting: authority.policies.iter().collect(),
        limiting: authority.boundary,
        denying: documents(authority).collect(),
    }
}

/// Whether `wide`'s boundary lets through what `narrow`'s does not.
fn boundary(
    space: &Space<'_>,
    narrow: &Authority<'_>,
    wide: &Authority<'_>,
    how: &str,
    out: &mut Difference,
) {
    let lets_through = Formula::And(vec![
        boundary_allows(space, wide),
        boundary_allows(space, narrow).negated(),
    ]);
    match space.find(&lets_through, &super::space::Within::default()) {
        super::space::Search::None => {}
        super::space::Search::GaveUp => out.gave_up = true,
        super::space::Search::Found(_) => {
            out.found = true;
            let whose = if wide.boundary.is_some() && narrow.boundary.is_some() {
                "part of the"
            } else {
                "the"
            };
            out.sentences
                .push(format!("the role is {how} {whose} permissions boundary"));
        }
    }
}

/// Whether `narrow` lies in `wide`, policy by policy and boundary by boundary.
fn lies_within(narrow: &Authority<'_>, wide: &Authority<'_>) -> bool {
    let refs = |a: &Authority<'_>| -> Vec<Document> { a.policies.to_vec() };
    let (inner, outer) = (refs(narrow), refs(wide));
    let policies = subsume::within(
        &inner.iter().collect::<Vec<_>>(),
        &outer.iter().collect::<Vec<_>>(),
    );
    let boundaries = match (narrow.boundary, wide.boundary) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(n), Some(w)) => subsume::within(&[n], &[w]),
    };
    policies && boundaries
}
