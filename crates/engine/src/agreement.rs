//! How the specifications of a sweep stand to those that were agreed to: a repair that restores what
//! was agreed to needs nobody's word, one that gives more waits for it.

use std::collections::{BTreeMap, BTreeSet};

use rolekeeper_domain::agreement::{Agreed, any_account};
use rolekeeper_domain::judge::Approval;
use rolekeeper_domain::role::RoleName;

use crate::apply::End;
use crate::event::EventSink;
use crate::port::clock::Clock;
use crate::port::directory::{Caller, Directory, Organization};
use crate::port::session::SessionProvider;
use crate::port::store::{AgreedSpec, Store, StoreError};
use crate::run::Run;
use crate::settings::{EngineSettings, Place};

/// What is said of a specification that gives nothing, but was never agreed to either.
const NEVER_AGREED: &str = "nobody has agreed to what is specified yet";

/// What is new about the specifications of a sweep.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    /// Specifications that differ from the agreed ones, by role.
    changed: BTreeMap<RoleName, Agreed>,
    /// What those that give more give, by role.
    wider: BTreeMap<RoleName, Vec<String>>,
    /// Those that nothing was ever agreed to for.
    new: BTreeSet<RoleName>,
    /// Why nothing can be said, if so; then everything counts as wider.
    unknown: Option<String>,
}

impl Agreement {
    /// Compares what is wanted now with what was agreed to last.
    pub(crate) async fn of(
        store: &impl Store,
        settings: &EngineSettings,
        caller: &Caller,
        organization: &Organization,
    ) -> Result<Self, StoreError> {
        let kept = store.agreed_specs().await?;
        let kept: BTreeMap<RoleName, AgreedSpec> = kept
            .into_iter()
            .map(|spec| (spec.role.clone(), spec))
            .collect();
        let wanted = settings.roles.wanted(&Place {
            account: any_account(),
            partition: caller.partition,
            organization_id: &organization.id,
            hub_account: caller.account,
        });
        let mut agreement = Self::default();
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(fault) => {
                agreement.unknown = Some(fault.to_string());
                return Ok(agreement);
            }
        };
        for spec in wanted.iter() {
            let now = Agreed::of(spec);
            let before = kept.get(&spec.name);
            if before.is_some_and(|before| before.digest == now.digest()) {
                continue;
            }
            // What cannot be read back was not agreed to, as far as anybody can tell.
            let before = before.and_then(|before| Agreed::read(&before.body).ok());
            let mut more = now.beyond(before.as_ref());
            if before.is_none() {
                agreement.new.insert(spec.name.clone());
                if more.is_empty() {
                    more.push(NEVER_AGREED.to_owned());
                }
            }
            if !more.is_empty() {
                agreement.wider.insert(spec.name.clone(), more);
            }
            agreement.changed.insert(spec.name.clone(), now);
        }
        Ok(agreement)
    }

    /// What the specifications give beyond the agreed ones, a sentence each.
    pub(crate) fn widens(&self) -> Vec<String> {
        let roles = self.wider.iter().flat_map(|(role, sentences)| {
            sentences
                .iter()
                .map(move |sentence| format!("{role}: {sentence}"))
        });
        let unknown = self.unknown.iter().map(|why| {
            format!("the specifications cannot be compared with those that were agreed to: {why}")
        });
        unknown.chain(roles).collect()
    }

    /// Whether the role's specification gives more than was agreed to.
    pub(crate) fn is_wider(&self, role: &RoleName) -> bool {
        self.unknown.is_some() || self.wider.contains_key(role)
    }
}

impl<D, P, S, C, E> Run<D, P, S, C, E>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    /// Whether a plan for this role needs a person's word.
    pub(crate) fn approval_for(&self, role: &RoleName) -> Approval {
        if !self.settings.approve_widening || !self.agreement.is_wider(role) {
            Approval::NotNeeded
        } else if self.is_approved() {
            Approval::Given
        } else if self.agreement.new.contains(role) {
            Approval::WantedForAll
        } else {
            Approval::Wanted
        }
    }

    /// Whether a specification gives more than was agreed to, and nobody has said a word yet.
    pub(crate) fn wants_word(&self) -> bool {
        self.settings.approve_widening && !self.is_approved() && !self.agreement.widens().is_empty()
    }

    /// Keeps the specifications that are agreed to now, for the sweeps to come. One that gives no more than
    /// the last needs no word; one that gives more has it when the sweep was approved, or when nobody is to be
    /// asked at all. A word for some accounts is a word for these alone, and so is a narrower
    /// specification that somebody tries in them: else the one of all others would be the wider one from then on.
    pub(crate) async fn keep_agreed(&self) -> Result<(), End> {
        if !self.order.is_for_everybody() {
            return Ok(());
        }
        let wider_too = self.is_approved() || !self.settings.approve_widening;
        let mut kept = self.kept_agreed.lock().await;
        for (role, agreed) in &self.agreement.changed {
            let is_agreed = wider_too || !self.agreement.is_wider(role);
            if !is_agreed || kept.contains(role) {
                continue;
            }
            let Some(fence) = self.fence() else {
                return Err(self.lease_lost());
            };
            let spec = AgreedSpec {
                role: role.clone(),
                digest: agreed.digest(),
                body: agreed.record(),
                by: self.who_agreed(role).await?,
                sweep: self.sweep.clone(),
                at: self.engine.gateway.clock.now(),
            };
            let done = self.engine.store.agree(&spec, fence).await;
            done.map_err(|error| self.store_failed(&error))?;
            kept.insert(role.clone());
        }
        Ok(())
    }

    async fn who_agreed(&self, role: &RoleName) -> Result<String, End> {
        if !self.agreement.is_wider(role) {
            return Ok("nobody: it gives no more than the one before".to_owned());
        }
        if let Some(person) = &self.order.approved_by {
            return Ok(person.clone());
        }
        if !self.is_approved() {
            return Ok("nobody: rollout.approve_widening is off".to_owned());
        }
        let person = self.engine.store.approved_by(&self.sweep).await;
        let person = person.map_err(|error| self.store_failed(&error))?;
        Ok(person.unwrap_or_else(|| "whoever approved the sweep".to_owned()))
    }
}

/// Roles whose specification has been kept in this sweep.
pub(crate) type Kept = tokio::sync::Mutex<BTreeSet<RoleName>>;
