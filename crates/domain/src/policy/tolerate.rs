//! Statements that somebody else adds and that are no drift: the denials a
//! company's scanner writes into every trust policy.
//!
//! Only Deny statements can be tolerated: they never give anyone anything.

use std::collections::BTreeSet;

use super::condition::Condition;
use super::document::{Document, Effect, Patterns, Statement};
use super::explain;
use super::json::{Json, push_string};
use super::operator::Operator;
use super::pattern::{Pattern, Place};
use super::principal::{Name, Principals};

/// The document without each Deny statement that one of `templates` matches
/// and that `agreed` does not have itself, and what was left out, in words.
///
/// A template is a document whose Deny statements may have `*` and `?` in
/// every value: `"Principal": "*"` stands for any principals, the action
/// `sts:*` for any STS actions, a condition value `o-*` for any value of this
/// shape. Operators and condition keys must be the same; a statement with
/// other or further conditions is another statement. A template's `Sid` is
/// compared too, when it has one.
pub fn without_tolerated(
    observed: &Document,
    agreed: &Document,
    templates: &[Document],
) -> (Document, Vec<String>) {
    let mut dropped = BTreeSet::new();
    let mut words = Vec::new();
    for (n, (statement, row)) in observed
        .statements()
        .iter()
        .zip(observed.rows())
        .enumerate()
    {
        let ours = agreed.rows().contains(row);
        let mut candidates = templates.iter().flat_map(Document::statements);
        if statement.effect() == Effect::Deny && !ours && candidates.any(|t| matches(t, statement))
        {
            dropped.insert(n);
            words.push(explain::statement(observed.kind(), statement));
        }
    }
    if dropped.is_empty() {
        return (observed.clone(), words);
    }
    let mut n = 0;
    let kept = observed.statements().iter().filter(|_| {
        n += 1;
        !dropped.contains(&(n - 1))
    });
    let kept = kept.cloned().collect();
    let text = without_statements(observed.text(), &dropped);
    (
        Document::assembled(observed.kind(), text, observed.version(), kept),
        words,
    )
}

fn matches(template: &Statement, statement: &Statement) -> bool {
    let sid = template
        .sid()
        .is_none_or(|wanted| like(wanted, statement.sid().unwrap_or_default()));
    sid && template.effect() == Effect::Deny
        && patterns(template.actions(), statement.actions())
        && match (template.resources(), statement.resources()) {
            (Some(t), Some(s)) => patterns(t, s),
            (None, None) => true,
            _ => false,
        }
        && match (template.principals(), statement.principals()) {
            (Some(t), Some(s)) => principals(t, s),
            (None, None) => true,
            _ => false,
        }
        && conditions(template.conditions(), statement.conditions())
}

fn like(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern, Place::Like, false).matches(text, &super::ConditionContext::new())
}

fn patterns(template: &Patterns, element: &Patterns) -> bool {
    let fits = |text: &str| {
        let text = text.to_lowercase();
        template
            .patterns()
            .iter()
            .any(|t| like(&t.source().to_lowercase(), &text))
    };
    template.is_negated() == element.is_negated()
        && element.patterns().iter().all(|p| fits(p.source()))
}

fn principals(template: &Principals, element: &Principals) -> bool {
    if template.names().contains(&Name::Everyone) {
        return true;
    }
    template.is_negated() == element.is_negated()
        && element.names().iter().all(|n| template.names().contains(n))
}

fn conditions(templates: &[Condition], conditions: &[Condition]) -> bool {
    let alike = |t: &Condition, c: &Condition| {
        let same: (Operator, &str) = (t.operator(), t.key_lower());
        same == (c.operator(), c.key_lower())
            && c.values()
                .iter()
                .all(|v| t.values().iter().any(|pattern| like(pattern, v)))
    };
    templates.len() == conditions.len()
        && conditions
            .iter()
            .all(|c| templates.iter().any(|t| alike(t, c)))
        && templates
            .iter()
            .all(|t| conditions.iter().any(|c| alike(t, c)))
}

/// The author's text without some of its statements.
fn without_statements(text: &str, dropped: &BTreeSet<usize>) -> String {
    let Ok(Json::Object(mut entries)) = Json::read(text) else {
        return text.to_owned();
    };
    for (key, value) in &mut entries {
        if key != "Statement" {
            continue;
        }
        let all = match std::mem::replace(value, Json::Null) {
            Json::List(all) => all,
            one => vec![one],
        };
        let kept = all
            .into_iter()
            .enumerate()
            .filter(|(n, _)| !dropped.contains(n))
            .map(|(_, s)| s);
        *value = Json::List(kept.collect());
    }
    let mut out = String::with_capacity(text.len());
    write(&mut out, &Json::Object(entries));
    out
}

fn write(out: &mut String, json: &Json) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Json::Number(n) => out.push_str(n),
        Json::Text(t) => push_string(out, t),
        Json::List(all) => {
            out.push('[');
            for (n, one) in all.iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                write(out, one);
            }
            out.push(']');
        }
        Json::Object(entries) => {
            out.push('{');
            for (n, (key, value)) in entries.iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                push_string(out, key);
                out.push(':');
                write(out, value);
            }
            out.push('}');
        }
    }
}
