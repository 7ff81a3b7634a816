//! Looking around in one account.

use std::collections::BTreeMap;

use aws_sdk_iam::types::Tag;
use jiff::Timestamp;
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::observation::{
    ObservedDocument, ObservedPolicy, ObservedRole, PolicyVersion, Sighting,
};
use rolekeeper_domain::policy::Kind;
use rolekeeper_domain::role::{PolicyName, RoleName};
use rolekeeper_engine::port::directory::Page;
use rolekeeper_engine::port::session::RoleReader;

use crate::document::observe;
use crate::error::{fault, is_no_such_entity, malformed};
use crate::session::Session;

/// IAM's own session length where a reply names none.
const DEFAULT_SESSION_SECONDS: i32 = 3_600;

/// Reads one account with a session that can do nothing else.
#[derive(Clone, Debug)]
pub struct Reader(Session);

impl Reader {
    pub(crate) const fn new(session: Session) -> Self {
        Self(session)
    }
}

/// Sends one call with the session's credentials: `Ok(None)` when AWS says that
/// what was asked for is not there.
macro_rules! look {
    ($self:ident, $operation:expr, $request:expr) => {{
        let identity = $self.0.identity().await?;
        match $request.customize().config_override(identity).send().await {
            Ok(reply) => Ok(Some(reply)),
            Err(error) if is_no_such_entity(&error) => Ok(None),
            Err(error) => Err(fault($operation, &error)),
        }
    }};
}

/// Unwraps what `look!` found, or answers that it is not there.
macro_rules! found {
    ($looked:expr) => {
        match $looked? {
            Some(reply) => reply,
            None => return Ok(None),
        }
    };
}

impl RoleReader for Reader {
    fn expires_at(&self) -> Option<Timestamp> {
        self.0.expires_at()
    }

    async fn role(&self, name: &RoleName) -> Result<Option<ObservedRole>, Fault> {
        const OPERATION: Operation = Operation::GetRole;
        let request = self.0.aws.iam.get_role().role_name(name.as_str());
        let reply = found!(look!(self, OPERATION, request));
        let role = reply
            .role()
            .ok_or_else(|| malformed(OPERATION, "no role"))?;
        let trust = role
            .assume_role_policy_document()
            .ok_or_else(|| malformed(OPERATION, "a role without a trust policy"))?;
        let boundary = role
            .permissions_boundary()
            .and_then(|boundary| boundary.permissions_boundary_arn());
        let seconds = role
            .max_session_duration()
            .unwrap_or(DEFAULT_SESSION_SECONDS);
        Ok(Some(ObservedRole {
            arn: arn(OPERATION, role.arn())?,
            role_id: role.role_id().to_owned(),
            path: role.path().to_owned(),
            trust: observe(Kind::Trust, trust),
            description: role.description().unwrap_or_default().to_owned(),
            max_session_duration: u32::try_from(seconds)
                .map_err(|_| malformed(OPERATION, "a negative session length"))?,
            boundary: boundary.map(|text| arn(OPERATION, text)).transpose()?,
            tags: tags(role.tags()),
        }))
    }

    async fn attachments(
        &self,
        name: &RoleName,
        next: Option<&str>,
    ) -> Result<Option<Page<Arn>>, Fault> {
        const OPERATION: Operation = Operation::ListAttachedRolePolicies;
        let request = self
            .0
            .aws
            .iam
            .list_attached_role_policies()
            .role_name(name.as_str())
            .set_marker(next.map(str::to_owned));
        let reply = found!(look!(self, OPERATION, request));
        let attached = reply.attached_policies().iter();
        let items = attached
            .map(|policy| arn(OPERATION, policy.policy_arn().unwrap_or_default()))
            .collect::<Result<_, Fault>>()?;
        Ok(Some(Page {
            items,
            next: following(OPERATION, reply.is_truncated(), reply.marker())?,
        }))
    }

    async fn inline_names(
        &self,
        name: &RoleName,
        next: Option<&str>,
    ) -> Result<Option<Page<PolicyName>>, Fault> {
        const OPERATION: Operation = Operation::ListRolePolicies;
        let request = self
            .0
            .aws
            .iam
            .list_role_policies()
            .role_name(name.as_str())
            .set_marker(next.map(str::to_owned));
        let reply = found!(look!(self, OPERATION, request));
        let name = |name: &String| {
            name.parse()
                .map_err(|error| malformed(OPERATION, &format!("{error}")))
        };
        let items = reply
            .policy_names()
            .iter()
            .map(name)
            .collect::<Result<_, Fault>>()?;
        Ok(Some(Page {
            items,
            next: following(OPERATION, reply.is_truncated(), reply.marker())?,
        }))
    }

