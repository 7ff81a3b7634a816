//! The organization and its accounts.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_sdk_organizations::config::Builder;
use aws_sdk_organizations::types::{
    Account as SdkAccount, AccountState as SdkState, AccountStatus, PolicyType,
};
use rolekeeper_domain::account::{Account, AccountId, AccountState, OuPath};
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::least_privilege::{Audience, Scope, policy_for};
use rolekeeper_domain::policy::Kind;
use rolekeeper_engine::port::directory::{
    Caller, Directory as Port, ListedAccount, Organization, OrganizationalUnit, Page, PolicySummary,
};

use crate::client::{Aws, signed_with};
use crate::credentials::RENEW_BEFORE;
use crate::error::{fault, malformed};
use crate::session::assume;

/// Accounts on a page: the most that Organizations gives.
const PAGE: i32 = 20;

/// Reads AWS Organizations with the hub's credentials, or with those of the
/// organization role where one is configured.
#[derive(Clone, Debug)]
pub struct Directory {
    aws: Aws,
    assumed: Arc<tokio::sync::Mutex<Option<Assumed>>>,
}

#[derive(Clone)]
struct Assumed(Credentials);

impl std::fmt::Debug for Assumed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Assumed([hidden])")
    }
}

impl Directory {
    pub(crate) fn new(aws: Aws) -> Self {
        Self {
            aws,
            assumed: Arc::default(),
        }
    }

    /// The credentials the organization is read with, as an override for one call.
    async fn identity(&self) -> Result<Builder, Fault> {
        let credentials = match &self.aws.settings.organization_role {
            None => self.aws.hub.get().await?,
            Some(role) => self.organization_role(role).await?,
        };
        Ok(signed_with!(aws_sdk_organizations, credentials))
    }

    async fn organization_role(&self, role: &Arn) -> Result<Credentials, Fault> {
        let mut assumed = self.assumed.lock().await;
        let now = self.aws.hub.time().now();
        if let Some(Assumed(held)) = assumed.as_ref()
            && held
                .expiry()
                .is_none_or(|expiry| now + RENEW_BEFORE < expiry)
        {
            return Ok(held.clone());
        }
        let account = role.account().ok_or_else(|| {
            Fault::new(Category::InvalidSpec, format!("{role} names no account"))
                .during(Operation::AssumeRole)
        })?;
        let scope = Scope {
            partition: role.partition().unwrap_or_default(),
            tag_selectors: true,
            units_listed: true,
            walls: true,
            ..Scope::default()
        };
        let policy = compact(&policy_for(Audience::Organization, &scope));
        let fresh = assume(&self.aws, role, account, "organization", policy).await?;
        *assumed = Some(Assumed(fresh.clone()));
        Ok(fresh)
    }
}

/// JSON without the white space between its tokens.
fn compact(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json)
        .map_or_else(|_| json.to_owned(), |value| value.to_string())
}

/// Sends one call with the directory's credentials.
macro_rules! send {
    ($self:ident, $operation:expr, $request:expr) => {{
        let identity = $self.identity().await?;
        $request
            .customize()
            .config_override(identity)
            .send()
            .await
            .map_err(|error| $self.aws.hub_refused(fault($operation, &error)))
    }};
}

impl Port for Directory {
    async fn caller(&self) -> Result<Caller, Fault> {
        let caller = self.aws.caller().await?;
        // Sessions need to know as well; the first answer stays, since the account of a
        // process does not change under it.
        Ok(self
            .aws
            .known_caller
            .get_or_init(|| async { caller.clone() })
            .await
            .clone())
    }

    async fn organization(&self) -> Result<Organization, Fault> {
        const OPERATION: Operation = Operation::DescribeOrganization;
        let reply = send!(
            self,
            OPERATION,
            self.aws.organizations.describe_organization()
        )?;
        let organization = reply
            .organization()
            .ok_or_else(|| malformed(OPERATION, "no organization"))?;
        let management = organization.master_account_id().unwrap_or_default();
        Ok(Organization {
            id: organization.id().unwrap_or_default().to_owned(),
            management_account: account_id(OPERATION, management)?,
        })
    }

