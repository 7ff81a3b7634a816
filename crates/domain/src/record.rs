//! A step as the journal keeps it: the parameters under the names that AWS's API gives
//! them. What is written here can be read back to the same step.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::arn::Arn;
use crate::call::Operation;
use crate::plan::Step;
use crate::policy::{Document, Kind};
use crate::role::RoleName;

/// Parameters that are not those of a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record of {operation} cannot be read: {why}")]
pub struct Unreadable {
    /// The call.
    pub operation: Operation,
    /// What is wrong with its parameters.
    pub why: String,
}

/// The parameters of a step.
pub fn parameters(step: &Step) -> Value {
    match step {
        Step::CreateRole {
            role,
            path,
            trust,
            description,
            max_session_duration,
            boundary,
            tags,
        } => {
            json!({
                "RoleName": role.as_str(),
                "Path": path.as_str(),
                "AssumeRolePolicyDocument": trust.text(),
                "Description": description,
                "MaxSessionDuration": max_session_duration,
                "PermissionsBoundary": boundary.as_ref().map(Arn::as_str),
                "Tags": tags,
            })
        }
        Step::UpdateAssumeRolePolicy { role, trust } => {
            json!({ "RoleName": role.as_str(), "PolicyDocument": trust.text() })
        }
        Step::UpdateRole {
            role,
            description,
            max_session_duration,
        } => json!({
            "RoleName": role.as_str(),
            "Description": description,
            "MaxSessionDuration": max_session_duration,
        }),
        Step::PutRolePermissionsBoundary { role, boundary } => {
            json!({ "RoleName": role.as_str(), "PermissionsBoundary": boundary.as_str() })
        }
        Step::DeleteRolePermissionsBoundary { role } | Step::DeleteRole { role } => {
            json!({ "RoleName": role.as_str() })
        }
        Step::TagRole { role, tags } => json!({ "RoleName": role.as_str(), "Tags": tags }),
        Step::UntagRole { role, keys } => json!({ "RoleName": role.as_str(), "TagKeys": keys }),
        Step::CreatePolicy {
            arn,
            name,
            path,
            document,
            tags,
        } => json!({
            "PolicyArn": arn.as_str(),
            "PolicyName": name.as_str(),
            "Path": path.as_str(),
            "PolicyDocument": document.text(),
            "Tags": tags,
        }),
        Step::CreatePolicyVersion { arn, document } => json!({
            "PolicyArn": arn.as_str(),
            "PolicyDocument": document.text(),
            "SetAsDefault": true,
        }),
        Step::DeletePolicyVersion { arn, version_id } => {
            json!({ "PolicyArn": arn.as_str(), "VersionId": version_id })
        }
        Step::TagPolicy { arn, tags } => json!({ "PolicyArn": arn.as_str(), "Tags": tags }),
        Step::UntagPolicy { arn, keys } => json!({ "PolicyArn": arn.as_str(), "TagKeys": keys }),
        Step::DeletePolicy { arn } => json!({ "PolicyArn": arn.as_str() }),
        Step::AttachRolePolicy { role, arn } | Step::DetachRolePolicy { role, arn } => {
            json!({ "RoleName": role.as_str(), "PolicyArn": arn.as_str() })
        }
        Step::PutRolePolicy {
            role,
            policy,
            document,
        } => json!({
            "RoleName": role.as_str(),
            "PolicyName": policy.as_str(),
            "PolicyDocument": document.text(),
        }),
        Step::DeleteRolePolicy { role, policy } => {
            json!({ "RoleName": role.as_str(), "PolicyName": policy.as_str() })
        }
    }
}

/// The step of a call with these parameters.
///
/// # Errors
///
/// When they are not those of this call, or the call changes nothing that a plan changes.
pub fn step(operation: Operation, parameters: &str) -> Result<Step, Unreadable> {
    let unreadable = |why: String| Unreadable { operation, why };
    let fields: Map<String, Value> =
        serde_json::from_str(parameters).map_err(|error| unreadable(error.to_string()))?;
    read(operation, &Fields(&fields)).map_err(unreadable)
}

