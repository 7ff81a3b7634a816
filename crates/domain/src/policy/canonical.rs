//! One spelling for all spellings of a document.
//!
//! This normal form removes what is a matter of writing: order, repetition,
//! case where case does not count, patterns that another pattern of the same
//! element covers, statements that differ in one element only. It does not
//! decide meaning across statements; the comparison does.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::condition::{Condition, Value};
use super::document::{Effect, Kind, Patterns, Statement};
use super::json::push_string;
use super::language;
use super::operator::Test;
use super::pattern::{Pattern, Token};
use super::principal::{Name, Principals};

/// The canonical spelling and its digest.
pub(super) struct Canonical {
    /// Each statement by itself, in the author's order.
    pub(super) rows: Vec<String>,
    pub(super) text: String,
    pub(super) fingerprint: String,
}

/// Brings statements into canonical form.
pub(super) fn of(kind: Kind, statements: &[Statement]) -> Canonical {
    let mut rows: Vec<Row> = statements.iter().map(Row::of).collect();
    let single = |row: &Row| {
        let mut text = String::new();
        row.write(&mut text);
        text
    };
    let each = rows.iter().map(single).collect();
    // Statements alike but for one element are one statement. Three passes in
    // a fixed order; the result does not depend on the order of statements.
    rows = merge(rows, |row| &mut row.actions);
    rows = merge(rows, |row| &mut row.resources);
    rows = merge(rows, |row| &mut row.principals);
    rows.sort();
    rows.dedup();
    let mut text = format!("{{\"kind\":\"{kind}\",\"statements\":[");
    for (n, row) in rows.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        row.write(&mut text);
    }
    text.push_str("]}");
    let digest = Sha256::digest(text.as_bytes());
    let mut fingerprint = String::with_capacity(64);
    for byte in digest {
        // Writing to a String cannot fail.
        _ = write!(fingerprint, "{byte:02x}");
    }
    Canonical {
        rows: each,
        text,
        fingerprint,
    }
}

/// An element: its name ("Action", "NotAction") and its values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Element {
    negated: bool,
    values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    effect: Effect,
    principals: Element,
    actions: Element,
    resources: Element,
    conditions: Vec<(String, Vec<String>)>,
}

impl Row {
    fn of(statement: &Statement) -> Row {
        let mut conditions: Vec<_> = statement.conditions.iter().map(condition).collect();
        conditions.sort();
        conditions.dedup();
        Row {
            effect: statement.effect,
            principals: statement
                .principals
                .as_ref()
                .map(principals)
                .unwrap_or_default(),
            actions: patterns(&statement.actions),
            resources: statement
                .resources
                .as_ref()
                .map(patterns)
                .unwrap_or_default(),
            conditions,
        }
    }

    fn write(&self, out: &mut String) {
        let effect = match self.effect {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        };
        out.push_str("{\"Effect\":\"");
        out.push_str(effect);
        out.push('"');
        for (name, element) in [
            ("Principal", &self.principals),
            ("Action", &self.actions),
            ("Resource", &self.resources),
        ] {
            if !element.values.is_empty() {
                out.push_str(",\"");
                out.push_str(if element.negated { "Not" } else { "" });
                out.push_str(name);
                out.push_str("\":");
                write_list(out, &element.values);
            }
        }
        if !self.conditions.is_empty() {
            out.push_str(",\"Condition\":[");
            for (n, (name, values)) in self.conditions.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push('{');
                push_string(out, name);
                out.push(':');
                write_list(out, values);
                out.push('}');
            }
            out.push(']');
        }
        out.push('}');
    }
}

fn write_list(out: &mut String, values: &[String]) {
    out.push('[');
    for (n, value) in values.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        push_string(out, value);
    }
    out.push(']');
}

fn merge(rows: Vec<Row>, element: fn(&mut Row) -> &mut Element) -> Vec<Row> {
    let mut groups: BTreeMap<Row, Vec<String>> = BTreeMap::new();
    let mut out = Vec::new();
    for mut row in rows {
        if element(&mut row).negated {
            out.push(row);
            continue;
        }
        let values = std::mem::take(&mut element(&mut row).values);
        groups.entry(row).or_default().extend(values);
    }
    for (mut row, mut values) in groups {
        values.sort();
        values.dedup();
        if values.len() > 1 && values.iter().any(|v| v == "*") {
            values = vec!["*".to_owned()];
        }
        element(&mut row).values = values;
        out.push(row);
    }
    out
}

fn principals(principals: &Principals) -> Element {
    let mut values: Vec<String> = principals.names.iter().map(Name::canonical).collect();
    if values.iter().any(|v| v == "*") {
        values = vec!["*".to_owned()];
    }
    Element {
        negated: principals.negated,
        values,
    }
}

fn patterns(patterns: &Patterns) -> Element {
    let kept = language::without_covered(&patterns.patterns);
    let mut values: Vec<String> = kept.into_iter().map(spelling).collect();
    values.sort();
    values.dedup();
    Element {
        negated: patterns.negated,
        values,
    }
}

/// A pattern in canonical spelling: lower case where case does not count;
/// what is not a plain character is told apart from one that looks like it.
fn spelling(pattern: &Pattern) -> String {
    let mut out = String::new();
    for token in pattern.tokens() {
        match token {
            Token::Lit(c @ ('*' | '?' | '$')) => {
                out.push_str("${");
                out.push(*c);
                out.push('}');
            }
            Token::Lit(c) | Token::Fold(c) => out.push(*c),
            Token::One | Token::OneInSegment => out.push('?'),
            Token::Many | Token::ManyInSegment => out.push('*'),
            Token::Variable(v) => {
                out.push_str("${");
                out.push_str(&v.key);
                if let Some(default) = &v.default {
                    out.push_str(",'");
                    out.push_str(default);
                    out.push('\'');
                }
                out.push('}');
            }
        }
    }
    out
}

fn condition(condition: &Condition) -> (String, Vec<String>) {
    let operator = condition.operator();
    let values = condition.compiled().iter().zip(condition.values());
    let mut values: Vec<String> = values
        .map(|(compiled, written)| match compiled {
            Value::Pattern(p) => spelling(p),
            Value::Number(n) => n.to_string(),
            Value::Network(n) => format!(
                "{:x}-{:x}{}",
                n.first,
                n.last,
                if n.v6 { " v6" } else { "" }
            ),
            Value::Flag(f) => f.to_string(),
            Value::Unusable => format!("unusable {written}"),
        })
        .collect();
    values.sort();
    values.dedup();
    let test = if operator.test == Test::Null && values.len() == 2 {
        "always ".to_owned()
    } else {
        String::new()
    };
    (
        format!("{test}{operator} {}", condition.key_lower()),
        values,
    )
}
