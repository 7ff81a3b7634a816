//! What a policy document means.
//!
//! In reading order: a [`Document`] is parsed from its author's text
//! ([`Document::parse`]); [`evaluate()`] says whether a request is allowed;
//! [`compare()`] says how two documents differ, for all requests at once.

mod authority;
mod build;
mod canonical;
mod compare;
mod condition;
mod context;
mod document;
mod evaluate;
mod example;
mod explain;
mod grammar;
mod json;
mod language;
mod lint;
mod operator;
mod parse;
mod part;
mod pattern;
mod principal;
mod quantity;
mod report;
mod search;
mod set;
mod space;
mod subsume;
mod tolerate;
mod values;
mod who;
mod witness;
mod words;

pub use authority::{Authority, compare_authority};
pub use compare::{Comparison, Context, Verdict, compare};
pub use condition::Condition;
pub use context::ConditionContext;
pub use document::{Document, Effect, Kind, Patterns, Statement, Version};
pub use evaluate::{
    Decision, Policies, PolicyType, Request, applies, document_says, evaluate, matching_statement,
};
pub use example::{Examples, examples};
pub use explain::explain;
pub use lint::{Lint, LintContext, LintSeverity, lint};
pub use operator::{Operator, Quantifier, Test};
pub use parse::ParseError;
pub use pattern::Pattern;
pub use principal::{Name, Principal, Principals};
pub use tolerate::without_tolerated;