    async fn roots(&self) -> Result<Vec<String>, Fault> {
        let reply = send!(
            self,
            Operation::ListRoots,
            self.aws.organizations.list_roots()
        )?;
        Ok(reply
            .roots()
            .iter()
            .filter_map(|root| root.id().map(str::to_owned))
            .collect())
    }

    async fn units(
        &self,
        parent: &str,
        next: Option<&str>,
    ) -> Result<Page<OrganizationalUnit>, Fault> {
        const OPERATION: Operation = Operation::ListOrganizationalUnitsForParent;
        let request = self
            .aws
            .organizations
            .list_organizational_units_for_parent()
            .parent_id(parent)
            .max_results(PAGE)
            .set_next_token(next.map(str::to_owned));
        let reply = send!(self, OPERATION, request)?;
        let unit = |unit: &aws_sdk_organizations::types::OrganizationalUnit| {
            let id = unit
                .id()
                .ok_or_else(|| malformed(OPERATION, "a unit without an id"))?;
            let name = unit.name().unwrap_or(id).to_owned();
            Ok(OrganizationalUnit {
                id: id.to_owned(),
                name,
                parent: parent.to_owned(),
            })
        };
        let items = reply
            .organizational_units()
            .iter()
            .map(unit)
            .collect::<Result<_, Fault>>()?;
        Ok(Page {
            items,
            next: reply.next_token,
        })
    }

    async fn accounts(&self, next: Option<&str>) -> Result<Page<ListedAccount>, Fault> {
        const OPERATION: Operation = Operation::ListAccounts;
        let request = self
            .aws
            .organizations
            .list_accounts()
            .max_results(PAGE)
            .set_next_token(next.map(str::to_owned));
        let reply = send!(self, OPERATION, request)?;
        let items = reply
            .accounts()
            .iter()
            .map(listed)
            .collect::<Result<_, Fault>>()?;
        Ok(Page {
            items,
            next: reply.next_token,
        })
    }

    async fn accounts_below(
        &self,
        parent: &str,
        next: Option<&str>,
    ) -> Result<Page<AccountId>, Fault> {
        const OPERATION: Operation = Operation::ListAccountsForParent;
        let request = self
            .aws
            .organizations
            .list_accounts_for_parent()
            .parent_id(parent)
            .max_results(PAGE)
            .set_next_token(next.map(str::to_owned));
        let reply = send!(self, OPERATION, request)?;
        let id = |account: &SdkAccount| account_id(OPERATION, account.id().unwrap_or_default());
        let items = reply
            .accounts()
            .iter()
            .map(id)
            .collect::<Result<_, Fault>>()?;
        Ok(Page {
            items,
            next: reply.next_token,
        })
    }

    async fn tags(
        &self,
        account: AccountId,
        next: Option<&str>,
    ) -> Result<Page<(String, String)>, Fault> {
        let request = self
            .aws
            .organizations
            .list_tags_for_resource()
            .resource_id(account.to_string())
            .set_next_token(next.map(str::to_owned));
        let reply = send!(self, Operation::ListTagsForResource, request)?;
        let items = reply
            .tags()
            .iter()
            .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
            .collect();
        Ok(Page {
            items,
            next: reply.next_token,
        })
    }

    async fn policies(
        &self,
        target: &str,
        kind: Kind,
        next: Option<&str>,
    ) -> Result<Page<PolicySummary>, Fault> {
        const OPERATION: Operation = Operation::ListPoliciesForTarget;
        let filter = match kind {
            Kind::ResourceControl => PolicyType::ResourceControlPolicy,
            _ => PolicyType::ServiceControlPolicy,
        };
        let request = self
            .aws
            .organizations
            .list_policies_for_target()
            .target_id(target)
            .filter(filter)
            .max_results(PAGE)
            .set_next_token(next.map(str::to_owned));
        let reply = send!(self, OPERATION, request)?;
        let summary = |policy: &aws_sdk_organizations::types::PolicySummary| {
            let id = policy
                .id()
                .ok_or_else(|| malformed(OPERATION, "a policy without an id"))?;
            Ok(PolicySummary {
                id: id.to_owned(),
                name: policy.name().unwrap_or(id).to_owned(),
            })
        };
        let items = reply
            .policies()
            .iter()
            .map(summary)
            .collect::<Result<_, Fault>>()?;
        Ok(Page {
            items,
            next: reply.next_token,
        })
    }

