//! Documents made of parts of other documents.

use serde_json::{Map, Value, json};

use crate::limits;
use crate::policy::{Document, Effect, Kind, Version};

/// The statements of a document as JSON, in the order in which they were parsed.
fn statements(document: &Document) -> Option<Vec<Value>> {
    let mut whole: Map<String, Value> = serde_json::from_str(document.text()).ok()?;
    let statements = match whole.remove("Statement")? {
        Value::Array(statements) => statements,
        one => vec![one],
    };
    (statements.len() == document.statements().len()).then_some(statements)
}

fn with_effect(document: &Document, effect: Effect) -> Option<Vec<Value>> {
    let chosen = statements(document)?.into_iter().zip(document.statements());
    Some(
        chosen
            .filter(|(_, statement)| statement.effect() == effect)
            .map(|(value, _)| value)
            .collect(),
    )
}

fn assembled(kind: Kind, version: Version, statements: &[Value]) -> Option<Document> {
    let version = match version {
        Version::V2008 => "2008-10-17",
        Version::V2012 => "2012-10-17",
    };
    Document::parse(
        kind,
        &json!({ "Version": version, "Statement": statements }).to_string(),
    )
    .ok()
}

/// The allowing or the denying half of a document, both written as Allow so that they can be compared
/// by what they cover. None when that half is empty, an error when the document cannot be taken apart.
pub(super) fn half(document: &Document, effect: Effect) -> Result<Option<Document>, ()> {
    let mut statements = with_effect(document, effect).ok_or(())?;
    if statements.is_empty() {
        return Ok(None);
    }
    for statement in &mut statements {
        if let Some(map) = statement.as_object_mut() {
            map.insert("Effect".to_owned(), json!("Allow"));
            map.remove("Sid");
        }
    }
    assembled(document.kind(), document.version(), &statements)
        .map(Some)
        .ok_or(())
}

/// What the guard denies while several policies change.
pub(super) enum Guard {
    /// All that is denied before or by the specification: nobody loses anything that they have in both.
    Denials(Document),
    /// Everything, because something in play is unknown: the role does nothing for the length of a few calls.
    Everything(Document),
}

impl Guard {
    pub(super) fn document(&self) -> &Document {
        match self {
            Self::Denials(document) | Self::Everything(document) => document,
        }
    }

    /// All denials of these documents in one, if that can be written; else everything.
    /// None only if not even that is a policy, which cannot be.
    pub(super) fn of<'a>(
        documents: impl Iterator<Item = &'a Document>,
        known: bool,
    ) -> Option<Self> {
        if known && let Some(document) = denials(documents) {
            return Some(Self::Denials(document));
        }
        let all = json!({ "Effect": "Deny", "Action": "*", "Resource": "*" });
        assembled(Kind::Identity, Version::V2012, &[all]).map(Self::Everything)
    }
}

fn denials<'a>(documents: impl Iterator<Item = &'a Document>) -> Option<Document> {
    let mut all: Vec<Value> = Vec::new();
    for document in documents {
        let mut denials = with_effect(document, Effect::Deny)?;
        // `${…}` is a variable in the newer language and plain text in the older one.
        if document.version() == Version::V2008
            && denials
                .iter()
                .any(|denial| denial.to_string().contains("${"))
        {
            return None;
        }
        for denial in &mut denials {
            if let Some(map) = denial.as_object_mut() {
                map.remove("Sid");
            }
        }
        denials.retain(|denial| !all.contains(denial));
        all.append(&mut denials);
    }
    let document = assembled(Kind::Identity, Version::V2012, &all)?;
    (document.size() <= limits::INLINE_POLICIES_CHARACTERS / 2).then_some(document)
}

/// A trust policy of the agreed statements that `keep` says are harmless and the denials of both.
/// One that lets nobody in when none is.
pub(super) fn meet(
    agreed: &Document,
    observed: Option<&Document>,
    keep: impl Fn(&Document) -> bool,
) -> Option<Document> {
    let closed = json!({ "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole" });
    let closed = || assembled(Kind::Trust, Version::V2012, std::slice::from_ref(&closed));
    let Some(observed) = observed else {
        return closed();
    };
    let allows = with_effect(agreed, Effect::Allow).unwrap_or_default();
    let mut kept: Vec<Value> = allows
        .into_iter()
        .filter(|allow| {
            assembled(Kind::Trust, agreed.version(), std::slice::from_ref(allow))
                .is_some_and(|one| keep(&one))
        })
        .collect();
    if kept.is_empty() || agreed.version() != observed.version() {
        return closed();
    }
    for document in [agreed, observed] {
        let Some(denials) = with_effect(document, Effect::Deny) else {
            return closed();
        };
        kept.extend(denials);
    }
    for (place, statement) in kept.iter_mut().enumerate() {
        if let Some(map) = statement
            .as_object_mut()
            .filter(|map| map.contains_key("Sid"))
        {
            map.insert("Sid".to_owned(), json!(format!("Part{place}")));
        }
    }
    assembled(Kind::Trust, agreed.version(), &kept)
        .filter(|document| document.size() <= limits::TRUST_POLICY_CHARACTERS)
        .or_else(closed)
}

/// The agreed trust policy with the Deny statements that others added and that are tolerated: rewriting the
/// policy without them would start a fight with whoever adds them. Without them where they do not fit.
pub(super) fn with_tolerated(agreed: &Document, whole: &Document, kept: &Document) -> Document {
    let joined = || {
        let remaining = statements(kept)?;
        let mut all = statements(agreed)?;
        let tolerated: Vec<Value> = statements(whole)?
            .into_iter()
            .filter(|statement| !remaining.contains(statement))
            .collect();
        if tolerated.is_empty() || agreed.version() != whole.version() {
            return None;
        }
        all.extend(tolerated);
        number_sids(&mut all);
        assembled(Kind::Trust, agreed.version(), &all)
            .filter(|document| document.size() <= limits::TRUST_POLICY_CHARACTERS)
    };
    joined().unwrap_or_else(|| agreed.clone())
}

/// Statement ids must differ within a document; they mean nothing.
fn number_sids(statements: &mut [Value]) {
    for (place, statement) in statements.iter_mut().enumerate() {
        if let Some(map) = statement
            .as_object_mut()
            .filter(|map| map.contains_key("Sid"))
        {
            map.insert("Sid".to_owned(), json!(format!("Part{place}")));
        }
    }
}
