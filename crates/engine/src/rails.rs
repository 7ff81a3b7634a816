//! The organization's own policies, as they bind some accounts: for those who want to know beforehand what they would deny.

use std::collections::BTreeMap;

use rolekeeper_domain::account::{Account, AccountId};
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::policy::{Document, Kind};
use rolekeeper_domain::wall::{Rail, Rails};

use crate::engine::Engine;
use crate::event::EventSink;
use crate::gateway::{Behalf, Gateway};
use crate::port::clock::Clock;
use crate::port::directory::{Directory, PolicySummary};
use crate::port::session::SessionProvider;
use crate::port::store::Store;

/// Pages of one listing at most: five policies of a kind hang on one target, so one page is what there is.
const MAX_PAGES: usize = 10;

impl<D, P, S, C, E> Engine<D, P, S, C, E>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    /// The service and resource control policies that bind each of these accounts. Each root, unit and
    /// policy is read once, however many accounts it binds.
    ///
    /// # Errors
    ///
    /// When the policies of one of them cannot be read.
    pub async fn rails(&self, accounts: &[Account]) -> Result<BTreeMap<AccountId, Rails>, Fault> {
        let mut reading = Reading {
            directory: &self.inner.directory,
            gateway: &self.inner.gateway,
            attached: BTreeMap::new(),
            documents: BTreeMap::new(),
        };
        let mut found = BTreeMap::new();
        for account in accounts {
            found.insert(account.id, reading.rails(account).await?);
        }
        Ok(found)
    }
}

/// What has been read so far.
struct Reading<'a, D, C, E> {
    directory: &'a D,
    gateway: &'a Gateway<C, E>,
    attached: BTreeMap<(Kind, String), Vec<PolicySummary>>,
    /// None: it cannot be understood.
    documents: BTreeMap<String, Option<Document>>,
}

impl<D: Directory, C: Clock, E: EventSink> Reading<'_, D, C, E> {
    async fn rails(&mut self, account: &Account) -> Result<Rails, Fault> {
        let mut rails = Rails::default();
        let own = account.id.to_string();
        let targets = account.path.ids.iter().chain([&own]);
        for target in targets {
            for kind in [Kind::ServiceControl, Kind::ResourceControl] {
                let mut level = Vec::new();
                for policy in self.attached(kind, target).await? {
                    match self.document(kind, &policy.id).await? {
                        Some(document) => level.push(Rail {
                            name: policy.name,
                            target: target.clone(),
                            document,
                        }),
                        None => drop(rails.unread.insert(policy.name)),
                    }
                }
                match kind {
                    Kind::ResourceControl => rails.resource.push(level),
                    _ => rails.service.push(level),
                }
            }
        }
        Ok(rails)
    }

    async fn attached(&mut self, kind: Kind, target: &str) -> Result<Vec<PolicySummary>, Fault> {
        let key = (kind, target.to_owned());
        if let Some(known) = self.attached.get(&key) {
            return Ok(known.clone());
        }
        let operation = Operation::ListPoliciesForTarget;
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let call = || self.directory.policies(target, kind, next.as_deref());
            let page = self.gateway.read(Behalf::HUB, operation, call).await?;
            all.extend(page.items);
            match page.next {
                Some(token) => next = Some(token),
                None => {
                    self.attached.insert(key, all.clone());
                    return Ok(all);
                }
            }
        }
        Err(Fault::new(Category::Service, "the listing of policies has no end").during(operation))
    }

    async fn document(&mut self, kind: Kind, id: &str) -> Result<Option<Document>, Fault> {
        if let Some(known) = self.documents.get(id) {
            return Ok(known.clone());
        }
        let call = || self.directory.policy(id);
        let text = self
            .gateway
            .read(Behalf::HUB, Operation::DescribePolicy, call)
            .await?;
        let document = Document::parse(kind, &text).ok();
        self.documents.insert(id.to_owned(), document.clone());
        Ok(document)
    }
}
