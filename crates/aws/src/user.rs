//! One IAM user, read and taken apart.

use aws_sdk_iam::error::SdkError;
use aws_sdk_iam::types::StatusType;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use jiff::Timestamp;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::user::{AccessKey, Belonging, KeyUse, UserStep};
use rolekeeper_engine::port::directory::Page;
use rolekeeper_engine::port::session::Receipt;
use rolekeeper_engine::port::user::{
    UserFacts, UserReader as ReaderPort, UserWriter as WriterPort,
};

use crate::error::{fault, is_no_such_entity, malformed};
use crate::reader::following;
use crate::session::Session;

/// Reads one user, with a session that can read no other.
#[derive(Clone, Debug)]
pub struct UserReader {
    session: Session,
    user: String,
}

/// Takes one user apart, with a session that can do only that.
#[derive(Debug)]
pub struct UserWriter {
    session: Session,
    user: String,
}

/// Sends one call; `Ok(None)` when AWS says that what was asked for is not there.
macro_rules! send {
    ($session:expr, $operation:expr, $request:expr) => {{
        let identity = $session.identity().await?;
        present(
            $operation,
            $request.customize().config_override(identity).send().await,
        )
    }};
}

/// One page of a listing: the SDK's types differ, what is done with them does not.
macro_rules! page {
    ($self:ident, $operation:expr, $next:expr, $request:ident, $items:ident, $id:expr) => {{
        let iam = &$self.session.aws.iam;
        let request = iam
            .$request()
            .user_name(&$self.user)
            .set_marker($next.map(str::to_owned));
        let Some(reply) = send!($self.session, $operation, request)? else {
            return Ok(None);
        };
        let items = reply.$items().iter().map($id).collect();
        let next = following($operation, reply.is_truncated(), reply.marker())?;
        Ok(Some(Page { items, next }))
    }};
}

impl UserReader {
    pub(crate) fn new(session: Session, user: &str) -> Self {
        Self {
            session,
            user: user.to_owned(),
        }
    }
}

impl ReaderPort for UserReader {
    async fn user(&self) -> Result<Option<UserFacts>, Fault> {
        const OPERATION: Operation = Operation::GetUser;
        let request = self.session.aws.iam.get_user().user_name(&self.user);
        let Some(reply) = send!(self.session, OPERATION, request)? else {
            return Ok(None);
        };
        let user = reply
            .user()
            .ok_or_else(|| malformed(OPERATION, "no user"))?;
        Ok(Some(UserFacts {
            arn: user
                .arn()
                .parse()
                .map_err(|error| malformed(OPERATION, &format!("{error}")))?,
            name: user.user_name().to_owned(),
            password_last_used: user.password_last_used().and_then(time),
        }))
    }

    async fn has_password(&self) -> Result<bool, Fault> {
        let request = self
            .session
            .aws
            .iam
            .get_login_profile()
            .user_name(&self.user);
        Ok(send!(self.session, Operation::GetLoginProfile, request)?.is_some())
    }

    async fn keys(&self, next: Option<&str>) -> Result<Option<Page<AccessKey>>, Fault> {
        page!(
            self,
            Operation::ListAccessKeys,
            next,
            list_access_keys,
            access_key_metadata,
            |key| {
                AccessKey {
                    id: key.access_key_id().unwrap_or_default().to_owned(),
                    // Anything but a clear "inactive" may still open something.
                    active: key.status() != Some(&StatusType::Inactive),
                    last_used: None,
                }
            }
        )
    }

    async fn last_use(&self, key: &str) -> Result<Option<KeyUse>, Fault> {
        const OPERATION: Operation = Operation::GetAccessKeyLastUsed;
        let request = self
            .session
            .aws
            .iam
            .get_access_key_last_used()
            .access_key_id(key);
        let Some(reply) = send!(self.session, OPERATION, request)? else {
            return Ok(None);
        };
        let last = reply.access_key_last_used();
        let at = last.and_then(|last| last.last_used_date()).and_then(time);
        let service = last
            .map(|last| last.service_name().to_owned())
            .unwrap_or_default();
        Ok(at.map(|at| KeyUse { at, service }))
    }

    async fn belongings(
        &self,
        kind: Belonging,
        next: Option<&str>,
    ) -> Result<Option<Page<String>>, Fault> {
        let by = kind.listed_by();
        match kind {
            Belonging::AttachedPolicy => {
                page!(
                    self,
                    by,
                    next,
                    list_attached_user_policies,
                    attached_policies,
                    |policy| { policy.policy_arn().unwrap_or_default().to_owned() }
                )
            }
            Belonging::InlinePolicy => {
                page!(
                    self,
                    by,
                    next,
                    list_user_policies,
                    policy_names,
                    Clone::clone
                )
            }
            Belonging::Group => page!(self, by, next, list_groups_for_user, groups, |group| {
                group.group_name().to_owned()
            }),
            Belonging::Device => page!(self, by, next, list_mfa_devices, mfa_devices, |device| {
                device.serial_number().to_owned()
            }),
            Belonging::Certificate => {
                page!(
                    self,
                    by,
                    next,
                    list_signing_certificates,
                    certificates,
                    |certificate| { certificate.certificate_id().to_owned() }
                )
            }
            Belonging::SshKey => {
                page!(
                    self,
                    by,
                    next,
                    list_ssh_public_keys,
                    ssh_public_keys,
                    |key| { key.ssh_public_key_id().to_owned() }
                )
            }
            Belonging::ServiceCredential => self.service_credentials(next).await,
        }
    }
}

