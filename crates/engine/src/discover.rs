//! Who is there: page after page, as a stream.
//!
//! `ListAccounts` is serial (each page's token comes with the one before), so
//! accounts are handed on as they come. `ListAccounts` says where an account is by ids; the
//! names are read beside it, and only those that accounts need: a leaf of the tree of units costs no
//! call. Tags are read only when a selector asks for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use rolekeeper_domain::account::{Account, AccountId};
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::selector::{Selection, select, wants_tags};
use tokio::sync::{OnceCell, mpsc};

use crate::event::EventSink;
use crate::gateway::{Behalf, Gateway};
use crate::port::clock::Clock;
use crate::port::directory::{
    Caller, Directory, ListedAccount, Organization, OrganizationalUnit, UnitTree,
};
use crate::settings::EngineSettings;

/// Pages of one listing at most. 50,000 accounts are 2,500 full pages; short and empty pages
/// make it more, a token that turns in a circle makes it endless.
const MAX_PAGES: usize = 25_000;

/// Pages that may be read before their accounts can be handed on: some seconds' worth at the
/// rate that Organizations allows, in a few hundred kilobytes.
const MAX_PAGES_AHEAD: usize = 64;

/// Units asked at once. The limiter decides the pace; this bounds what is under way.
const UNITS_AT_ONCE: usize = 16;

/// Units at most; AWS allows 2,000.
const MAX_UNITS: usize = 10_000;

/// How a listing ended.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Every account that was listed.
    pub(crate) present: BTreeSet<AccountId>,
    /// Why the rest was not read.
    pub(crate) unread: Option<Fault>,
}

/// Reads the organization.
pub(crate) struct Discovery<'a, D, C, E> {
    pub(crate) directory: &'a D,
    pub(crate) gateway: &'a Gateway<C, E>,
    pub(crate) needs_tags: bool,
}

