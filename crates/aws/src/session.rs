//! Getting into an account.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_iam::config::Builder;
use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::{Arn, Partition};
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::least_privilege::{
    audit_session, repair_session, user_audit_session, user_repair_session,
};
use rolekeeper_domain::plan::Step;
use rolekeeper_domain::user::UserStep;
use rolekeeper_domain::verdict::Permit;
use rolekeeper_engine::port::directory::Caller;
use rolekeeper_engine::port::session::{
    Entry, Receipt, RoleWriter, SessionProvider, SessionRequest,
};
use rolekeeper_engine::port::user::{UserRequest, UserSessions, UserWriter as UserWriterPort};

use crate::client::{Aws, signed_with};
use crate::error::{fault, malformed};
use crate::reader::Reader;
use crate::user::{UserReader, UserWriter};
use crate::writer::Writer;

/// The longest session name that STS takes.
const MAX_SESSION_NAME: usize = 64;
/// The shortest.
const MIN_SESSION_NAME: usize = 2;

/// A session in one account. Says nothing of its credentials.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) aws: Aws,
    pub(crate) account: AccountId,
    identity: Identity,
}

#[derive(Clone)]
enum Identity {
    /// The hub's own credentials, renewed as they expire.
    Hub,
    /// Credentials of this session alone, ready to be laid over a call.
    Assumed {
        expires_at: Option<Timestamp>,
        laid_over: Arc<Builder>,
    },
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("account", &self.account)
            .field("expires_at", &self.expires_at())
            .field("credentials", &"[hidden]")
            .finish()
    }
}

impl Session {
    pub(crate) const fn expires_at(&self) -> Option<Timestamp> {
        match &self.identity {
            Identity::Hub => None,
            Identity::Assumed { expires_at, .. } => *expires_at,
        }
    }

    /// The session's credentials, as an override for one call.
    pub(crate) async fn identity(&self) -> Result<Builder, Fault> {
        match &self.identity {
            Identity::Hub => Ok(signed_with!(aws_sdk_iam, self.aws.hub.get().await?)),
            Identity::Assumed { laid_over, .. } => Ok(laid_over.as_ref().clone()),
        }
    }
}

/// Enters accounts, to look and to change.
#[derive(Clone, Debug)]
pub struct Sessions {
    aws: Aws,
}

impl Sessions {
    pub(crate) fn new(aws: Aws) -> Self {
        Self { aws }
    }

    async fn open(
        &self,
        request: SessionRequest<'_>,
        policy: impl FnOnce(Partition) -> String,
    ) -> Result<Session, Fault> {
        // The partition of every ARN is that of the caller's own.
        let caller = self
            .aws
            .known_caller
            .get_or_try_init(|| self.aws.caller())
            .await?;
        let identity = match request.entry {
            Entry::Hub if caller.account == request.account => Identity::Hub,
            Entry::Hub => {
                let words = format!("the hub is {}, not {}", caller.account, request.account);
                return Err(Fault::new(Category::Internal, words));
            }
            Entry::AdminRole(name) => {
                let role = Arn::of_role(
                    caller.partition,
                    request.account,
                    "/",
                    name.trim_start_matches('/'),
                );
                let policy = policy(caller.partition);
                let credentials =
                    assume(&self.aws, &role, request.account, request.label, policy).await?;
                let expires_at = credentials
                    .expiry()
                    .and_then(|expiry| Timestamp::try_from(expiry).ok());
                let laid_over = Arc::new(signed_with!(aws_sdk_iam, credentials));
                Identity::Assumed {
                    expires_at,
                    laid_over,
                }
            }
        };
        Ok(Session {
            aws: self.aws.clone(),
            account: request.account,
            identity,
        })
    }

    async fn look(&self, request: SessionRequest<'_>) -> Result<Reader, Fault> {
        let policy = |partition| audit_session(partition, request.account, request.roles);
        self.open(request, policy).await.map(Reader::new)
    }
}

impl SessionProvider for Sessions {
    type Reader = Reader;
    type Writer = Writer;

    async fn reader(&self, request: SessionRequest<'_>) -> Result<Reader, Fault> {
        self.look(request).await
    }

