//! A step on a user as the journal keeps it: the parameters under the names that AWS's API gives
//! them. What is written here can be read back to the same step.

use serde_json::{Map, Value, json};

use super::{Belonging, UserStep};
use crate::call::Operation;
use crate::record::Unreadable;

/// The parameters of a step on the user of that name.
pub fn parameters(user: &str, step: &UserStep) -> Value {
    match step {
        UserStep::DeactivateKey { key } => {
            json!({ "UserName": user, "AccessKeyId": key, "Status": "Inactive" })
        }
        UserStep::DeleteKey { key } => json!({ "UserName": user, "AccessKeyId": key }),
        UserStep::DeletePassword | UserStep::DeleteUser => json!({ "UserName": user }),
        UserStep::Remove { kind, id } => json!({ "UserName": user, parameter(*kind): id }),
        UserStep::DeleteVirtualDevice { serial } => json!({ "SerialNumber": serial }),
    }
}

/// The step of a call with these parameters.
///
/// # Errors
///
/// When they are not those of this call, or the call takes nothing from a user.
pub fn step(operation: Operation, parameters: &str) -> Result<UserStep, Unreadable> {
    let unreadable = |why: String| Unreadable { operation, why };
    let fields: Map<String, Value> =
        serde_json::from_str(parameters).map_err(|error| unreadable(error.to_string()))?;
    read(operation, &fields).map_err(unreadable)
}

fn read(operation: Operation, fields: &Map<String, Value>) -> Result<UserStep, String> {
    let text = |key: &str| match fields.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("{key} is not a text")),
        None => Err(format!("{key} is missing")),
    };
    let removal = Belonging::ALL
        .into_iter()
        .find(|kind| kind.removed_by() == operation);
    if let Some(kind) = removal {
        let id = text(parameter(kind))?;
        return Ok(UserStep::Remove { kind, id });
    }
    Ok(match operation {
        Operation::UpdateAccessKey => {
            if text("Status")? != "Inactive" {
                return Err("no retirement activates a key".to_owned());
            }
            UserStep::DeactivateKey {
                key: text("AccessKeyId")?,
            }
        }
        Operation::DeleteAccessKey => UserStep::DeleteKey {
            key: text("AccessKeyId")?,
        },
        Operation::DeleteLoginProfile => UserStep::DeletePassword,
        Operation::DeleteVirtualMFADevice => UserStep::DeleteVirtualDevice {
            serial: text("SerialNumber")?,
        },
        Operation::DeleteUser => UserStep::DeleteUser,
        _ => return Err("no retirement has such a step".to_owned()),
    })
}

/// What the call that removes it names it by.
const fn parameter(kind: Belonging) -> &'static str {
    match kind {
        Belonging::AttachedPolicy => "PolicyArn",
        Belonging::InlinePolicy => "PolicyName",
        Belonging::Group => "GroupName",
        Belonging::Device => "SerialNumber",
        Belonging::Certificate => "CertificateId",
        Belonging::SshKey => "SSHPublicKeyId",
        Belonging::ServiceCredential => "ServiceSpecificCredentialId",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use super::*;

    fn every_step() -> Vec<UserStep> {
        let key = || "AKIAEXAMPLE".to_owned();
        let mut steps = vec![
            UserStep::DeactivateKey { key: key() },
            UserStep::DeleteKey { key: key() },
            UserStep::DeletePassword,
            UserStep::DeleteVirtualDevice {
                serial: "arn:aws:iam::111122223333:mfa/phone".to_owned(),
            },
            UserStep::DeleteUser,
        ];
        steps.extend(Belonging::ALL.map(|kind| UserStep::Remove {
            kind,
            id: "the \"one\"".to_owned(),
        }));
        steps
    }

    #[test]
    fn what_is_written_is_read_back_as_the_same_step() {
        for written in every_step() {
            let text = parameters("cloudcoreo", &written).to_string();
            assert_eq!(step(written.operation(), &text).unwrap(), written);
        }
    }

    #[test]
    fn parameters_of_another_call_are_an_error() {
        let text = parameters("cloudcoreo", &UserStep::DeleteUser).to_string();
        let rows = [
            (Operation::DeleteUser, true),
            (Operation::DeleteLoginProfile, true),
            (Operation::DeleteAccessKey, false),
            (Operation::DeactivateMFADevice, false),
            (Operation::DeleteRole, false),
            (Operation::GetUser, false),
        ];
        for (operation, is_read) in rows {
            assert_eq!(step(operation, &text).is_ok(), is_read, "{operation}");
        }
        let active = r#"{"UserName":"cloudcoreo","AccessKeyId":"AKIAEXAMPLE","Status":"Active"}"#;
        assert!(step(Operation::UpdateAccessKey, active).is_err());
        assert!(step(Operation::DeleteUser, "").is_err());
    }
}