fn read(operation: Operation, fields: &Fields<'_>) -> Result<Step, String> {
    let role = || fields.parsed::<RoleName>("RoleName");
    let arn = || fields.parsed::<Arn>("PolicyArn");
    let trust = |key| fields.document(key, Kind::Trust);
    let document = || fields.document("PolicyDocument", Kind::Identity);
    Ok(match operation {
        Operation::CreateRole => Step::CreateRole {
            role: role()?,
            path: fields.parsed("Path")?,
            trust: trust("AssumeRolePolicyDocument")?,
            description: fields.optional("Description")?.map(str::to_owned),
            max_session_duration: fields.seconds("MaxSessionDuration")?,
            boundary: match fields.optional("PermissionsBoundary")? {
                Some(_) => Some(fields.parsed("PermissionsBoundary")?),
                None => None,
            },
            tags: fields.tags()?,
        },
        Operation::UpdateAssumeRolePolicy => Step::UpdateAssumeRolePolicy {
            role: role()?,
            trust: trust("PolicyDocument")?,
        },
        Operation::UpdateRole => Step::UpdateRole {
            role: role()?,
            description: fields.text("Description")?.to_owned(),
            max_session_duration: fields
                .seconds("MaxSessionDuration")?
                .ok_or("MaxSessionDuration is missing")?,
        },
        Operation::PutRolePermissionsBoundary => Step::PutRolePermissionsBoundary {
            role: role()?,
            boundary: fields.parsed("PermissionsBoundary")?,
        },
        Operation::DeleteRolePermissionsBoundary => {
            Step::DeleteRolePermissionsBoundary { role: role()? }
        }
        Operation::TagRole => Step::TagRole {
            role: role()?,
            tags: fields.tags()?,
        },
        Operation::UntagRole => Step::UntagRole {
            role: role()?,
            keys: fields.keys()?,
        },
        Operation::DeleteRole => Step::DeleteRole { role: role()? },
        Operation::CreatePolicy => Step::CreatePolicy {
            arn: arn()?,
            name: fields.parsed("PolicyName")?,
            path: fields.parsed("Path")?,
            document: document()?,
            tags: fields.tags()?,
        },
        Operation::CreatePolicyVersion => Step::CreatePolicyVersion {
            arn: arn()?,
            document: document()?,
        },
        Operation::DeletePolicyVersion => Step::DeletePolicyVersion {
            arn: arn()?,
            version_id: fields.text("VersionId")?.to_owned(),
        },
        Operation::TagPolicy => Step::TagPolicy {
            arn: arn()?,
            tags: fields.tags()?,
        },
        Operation::UntagPolicy => Step::UntagPolicy {
            arn: arn()?,
            keys: fields.keys()?,
        },
        Operation::DeletePolicy => Step::DeletePolicy { arn: arn()? },
        Operation::AttachRolePolicy => Step::AttachRolePolicy {
            role: role()?,
            arn: arn()?,
        },
        Operation::DetachRolePolicy => Step::DetachRolePolicy {
            role: role()?,
            arn: arn()?,
        },
        Operation::PutRolePolicy => Step::PutRolePolicy {
            role: role()?,
            policy: fields.parsed("PolicyName")?,
            document: document()?,
        },
        Operation::DeleteRolePolicy => Step::DeleteRolePolicy {
            role: role()?,
            policy: fields.parsed("PolicyName")?,
        },
        _ => return Err("no plan has such a step".to_owned()),
    })
}

