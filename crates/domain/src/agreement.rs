//! What was agreed to: the last specification of a role that a person approved, kept so that a
//! wider one is told from the repair of a known one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::account::AccountId;
use crate::arn::{Arn, Partition};
use crate::limits;
use crate::policy::{Authority, Comparison, Context, Document, Kind, compare, compare_authority};
use crate::role::{Boundary, Ensure, Extras, RoleSpec};

/// The account that a specification is filled in for when it is kept: it stands for any. AWS gives
/// no account this number, so nothing that names a real account can be taken for it.
pub const ANY_ACCOUNT: &str = "000000000000";

/// Everything in a specification that decides who can do what, and for how long. What it says of
/// descriptions, tags and adoption is left out: nobody gains by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    partition: Partition,
    /// None when the role is not to be there.
    trust: Option<Document>,
    /// Managed and inline policies by kind and name.
    policies: BTreeMap<String, Document>,
    attach: BTreeSet<Arn>,
    boundary: Boundary,
    max_session_duration: Option<u32>,
    extras: Extras,
    tolerate: Vec<Document>,
}

/// A kept specification that cannot be read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the specification that was agreed to cannot be read: {why}")]
pub struct UnreadableAgreement {
    why: String,
}

impl Agreed {
    /// What a specification gives.
    pub fn of(spec: &RoleSpec) -> Self {
        if spec.ensure == Ensure::Absent {
            return Self::nothing(spec.partition);
        }
        let managed = spec.managed_policies.iter().map(|policy| {
            let name = format!("managed {}{}", policy.path, policy.name);
            (name, policy.document.clone())
        });
        let inline = spec
            .inline
            .iter()
            .map(|(name, document)| (format!("inline {name}"), document.clone()));
        Self {
            partition: spec.partition,
            trust: Some(spec.trust.clone()),
            policies: managed.chain(inline).collect(),
            attach: spec.attach.clone(),
            boundary: spec.boundary.clone(),
            max_session_duration: spec.max_session_duration,
            extras: spec.extras,
            tolerate: spec.tolerate.clone(),
        }
    }

    /// Nobody may do anything.
    fn nothing(partition: Partition) -> Self {
        Self {
            partition,
            trust: None,
            policies: BTreeMap::new(),
            attach: BTreeSet::new(),
            boundary: Boundary::Unmanaged,
            max_session_duration: None,
            extras: Extras::Remove,
            tolerate: Vec::new(),
        }
    }

    /// As it is kept: JSON that [`Agreed::read`] takes back.
    pub fn record(&self) -> String {
        let boundary = match &self.boundary {
            Boundary::Unmanaged => json!({ "is": "unmanaged" }),
            Boundary::None => json!({ "is": "none" }),
            Boundary::Policy(arn) => json!({ "is": "policy", "arn": arn.as_str() }),
        };
        let policies: Map<String, Value> = self
            .policies
            .iter()
            .map(|(name, document)| (name.clone(), json!(document.text())))
            .collect();
        json!({
            "form": 1,
            "partition": self.partition.as_str(),
            "trust": self.trust.as_ref().map(Document::text),
            "policies": policies,
            "attach": self.attach.iter().map(Arn::as_str).collect::<Vec<_>>(),
            "boundary": boundary,
            "max_session_duration": self.max_session_duration,
            "extras": extras_name(self.extras),
            "tolerate": self.tolerate.iter().map(Document::text).collect::<Vec<_>>(),
        })
        .to_string()
    }

    /// Reads what [`Agreed::record`] wrote.
    ///
    /// # Errors
    ///
    /// When it is something else. Then nothing counts as agreed to.
    pub fn read(text: &str) -> Result<Self, UnreadableAgreement> {
        let value: Value = serde_json::from_str(text).map_err(unreadable)?;
        Fields(&value).agreed().map_err(unreadable)
    }

    /// A digest of the record, 64 hexadecimal digits: one digest, one specification.
    pub fn digest(&self) -> String {
        let mut digest = String::with_capacity(64);
        for byte in Sha256::digest(self.record()) {
            // Writing to a String cannot fail.
            _ = write!(digest, "{byte:02x}");
        }
        digest
    }

