//! One look at one role in one account, with the fewest calls that tell all.
//!
//! The four calls that need nothing but names go out together; a policy's document
//! is read only when its version is not known. Whatever cannot be read is kept as
//! [`Sighting::Unread`]: looking never fails as a whole.

use std::collections::{BTreeMap, BTreeSet};

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::{Arn, Partition};
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::diff::Wants;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::observation::{
    Observation, ObservedDocument, ObservedPolicy, ObservedRole, PolicyVersion, Sighting,
};
use rolekeeper_domain::role::{PolicyName, RoleName, RoleSpec};

use crate::documents::Documents;
use crate::event::EventSink;
use crate::gateway::{Behalf, Gateway};
use crate::port::clock::Clock;
use crate::port::directory::Page;
use crate::port::session::RoleReader;
use crate::recorder::Recorder;

/// Pages of one listing at most: 10 attachments (20 at the highest quota) fit in one.
/// More means that something turns in a circle.
const MAX_PAGES: usize = 20;

/// Looks into one account.
pub(crate) struct Lookout<'a, R, C, E> {
    pub(crate) reader: &'a R,
    pub(crate) gateway: &'a Gateway<C, E>,
    pub(crate) documents: &'a Documents,
    pub(crate) recorder: &'a Recorder,
    pub(crate) behalf: Behalf<'a>,
    pub(crate) account: AccountId,
    pub(crate) partition: Partition,
}

