//! From what sweeps saw to calls that are to be made.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{AccountReport, SweepId};
use rolekeeper_domain::registration::{Leaving, Registration, Sight, Wanted, due, sight};
use rolekeeper_engine::port::registration::Registrations;
use rolekeeper_engine::port::store::{Memory, ReportFilter, StoreError, Sweeps};

use super::{Ground, Register, Subject};

/// How many of the newest sweeps a scan looks at. Every sweep of all accounts says everything
/// again, so that nothing is lost with an older one.
const SWEEPS_LOOKED_AT: u32 = 50;

/// Accounts read, and written, at a time.
const PAGE: u32 = 500;

/// The sweeps that were looked at already, by this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanned(BTreeSet<SweepId>);

/// Looks at the sweeps under this specification that ended since the last time, and keeps in the
/// store what is to be told. Answers how many calls were added or taken back.
pub(crate) async fn scan<S: Sweeps + Memory + Registrations>(
    look: &Look<'_, S>,
    revision: &str,
    scanned: &mut Scanned,
) -> Result<u64, StoreError> {
    let store = look.store;
    let sweeps = store.sweeps(None, SWEEPS_LOOKED_AT).await?;
    let under = store.sweeps_under(revision).await?;
    let listed: BTreeSet<&SweepId> = sweeps.iter().map(|sweep| &sweep.id).collect();
    scanned.0.retain(|id| listed.contains(id));
    let fresh: Vec<&SweepId> = sweeps
        .iter()
        .rev()
        .filter(|sweep| sweep.finished_at.is_some() && under.contains(&sweep.id))
        .map(|sweep| &sweep.id)
        .filter(|id| !scanned.0.contains(*id))
        .collect();
    if fresh.is_empty() {
        return Ok(0);
    }
    let mut changed = 0;
    for id in fresh {
        changed += look.sweep(id).await?;
        scanned.0.insert(id.clone());
    }
    Ok(changed + look.left().await?)
}

/// Who looks, for whom, and when.
pub(crate) struct Look<'a, S> {
    pub(crate) store: &'a S,
    pub(crate) register: &'a Register,
    pub(crate) ground: &'a Ground,
    pub(crate) now: Timestamp,
}

impl<S: Sweeps + Memory + Registrations> Look<'_, S> {
    async fn sweep(&self, id: &SweepId) -> Result<u64, StoreError> {
        let (mut after, mut changed) = (None, 0);
        loop {
            let reports = self
                .store
                .reports(id, &ReportFilter::default(), after, PAGE)
                .await?;
            let Some(last) = reports.last().map(|report| report.account) else {
                return Ok(changed);
            };
            let mut known = self.known(after, last).await?;
            let records: Vec<Registration> = reports
                .iter()
                .filter_map(|report| self.record(known.remove(&report.account), report))
                .collect();
            changed += self.store.save_registrations(&records).await?;
            after = Some(last);
        }
    }

    /// The records of the accounts after one and up to another.
    async fn known(
        &self,
        mut after: Option<AccountId>,
        last: AccountId,
    ) -> Result<BTreeMap<AccountId, Registration>, StoreError> {
        let mut known = BTreeMap::new();
        loop {
            let role = &self.register.role;
            let page = self.store.registrations(role, after, PAGE).await?;
            let end = page.last().map(|record| record.account);
            known.extend(page.into_iter().map(|record| (record.account, record)));
            match end {
                Some(end) if end < last => after = Some(end),
                _ => return Ok(known),
            }
        }
    }

    fn record(&self, known: Option<Registration>, report: &AccountReport) -> Option<Registration> {
        let Register { role, absent, .. } = self.register;
        let seen = sight(report, role, *absent)?;
        // After a restart old sweeps are read again; newer ones may have gone by another specification.
        if let Some(known) = &known
            && known.is_newer_than(report.observed_at)
        {
            return None;
        }
        match seen {
            Sight::Leaving(why) => self.forget(&known?, why),
            Sight::Right { repaired_at } => {
                let known =
                    known.unwrap_or_else(|| Registration::new(report.account, role.clone()));
                let subject = Subject {
                    account: report.account,
                    name: &report.name,
                };
                let digest = self.register.digest(self.ground, subject);
                let wanted = Wanted::Registered {
                    digest: &digest,
                    name: &report.name,
                    repaired_at,
                    revalidates: self.register.can_revalidate(known.vendor_id().is_some()),
                };
                due(&known, wanted, self.now)
            }
        }
    }

    fn forget(&self, known: &Registration, why: Leaving) -> Option<Registration> {
        let withdraws =
            self.register.withdraw.is_some() && self.register.withdraw_on.contains(&why);
        due(known, Wanted::Forgotten { withdraws }, self.now)
    }

    /// Registered accounts that are no longer in the organization. Only a whole listing takes an
    /// account out of the fleet.
    async fn left(&self) -> Result<u64, StoreError> {
        let seen = self.store.last_seen().await?;
        let (mut after, mut changed) = (None, 0);
        loop {
            let role = &self.register.role;
            let page = self.store.registrations(role, after, PAGE).await?;
            let Some(last) = page.last().map(|record| record.account) else {
                return Ok(changed);
            };
            let mut records = Vec::new();
            for record in page.iter().filter(|it| !seen.contains_key(&it.account)) {
                // What was never looked at can be in the fleet all the same.
                if self.store.fleet_account(record.account).await?.is_none() {
                    records.extend(self.forget(record, Leaving::Left));
                }
            }
            changed += self.store.save_registrations(&records).await?;
            after = Some(last);
        }
    }
}
