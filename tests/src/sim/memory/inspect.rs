//! What tests look up that no engine asks for.

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::{AccountReport, SweepId};
use rolekeeper_engine::port::store::JournalEntry;

use super::{MemoryStore, Span};

impl MemoryStore {
    /// Everything in the journal.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.raw().journal.clone()
    }

    /// When, in changes of the world, each journal entry was written and completed.
    pub fn spans(&self) -> Vec<Span> {
        self.raw().spans.clone()
    }

    /// All reports of a sweep.
    pub fn all_reports(&self, sweep: &SweepId) -> Vec<AccountReport> {
        let state = self.raw();
        let of_sweep = state.reports.iter().filter(|((id, _), _)| id == sweep);
        of_sweep.map(|(_, report)| report.clone()).collect()
    }

    /// What each sweep said of each account last.
    pub fn last_reports(&self) -> Vec<AccountReport> {
        self.raw().reports.values().cloned().collect()
    }

    /// Sweeps that wait for approval, for tests that approve from outside.
    pub fn waiting(&self) -> Vec<SweepId> {
        let state = self.raw();
        let waiting = state.waiting.keys().filter(|sweep| state.waits(sweep));
        waiting.cloned().collect()
    }

    /// How many sweeps were begun.
    pub fn how_many_sweeps(&self) -> u64 {
        self.raw().sweeps.len() as u64
    }

    /// Sweeps that somebody approved.
    pub fn approvals(&self) -> Vec<SweepId> {
        self.raw().approved.keys().cloned().collect()
    }

    /// Everything that is remembered of what differed, resolved or not.
    pub fn all_findings(&self) -> Vec<Finding> {
        self.raw().findings.values().flatten().cloned().collect()
    }

    /// What is on record as ours in an account.
    pub fn ours(&self, account: AccountId) -> Vec<String> {
        let state = self.raw();
        let of_account = state.owned.iter().filter(|((at, _), _)| *at == account);
        of_account.map(|(_, resource)| resource.clone()).collect()
    }
}