impl<R: RoleReader, C: Clock, E: EventSink> Lookout<'_, R, C, E> {
    /// Everything about one role.
    pub(crate) async fn observe(&self, spec: &RoleSpec) -> Observation {
        let (role, attachments, inline, policies, legacy_users) = tokio::join!(
            self.role(&spec.name),
            self.attachments(&spec.name),
            self.inline(&spec.name),
            self.policies(spec),
            self.users(&spec.legacy_users),
        );
        Observation {
            account: self.account,
            role,
            attachments,
            inline,
            policies,
            foreign_documents: BTreeMap::new(),
            legacy_users,
        }
    }

    /// Reads what only some accounts need. Answers whether anything was read. A document that cannot be
    /// read stays unknown, and what is unknown is not taken for harmless.
    pub(crate) async fn read_wanted(&self, observation: &mut Observation, wants: &Wants) -> bool {
        let mut read = self
            .read_versions(observation, |arn| wants.versions.contains(arn))
            .await;
        for arn in &wants.documents {
            if let Sighting::Seen(policy) = self.policy(arn).await
                && let Sighting::Seen(ObservedDocument::Valid(document)) = policy.document
            {
                observation.foreign_documents.insert(arn.clone(), document);
                read = true;
            }
        }
        read
    }

    /// Reads the versions of the policies that `wanted` picks, where they are not read yet.
    /// Answers whether anything was read.
    pub(crate) async fn read_versions(
        &self,
        observation: &mut Observation,
        wanted: impl Fn(&Arn) -> bool,
    ) -> bool {
        let mut read = false;
        for (arn, sighting) in &mut observation.policies {
            if let Sighting::Seen(policy) = sighting
                && policy.versions.is_none()
                && wanted(arn)
            {
                policy.versions = Some(self.versions(arn).await);
                read = true;
            }
        }
        read
    }

    async fn role(&self, name: &RoleName) -> Sighting<ObservedRole> {
        let read = self
            .gateway
            .read(self.behalf, Operation::GetRole, || self.reader.role(name));
        sighting(read.await)
    }

    async fn attachments(&self, role: &RoleName) -> Sighting<BTreeSet<Arn>> {
        let pages = self.pages(
            Operation::ListAttachedRolePolicies,
            |next: Option<String>| async move {
                let call = || self.reader.attachments(role, next.as_deref());
                self.gateway
                    .read(self.behalf, Operation::ListAttachedRolePolicies, call)
                    .await
            },
        );
        map(pages.await, |arns| arns.into_iter().collect())
    }

    async fn inline(
        &self,
        role: &RoleName,
    ) -> Sighting<BTreeMap<PolicyName, Sighting<ObservedDocument>>> {
        let pages = self.pages(
            Operation::ListRolePolicies,
            |next: Option<String>| async move {
                let call = || self.reader.inline_names(role, next.as_deref());
                self.gateway
                    .read(self.behalf, Operation::ListRolePolicies, call)
                    .await
            },
        );
        let names = match pages.await {
            Sighting::Seen(names) => names,
            Sighting::Absent => return Sighting::Absent,
            Sighting::Unread(fault) => return Sighting::Unread(fault),
        };
        let mut inline = BTreeMap::new();
        for name in names {
            let call = || self.reader.inline_document(role, &name);
            let read = self
                .gateway
                .read(self.behalf, Operation::GetRolePolicy, call)
                .await;
            inline.insert(name, sighting(read));
        }
        Sighting::Seen(inline)
    }

    async fn policies(&self, spec: &RoleSpec) -> BTreeMap<Arn, Sighting<ObservedPolicy>> {
        let arns = spec.managed_policies.iter().map(|policy| {
            Arn::of_policy(
                self.partition,
                self.account,
                policy.path.as_str(),
                policy.name.as_str(),
            )
        });
        let reads = arns.map(|arn| async move {
            let seen = self.policy(&arn).await;
            (arn, seen)
        });
        futures_util::future::join_all(reads)
            .await
            .into_iter()
            .collect()
    }

    /// A policy with the document of its version in force.
    async fn policy(&self, arn: &Arn) -> Sighting<ObservedPolicy> {
        let read = self.gateway.read(self.behalf, Operation::GetPolicy, || {
            self.reader.policy(arn)
        });
        match sighting(read.await) {
            Sighting::Seen(mut policy) => {
                policy.document = self.document(&policy).await;
                Sighting::Seen(policy)
            }
            other => other,
        }
    }

    async fn document(&self, policy: &ObservedPolicy) -> Sighting<ObservedDocument> {
        let (id, version) = (
            policy.policy_id.as_str(),
            policy.default_version_id.as_str(),
        );
        if let Some(known) = self.documents.known(id, version).await {
            return Sighting::Seen(known);
        }
        let call = || self.reader.policy_document(&policy.arn, version);
        let read = self
            .gateway
            .read(self.behalf, Operation::GetPolicyVersion, call)
            .await;
        match sighting(read) {
            Sighting::Seen(document) => {
                self.recorder.document(id, version, document.text()).await;
                Sighting::Seen(document)
            }
            // The version in force was there a moment ago: this is a change under way or a
            // stale read, never "the policy says nothing".
            Sighting::Absent => Sighting::Unread(
                Fault::new(
                    Category::NotFound,
                    format!(
                        "version {version} of {} is in force and was not found",
                        policy.arn
                    ),
                )
                .during(Operation::GetPolicyVersion),
            ),
            unread @ Sighting::Unread(_) => unread,
        }
    }

    async fn versions(&self, arn: &Arn) -> Sighting<Vec<PolicyVersion>> {
        self.pages(
            Operation::ListPolicyVersions,
            |next: Option<String>| async move {
                let call = || self.reader.policy_versions(arn, next.as_deref());
                self.gateway
                    .read(self.behalf, Operation::ListPolicyVersions, call)
                    .await
            },
        )
        .await
    }

    async fn users(&self, names: &BTreeSet<String>) -> Sighting<BTreeSet<String>> {
        let mut seen = BTreeSet::new();
        for name in names {
            let call = || self.reader.user_exists(name);
            match self
                .gateway
                .read(self.behalf, Operation::GetUser, call)
                .await
            {
                Ok(Sighting::Seen(())) => {
                    seen.insert(name.clone());
                }
                Ok(Sighting::Absent) => {}
                Ok(Sighting::Unread(fault)) | Err(fault) => return Sighting::Unread(fault),
            }
        }
        Sighting::Seen(seen)
    }

    async fn pages<T, A>(
        &self,
        operation: Operation,
        page: impl Fn(Option<String>) -> A,
    ) -> Sighting<Vec<T>>
    where
        A: Future<Output = Result<Option<Page<T>>, Fault>>,
    {
        let mut items = Vec::new();
        let mut next = None;
        for _ in 0..MAX_PAGES {
            match page(next).await {
                Ok(Some(read)) => {
                    items.extend(read.items);
                    match read.next {
                        Some(token) => next = Some(token),
                        None => return Sighting::Seen(items),
                    }
                }
                Ok(None) => return Sighting::Absent,
                Err(fault) => return Sighting::Unread(fault),
            }
        }
        Sighting::Unread(
            Fault::new(
                Category::Service,
                format!("the listing has no end after {MAX_PAGES} pages"),
            )
            .during(operation),
        )
    }
}

fn sighting<T>(read: Result<Option<T>, Fault>) -> Sighting<T> {
    match read {
        Ok(Some(value)) => Sighting::Seen(value),
        Ok(None) => Sighting::Absent,
        Err(fault) => Sighting::Unread(fault),
    }
}

fn map<T, U>(sighting: Sighting<T>, convert: impl FnOnce(T) -> U) -> Sighting<U> {
    match sighting {
        Sighting::Seen(value) => Sighting::Seen(convert(value)),
        Sighting::Absent => Sighting::Absent,
        Sighting::Unread(fault) => Sighting::Unread(fault),
    }
}