impl UserReader {
    /// The one listing whose reply says by a marker alone that it goes on.
    async fn service_credentials(&self, next: Option<&str>) -> Result<Option<Page<String>>, Fault> {
        const OPERATION: Operation = Operation::ListServiceSpecificCredentials;
        let iam = &self.session.aws.iam;
        let request = iam
            .list_service_specific_credentials()
            .user_name(&self.user)
            .set_marker(next.map(str::to_owned));
        let Some(reply) = send!(self.session, OPERATION, request)? else {
            return Ok(None);
        };
        let items = reply
            .service_specific_credentials()
            .iter()
            .map(|credential| credential.service_specific_credential_id().to_owned())
            .collect();
        Ok(Some(Page {
            items,
            next: following(OPERATION, reply.is_truncated(), reply.marker())?,
        }))
    }
}

impl UserWriter {
    pub(crate) fn new(session: Session, user: &str) -> Self {
        Self {
            session,
            user: user.to_owned(),
        }
    }

    async fn remove(&self, kind: Belonging, id: &str, by: Operation) -> Result<Receipt, Fault> {
        let (iam, user) = (&self.session.aws.iam, &self.user);
        match kind {
            Belonging::AttachedPolicy => {
                let request = iam.detach_user_policy().user_name(user).policy_arn(id);
                send!(self.session, by, request).map(receipt)
            }
            Belonging::InlinePolicy => {
                let request = iam.delete_user_policy().user_name(user).policy_name(id);
                send!(self.session, by, request).map(receipt)
            }
            Belonging::Group => {
                let request = iam.remove_user_from_group().user_name(user).group_name(id);
                send!(self.session, by, request).map(receipt)
            }
            Belonging::Device => {
                let request = iam
                    .deactivate_mfa_device()
                    .user_name(user)
                    .serial_number(id);
                send!(self.session, by, request).map(receipt)
            }
            Belonging::Certificate => {
                let request = iam
                    .delete_signing_certificate()
                    .user_name(user)
                    .certificate_id(id);
                send!(self.session, by, request).map(receipt)
            }
            Belonging::SshKey => {
                let request = iam
                    .delete_ssh_public_key()
                    .user_name(user)
                    .ssh_public_key_id(id);
                send!(self.session, by, request).map(receipt)
            }
            Belonging::ServiceCredential => {
                let request = iam
                    .delete_service_specific_credential()
                    .user_name(user)
                    .service_specific_credential_id(id);
                send!(self.session, by, request).map(receipt)
            }
        }
    }
}

impl WriterPort for UserWriter {
    async fn take(&self, step: &UserStep) -> Result<Receipt, Fault> {
        let (iam, user, by) = (&self.session.aws.iam, &self.user, step.operation());
        match step {
            UserStep::DeactivateKey { key } => {
                let request = iam.update_access_key().user_name(user).access_key_id(key);
                send!(self.session, by, request.status(StatusType::Inactive)).map(receipt)
            }
            UserStep::DeleteKey { key } => {
                let request = iam.delete_access_key().user_name(user).access_key_id(key);
                send!(self.session, by, request).map(receipt)
            }
            UserStep::DeletePassword => {
                send!(self.session, by, iam.delete_login_profile().user_name(user)).map(receipt)
            }
            UserStep::Remove { kind, id } => self.remove(*kind, id, by).await,
            UserStep::DeleteVirtualDevice { serial } => send!(
                self.session,
                by,
                iam.delete_virtual_mfa_device().serial_number(serial)
            )
            .map(receipt),
            UserStep::DeleteUser => {
                send!(self.session, by, iam.delete_user().user_name(user)).map(receipt)
            }
        }
    }
}

fn present<T, E>(
    operation: Operation,
    sent: Result<T, SdkError<E, HttpResponse>>,
) -> Result<Option<T>, Fault>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match sent {
        Ok(reply) => Ok(Some(reply)),
        Err(error) if is_no_such_entity(&error) => Ok(None),
        Err(error) => Err(fault(operation, &error)),
    }
}

fn receipt<T: RequestId>(reply: Option<T>) -> Receipt {
    let request_id = reply
        .as_ref()
        .and_then(|reply| reply.request_id())
        .map(str::to_owned);
    Receipt {
        request_id,
        created: None,
    }
}

fn time(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
}
