//! What EventBridge tells: reason to look at an account sooner, and nothing more.
//!
//! Events come more than once, late and out of order; some never come. None is
//! believed: each only names an account that is worth a look.

use rolekeeper_domain::account::AccountId;
use serde_json::Value;

/// What an event was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HintKind {
    /// An account was created or enrolled.
    AccountCreated,
    /// An account joined the organization.
    AccountJoined,
    /// An account moved to another unit.
    AccountMoved,
    /// An account was closed.
    AccountClosed,
    /// An account left the organization.
    AccountLeft,
    /// A role, policy or user was changed.
    IamChanged,
}

impl HintKind {
    /// Its name in logs and sweep records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountCreated => "account_created",
            Self::AccountJoined => "account_joined",
            Self::AccountMoved => "account_moved",
            Self::AccountClosed => "account_closed",
            Self::AccountLeft => "account_left",
            Self::IamChanged => "iam_changed",
        }
    }
}

/// A reason to look at an account sooner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What happened.
    pub kind: HintKind,
    /// Where.
    pub account: AccountId,
    /// For [`HintKind::IamChanged`]: the name of the role, policy or user, or the
    /// policy's ARN, as the event spells it.
    pub subject: Option<String>,
    /// The API call, such as `AttachRolePolicy`.
    pub call: String,
    /// Who did it, as an ARN; rolekeeper's own sessions can be told by their name.
    pub actor: Option<String>,
    /// The event's own id: the same for each copy.
    pub id: String,
}

/// What a message on the queue says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Look at an account.
    Hint(Hint),
    /// An event that is nobody's business here, or a call that failed and changed nothing.
    Irrelevant,
    /// No event that can be understood, and why.
    Unreadable(String),
}

/// Reads one EventBridge event.
pub(crate) fn read(body: &str) -> Content {
    let event: Value = match serde_json::from_str(body) {
        Ok(event) => event,
        Err(error) => return Content::Unreadable(format!("not JSON: {error}")),
    };
    let Some(detail) = event.get("detail").filter(|detail| detail.is_object()) else {
        return Content::Unreadable("no `detail`: not an EventBridge event".to_owned());
    };
    // CloudTrail records refused and failed calls too.
    if text(detail, &["errorCode"]).is_some() {
        return Content::Irrelevant;
    }
    let call = text(detail, &["eventName"]).unwrap_or_default();
    let seen = match text(&event, &["source"]) {
        Some("aws.organizations") => organizations(call, detail),
        Some("aws.controltower") => control_tower(call, detail),
        Some("aws.iam") => iam(call, detail, &event),
        _ => None,
    };
    let Some(Seen {
        kind,
        account,
        subject,
    }) = seen
    else {
        return Content::Irrelevant;
    };
    let Some(account) = account else {
        return Content::Unreadable(format!("{call} without an account"));
    };
    match account.parse() {
        Ok(account) => Content::Hint(Hint {
            kind,
            account,
            subject: subject.map(str::to_owned),
            call: call.to_owned(),
            actor: text(detail, &["userIdentity", "arn"]).map(str::to_owned),
            id: text(&event, &["id"]).unwrap_or_default().to_owned(),
        }),
        Err(error) => Content::Unreadable(format!("{call}: {error}")),
    }
}

struct Seen<'a> {
    kind: HintKind,
    account: Option<&'a str>,
    subject: Option<&'a str>,
}

fn about(kind: HintKind, account: Option<&str>) -> Option<Seen<'_>> {
    Some(Seen {
        kind,
        account,
        subject: None,
    })
}