    async fn writer(&self, request: SessionRequest<'_>, permit: &Permit) -> Result<Writer, Fault> {
        let plan = permit.plan();
        if plan.account != request.account {
            let words = format!(
                "a plan for {} cannot be carried out in {}",
                plan.account, request.account
            );
            return Err(Fault::new(Category::Internal, words));
        }
        let steps = || plan.steps.iter().map(|planned| &planned.step);
        let policy = |partition| repair_session(partition, request.account, steps());
        self.open(request, policy).await.map(Writer::new)
    }
}

impl UserSessions for Sessions {
    type UserReader = UserReader;
    type UserWriter = UserWriter;

    async fn user_reader(&self, request: UserRequest<'_>) -> Result<UserReader, Fault> {
        let policy = |partition| user_audit_session(partition, request.account, request.user);
        let session = self.open(about(&request), policy).await?;
        Ok(UserReader::new(session, request.user))
    }

    async fn user_writer(
        &self,
        request: UserRequest<'_>,
        steps: &[UserStep],
    ) -> Result<UserWriter, Fault> {
        let policy =
            |partition| user_repair_session(partition, request.account, request.user, steps);
        let session = self.open(about(&request), policy).await?;
        Ok(UserWriter::new(session, request.user))
    }
}

const fn about<'a>(request: &UserRequest<'a>) -> SessionRequest<'a> {
    let UserRequest {
        account,
        entry,
        label,
        user: _,
    } = *request;
    SessionRequest {
        account,
        entry,
        label,
        roles: &[],
    }
}

/// Enters accounts, to look only: a process that holds this and not
/// [`Sessions`] has no way to write, since its writer has no values.
#[derive(Clone, Debug)]
pub struct AuditOnly(Sessions);

impl AuditOnly {
    pub(crate) fn new(aws: Aws) -> Self {
        Self(Sessions::new(aws))
    }
}

/// A writer that cannot exist.
#[derive(Clone, Copy, Debug)]
pub enum NoWriter {}

impl RoleWriter for NoWriter {
    async fn execute(&self, _: &Step) -> Result<Receipt, Fault> {
        match *self {}
    }
}

impl UserWriterPort for NoWriter {
    async fn take(&self, _: &UserStep) -> Result<Receipt, Fault> {
        match *self {}
    }
}

impl UserSessions for AuditOnly {
    type UserReader = UserReader;
    type UserWriter = NoWriter;

    async fn user_reader(&self, request: UserRequest<'_>) -> Result<UserReader, Fault> {
        self.0.user_reader(request).await
    }

    async fn user_writer(&self, _: UserRequest<'_>, _: &[UserStep]) -> Result<NoWriter, Fault> {
        Err(cannot_write())
    }
}

impl SessionProvider for AuditOnly {
    type Reader = Reader;
    type Writer = NoWriter;
    const WRITES: bool = false;

    async fn reader(&self, request: SessionRequest<'_>) -> Result<Reader, Fault> {
        self.0.look(request).await
    }

    async fn writer(&self, _: SessionRequest<'_>, _: &Permit) -> Result<NoWriter, Fault> {
        Err(cannot_write())
    }
}

fn cannot_write() -> Fault {
    Fault::new(
        Category::Internal,
        "this process was started to audit and cannot write",
    )
}

