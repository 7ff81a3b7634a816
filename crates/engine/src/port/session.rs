//! Getting into an account, looking around, and changing one thing.

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::observation::{
    ObservedDocument, ObservedPolicy, ObservedRole, PolicyVersion, Sighting,
};
use rolekeeper_domain::plan::Step;
use rolekeeper_domain::role::{PolicyName, RoleName, RoleSpec};
use rolekeeper_domain::verdict::Permit;

use super::directory::Page;
use super::user::UserSessions;

/// How an account is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// With the process's own credentials: the account is the hub itself.
    Hub,
    /// By assuming the admin role of that name (with path, if it has one).
    AdminRole(String),
}

/// What a session is for. Decides its session policy.
#[derive(Clone, Copy, Debug)]
pub struct SessionRequest<'a> {
    /// The account to enter.
    pub account: AccountId,
    /// How.
    pub entry: &'a Entry,
    /// The sweep's id or another short word that traces the session in
    /// CloudTrail; becomes part of the session name.
    pub label: &'a str,
    /// The roles the session may look at: their names, paths and policies.
    pub roles: &'a [RoleSpec],
}

/// Opens sessions in accounts: one `AssumeRole` a call, one attempt, no waiting.
///
/// The account in the answer's ARN has been compared with the one asked for
/// before anything is returned.
pub trait SessionProvider: UserSessions {
    /// Looks.
    type Reader: RoleReader;
    /// Changes. A process that only audits names a type that has no values.
    type Writer: RoleWriter;
    /// Whether there can be a writer at all.
    const WRITES: bool = true;

    /// A session whose policy leaves only reading.
    fn reader(
        &self,
        request: SessionRequest<'_>,
    ) -> impl Future<Output = Result<Self::Reader, Fault>> + Send;

    /// A session whose policy leaves exactly the plan's actions.
    fn writer(
        &self,
        request: SessionRequest<'_>,
        permit: &Permit,
    ) -> impl Future<Output = Result<Self::Writer, Fault>> + Send;
}

/// Reads one account: one AWS call a method, one attempt, no waiting.
/// "Not there" is a value; the error is only for "could not look".
pub trait RoleReader: Clone + Send + Sync + 'static {
    /// When the session ends; none for the hub's own credentials.
    fn expires_at(&self) -> Option<Timestamp>;

    /// `GetRole`.
    fn role(
        &self,
        name: &RoleName,
    ) -> impl Future<Output = Result<Option<ObservedRole>, Fault>> + Send;

    /// One page of `ListAttachedRolePolicies`; none when there is no such role.
    fn attachments(
        &self,
        name: &RoleName,
        next: Option<&str>,
    ) -> impl Future<Output = Result<Option<Page<Arn>>, Fault>> + Send;

    /// One page of `ListRolePolicies`; none when there is no such role.
    fn inline_names(
        &self,
        name: &RoleName,
        next: Option<&str>,
    ) -> impl Future<Output = Result<Option<Page<PolicyName>>, Fault>> + Send;

    /// `GetRolePolicy`.
    fn inline_document(
        &self,
        name: &RoleName,
        policy: &PolicyName,
    ) -> impl Future<Output = Result<Option<ObservedDocument>, Fault>> + Send;

    /// `GetPolicy`; the document of the answer is [`Sighting::Absent`] until it is
    /// read with [`RoleReader::policy_document`].
    fn policy(
        &self,
        arn: &Arn,
    ) -> impl Future<Output = Result<Option<ObservedPolicy>, Fault>> + Send;

    /// `GetPolicyVersion`.
    fn policy_document(
        &self,
        arn: &Arn,
        version_id: &str,
    ) -> impl Future<Output = Result<Option<ObservedDocument>, Fault>> + Send;

    /// One page of `ListPolicyVersions`.
    fn policy_versions(
        &self,
        arn: &Arn,
        next: Option<&str>,
    ) -> impl Future<Output = Result<Option<Page<PolicyVersion>>, Fault>> + Send;

    /// `GetUser`: whether a user of that name exists.
    fn user_exists(&self, name: &str) -> impl Future<Output = Result<Sighting<()>, Fault>> + Send;
}

/// What AWS said to a step it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// AWS's request id.
    pub request_id: Option<String>,
    /// The id of what was made, where the call makes something: a version id, a role id.
    pub created: Option<String>,
}

/// Changes one account: one method, one step, one attempt.
pub trait RoleWriter: Send + Sync + 'static {
    /// Takes the step.
    fn execute(&self, step: &Step) -> impl Future<Output = Result<Receipt, Fault>> + Send;
}