    async fn policy(&self, id: &str) -> Result<String, Fault> {
        const OPERATION: Operation = Operation::DescribePolicy;
        let request = self.aws.organizations.describe_policy().policy_id(id);
        let reply = send!(self, OPERATION, request)?;
        let content = reply.policy().and_then(|policy| policy.content());
        content
            .map(str::to_owned)
            .ok_or_else(|| malformed(OPERATION, "a policy without content"))
    }
}

fn account_id(operation: Operation, text: &str) -> Result<AccountId, Fault> {
    text.parse()
        .map_err(|error| malformed(operation, &format!("{error}")))
}

fn listed(account: &SdkAccount) -> Result<ListedAccount, Fault> {
    let ids = account
        .paths()
        .first()
        .map(|path| path_ids(path))
        .unwrap_or_default();
    let has_path = !ids.is_empty();
    let account = Account {
        id: account_id(Operation::ListAccounts, account.id().unwrap_or_default())?,
        name: account.name().unwrap_or_default().to_owned(),
        state: state(account.state(), account.status()),
        path: OuPath {
            ids,
            names: Vec::new(),
        },
        is_management: false,
        tags: Vec::new(),
    };
    Ok(ListedAccount { account, has_path })
}

/// The ids of root and units in `o-…/r-…/ou-…/ou-…/111122223333/`.
fn path_ids(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|part| part.starts_with("r-") || part.starts_with("ou-"))
        .map(str::to_owned)
        .collect()
}

/// `State`, or the retired `Status` where there is no `State`. Neither, or a word
/// this version does not know, is its own visible class.
fn state(state: Option<&SdkState>, status: Option<&AccountStatus>) -> AccountState {
    match state
        .map(SdkState::as_str)
        .or(status.map(AccountStatus::as_str))
    {
        Some("ACTIVE") => AccountState::Active,
        Some("SUSPENDED") => AccountState::Suspended,
        Some("PENDING_CLOSURE") => AccountState::PendingClosure,
        Some("CLOSED") => AccountState::Closed,
        Some("PENDING_ACTIVATION") => AccountState::PendingActivation,
        other => AccountState::Unknown(other.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_wins_over_the_status_and_neither_is_never_active() {
        let named = |text: &str| SdkState::from(text);
        let old = |text: &str| AccountStatus::from(text);
        for (new, retired, expected) in [
            (Some("ACTIVE"), None, AccountState::Active),
            (Some("SUSPENDED"), Some("ACTIVE"), AccountState::Suspended),
            (Some("CLOSED"), Some("SUSPENDED"), AccountState::Closed),
            (Some("PENDING_CLOSURE"), None, AccountState::PendingClosure),
            (
                Some("PENDING_ACTIVATION"),
                None,
                AccountState::PendingActivation,
            ),
            (None, Some("ACTIVE"), AccountState::Active),
            (None, Some("SUSPENDED"), AccountState::Suspended),
            (None, None, AccountState::Unknown(None)),
            (
                Some("HIBERNATING"),
                Some("ACTIVE"),
                AccountState::Unknown(Some("HIBERNATING".to_owned())),
            ),
        ] {
            let found = state(new.map(named).as_ref(), retired.map(old).as_ref());
            assert_eq!(found, expected, "{new:?} {retired:?}");
        }
    }

    #[test]
    fn a_path_keeps_root_and_units() {
        for (path, ids) in [
            ("", vec![]),
            ("o-abcdef1234/r-ab12/111122223333/", vec!["r-ab12"]),
            (
                "o-abcdef1234/r-ab12/ou-ab12-11111111/ou-ab12-22222222/111122223333/",
                vec!["r-ab12", "ou-ab12-11111111", "ou-ab12-22222222"],
            ),
        ] {
            assert_eq!(path_ids(path), ids, "{path}");
        }
    }
}
