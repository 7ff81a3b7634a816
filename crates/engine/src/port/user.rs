//! Looking at an IAM user, and taking it apart.

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::user::{AccessKey, Belonging, KeyUse, UserStep};

use super::directory::Page;
use super::session::{Entry, Receipt};

/// A user as `GetUser` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFacts {
    /// Its ARN.
    pub arn: Arn,
    /// Its name.
    pub name: String,
    /// When somebody last signed in with its password.
    pub password_last_used: Option<jiff::Timestamp>,
}

/// What a session about a user is for.
#[derive(Clone, Copy, Debug)]
pub struct UserRequest<'a> {
    /// The account.
    pub account: AccountId,
    /// How it is entered.
    pub entry: &'a Entry,
    /// A short word that traces the session in CloudTrail.
    pub label: &'a str,
    /// The user's name: the only one that the session may touch.
    pub user: &'a str,
}

/// Opens sessions about one user: one `AssumeRole` a call, one attempt, no waiting.
pub trait UserSessions: Send + Sync + 'static {
    /// Looks.
    type UserReader: UserReader;
    /// Changes. A process that only audits names a type that has no values.
    type UserWriter: UserWriter;

    /// A session whose policy leaves only reading that user.
    fn user_reader(
        &self,
        request: UserRequest<'_>,
    ) -> impl Future<Output = Result<Self::UserReader, Fault>> + Send;

    /// A session whose policy leaves exactly these steps on that user.
    fn user_writer(
        &self,
        request: UserRequest<'_>,
        steps: &[UserStep],
    ) -> impl Future<Output = Result<Self::UserWriter, Fault>> + Send;
}

/// Reads one user: one AWS call a method, one attempt, no waiting. None: there is no such user.
pub trait UserReader: Send + Sync {
    /// `GetUser`.
    fn user(&self) -> impl Future<Output = Result<Option<UserFacts>, Fault>> + Send;

    /// `GetLoginProfile`: whether it has a password.
    fn has_password(&self) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// One page of `ListAccessKeys`; their last use is unknown until
    /// [`UserReader::last_use`] has been asked.
    fn keys(
        &self,
        next: Option<&str>,
    ) -> impl Future<Output = Result<Option<Page<AccessKey>>, Fault>> + Send;

    /// `GetAccessKeyLastUsed`; none: never used.
    fn last_use(&self, key: &str) -> impl Future<Output = Result<Option<KeyUse>, Fault>> + Send;

    /// One page of the listing of that kind.
    fn belongings(
        &self,
        kind: Belonging,
        next: Option<&str>,
    ) -> impl Future<Output = Result<Option<Page<String>>, Fault>> + Send;
}

/// Changes one user: one step a call, one attempt. What is already gone counts as done.
pub trait UserWriter: Send + Sync + 'static {
    /// Takes the step.
    fn take(&self, step: &UserStep) -> impl Future<Output = Result<Receipt, Fault>> + Send;
}
