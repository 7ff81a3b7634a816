//! Who may assume the role.

use super::meaning::{Meaning, meaning};
use super::{Findings, Words};
use crate::account::AccountId;
use crate::drift::{DriftKind, Severity};
use crate::observation::{ObservedDocument, ObservedRole};
use crate::policy::{
    ConditionContext, Document, Effect, Name, Principal, Principals, Request, Statement, Test,
    document_says, without_tolerated,
};
use crate::role::RoleSpec;

pub(super) fn compare(
    spec: &RoleSpec,
    role: &ObservedRole,
    account: AccountId,
    findings: &mut Findings<'_>,
) {
    let (observed, tolerated) = observed_trust(spec, role);
    for words in tolerated {
        findings.tolerate(words);
    }
    let dead = dead_principals(&observed, &spec.trust);
    let (mut severity, mut explanation) = match meaning(&spec.trust, &observed, spec, account) {
        Meaning::Same if dead.is_none() => return,
        Meaning::Same => (Severity::Medium, String::new()),
        Meaning::Drifted { severity, words } => (severity, words),
    };
    if severity == Severity::Medium
        && observed
            .document()
            .is_some_and(|seen| shuts_out(&spec.trust, seen))
    {
        severity = Severity::High;
    }
    if let Some(dead) = dead {
        let stop = if explanation.is_empty() { "" } else { ". " };
        explanation = format!("{explanation}{stop}{dead}");
    }
    findings.add(
        DriftKind::TrustPolicy,
        severity,
        Words::new(explanation)
            .before(role.trust.text())
            .after(spec.trust.text()),
    );
}

/// The trust policy without what the configuration tolerates, and what was tolerated, in words.
pub(crate) fn observed_trust(
    spec: &RoleSpec,
    role: &ObservedRole,
) -> (ObservedDocument, Vec<String>) {
    let ObservedDocument::Valid(document) = &role.trust else {
        return (role.trust.clone(), Vec::new());
    };
    if spec.tolerate.is_empty() || document == &spec.trust {
        return (role.trust.clone(), Vec::new());
    }
    let (kept, tolerated) = without_tolerated(document, &spec.trust, &spec.tolerate);
    (ObservedDocument::Valid(kept), tolerated)
}

fn dead_principals(observed: &ObservedDocument, agreed: &Document) -> Option<String> {
    let document = observed.document()?;
    let agreed = agreed.dead_principals();
    let dead: Vec<&str> = document
        .dead_principals()
        .into_iter()
        .filter(|id| !agreed.contains(id))
        .collect();
    if dead.is_empty() {
        return None;
    }
    Some(format!(
        "{} in the trust policy is a user or role that was deleted; one made again under the same name is not meant",
        dead.join(", ")
    ))
}

/// Whether nobody whom the agreed trust policy names first can assume the role
/// any more. A question about one request for each statement, so that "the vendor cannot
/// work" is told from "the vendor can do less".
fn shuts_out(agreed: &Document, observed: &Document) -> bool {
    let requests: Vec<Request> = agreed
        .statements()
        .iter()
        .filter(|statement| statement.effect() == Effect::Allow)
        .flat_map(sample)
        .filter(|request| document_says(agreed, request) == Some(Effect::Allow))
        .collect();
    !requests.is_empty()
        && requests
            .iter()
            .all(|request| document_says(observed, request) != Some(Effect::Allow))
}

fn sample(statement: &Statement) -> Vec<Request> {
    let mut context = ConditionContext::new();
    for condition in statement.conditions() {
        let positive = matches!(
            condition.operator().test,
            Test::StringEquals | Test::StringLike
        );
        if let Some(value) = condition.values().first().filter(|_| positive) {
            context.set(condition.key(), value.clone());
        }
    }
    let names = statement
        .principals()
        .map(Principals::names)
        .unwrap_or_default();
    names
        .iter()
        .filter_map(principal)
        .map(|principal| Request {
            principal,
            action: "sts:AssumeRole".to_owned(),
            resource: "*".to_owned(),
            context: context.clone(),
        })
        .collect()
}

fn principal(name: &Name) -> Option<Principal> {
    match name {
        Name::Account(account) => Some(Principal::Root {
            account: account.clone(),
        }),
        Name::Arn(arn) if arn.contains(":role/") => Some(Principal::Session {
            role: arn.clone(),
            name: "session".to_owned(),
        }),
        Name::Arn(arn) => Principal::from_arn(arn),
        Name::Service(service) => Some(Principal::Service(service.clone())),
        Name::Federated(provider) => Some(Principal::Federated(provider.clone())),
        Name::Everyone => Some(Principal::Anonymous),
        Name::Dead(_) | Name::Canonical(_) => None,
    }
}