impl<D: Directory, C: Clock, E: EventSink> Discovery<'_, D, C, E> {
    /// Who we are and what we belong to.
    pub(crate) async fn ourselves(&self) -> Result<(Caller, Organization), Fault> {
        let caller = self
            .gateway
            .read(Behalf::HUB, Operation::GetCallerIdentity, || {
                self.directory.caller()
            });
        let organization = self
            .gateway
            .read(Behalf::HUB, Operation::DescribeOrganization, || {
                self.directory.organization()
            });
        let (caller, organization) = tokio::join!(caller, organization);
        Ok((caller?, organization?))
    }

    /// Sends every account down `accounts` as it is found; ends early when nobody listens any more.
    pub(crate) async fn list(
        &self,
        organization: &Organization,
        accounts: mpsc::Sender<Account>,
    ) -> Listing {
        // The next page is asked for while the tree of units is still being read: the two
        // have quotas of their own, and the pages are the longer way.
        let (pages, read) = mpsc::channel(MAX_PAGES_AHEAD);
        let (unread, mut listing) =
            tokio::join!(self.pages(pages), self.name(organization, read, accounts));
        listing.unread = listing.unread.or(unread);
        listing
    }

    /// Every account that is `wanted`, with what the selector says about it.
    pub(crate) async fn selected(
        &self,
        organization: &Organization,
        settings: &EngineSettings,
        wanted: impl Fn(AccountId) -> bool,
    ) -> (Vec<(Account, Selection)>, Listing) {
        let (sender, mut accounts) = stream();
        let mut found = Vec::new();
        let (listing, ()) = tokio::join!(self.list(organization, sender), async {
            while let Some(account) = accounts.recv().await {
                if wanted(account.id) {
                    let selection = select(&account, &settings.selector, settings.management);
                    found.push((account, selection));
                }
            }
        });
        (found, listing)
    }

    /// Turns the pages of `ListAccounts`; answers why it stopped before the last one.
    async fn pages(&self, pages: mpsc::Sender<Vec<ListedAccount>>) -> Option<Fault> {
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let call = || self.directory.accounts(next.as_deref());
            let page = self
                .gateway
                .read(Behalf::HUB, Operation::ListAccounts, call)
                .await;
            match page {
                Ok(page) => {
                    if pages.send(page.items).await.is_err() {
                        return None;
                    }
                    next = Some(page.next?);
                }
                Err(fault) => return Some(fault),
            }
        }
        let message = format!("the listing has no end after {MAX_PAGES} pages");
        Some(Fault::new(Category::Service, message).during(Operation::ListAccounts))
    }

    /// Gives the accounts of each page their place, and hands them on.
    async fn name(
        &self,
        organization: &Organization,
        mut pages: mpsc::Receiver<Vec<ListedAccount>>,
        accounts: mpsc::Sender<Account>,
    ) -> Listing {
        let mut listing = Listing::default();
        let mut tree = match self.roots().await {
            Ok(tree) => tree,
            Err(fault) => {
                listing.unread = Some(fault);
                return listing;
            }
        };
        let parents = OnceCell::new();
        while let Some(page) = pages.recv().await {
            let found = self.complete(page, organization, &mut tree, &parents);
            let found = match found.await {
                Ok(found) => found,
                Err(fault) => {
                    listing.unread = Some(fault);
                    return listing;
                }
            };
            for account in found {
                // The same account on two pages: it moved while the listing went on.
                if listing.present.insert(account.id) && accounts.send(account).await.is_err() {
                    return listing;
                }
            }
        }
        listing
    }

    /// Fills in place, tags and whether it is the management account.
    async fn complete(
        &self,
        page: Vec<ListedAccount>,
        organization: &Organization,
        tree: &mut Tree,
        parents: &OnceCell<Result<BTreeMap<AccountId, String>, Fault>>,
    ) -> Result<Vec<Account>, Fault> {
        if page.iter().any(|listed| !listed.has_path) {
            self.whole(tree).await?;
        }
        let tree = self.above(&page, tree).await?;
        let mut found = Vec::with_capacity(page.len());
        for ListedAccount {
            mut account,
            has_path,
        } in page
        {
            if !has_path {
                let parents = parents.get_or_init(|| self.parents(tree)).await.as_ref();
                let parents = parents.map_err(Clone::clone)?;
                account.path.ids = parents
                    .get(&account.id)
                    .map_or_else(Vec::new, |id| tree.chain(id));
            }
            account.path.names = tree.names(&account.path.ids);
            account.is_management = account.id == organization.management_account;
            found.push(account);
        }
        if self.needs_tags {
            let asked = found
                .iter_mut()
                .filter(|account| wants_tags(&account.state));
            let reads = asked.map(|account| async {
                account.tags = self.tags(account.id).await?;
                Ok(())
            });
            join_all(reads)
                .await
                .into_iter()
                .collect::<Result<(), Fault>>()?;
        }
        Ok(found)
    }

    async fn tags(&self, account: AccountId) -> Result<Vec<(String, String)>, Fault> {
        let mut tags = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let call = || self.directory.tags(account, next.as_deref());
            let page = self
                .gateway
                .read(Behalf::HUB, Operation::ListTagsForResource, call)
                .await?;
            tags.extend(page.items);
            match page.next {
                // 50 tags a resource, 25 a page.
                Some(token) if tags.len() < 1_000 => next = Some(token),
                _ => return Ok(tags),
            }
        }
    }

    async fn roots(&self) -> Result<Tree, Fault> {
        let call = || self.directory.roots();
        let roots = self
            .gateway
            .read(Behalf::HUB, Operation::ListRoots, call)
            .await?;
        Ok(Tree {
            roots: roots.into_iter().collect(),
            ..Tree::default()
        })
    }

    /// The names on the way to these accounts: a unit's name comes with its parent's list.
    async fn above<'t>(
        &self,
        page: &[ListedAccount],
        tree: &'t mut Tree,
    ) -> Result<&'t Tree, Fault> {
        let ways = page.iter().map(|listed| &listed.account.path.ids);
        let parents = ways.flat_map(|ids| ids.iter().rev().skip(1));
        let parents: BTreeSet<String> = parents.cloned().collect();
        self.read_below(parents, tree).await?;
        Ok(tree)
    }

    /// Every unit, level by level.
    async fn whole(&self, tree: &mut Tree) -> Result<(), Fault> {
        let mut level = tree.roots.clone();
        while !level.is_empty() {
            self.read_below(level.clone(), tree).await?;
            let below = tree.units.values();
            level = below
                .filter(|unit| level.contains(&unit.parent))
                .map(|unit| unit.id.clone())
                .collect();
        }
        Ok(())
    }

    /// The units directly below each of `parents`, where they are not known yet.
    async fn read_below(
        &self,
        mut parents: BTreeSet<String>,
        tree: &mut Tree,
    ) -> Result<(), Fault> {
        parents.retain(|parent| !tree.read.contains(parent));
        let parents: Vec<String> = parents.into_iter().collect();
        for some in parents.chunks(UNITS_AT_ONCE) {
            for units in join_all(some.iter().map(|parent| self.units(parent))).await {
                let units = units?.into_iter().map(|unit| (unit.id.clone(), unit));
                tree.units.extend(units);
            }
        }
        tree.read.extend(parents);
        if tree.units.len() > MAX_UNITS {
            let message = format!("the organization has more than {MAX_UNITS} units");
            return Err(Fault::new(Category::Service, message));
        }
        Ok(())
    }

    async fn units(&self, parent: &str) -> Result<Vec<OrganizationalUnit>, Fault> {
        let operation = Operation::ListOrganizationalUnitsForParent;
        let mut units = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let call = || self.directory.units(parent, next.as_deref());
            let page = self.gateway.read(Behalf::HUB, operation, call).await?;
            units.extend(page.items);
            match page.next {
                Some(token) => next = Some(token),
                None => return Ok(units),
            }
        }
        Err(Fault::new(Category::Service, "the listing of units has no end").during(operation))
    }

    /// The unit or root directly above each account: one listing for each unit, where
    /// `ListAccounts` does not say.
    async fn parents(&self, tree: &Tree) -> Result<BTreeMap<AccountId, String>, Fault> {
        let above: Vec<String> = tree
            .roots
            .iter()
            .chain(tree.units.keys())
            .cloned()
            .collect();
        let mut parents = BTreeMap::new();
        for some in above.chunks(UNITS_AT_ONCE) {
            for (parent, accounts) in join_all(some.iter().map(|parent| self.below(parent))).await {
                parents.extend(
                    accounts?
                        .into_iter()
                        .map(|account| (account, parent.to_owned())),
                );
            }
        }
        Ok(parents)
    }

    async fn below<'p>(&self, parent: &'p str) -> (&'p str, Result<Vec<AccountId>, Fault>) {
        let operation = Operation::ListAccountsForParent;
        let mut accounts = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let call = || self.directory.accounts_below(parent, next.as_deref());
            match self.gateway.read(Behalf::HUB, operation, call).await {
                Ok(page) => {
                    accounts.extend(page.items);
                    match page.next {
                        Some(token) => next = Some(token),
                        None => return (parent, Ok(accounts)),
                    }
                }
                Err(fault) => return (parent, Err(fault)),
            }
        }
        let fault = Fault::new(
            Category::Service,
            "the listing of a unit's accounts has no end",
        );
        (parent, Err(fault.during(operation)))
    }
}