    /// What this gives to anybody beyond `before`, in sentences; none when it gives no more. Without a
    /// `before` that is all it gives.
    ///
    /// Compared by meaning. What cannot be decided counts as more: the content of policies that the
    /// specification only names, and documents that are too large to compare.
    pub fn beyond(&self, before: Option<&Self>) -> Vec<String> {
        let nothing = Self::nothing(self.partition);
        let Some(trust) = &self.trust else {
            return Vec::new();
        };
        let before = before.unwrap_or(&nothing);
        let mut more = Vec::new();
        let account = self.context();
        let (old, new) = (before.documents(), self.documents());
        let power = compare_authority(
            &authority(before.trust.as_ref(), &old),
            &authority(Some(trust), &new),
            &account,
        );
        take(&mut more, power);
        if !self.attach.is_empty() && before.trust.is_some() {
            // Nobody here knows what an attached policy grants, so a denial beside it counts whatever
            // the specification's own policies allow.
            let (mut old, mut new) = (old, new);
            let all = everything();
            old.extend(all.clone());
            new.extend(all);
            let denials = compare_authority(
                &authority(Some(trust), &old),
                &authority(Some(trust), &new),
                &account,
            );
            take(&mut more, denials);
        }
        self.attached_beyond(before, &mut more);
        self.tolerated_beyond(before, &mut more);
        if before.trust.is_some() {
            self.limits_beyond(before, &mut more);
        }
        more
    }

    fn documents(&self) -> Vec<Document> {
        self.policies.values().cloned().collect()
    }

    fn context(&self) -> Context<'_> {
        Context {
            account: Some(ANY_ACCOUNT),
            partition: self.partition.as_str(),
        }
    }

    fn attached_beyond(&self, before: &Self, more: &mut Vec<String>) {
        let added = self.attach.difference(&before.attach);
        more.extend(
            added.map(|arn| {
                format!("{arn} is attached: whoever uses the role can do what it allows")
            }),
        );
        if self.attach.is_empty() && self.policies.is_empty() {
            return;
        }
        let gone = before.attach.difference(&self.attach);
        more.extend(gone.map(|arn| {
            format!("{arn} is no longer attached: what it may have denied is denied no more")
        }));
    }

    /// Trust that others may give beside the specification, without being reported.
    fn tolerated_beyond(&self, before: &Self, more: &mut Vec<String>) {
        let context = self.context();
        let is_known = |new: &&Document| {
            let mut known = before.tolerate.iter().chain(&before.trust);
            known.any(|old| !compare(old, new, &context).verdict.may_widen())
        };
        for new in self.tolerate.iter().filter(|new| !is_known(new)) {
            let comparison =
                compare_authority(&Authority::default(), &authority(Some(new), &[]), &context);
            let words = comparison.gained.join("; ");
            more.push(format!(
                "the trust policy may hold, besides what is agreed: {words}"
            ));
        }
    }

    /// What limits the role, and no longer does.
    fn limits_beyond(&self, before: &Self, more: &mut Vec<String>) {
        match (&before.boundary, &self.boundary) {
            (Boundary::Policy(old), Boundary::Policy(new)) if old != new => more.push(format!(
                "the permissions boundary is {new} and no longer {old}: it may let through more"
            )),
            (Boundary::Policy(old), Boundary::None | Boundary::Unmanaged) => more.push(format!(
                "the role need not have the permissions boundary {old} any more"
            )),
            (Boundary::Unmanaged, Boundary::None) => more.push(
                "a permissions boundary that somebody else gave the role is taken away".to_owned(),
            ),
            (Boundary::Policy(_), Boundary::Policy(_))
            | (Boundary::Unmanaged, Boundary::Unmanaged | Boundary::Policy(_))
            | (Boundary::None, _) => {}
        }
        let lasted = before.session();
        if let Some(lasts) = self.max_session_duration.filter(|lasts| *lasts > lasted) {
            more.push(format!(
                "a session may last {lasts} seconds and no longer {lasted}"
            ));
        }
        if rank(self.extras) > rank(before.extras) {
            let what = match self.extras {
                Extras::Ignore => "not even reported",
                Extras::Report | Extras::Remove => "reported",
            };
            more.push(format!(
                "attachments and inline policies beside the specification are {what} and no longer {}",
                match before.extras {
                    Extras::Report => "reported",
                    Extras::Remove | Extras::Ignore => "removed",
                }
            ));
        }
    }

    /// How long a session may last at most: AWS makes a role with an hour unless it is told.
    fn session(&self) -> u32 {
        self.max_session_duration
            .unwrap_or(limits::SHORTEST_MAX_SESSION)
    }
}

/// The account that stands for any.
///
/// # Panics
///
/// Never: the text is twelve digits.
#[expect(clippy::expect_used, reason = "the text is written in this file")]
pub fn any_account() -> AccountId {
    ANY_ACCOUNT
        .parse()
        .expect("twelve digits are an account id")
}

fn authority<'a>(trust: Option<&'a Document>, policies: &'a [Document]) -> Authority<'a> {
    Authority {
        trust,
        policies,
        boundary: None,
    }
}