fn organizations<'a>(call: &str, detail: &'a Value) -> Option<Seen<'a>> {
    let asked = || text(detail, &["requestParameters", "accountId"]);
    let status =
        |name: &'static str, key: &'static str| text(detail, &["serviceEventDetails", name, key]);
    match call {
        "CreateAccountResult" => {
            // A creation that failed made no account.
            (status("createAccountStatus", "state") == Some("SUCCEEDED"))
                .then(|| {
                    about(
                        HintKind::AccountCreated,
                        status("createAccountStatus", "accountId"),
                    )
                })
                .flatten()
        }
        "AcceptHandshake" => about(
            HintKind::AccountJoined,
            text(detail, &["userIdentity", "accountId"]),
        ),
        "AccountJoinedOrganization" => about(HintKind::AccountJoined, member(detail)),
        "MoveAccount" => about(HintKind::AccountMoved, asked()),
        "CloseAccount" => about(HintKind::AccountClosed, asked()),
        "CloseAccountResult" => about(
            HintKind::AccountClosed,
            status("closeAccountStatus", "accountId"),
        ),
        "RemoveAccountFromOrganization" => about(HintKind::AccountLeft, asked()),
        "LeaveOrganization" => about(
            HintKind::AccountLeft,
            text(detail, &["userIdentity", "accountId"]),
        ),
        "AccountDepartedOrganization" => about(HintKind::AccountLeft, member(detail)),
        _ => None,
    }
}

/// The account that came or went. AWS documents that these events name it, and not where: it is the account id in
/// the details that is not the management account's, which is whom they are told to.
fn member(detail: &Value) -> Option<&str> {
    fn search<'a>(value: &'a Value, told: Option<&str>) -> Option<&'a str> {
        let fields = value.as_object()?;
        let mut ids = fields.iter().filter_map(|(key, value)| {
            let key = key.to_ascii_lowercase();
            let is_id = key.ends_with("accountid")
                && !key.contains("management")
                && !key.contains("master");
            value.as_str().filter(|id| is_id && Some(*id) != told)
        });
        ids.next()
            .or_else(|| fields.values().find_map(|value| search(value, told)))
    }
    let told = text(detail, &["recipientAccountId"]);
    search(detail.get("serviceEventDetails")?, told)
}

fn control_tower<'a>(call: &str, detail: &'a Value) -> Option<Seen<'a>> {
    let status = match call {
        "CreateManagedAccount" => "createManagedAccountStatus",
        "UpdateManagedAccount" => "updateManagedAccountStatus",
        _ => return None,
    };
    let at = |path: &[&str]| {
        let details = detail.get("serviceEventDetails")?.get(status)?;
        text(details, path)
    };
    if at(&["state"]) != Some("SUCCEEDED") {
        return None;
    }
    about(HintKind::AccountCreated, at(&["account", "accountId"]))
}

/// IAM's own changes. Which names matter is the receiver's to say; what cannot be
/// a managed role, policy or user is left out here.
fn iam<'a>(call: &str, detail: &'a Value, event: &'a Value) -> Option<Seen<'a>> {
    let changes = [
        "Add", "Attach", "Create", "Delete", "Detach", "Put", "Remove", "Set", "Tag", "Untag",
        "Update",
    ];
    if !changes.iter().any(|verb| call.starts_with(verb)) {
        return None;
    }
    let named = |key: &str| text(detail, &["requestParameters", key]);
    let subject = ["roleName", "policyArn", "policyName", "userName"]
        .into_iter()
        .find_map(named)?;
    let account = text(detail, &["recipientAccountId"]).or_else(|| text(event, &["account"]));
    Some(Seen {
        kind: HintKind::IamChanged,
        account,
        subject: Some(subject),
    })
}

fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter()
        .try_fold(value, |value, key| value.get(key))?
        .as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(source: &str, detail: &Value, expected: &str) {
        let event =
            json!({"id": "e-1", "source": source, "account": "999988887777", "detail": detail});
        let found = match read(&event.to_string()) {
            Content::Hint(hint) => {
                format!(
                    "{} {} {}",
                    hint.kind.as_str(),
                    hint.account,
                    hint.subject.unwrap_or_default()
                )
            }
            Content::Irrelevant => "irrelevant".to_owned(),
            Content::Unreadable(why) => format!("unreadable: {why}"),
        };
        assert_eq!(found.trim_end(), expected);
    }

    #[test]
    fn accounts_that_come_move_and_go_are_worth_a_look() {
        let org = "aws.organizations";
        let created = |state: &str| {
            json!({"eventName": "CreateAccountResult",
                   "serviceEventDetails": {"createAccountStatus": {"accountId": "111122223333", "state": state}}})
        };
        check(org, &created("SUCCEEDED"), "account_created 111122223333");
        check(org, &created("FAILED"), "irrelevant");
        let asked = |call: &str| json!({"eventName": call, "requestParameters": {"accountId": "111122223333"}});
        check(org, &asked("MoveAccount"), "account_moved 111122223333");
        check(org, &asked("CloseAccount"), "account_closed 111122223333");
        check(
            org,
            &asked("RemoveAccountFromOrganization"),
            "account_left 111122223333",
        );
        check(org, &asked("TagResource"), "irrelevant");
        let by =
            |call: &str| json!({"eventName": call, "userIdentity": {"accountId": "111122223333"}});
        check(org, &by("AcceptHandshake"), "account_joined 111122223333");
        check(org, &by("LeaveOrganization"), "account_left 111122223333");
        let closed = json!({"eventName": "CloseAccountResult",
            "serviceEventDetails": {"closeAccountStatus": {"accountId": "111122223333", "state": "SUCCEEDED"}}});
        check(org, &closed, "account_closed 111122223333");
    }

    #[test]
    fn an_account_that_joined_is_found_wherever_the_event_names_it() {
        let org = "aws.organizations";
        let told = |call: &str, details: Value| json!({"eventName": call, "recipientAccountId": "999988887777", "serviceEventDetails": details});
        let shapes = [
            json!({"accountId": "111122223333", "joinedMethod": "Invited"}),
            json!({"managementAccountId": "999988887777", "memberAccountId": "111122223333"}),
            json!({"joinedMethod": "Created", "account": {"accountId": "111122223333"}}),
        ];
        for shape in shapes {
            check(
                org,
                &told("AccountJoinedOrganization", shape.clone()),
                "account_joined 111122223333",
            );
            check(
                org,
                &told("AccountDepartedOrganization", shape),
                "account_left 111122223333",
            );
        }
        // What names nobody is kept for a person to look at.
        check(
            org,
            &told(
                "AccountJoinedOrganization",
                json!({"accountId": "999988887777"}),
            ),
            "unreadable: AccountJoinedOrganization without an account",
        );
    }

    #[test]
    fn control_tower_names_the_account_it_enrolled() {
        let enrolled = |state: &str| {
            json!({"eventName": "CreateManagedAccount", "serviceEventDetails": {"createManagedAccountStatus":
                   {"account": {"accountId": "111122223333", "accountName": "new"}, "state": state}}})
        };
        check(
            "aws.controltower",
            &enrolled("SUCCEEDED"),
            "account_created 111122223333",
        );
        check("aws.controltower", &enrolled("FAILED"), "irrelevant");
        check(
            "aws.controltower",
            &json!({"eventName": "SetupLandingZone"}),
            "irrelevant",
        );
    }

    #[test]
    fn an_iam_change_names_its_account_and_subject() {
        let change = |call: &str, key: &str, value: &str| json!({"eventName": call, "recipientAccountId": "111122223333", "requestParameters": {key: value}});
        check(
            "aws.iam",
            &change("UpdateAssumeRolePolicy", "roleName", "Auditor"),
            "iam_changed 111122223333 Auditor",
        );
        let arn = "arn:aws:iam::111122223333:policy/Audit";
        check(
            "aws.iam",
            &change("CreatePolicyVersion", "policyArn", arn),
            &format!("iam_changed 111122223333 {arn}"),
        );
        check(
            "aws.iam",
            &change("GetRole", "roleName", "Auditor"),
            "irrelevant",
        );
        check(
            "aws.iam",
            &change("CreateGroup", "groupName", "people"),
            "irrelevant",
        );
        let here = json!({"eventName": "DeleteRole", "requestParameters": {"roleName": "Auditor"}});
        check("aws.iam", &here, "iam_changed 999988887777 Auditor");
    }

    #[test]
    fn a_call_that_failed_changed_nothing() {
        let refused = json!({"eventName": "DeleteRole", "errorCode": "AccessDenied",
                             "requestParameters": {"roleName": "Auditor"}});
        check("aws.iam", &refused, "irrelevant");
    }

    #[test]
    fn what_cannot_be_understood_says_why() {
        assert!(matches!(read("hello"), Content::Unreadable(why) if why.starts_with("not JSON")));
        assert!(matches!(read("[]"), Content::Unreadable(_)));
        check(
            "aws.organizations",
            &json!({"eventName": "MoveAccount"}),
            "unreadable: MoveAccount without an account",
        );
        check("aws.s3", &json!({"eventName": "PutObject"}), "irrelevant");
    }
}
