//! Who is in the organization.

use std::collections::BTreeMap;

use rolekeeper_domain::account::{Account, AccountId};
use rolekeeper_domain::arn::{Arn, Partition};
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::policy::Kind;

/// Who the process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The hub account.
    pub account: AccountId,
    /// The caller's own ARN.
    pub arn: Arn,
    /// The partition it works in.
    pub partition: Partition,
}

/// The organization itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id, such as `o-abcdef1234`.
    pub id: String,
    /// Its management account.
    pub management_account: AccountId,
}

/// One organizational unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationalUnit {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of the unit or root above it.
    pub parent: String,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it; may be empty although more pages follow.
    pub items: Vec<T>,
    /// The token of the next page.
    pub next: Option<String>,
}

/// An account as one page of `ListAccounts` shows it.
///
/// The path carries ids only (names come with the tree), or nothing where
/// Organizations did not give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAccount {
    /// The account; `path.names` and `tags` are empty, `is_management` false.
    pub account: Account,
    /// Whether the reply carried the OU path.
    pub has_path: bool,
}

/// One of the organization's own policies, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySummary {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// AWS Organizations, one call a method: one attempt each, no waiting.
/// The engine spaces the calls, tries again and turns pages.
pub trait Directory: Send + Sync + 'static {
    /// `sts:GetCallerIdentity` with the hub's credentials.
    fn caller(&self) -> impl Future<Output = Result<Caller, Fault>> + Send;

    /// `DescribeOrganization`.
    fn organization(&self) -> impl Future<Output = Result<Organization, Fault>> + Send;

    /// `ListRoots`: the ids of the roots.
    fn roots(&self) -> impl Future<Output = Result<Vec<String>, Fault>> + Send;

    /// One page of `ListOrganizationalUnitsForParent`.
    fn units(
        &self,
        parent: &str,
        next: Option<&str>,
    ) -> impl Future<Output = Result<Page<OrganizationalUnit>, Fault>> + Send;

    /// One page of `ListAccounts`.
    fn accounts(
        &self,
        next: Option<&str>,
    ) -> impl Future<Output = Result<Page<ListedAccount>, Fault>> + Send;

    /// One page of `ListAccountsForParent`: only where `ListAccounts` carries no paths.
    fn accounts_below(
        &self,
        parent: &str,
        next: Option<&str>,
    ) -> impl Future<Output = Result<Page<AccountId>, Fault>> + Send;

    /// One page of `ListTagsForResource` of an account.
    fn tags(
        &self,
        account: AccountId,
        next: Option<&str>,
    ) -> impl Future<Output = Result<Page<(String, String)>, Fault>> + Send;

    /// One page of `ListPoliciesForTarget`: the service or resource control policies that hang on a
    /// root, unit or account.
    fn policies(
        &self,
        target: &str,
        kind: Kind,
        next: Option<&str>,
    ) -> impl Future<Output = Result<Page<PolicySummary>, Fault>> + Send;

    /// `DescribePolicy`: what one of them says.
    fn policy(&self, id: &str) -> impl Future<Output = Result<String, Fault>> + Send;
}

/// The parents and names of all units, by id.
pub type UnitTree = BTreeMap<String, OrganizationalUnit>;
