//! Changing one thing in one account.

use std::collections::BTreeMap;

use aws_sdk_iam::config::Builder;
use aws_sdk_iam::types::Tag;
use aws_types::request_id::RequestId;
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::plan::Step;
use rolekeeper_engine::port::session::{Receipt, RoleWriter};

use crate::error::fault;
use crate::session::Session;

/// Changes one account, with a session that can take the plan's steps and nothing else.
#[derive(Debug)]
pub struct Writer(Session);

/// Sends one call with `$identity`, and keeps what it made where `$made` says.
macro_rules! send {
    ($operation:expr, $identity:expr, $request:expr) => {
        send!($operation, $identity, $request, |_| None)
    };
    ($operation:expr, $identity:expr, $request:expr, $made:expr) => {{
        let sent = $request.customize().config_override($identity).send().await;
        let reply = sent.map_err(|error| fault($operation, &error))?;
        let request_id = reply.request_id().map(str::to_owned);
        Ok(Receipt {
            request_id,
            created: made(&reply, $made),
        })
    }};
}

fn made<T>(reply: &T, made: impl FnOnce(&T) -> Option<&str>) -> Option<String> {
    made(reply).map(str::to_owned)
}

impl RoleWriter for Writer {
    async fn execute(&self, step: &Step) -> Result<Receipt, Fault> {
        let identity = self.0.identity().await?;
        match step {
            Step::CreateRole { .. }
            | Step::UpdateAssumeRolePolicy { .. }
            | Step::UpdateRole { .. }
            | Step::PutRolePermissionsBoundary { .. }
            | Step::DeleteRolePermissionsBoundary { .. }
            | Step::DeleteRole { .. } => self.on_role(step, identity).await,
            Step::AttachRolePolicy { .. }
            | Step::DetachRolePolicy { .. }
            | Step::PutRolePolicy { .. }
            | Step::DeleteRolePolicy { .. } => self.on_role_policies(step, identity).await,
            Step::CreatePolicy { arn, .. }
            | Step::CreatePolicyVersion { arn, .. }
            | Step::DeletePolicyVersion { arn, .. }
            | Step::DeletePolicy { arn } => {
                self.is_here(step, arn)?;
                self.on_policy(step, identity).await
            }
            Step::TagRole { .. } | Step::UntagRole { .. } => self.on_tags(step, identity).await,
            Step::TagPolicy { arn, .. } | Step::UntagPolicy { arn, .. } => {
                self.is_here(step, arn)?;
                self.on_tags(step, identity).await
            }
        }
    }
}

impl Writer {
    pub(crate) const fn new(session: Session) -> Self {
        Self(session)
    }

    /// A policy of another account can never be meant.
    fn is_here(&self, step: &Step, arn: &Arn) -> Result<(), Fault> {
        if arn.account() == Some(self.0.account) {
            return Ok(());
        }
        let words = format!("{arn} is not in account {}", self.0.account);
        Err(Fault::new(Category::Internal, words).during(step.operation()))
    }

