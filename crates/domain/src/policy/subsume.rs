//! Statement by statement: a quick proof that one document allows no more
//! than another. `true` is always right; `false` says nothing.

use super::condition::Condition;
use super::document::{Document, Effect, Patterns, Statement};
use super::language::covers;
use super::principal::{Name, Principals};

/// Whether `narrow` grants nothing that `wide` does not, and denies all that
/// `wide` denies: each grant of the one lies in a grant of the other, each
/// denial of the other in a denial of the one.
pub(super) fn within(narrow: &[&Document], wide: &[&Document]) -> bool {
    let all = |documents: &[&Document], effect| super::compare::statements(documents, effect).len();
    // The work is bounded: statements against statements.
    if all(narrow, Effect::Allow) * all(wide, Effect::Allow) > 10_000 {
        return false;
    }
    each_in_one(narrow, wide, Effect::Allow) && each_in_one(wide, narrow, Effect::Deny)
}

fn each_in_one(inner: &[&Document], outer: &[&Document], effect: Effect) -> bool {
    let outer = super::compare::statements(outer, effect);
    let inner = super::compare::statements(inner, effect);
    inner.iter().all(|s| outer.iter().any(|o| lies_in(s, o)))
}

/// Whether whatever `inner` speaks of, `outer` speaks of too.
fn lies_in(inner: &Statement, outer: &Statement) -> bool {
    patterns_in(inner.actions(), outer.actions())
        && match (inner.resources(), outer.resources()) {
            (Some(inner), Some(outer)) => patterns_in(inner, outer),
            (_, None) => true,
            (None, Some(_)) => false,
        }
        && match (inner.principals(), outer.principals()) {
            (Some(inner), Some(outer)) => principals_in(inner, outer),
            (_, None) => true,
            (None, Some(_)) => false,
        }
        && outer
            .conditions()
            .iter()
            .all(|o| inner.conditions().iter().any(|i| implies(i, o)))
}

fn patterns_in(inner: &Patterns, outer: &Patterns) -> bool {
    let all_covered = |some: &Patterns, by: &Patterns| {
        some.patterns()
            .iter()
            .all(|s| by.patterns().iter().any(|b| covers(b, s)))
    };
    match (inner.is_negated(), outer.is_negated()) {
        (false, false) => all_covered(inner, outer),
        (true, true) => all_covered(outer, inner),
        (true, false) => outer.names_everything(),
        (false, true) => false,
    }
}

fn principals_in(inner: &Principals, outer: &Principals) -> bool {
    if !outer.is_negated() && outer.names().contains(&Name::Everyone) {
        return true;
    }
    match (inner.is_negated(), outer.is_negated()) {
        (false, false) => inner.names().iter().all(|n| outer.names().contains(n)),
        (true, true) => outer.names().iter().all(|n| inner.names().contains(n)),
        _ => false,
    }
}

/// Whether `inner` holds only where `outer` does: the same operator on the
/// same key, with some of the values (of a negated one: with more).
fn implies(inner: &Condition, outer: &Condition) -> bool {
    if inner.operator() != outer.operator() || inner.key_lower() != outer.key_lower() {
        return false;
    }
    let (few, many) = if inner.operator().negated {
        (outer, inner)
    } else {
        (inner, outer)
    };
    few.values().iter().all(|v| many.values().contains(v))
}
