//! What a reviewer would say about a document before it is put to use.

mod escalation;
mod names;
mod trust;

use std::fmt;

use super::condition::{Condition, Value};
use super::document::{Document, Effect, Kind, Patterns, Statement, Version};
use super::operator::Quantifier;
use super::pattern::Pattern;
use super::set::Formula;
use super::space::{Search, Space, Within};

/// How much a remark weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LintSeverity {
    /// Worth knowing.
    Note,
    /// Probably not what was meant, or a risk to be taken knowingly.
    Warning,
    /// AWS will refuse it, or it opens the role to everyone.
    Error,
}

impl fmt::Display for LintSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LintSeverity::Note => "note",
            LintSeverity::Warning => "warning",
            LintSeverity::Error => "error",
        })
    }
}

/// One remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// How much it weighs.
    pub severity: LintSeverity,
    /// A stable word for it, `wildcard_trust`.
    pub code: &'static str,
    /// Where, as a path into the document; empty for the whole.
    pub path: String,
    /// What is the matter, in a sentence.
    pub message: String,
    /// What to do about it, in a sentence.
    pub remedy: String,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.path.is_empty() {
            String::new()
        } else {
            format!("{}: ", self.path)
        };
        write!(f, "{at}{} ({}); {}", self.message, self.code, self.remedy)
    }
}

/// What surrounds the document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LintContext<'a> {
    /// The account it is used in, when there is only one: principals of other
    /// accounts are then told from its own.
    pub account: Option<&'a str>,
    /// Whether a permissions boundary limits the role.
    pub bounded: bool,
    /// A limit other than [`Kind::character_limit`]: a raised quota, or what
    /// an inline policy may have.
    pub character_limit: Option<usize>,
}

/// Everything worth remarking, the weightiest first, then by place.
pub fn lint(document: &Document, context: &LintContext<'_>) -> Vec<Lint> {
    let mut remarks = Remarks(Vec::new());
    whole(document, context, &mut remarks);
    for (n, statement) in document.statements().iter().enumerate() {
        let path = format!("Statement[{n}]");
        actions(&path, statement, &mut remarks);
        conditions(&path, statement, &mut remarks);
        if document.kind() == Kind::Trust {
            trust::lint(&path, statement, context, &mut remarks);
        }
    }
    without_effect(document, &mut remarks);
    if document.kind() == Kind::Identity {
        escalation::lint(document, context, &mut remarks);
    }
    let mut all = remarks.0;
    all.sort_by_key(|lint| std::cmp::Reverse(lint.severity));
    all
}

/// Collects remarks.
struct Remarks(Vec<Lint>);

impl Remarks {
    fn add(
        &mut self,
        severity: LintSeverity,
        code: &'static str,
        path: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (path, message, remedy) = (path.to_owned(), message.into(), remedy.into());
        self.0.push(Lint {
            severity,
            code,
            path,
            message,
            remedy,
        });
    }
}

fn whole(document: &Document, context: &LintContext<'_>, remarks: &mut Remarks) {
    let limit = context
        .character_limit
        .or_else(|| document.kind().character_limit());
    if let Some(limit) = limit.filter(|l| document.size() > *l) {
        let message = format!("{} characters, where AWS accepts {limit}", document.size());
        remarks.add(
            LintSeverity::Error,
            "too_long",
            "",
            message,
            "split it, or use wildcards in place of lists",
        );
    }
    let foreign = document
        .text()
        .chars()
        .find(|c| *c > '\u{ff}' || (c.is_control() && !c.is_whitespace()));
    if let Some(c) = foreign {
        let message = format!(
            "the character U+{:04X}, which IAM does not accept in a policy",
            u32::from(c)
        );
        remarks.add(
            LintSeverity::Error,
            "characters",
            "",
            message,
            "keep to Latin-1 characters",
        );
    }
    if document.statements().is_empty() {
        remarks.add(
            LintSeverity::Error,
            "empty",
            "Statement",
            "no statements",
            "AWS wants at least one",
        );
    }
    if document.version() == Version::V2008 && document.text().contains("${") {
        let message = "without \"Version\": \"2012-10-17\" the text ${…} is no policy variable but plain text";
        remarks.add(
            LintSeverity::Warning,
            "variable_as_text",
            "Version",
            message,
            "state the version 2012-10-17",
        );
    }
}