/// A policy that allows everything; none is not to be had, since the text is written here.
fn everything() -> Option<Document> {
    const ALL: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    Document::parse(Kind::Identity, ALL).ok()
}

fn take(more: &mut Vec<String>, comparison: Comparison) {
    if !comparison.verdict.may_widen() {
        return;
    }
    if comparison.gained.is_empty() {
        let undecided = "it cannot be shown to give no more than what was agreed to".to_owned();
        if more.is_empty() {
            more.push(undecided);
        }
        return;
    }
    for sentence in comparison.gained {
        if !more.contains(&sentence) {
            more.push(sentence);
        }
    }
}

const fn rank(extras: Extras) -> u8 {
    match extras {
        Extras::Remove => 0,
        Extras::Report => 1,
        Extras::Ignore => 2,
    }
}

const fn extras_name(extras: Extras) -> &'static str {
    match extras {
        Extras::Remove => "remove",
        Extras::Report => "report",
        Extras::Ignore => "ignore",
    }
}

fn unreadable(why: impl fmt::Display) -> UnreadableAgreement {
    UnreadableAgreement {
        why: why.to_string(),
    }
}

/// A record, field by field.
struct Fields<'a>(&'a Value);

impl Fields<'_> {
    fn agreed(&self) -> Result<Agreed, String> {
        if self.0.get("form") != Some(&json!(1)) {
            return Err("it has another form than this version writes".to_owned());
        }
        let boundary = self.0.get("boundary").unwrap_or(&Value::Null);
        let boundary = match boundary.get("is").and_then(Value::as_str) {
            Some("unmanaged") => Boundary::Unmanaged,
            Some("none") => Boundary::None,
            Some("policy") => {
                let arn = boundary.get("arn").and_then(Value::as_str);
                Boundary::Policy(parsed("boundary", arn.unwrap_or_default())?)
            }
            _ => return Err("boundary: not one of unmanaged, none and policy".to_owned()),
        };
        let extras = match self.text("extras")? {
            "remove" => Extras::Remove,
            "report" => Extras::Report,
            "ignore" => Extras::Ignore,
            other => return Err(format!("extras: `{other}`")),
        };
        let trust = match self.0.get("trust") {
            Some(Value::String(text)) => Some(document(Kind::Trust, text)?),
            Some(Value::Null) => None,
            _ => return Err("trust: neither a text nor null".to_owned()),
        };
        let partition = self.text("partition")?;
        Ok(Agreed {
            partition: partition
                .parse::<Partition>()
                .map_err(|_| format!("partition: `{partition}`"))?,
            trust,
            policies: self.policies()?,
            attach: self
                .texts("attach")?
                .into_iter()
                .map(|text| parsed("attach", text))
                .collect::<Result<_, _>>()?,
            boundary,
            max_session_duration: match self.0.get("max_session_duration") {
                Some(Value::Null) => None,
                Some(value) => Some(
                    value
                        .as_u64()
                        .and_then(|seconds| u32::try_from(seconds).ok())
                        .ok_or("max_session_duration: no number of seconds")?,
                ),
                None => return Err("max_session_duration is missing".to_owned()),
            },
            extras,
            tolerate: self
                .texts("tolerate")?
                .into_iter()
                .map(|text| document(Kind::Trust, text))
                .collect::<Result<_, _>>()?,
        })
    }

    fn policies(&self) -> Result<BTreeMap<String, Document>, String> {
        let policies = self.0.get("policies").and_then(Value::as_object);
        let policies = policies.ok_or("policies: no object")?;
        let read = |(name, text): (&String, &Value)| {
            let text = text.as_str().ok_or_else(|| format!("{name}: no text"))?;
            Ok((name.clone(), document(Kind::Identity, text)?))
        };
        policies.iter().map(read).collect()
    }

    fn text(&self, name: &str) -> Result<&str, String> {
        let text = self.0.get(name).and_then(Value::as_str);
        text.ok_or_else(|| format!("{name}: no text"))
    }

    fn texts(&self, name: &str) -> Result<Vec<&str>, String> {
        let list = self.0.get(name).and_then(Value::as_array);
        let list = list.ok_or_else(|| format!("{name}: no list"))?;
        let text = |value| Value::as_str(value).ok_or_else(|| format!("{name}: no text"));
        list.iter().map(text).collect()
    }
}

fn document(kind: Kind, text: &str) -> Result<Document, String> {
    Document::parse(kind, text).map_err(|error| error.to_string())
}

fn parsed(name: &str, text: &str) -> Result<Arn, String> {
    text.parse().map_err(|error| format!("{name}: {error}"))
}