/// Reads JSON by name, with one word for what is wrong.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn optional(&self, key: &str) -> Result<Option<&str>, String> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{key} is not a text")),
        }
    }

    fn text(&self, key: &str) -> Result<&str, String> {
        self.optional(key)?
            .ok_or_else(|| format!("{key} is missing"))
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, key: &str) -> Result<T, String> {
        self.text(key)?
            .parse()
            .map_err(|error: T::Err| error.to_string())
    }

    fn document(&self, key: &str, kind: Kind) -> Result<Document, String> {
        Document::parse(kind, self.text(key)?).map_err(|error| error.to_string())
    }

    fn seconds(&self, key: &str) -> Result<Option<u32>, String> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                number
                    .map(Some)
                    .ok_or_else(|| format!("{key} is not a number of seconds"))
            }
        }
    }

    fn tags(&self) -> Result<BTreeMap<String, String>, String> {
        let tags = self
            .0
            .get("Tags")
            .and_then(Value::as_object)
            .ok_or("Tags are missing")?;
        tags.iter()
            .map(|(key, value)| match value {
                Value::String(value) => Ok((key.clone(), value.clone())),
                _ => Err(format!("the tag {key} is not a text")),
            })
            .collect()
    }

    fn keys(&self) -> Result<Vec<String>, String> {
        let keys = self
            .0
            .get("TagKeys")
            .and_then(Value::as_array)
            .ok_or("TagKeys are missing")?;
        keys.iter()
            .map(|key| {
                key.as_str()
                    .map(str::to_owned)
                    .ok_or("a tag's key is not a text".to_owned())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use super::*;

    fn every_step() -> Vec<Step> {
        let role: RoleName = "Auditor".parse().unwrap();
        let arn: Arn = "arn:aws:iam::111111111111:policy/audit/Audit"
            .parse()
            .unwrap();
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"sts:AssumeRole"}]}"#;
        let trust = Document::parse(Kind::Trust, trust).unwrap();
        let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
        let document = Document::parse(Kind::Identity, document).unwrap();
        let tags = BTreeMap::from([("a'\"".to_owned(), String::new())]);
        let keys = vec!["a".to_owned(), "b".to_owned()];
        vec![
            Step::CreateRole {
                role: role.clone(),
                path: "/some/path/".parse().unwrap(),
                trust: trust.clone(),
                description: Some("what it's for".to_owned()),
                max_session_duration: Some(3_600),
                boundary: Some(arn.clone()),
                tags: tags.clone(),
            },
            Step::CreateRole {
                role: role.clone(),
                path: "/".parse().unwrap(),
                trust: trust.clone(),
                description: None,
                max_session_duration: None,
                boundary: None,
                tags: BTreeMap::new(),
            },
            Step::UpdateAssumeRolePolicy {
                role: role.clone(),
                trust,
            },
            Step::UpdateRole {
                role: role.clone(),
                description: String::new(),
                max_session_duration: 43_200,
            },
            Step::PutRolePermissionsBoundary {
                role: role.clone(),
                boundary: arn.clone(),
            },
            Step::DeleteRolePermissionsBoundary { role: role.clone() },
            Step::TagRole {
                role: role.clone(),
                tags: tags.clone(),
            },
            Step::UntagRole {
                role: role.clone(),
                keys: keys.clone(),
            },
            Step::DeleteRole { role: role.clone() },
            Step::CreatePolicy {
                arn: arn.clone(),
                name: "Audit".parse().unwrap(),
                path: "/audit/".parse().unwrap(),
                document: document.clone(),
                tags: tags.clone(),
            },
            Step::CreatePolicyVersion {
                arn: arn.clone(),
                document: document.clone(),
            },
            Step::DeletePolicyVersion {
                arn: arn.clone(),
                version_id: "v2".to_owned(),
            },
            Step::TagPolicy {
                arn: arn.clone(),
                tags,
            },
            Step::UntagPolicy {
                arn: arn.clone(),
                keys,
            },
            Step::DeletePolicy { arn: arn.clone() },
            Step::AttachRolePolicy {
                role: role.clone(),
                arn: arn.clone(),
            },
            Step::DetachRolePolicy {
                role: role.clone(),
                arn,
            },
            Step::PutRolePolicy {
                role: role.clone(),
                policy: "In".parse().unwrap(),
                document,
            },
            Step::DeleteRolePolicy {
                role,
                policy: "In".parse().unwrap(),
            },
        ]
    }

    #[test]
    fn what_is_written_is_read_back_as_the_same_step() {
        for written in every_step() {
            let text = parameters(&written).to_string();
            let read = step(written.operation(), &text).unwrap();
            assert_eq!(format!("{read:?}"), format!("{written:?}"));
        }
    }

    #[test]
    fn parameters_of_another_call_are_an_error() {
        let text = parameters(&Step::DeleteRole {
            role: "Auditor".parse().unwrap(),
        })
        .to_string();
        assert!(step(Operation::DeleteRole, &text).is_ok());
        for operation in [
            Operation::TagRole,
            Operation::CreateRole,
            Operation::GetRole,
        ] {
            assert!(step(operation, &text).is_err(), "{operation}");
        }
        assert!(step(Operation::DeleteRole, "").is_err());
    }
}