    async fn on_role(&self, step: &Step, identity: Builder) -> Result<Receipt, Fault> {
        let iam = &self.0.aws.iam;
        let operation = step.operation();
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
                let request = iam
                    .create_role()
                    .role_name(role.as_str())
                    .path(path.as_str())
                    .assume_role_policy_document(trust.text())
                    .set_description(description.clone())
                    .set_max_session_duration(seconds(operation, *max_session_duration)?)
                    .set_permissions_boundary(boundary.as_ref().map(|arn| arn.as_str().to_owned()))
                    .set_tags(tag_list(operation, tags)?);
                send!(operation, identity, request, |reply| reply
                    .role()
                    .map(|role| role.role_id()))
            }
            Step::UpdateAssumeRolePolicy { role, trust } => {
                let request = iam
                    .update_assume_role_policy()
                    .role_name(role.as_str())
                    .policy_document(trust.text());
                send!(operation, identity, request)
            }
            Step::UpdateRole {
                role,
                description,
                max_session_duration,
            } => {
                let request = iam
                    .update_role()
                    .role_name(role.as_str())
                    .description(description)
                    .set_max_session_duration(seconds(operation, Some(*max_session_duration))?);
                send!(operation, identity, request)
            }
            Step::PutRolePermissionsBoundary { role, boundary } => {
                let request = iam
                    .put_role_permissions_boundary()
                    .role_name(role.as_str())
                    .permissions_boundary(boundary.as_str());
                send!(operation, identity, request)
            }
            Step::DeleteRolePermissionsBoundary { role } => {
                send!(
                    operation,
                    identity,
                    iam.delete_role_permissions_boundary()
                        .role_name(role.as_str())
                )
            }
            Step::DeleteRole { role } => {
                send!(
                    operation,
                    identity,
                    iam.delete_role().role_name(role.as_str())
                )
            }
            other => Err(misplaced(other)),
        }
    }

    async fn on_role_policies(&self, step: &Step, identity: Builder) -> Result<Receipt, Fault> {
        let iam = &self.0.aws.iam;
        let operation = step.operation();
        match step {
            Step::AttachRolePolicy { role, arn } => {
                let request = iam
                    .attach_role_policy()
                    .role_name(role.as_str())
                    .policy_arn(arn.as_str());
                send!(operation, identity, request)
            }
            Step::DetachRolePolicy { role, arn } => {
                let request = iam
                    .detach_role_policy()
                    .role_name(role.as_str())
                    .policy_arn(arn.as_str());
                send!(operation, identity, request)
            }
            Step::PutRolePolicy {
                role,
                policy,
                document,
            } => {
                let request = iam
                    .put_role_policy()
                    .role_name(role.as_str())
                    .policy_name(policy.as_str())
                    .policy_document(document.text());
                send!(operation, identity, request)
            }
            Step::DeleteRolePolicy { role, policy } => {
                let request = iam
                    .delete_role_policy()
                    .role_name(role.as_str())
                    .policy_name(policy.as_str());
                send!(operation, identity, request)
            }
            other => Err(misplaced(other)),
        }
    }

    async fn on_policy(&self, step: &Step, identity: Builder) -> Result<Receipt, Fault> {
        let iam = &self.0.aws.iam;
        let operation = step.operation();
        match step {
            Step::CreatePolicy {
                arn: _,
                name,
                path,
                document,
                tags,
            } => {
                let request = iam
                    .create_policy()
                    .policy_name(name.as_str())
                    .path(path.as_str())
                    .policy_document(document.text())
                    .set_tags(tag_list(operation, tags)?);
                send!(operation, identity, request, |reply| {
                    reply.policy().and_then(|policy| policy.policy_id())
                })
            }
            Step::CreatePolicyVersion { arn, document } => {
                let request = iam
                    .create_policy_version()
                    .policy_arn(arn.as_str())
                    .policy_document(document.text())
                    .set_as_default(true);
                send!(operation, identity, request, |reply| {
                    reply
                        .policy_version()
                        .and_then(|version| version.version_id())
                })
            }
            Step::DeletePolicyVersion { arn, version_id } => {
                let request = iam
                    .delete_policy_version()
                    .policy_arn(arn.as_str())
                    .version_id(version_id);
                send!(operation, identity, request)
            }
            Step::DeletePolicy { arn } => {
                send!(
                    operation,
                    identity,
                    iam.delete_policy().policy_arn(arn.as_str())
                )
            }
            other => Err(misplaced(other)),
        }
    }

    async fn on_tags(&self, step: &Step, identity: Builder) -> Result<Receipt, Fault> {
        let iam = &self.0.aws.iam;
        let operation = step.operation();
        match step {
            Step::TagRole { role, tags } => {
                let request = iam
                    .tag_role()
                    .role_name(role.as_str())
                    .set_tags(tag_list(operation, tags)?);
                send!(operation, identity, request)
            }
            Step::UntagRole { role, keys } => {
                let request = iam
                    .untag_role()
                    .role_name(role.as_str())
                    .set_tag_keys(Some(keys.clone()));
                send!(operation, identity, request)
            }
            Step::TagPolicy { arn, tags } => {
                let request = iam
                    .tag_policy()
                    .policy_arn(arn.as_str())
                    .set_tags(tag_list(operation, tags)?);
                send!(operation, identity, request)
            }
            Step::UntagPolicy { arn, keys } => {
                let request = iam
                    .untag_policy()
                    .policy_arn(arn.as_str())
                    .set_tag_keys(Some(keys.clone()));
                send!(operation, identity, request)
            }
            other => Err(misplaced(other)),
        }
    }
}

/// The walk above sent a step to the wrong place.
fn misplaced(step: &Step) -> Fault {
    Fault::new(Category::Internal, format!("no call is known for {step}")).during(step.operation())
}

fn seconds(operation: Operation, seconds: Option<u32>) -> Result<Option<i32>, Fault> {
    let too_long =
        |_| Fault::new(Category::InvalidSpec, "a session length out of range").during(operation);
    seconds.map(i32::try_from).transpose().map_err(too_long)
}

/// The tags as the SDK wants them; none at all for an empty map, which IAM would refuse.
fn tag_list(
    operation: Operation,
    tags: &BTreeMap<String, String>,
) -> Result<Option<Vec<Tag>>, Fault> {
    if tags.is_empty() {
        return Ok(None);
    }
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    let list = tags.iter().map(tag).collect::<Result<_, _>>();
    list.map(Some)
        .map_err(|error| Fault::new(Category::Internal, error.to_string()).during(operation))
}