    async fn inline_document(
        &self,
        name: &RoleName,
        policy: &PolicyName,
    ) -> Result<Option<ObservedDocument>, Fault> {
        let request = self
            .0
            .aws
            .iam
            .get_role_policy()
            .role_name(name.as_str())
            .policy_name(policy.as_str());
        let reply = found!(look!(self, Operation::GetRolePolicy, request));
        Ok(Some(observe(Kind::Identity, reply.policy_document())))
    }

    async fn policy(&self, wanted: &Arn) -> Result<Option<ObservedPolicy>, Fault> {
        const OPERATION: Operation = Operation::GetPolicy;
        let request = self.0.aws.iam.get_policy().policy_arn(wanted.as_str());
        let reply = found!(look!(self, OPERATION, request));
        let policy = reply
            .policy()
            .ok_or_else(|| malformed(OPERATION, "no policy"))?;
        let part = |text: Option<&str>, what: &str| {
            text.map(str::to_owned)
                .ok_or_else(|| malformed(OPERATION, &format!("a policy without {what}")))
        };
        Ok(Some(ObservedPolicy {
            arn: arn(OPERATION, policy.arn().unwrap_or_default())?,
            policy_id: part(policy.policy_id(), "an id")?,
            default_version_id: part(policy.default_version_id(), "a default version")?,
            document: Sighting::Absent,
            tags: tags(policy.tags()),
            attachment_count: u32::try_from(policy.attachment_count().unwrap_or_default())
                .unwrap_or_default(),
            versions: None,
        }))
    }

    async fn policy_document(
        &self,
        arn: &Arn,
        version_id: &str,
    ) -> Result<Option<ObservedDocument>, Fault> {
        const OPERATION: Operation = Operation::GetPolicyVersion;
        let request = self
            .0
            .aws
            .iam
            .get_policy_version()
            .policy_arn(arn.as_str())
            .version_id(version_id);
        let reply = found!(look!(self, OPERATION, request));
        let document = reply
            .policy_version()
            .and_then(|version| version.document());
        let document =
            document.ok_or_else(|| malformed(OPERATION, "a version without a document"))?;
        Ok(Some(observe(Kind::Identity, document)))
    }

    async fn policy_versions(
        &self,
        arn: &Arn,
        next: Option<&str>,
    ) -> Result<Option<Page<PolicyVersion>>, Fault> {
        const OPERATION: Operation = Operation::ListPolicyVersions;
        let request = self
            .0
            .aws
            .iam
            .list_policy_versions()
            .policy_arn(arn.as_str())
            .set_marker(next.map(str::to_owned));
        let reply = found!(look!(self, OPERATION, request));
        let version = |version: &aws_sdk_iam::types::PolicyVersion| {
            let id = version
                .version_id()
                .ok_or_else(|| malformed(OPERATION, "a version without an id"))?;
            let created_at = version.create_date().map_or(0, |date| date.secs());
            Ok(PolicyVersion {
                id: id.to_owned(),
                is_default: version.is_default_version(),
                created_at,
            })
        };
        let items = reply
            .versions()
            .iter()
            .map(version)
            .collect::<Result<_, Fault>>()?;
        Ok(Some(Page {
            items,
            next: following(OPERATION, reply.is_truncated(), reply.marker())?,
        }))
    }

    async fn user_exists(&self, name: &str) -> Result<Sighting<()>, Fault> {
        let request = self.0.aws.iam.get_user().user_name(name);
        let reply = look!(self, Operation::GetUser, request)?;
        Ok(if reply.is_some() {
            Sighting::Seen(())
        } else {
            Sighting::Absent
        })
    }
}

fn arn(operation: Operation, text: &str) -> Result<Arn, Fault> {
    text.parse()
        .map_err(|error| malformed(operation, &format!("{error}")))
}

fn tags(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter()
        .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
        .collect()
}

/// The marker of the next page. A page that says it is cut short and does not say
/// where it goes on was not read whole.
pub(crate) fn following(
    operation: Operation,
    truncated: bool,
    marker: Option<&str>,
) -> Result<Option<String>, Fault> {
    match (truncated, marker.filter(|marker| !marker.is_empty())) {
        (false, _) => Ok(None),
        (true, Some(marker)) => Ok(Some(marker.to_owned())),
        (true, None) => Err(malformed(
            operation,
            "a page that is cut short, without a marker",
        )),
    }
}
