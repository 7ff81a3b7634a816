//! A document told statement by statement.

use super::document::{Document, Effect, Kind, Statement};
use super::words;

/// One sentence for each statement, in the document's order. The values of
/// external ids are not told.
pub fn explain(document: &Document) -> Vec<String> {
    if document.statements().is_empty() {
        return vec!["it has no statements: nothing is allowed, nothing denied".to_owned()];
    }
    document
        .statements()
        .iter()
        .map(|s| statement(document.kind(), s))
        .collect()
}

/// One statement in a sentence.
pub(super) fn statement(kind: Kind, statement: &Statement) -> String {
    let conditions = words::conditions(statement.conditions());
    let actions = if statement.actions().is_negated() || statement.actions().names_everything() {
        vec![words::actions(statement.actions())]
    } else {
        statement
            .actions()
            .patterns()
            .iter()
            .map(|p| words::shown(p.source()))
            .collect()
    };
    let on = match statement.resources() {
        Some(r) if r.is_negated() || !r.names_everything() => {
            format!(" on {}", words::resources(r))
        }
        _ => String::new(),
    };
    let told = match (statement.principals(), statement.effect()) {
        (Some(who), Effect::Allow) => {
            format!(
                "{} may {}{on}{conditions}",
                words::principals(who),
                words::deeds(kind, &actions)
            )
        }
        (Some(who), Effect::Deny) => {
            format!(
                "{} may in no case {}{on}{conditions}",
                words::principals(who),
                words::deeds(kind, &actions)
            )
        }
        (None, effect) => {
            let is = if actions.len() == 1 { "is" } else { "are" };
            let actions = words::list(&actions, "and");
            let on = if on.is_empty() {
                " on every resource"
            } else {
                &on
            };
            match effect {
                Effect::Allow => format!("{actions} {is} allowed{on}{conditions}"),
                Effect::Deny => {
                    format!("{actions} {is} denied{on}{conditions}, whatever else allows it")
                }
            }
        }
    };
    match statement.sid() {
        Some(sid) if !sid.is_empty() => format!("{told} ({})", words::shown(sid)),
        _ => told,
    }
}
