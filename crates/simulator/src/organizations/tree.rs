//! The organization: its units, its accounts, its policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use rolekeeper_domain::account::{AccountId, AccountState};

use crate::iam::paper::Paper;
use crate::iam::state::{Tags, Text};

/// The policy that hangs everywhere in a fresh organization.
pub(crate) const FULL_ACCESS: &str = "p-FullAWSAccess";

/// A unit's place in [`Tree::units`]; the root is 0.
pub(crate) type UnitIndex = u32;

/// The root, or an organizational unit.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) id: Text,
    pub(crate) name: Text,
    /// None for the root.
    pub(crate) parent: Option<UnitIndex>,
    pub(crate) tags: Tags,
}

/// An account of the organization.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: AccountId,
    pub(crate) name: Text,
    pub(crate) state: AccountState,
    pub(crate) parent: UnitIndex,
    /// Seconds since the epoch.
    pub(crate) joined: i64,
    pub(crate) invited: bool,
    pub(crate) tags: Tags,
}

impl Member {
    pub(crate) fn email(&self) -> String {
        format!("aws+{}@example.com", self.id)
    }

    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.state, AccountState::Active)
    }
}

/// What kind of guard rail a policy of the organization is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuardKind {
    /// On what the principals of accounts may do.
    ServiceControl,
    /// On what may be done to the resources of accounts.
    ResourceControl,
}

impl GuardKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceControl => "SERVICE_CONTROL_POLICY",
            Self::ResourceControl => "RESOURCE_CONTROL_POLICY",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::ServiceControl, Self::ResourceControl]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// A service or resource control policy.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) id: Text,
    pub(crate) name: Text,
    pub(crate) description: Text,
    pub(crate) kind: GuardKind,
    pub(crate) aws_managed: bool,
    pub(crate) paper: Arc<Paper>,
}

/// The whole organization.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) id: Text,
    /// The root first; a unit comes after its parent.
    pub(crate) units: Vec<Unit>,
    /// The management account first; new ones at the end.
    pub(crate) members: Vec<Member>,
    by_id: BTreeMap<AccountId, u32>,
    pub(crate) guards: Vec<Guard>,
    /// Policy ids by target id: a root, a unit or an account.
    pub(crate) attachments: BTreeMap<Text, Vec<Text>>,
    pub(crate) delegated: Vec<AccountId>,
    /// Requests to create an account: their ids and what came of them.
    pub(crate) creations: Vec<(Text, AccountId)>,
    /// Whether the policy that allows all was ever taken off a target.
    pub(crate) detached: bool,
    /// Counts changes, so that what is derived from the tree can be kept.
    pub(crate) generation: u64,
}

impl Tree {
    pub(crate) fn new(id: Text, root: Unit) -> Self {
        Self {
            id,
            units: vec![root],
            members: Vec::new(),
            by_id: BTreeMap::new(),
            guards: Vec::new(),
            attachments: BTreeMap::new(),
            delegated: Vec::new(),
            creations: Vec::new(),
            detached: false,
            generation: 0,
        }
    }

    pub(crate) fn add_unit(&mut self, unit: Unit) -> UnitIndex {
        self.units.push(unit);
        self.generation += 1;
        u32::try_from(self.units.len() - 1).unwrap_or(0)
    }

    pub(crate) fn add_member(&mut self, member: Member) -> usize {
        let index = self.members.len();
        self.by_id
            .insert(member.id, u32::try_from(index).unwrap_or(u32::MAX));
        self.members.push(member);
        self.generation += 1;
        index
    }

    pub(crate) fn index_of(&self, id: AccountId) -> Option<usize> {
        self.by_id.get(&id).map(|&index| index as usize)
    }

    pub(crate) fn member(&self, id: AccountId) -> Option<&Member> {
        self.members.get(self.index_of(id)?)
    }

    pub(crate) fn member_mut(&mut self, id: AccountId) -> Option<&mut Member> {
        let index = self.index_of(id)?;
        self.generation += 1;
        self.members.get_mut(index)
    }

    /// The management account.
    pub(crate) fn management(&self) -> Option<&Member> {
        self.members.first()
    }

    pub(crate) fn is_management(&self, id: AccountId) -> bool {
        self.management().is_some_and(|member| member.id == id)
    }

    pub(crate) fn unit(&self, id: &str) -> Option<UnitIndex> {
        let index = self.units.iter().position(|unit| *unit.id == *id)?;
        u32::try_from(index).ok()
    }

    pub(crate) fn root_id(&self) -> &str {
        self.units.first().map_or("", |root| &root.id)
    }

    /// A unit and everything above it, the root first.
    pub(crate) fn chain(&self, unit: UnitIndex) -> Vec<&Unit> {
        let mut chain = Vec::new();
        let mut next = Some(unit);
        while let Some(unit) = next.and_then(|index| self.units.get(index as usize)) {
            chain.push(unit);
            next = unit.parent;
        }
        chain.reverse();
        chain
    }

    /// `o-…/r-…/ou-…/`: where the account hangs.
    pub(crate) fn path(&self, member: &Member) -> String {
        let mut path = format!("{}/", self.id);
        for unit in self.chain(member.parent) {
            path.push_str(&unit.id);
            path.push('/');
        }
        path
    }

    /// The policies of one kind that bind an account: a list for each level
    /// from the root down to the account itself. A level where only
    /// `FullAWSAccess` hangs binds nobody and is left out.
    pub(crate) fn guards_of(&self, member: &Member, kind: GuardKind) -> Vec<Vec<Arc<Paper>>> {
        let own = member.id.to_string();
        let levels = self
            .chain(member.parent)
            .into_iter()
            .map(|unit| &*unit.id)
            .chain([own.as_str()]);
        let bound =
            levels.filter(
                |target| match self.attachments.get(*target).map(Vec::as_slice) {
                    // Accounts are not written down before something else hangs there.
                    None => false,
                    Some([only]) => **only != *FULL_ACCESS,
                    Some(_) => true,
                },
            );
        bound
            .map(|target| {
                self.attached(target, kind)
                    .map(|guard| Arc::clone(&guard.paper))
                    .collect()
            })
            .collect()
    }

    pub(crate) fn attached<'a>(
        &'a self,
        target: &str,
        kind: GuardKind,
    ) -> impl Iterator<Item = &'a Guard> {
        let ids = self.attachments.get(target).map_or(&[][..], Vec::as_slice);
        ids.iter()
            .filter_map(|id| self.guard(id))
            .filter(move |guard| guard.kind == kind)
    }

    pub(crate) fn guard(&self, id: &str) -> Option<&Guard> {
        self.guards.iter().find(|guard| *guard.id == *id)
    }

    pub(crate) fn arn(&self, kind: &str, rest: &str) -> String {
        let management = self
            .management()
            .map(|member| member.id.to_string())
            .unwrap_or_default();
        format!(
            "arn:aws:organizations::{management}:{kind}/{}/{rest}",
            self.id
        )
    }
}