/// The units of the organization, as far as they are known.
#[derive(Default)]
struct Tree {
    roots: BTreeSet<String>,
    units: UnitTree,
    /// The roots and units whose list of units below them was read.
    read: BTreeSet<String>,
}

impl Tree {
    /// The names along a path of ids; a unit that is not in the tree (made a moment ago) goes by its id.
    fn names(&self, ids: &[String]) -> Vec<String> {
        ids.iter()
            .filter(|id| !self.roots.contains(*id))
            .map(|id| {
                self.units
                    .get(id)
                    .map_or_else(|| id.clone(), |unit| unit.name.clone())
            })
            .collect()
    }

    /// The ids from the root down to `id`.
    fn chain(&self, id: &str) -> Vec<String> {
        let mut chain = vec![id.to_owned()];
        let mut current = id;
        while let Some(unit) = self.units.get(current) {
            // A circle cannot be in a tree; a listing read while units move may show one.
            if chain.len() > self.units.len() {
                break;
            }
            chain.push(unit.parent.clone());
            current = &unit.parent;
        }
        chain.reverse();
        chain
    }
}

/// A stream of accounts with a bound: discovery waits when the workers do not keep up.
pub(crate) fn stream() -> (mpsc::Sender<Account>, mpsc::Receiver<Account>) {
    /// Two pages: enough to keep the workers fed, no more than they need.
    const AHEAD: usize = 40;
    mpsc::channel(AHEAD)
}

/// A shared name for an account in reports.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) id: AccountId,
    pub(crate) name: String,
    pub(crate) ou_path: String,
}

impl Named {
    pub(crate) fn of(account: &Account) -> Arc<Self> {
        Arc::new(Self {
            id: account.id,
            name: account.name.clone(),
            ou_path: account.path.to_string(),
        })
    }
}