fn actions(path: &str, statement: &Statement, remarks: &mut Remarks) {
    let element = statement.actions();
    let name = if element.is_negated() {
        "NotAction"
    } else {
        "Action"
    };
    for (n, pattern) in element.patterns().iter().enumerate() {
        let path = format!("{path}.{name}[{n}]");
        action(&path, pattern, remarks);
    }
    if element.is_negated() && statement.effect() == Effect::Allow {
        let message =
            "Allow with NotAction also allows every action of every service that AWS adds later";
        remarks.add(
            LintSeverity::Note,
            "allow_not_action",
            &format!("{path}.NotAction"),
            message,
            "list what is meant",
        );
    }
}

fn action(path: &str, pattern: &Pattern, remarks: &mut Remarks) {
    let Some((service, name)) = pattern.source().split_once(':') else {
        return;
    };
    if service.contains(['*', '?']) {
        return;
    }
    let shown = super::words::shown(pattern.source());
    let suggestion = |known: Option<String>| match known {
        Some(near) => format!("did you mean {near}?"),
        None => "check its spelling in the service authorization reference".to_owned(),
    };
    let Some(known) = names::actions_of(service) else {
        if !names::is_service(service) {
            let near = names::nearest_service(service).map(|s| format!("{s}:{name}"));
            let message = format!("{shown} names no service that is known here");
            remarks.add(
                LintSeverity::Warning,
                "unknown_service",
                path,
                message,
                suggestion(near),
            );
        } else if !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '*' | '?'))
        {
            let message =
                format!("{shown} cannot be an action: they consist of letters and digits");
            remarks.add(
                LintSeverity::Warning,
                "impossible_action",
                path,
                message,
                suggestion(None),
            );
        }
        return;
    };
    let matches = |action: &&str| {
        let full = format!("{service}:{action}");
        pattern.matches(&full, &super::ConditionContext::new())
    };
    if !known.clone().any(|a| matches(&a)) {
        let near =
            names::nearest(name, known).map(|a| format!("{}:{a}", service.to_ascii_lowercase()));
        let message = format!(
            "{shown} matches no action of {}",
            service.to_ascii_lowercase()
        );
        remarks.add(
            LintSeverity::Warning,
            "unknown_action",
            path,
            message,
            suggestion(near),
        );
    }
}

fn conditions(path: &str, statement: &Statement, remarks: &mut Remarks) {
    for condition in statement.conditions() {
        let key = super::words::shown(condition.key());
        let path = format!("{path}.Condition.{}.{key}", condition.operator());
        unusable_values(&path, condition, remarks);
        let null_check = |c: &Condition| {
            c.key_lower() == condition.key_lower() && c.operator().test == super::Test::Null
        };
        if condition.operator().quantifier == Quantifier::All
            && statement.effect() == Effect::Allow
            && !statement.conditions().iter().any(null_check)
        {
            let message = format!("ForAllValues also holds when the request has no {key} at all");
            let remedy = format!("add \"Null\": {{\"{key}\": \"false\"}} if it must be there");
            remarks.add(
                LintSeverity::Warning,
                "for_all_values",
                &path,
                message,
                remedy,
            );
        }
    }
}

fn unusable_values(path: &str, condition: &Condition, remarks: &mut Remarks) {
    for (value, written) in condition.compiled().iter().zip(condition.values()) {
        if matches!(value, Value::Unusable) {
            let shown = super::words::shown(written);
            let message = format!(
                "the value {shown} can never match with {}",
                condition.operator()
            );
            remarks.add(
                LintSeverity::Warning,
                "condition_value",
                path,
                message,
                "correct the value or the operator",
            );
        }
    }
    if condition.values().is_empty() {
        let message = "a condition without values can never match (a negated one always does)";
        remarks.add(
            LintSeverity::Warning,
            "condition_value",
            path,
            message,
            "give it a value, or leave it out",
        );
    }
}

/// Statements that change nothing, because of what the others say.
fn without_effect(document: &Document, remarks: &mut Remarks) {
    let Some(space) = Space::of(&[document]) else {
        return;
    };
    if !space.complete || space.entangled || document.statements().len() < 2 {
        return;
    }
    let denies = Formula::Some(space.set(document, Effect::Deny));
    for (n, statement) in document.statements().iter().enumerate() {
        if statement.effect() != Effect::Allow {
            continue;
        }
        let own = Formula::Some(space.only(document, n));
        let open = Formula::And(vec![own, denies.clone().negated()]);
        if space.find(&open, &Within::default()) == Search::None {
            let message =
                "this grants nothing: all of it is denied by the document itself, or never applies";
            let path = format!("Statement[{n}]");
            remarks.add(
                LintSeverity::Note,
                "without_effect",
                &path,
                message,
                "leave it out, or correct the denial",
            );
        }
    }
}

/// Whether an element means everything.
fn is_everything(element: &Patterns) -> bool {
    !element.is_negated() && element.names_everything()
}
