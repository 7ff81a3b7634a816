//! From a comparison of documents to severity and words.

use crate::account::AccountId;
use crate::drift::Severity;
use crate::observation::{Observation, ObservedDocument};
use crate::policy::{
    Authority, Comparison, Context, Document, Effect, Verdict, compare, compare_authority,
};
use crate::role::RoleSpec;

/// What an observed document means, seen from the agreed one.
pub(crate) enum Meaning {
    /// The same.
    Same,
    /// Not the same.
    Drifted {
        /// How bad it is.
        severity: Severity,
        /// Who gained or lost what.
        words: String,
    },
}

/// Compares an observed document with the agreed one: gained is what the
/// account allows beyond what was agreed.
pub(crate) fn meaning(
    agreed: &Document,
    observed: &ObservedDocument,
    spec: &RoleSpec,
    account: AccountId,
) -> Meaning {
    let document = match observed {
        ObservedDocument::Valid(document) => document,
        ObservedDocument::Malformed { why, .. } => {
            return Meaning::Drifted {
                severity: Severity::Critical,
                words: format!("what stands there is not a policy that can be read ({why})"),
            };
        }
    };
    let comparison = drifted(agreed, document, spec, account);
    let severity = match comparison.verdict {
        Verdict::Equivalent => return Meaning::Same,
        Verdict::Narrower => Severity::Medium,
        Verdict::Wider | Verdict::Different | Verdict::Unproven => Severity::Critical,
    };
    Meaning::Drifted {
        severity,
        words: words(&comparison),
    }
}

/// How bad a policy beside the specification is, attached or inline, and why in words.
pub(super) fn extra(
    document: &Document,
    spec: &RoleSpec,
    observation: &Observation,
) -> (Severity, &'static str) {
    if !document
        .statements()
        .iter()
        .any(|statement| statement.effect() == Effect::Allow)
    {
        return (Severity::Medium, "; it only takes away");
    }
    if within_spec(document, spec, observation) {
        return (
            Severity::Medium,
            "; it gives nothing beyond what was agreed",
        );
    }
    (
        Severity::Critical,
        ": whoever uses the role can do what it gives",
    )
}

/// How `after` differs from `before` in an account.
pub(crate) fn drifted(
    before: &Document,
    after: &Document,
    spec: &RoleSpec,
    account: AccountId,
) -> Comparison {
    if before == after {
        return Comparison {
            verdict: Verdict::Equivalent,
            gained: Vec::new(),
            lost: Vec::new(),
        };
    }
    let account = account.to_string();
    let context = Context {
        account: Some(&account),
        partition: spec.partition.as_str(),
    };
    compare(before, after, &context)
}

/// A comparison in a sentence or two.
fn words(comparison: &Comparison) -> String {
    let mut parts = Vec::new();
    if !comparison.gained.is_empty() {
        parts.push(format!(
            "more than agreed: {}",
            comparison.gained.join("; ")
        ));
    }
    if !comparison.lost.is_empty() {
        parts.push(format!("less than agreed: {}", comparison.lost.join("; ")));
    }
    if comparison.verdict == Verdict::Unproven {
        parts.push(
            "it cannot be shown to allow no more than agreed, so it is taken for more".to_owned(),
        );
    }
    if parts.is_empty() {
        parts.push(format!("what stands there is {}", comparison.verdict));
    }
    parts.join(". ")
}

/// Whether a document certainly gives the role nothing that the specification's own policies do not
/// give it together.
pub(crate) fn within_spec(extra: &Document, spec: &RoleSpec, observation: &Observation) -> bool {
    let owned = spec.managed_policies.iter().map(|policy| &policy.document);
    let known = spec
        .attach
        .iter()
        .filter_map(|arn| observation.foreign_documents.get(arn));
    let agreed: Vec<Document> = owned
        .chain(spec.inline.values())
        .chain(known)
        .cloned()
        .collect();
    let mut with_extra = agreed.clone();
    with_extra.push(extra.clone());
    let authority = |policies| Authority {
        trust: Some(&spec.trust),
        policies,
        boundary: None,
    };
    let account = observation.account.to_string();
    let context = Context {
        account: Some(&account),
        partition: spec.partition.as_str(),
    };
    let comparison = compare_authority(&authority(&agreed), &authority(&with_extra), &context);
    !comparison.verdict.may_widen()
}