/// Assumes `role` with the hub's credentials, and makes sure that the account
/// AWS let us into is the one that was meant.
pub(crate) async fn assume(
    aws: &Aws,
    role: &Arn,
    account: AccountId,
    label: &str,
    policy: String,
) -> Result<Credentials, Fault> {
    const OPERATION: Operation = Operation::AssumeRole;
    let seconds = aws.settings.session_duration.as_secs();
    let request = aws
        .sts
        .assume_role()
        .role_arn(role.as_str())
        .role_session_name(session_name(&aws.settings.session_name, label))
        .policy(policy)
        .duration_seconds(i32::try_from(seconds).unwrap_or(900))
        .set_source_identity(aws.settings.source_identity.clone());
    let identity = signed_with!(aws_sdk_sts, aws.hub.get().await?);
    let reply = request
        .customize()
        .config_override(identity)
        .send()
        .await
        .map_err(|error| aws.hub_refused(fault(OPERATION, &error)))?;
    let entered = reply
        .assumed_role_user()
        .map(|user| user.arn())
        .unwrap_or_default();
    let entered: Arn = entered
        .parse()
        .map_err(|error| malformed(OPERATION, &format!("{error}")))?;
    if entered.account() != Some(account) {
        let words = format!("asked for a session in {account} and was given {entered}: not used");
        return Err(Fault::new(Category::Internal, words).during(OPERATION));
    }
    let given = reply
        .credentials()
        .ok_or_else(|| malformed(OPERATION, "no credentials"))?;
    let expires = given.expiration().secs();
    let expiry = u64::try_from(expires)
        .ok()
        .map(|secs| std::time::UNIX_EPOCH + Duration::from_secs(secs));
    Ok(Credentials::new(
        given.access_key_id(),
        given.secret_access_key(),
        Some(given.session_token().to_owned()),
        expiry,
        "rolekeeper",
    ))
}

impl Aws {
    /// Hub credentials that AWS refuses are fetched anew for the next call.
    pub(crate) fn hub_refused(&self, fault: Fault) -> Fault {
        if fault.category == Category::Credentials {
            self.hub.forget();
        }
        fault
    }

    /// `sts:GetCallerIdentity` with the hub's credentials.
    pub(crate) async fn caller(&self) -> Result<Caller, Fault> {
        const OPERATION: Operation = Operation::GetCallerIdentity;
        let identity = signed_with!(aws_sdk_sts, self.hub.get().await?);
        let request = self.sts.get_caller_identity();
        let reply = request
            .customize()
            .config_override(identity)
            .send()
            .await
            .map_err(|error| self.hub_refused(fault(OPERATION, &error)))?;
        let wrong = |words: &str| malformed(OPERATION, words);
        let arn: Arn = reply
            .arn()
            .unwrap_or_default()
            .parse()
            .map_err(|error| wrong(&format!("{error}")))?;
        let account = reply
            .account()
            .unwrap_or_default()
            .parse()
            .map_err(|error| wrong(&format!("{error}")))?;
        let partition = arn
            .partition()
            .ok_or_else(|| wrong("an ARN of no partition"))?;
        Ok(Caller {
            account,
            arn,
            partition,
        })
    }
}

/// `NAME-LABEL`, of the characters STS takes, cut at the end of the name so that
/// the label, which traces the session to a sweep, is whole.
fn session_name(name: &str, label: &str) -> String {
    let clean = |text: &str| -> String {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        text.chars()
            .map(|c| if allowed(c) { c } else { '-' })
            .collect()
    };
    let label: String = clean(label).chars().take(MAX_SESSION_NAME).collect();
    let room = MAX_SESSION_NAME.saturating_sub(label.len() + 1);
    let name: String = clean(name).chars().take(room).collect();
    let joined = match (name.is_empty(), label.is_empty()) {
        (true, _) => label,
        (false, true) => name,
        (false, false) => format!("{name}-{label}"),
    };
    if joined.len() < MIN_SESSION_NAME {
        format!("rolekeeper{joined}")
    } else {
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_name_has_only_what_sts_takes_and_keeps_its_label() {
        let long = "n".repeat(80);
        let cut = format!("{}-20261124T063000Z-0badcafe", "n".repeat(38));
        for (name, label, expected) in [
            (
                "rolekeeper",
                "20261124T063000Z-0badcafe",
                "rolekeeper-20261124T063000Z-0badcafe",
            ),
            ("role keeper/é", "check", "role-keeper---check"),
            ("rolekeeper", "", "rolekeeper"),
            ("", "", "rolekeeper"),
            ("", "7", "rolekeeper7"),
            ("x", "y", "x-y"),
            (long.as_str(), "20261124T063000Z-0badcafe", cut.as_str()),
        ] {
            let found = session_name(name, label);
            assert_eq!(found, expected);
            assert!(found.len() <= MAX_SESSION_NAME);
        }
    }
}
