//! What EventBridge passes on of CloudTrail.

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use serde_json::{Map, Value, json};

use crate::ask::Ask;
use crate::iam::state::Text;
use crate::world::drift::Drift;

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// An IAM call changed something.
    Iam {
        /// Where.
        account: AccountId,
        /// By which call.
        operation: &'static str,
        /// `roleName` and its like, with their values.
        about: Vec<(&'static str, Text)>,
        /// By whom: an ARN.
        actor: Text,
    },
    /// An account was created.
    Created(AccountId),
    /// An account was moved.
    Moved(AccountId),
    /// An account was closed.
    Closed(AccountId),
    /// A message that somebody sent.
    Text(Text),
}

impl News {
    /// What an IAM call that succeeded has to tell.
    pub(crate) fn of_call(ask: &Ask<'_>) -> Self {
        let named = [
            ("RoleName", "roleName"),
            ("PolicyArn", "policyArn"),
            ("PolicyName", "policyName"),
            ("UserName", "userName"),
            ("GroupName", "groupName"),
        ];
        let about = named
            .into_iter()
            .filter_map(|(param, key)| Some((key, ask.get(param)?.into())));
        let (account, operation) = (ask.account, ask.operation);
        Self::Iam {
            account,
            operation,
            about: about.collect(),
            actor: ask.caller.arn().into(),
        }
    }

    /// What the planting of a difference looks like from outside: somebody's
    /// call, by hand.
    pub(crate) fn of_drift(drift: Drift, account: AccountId, role: &str, policy: &str) -> Self {
        let arn = || {
            (
                "policyArn",
                format!("arn:aws:iam::{account}:policy/{policy}").into(),
            )
        };
        let named = |name: &str| ("roleName", name.into());
        let (operation, about) = match drift {
            Drift::RoleMissing => ("DeleteRole", vec![named(role)]),
            Drift::TrustOpen
            | Drift::TrustWithoutExternalId
            | Drift::TrustDeadPrincipal
            | Drift::TrustOtherAccount => ("UpdateAssumeRolePolicy", vec![named(role)]),
            Drift::PolicyWider | Drift::PolicyNarrower | Drift::PolicyVersionsFull => {
                ("CreatePolicyVersion", vec![arn()])
            }
            Drift::PolicyTags => ("UntagPolicy", vec![arn()]),
            Drift::PolicyMissing => ("DeletePolicy", vec![arn()]),
            Drift::AttachmentMissing => ("DetachRolePolicy", vec![named(role), arn()]),
            Drift::AttachmentUnexpected => ("AttachRolePolicy", vec![named(role)]),
            Drift::RoleDescription | Drift::RoleMaxSessionDuration => {
                ("UpdateRole", vec![named(role)])
            }
            Drift::InlineUnexpected | Drift::InlineDocument => ("PutRolePolicy", vec![named(role)]),
            Drift::RoleTags => ("UntagRole", vec![named(role)]),
            Drift::RolePath => ("CreateRole", vec![named(role)]),
            Drift::RolePermissionsBoundary => ("PutRolePermissionsBoundary", vec![named(role)]),
            Drift::RoleUnexpected => ("CreateRole", vec![named("CloudCoreoAssumedRole")]),
            Drift::LegacyUser => ("CreateUser", vec![("userName", "cloudcoreo".into())]),
        };
        let actor = format!("arn:aws:iam::{account}:user/dave").into();
        Self::Iam {
            account,
            operation,
            about,
            actor,
        }
    }

    /// The event as EventBridge writes it.
    pub(super) fn body(&self, id: String, at: Timestamp) -> String {
        let (source, kind, account, detail) = match self {
            Self::Text(text) => return text.to_string(),
            Self::Iam {
                account,
                operation,
                about,
                actor,
            } => {
                let asked: Map<String, Value> = about
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), Value::from(&**value)))
                    .collect();
                let detail = json!({
                    "eventSource": "iam.amazonaws.com", "eventName": operation,
                    "userIdentity": { "arn": &**actor, "accountId": account.to_string() },
                    "requestParameters": asked, "recipientAccountId": account.to_string(),
                });
                ("aws.iam", "AWS API Call via CloudTrail", account, detail)
            }
            Self::Created(account) => {
                let status = json!({ "state": "SUCCEEDED", "accountId": account.to_string() });
                let detail = json!({
                    "eventSource": "organizations.amazonaws.com", "eventName": "CreateAccountResult",
                    "serviceEventDetails": { "createAccountStatus": status },
                });
                (
                    "aws.organizations",
                    "AWS Service Event via CloudTrail",
                    account,
                    detail,
                )
            }
            Self::Moved(account) | Self::Closed(account) => {
                let call = if matches!(self, Self::Moved(_)) {
                    "MoveAccount"
                } else {
                    "CloseAccount"
                };
                let detail = json!({
                    "eventSource": "organizations.amazonaws.com", "eventName": call,
                    "requestParameters": { "accountId": account.to_string() },
                });
                (
                    "aws.organizations",
                    "AWS API Call via CloudTrail",
                    account,
                    detail,
                )
            }
        };
        let event = json!({
            "version": "0", "id": id, "detail-type": kind, "source": source, "account": account.to_string(),
            "time": at.to_string(), "region": "us-east-1", "resources": [], "detail": detail,
        });
        event.to_string()
    }
}
