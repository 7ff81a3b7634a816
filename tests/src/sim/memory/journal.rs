//! The journal in memory: with each entry, between which changes of the world it was open.

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_engine::port::store::{
    Completion, EntryId, Fence, Intent, Journal, JournalEntry, StoreError,
};

use super::{Answer, MemoryStore, Span};

impl Journal for MemoryStore {
    async fn intend(&self, intent: &Intent<'_>, fence: Fence) -> Answer<EntryId> {
        let from = self.changes();
        let mut state = self.write()?;
        state.check_fence(fence)?;
        state.spans.push(Span { from, to: None });
        let id = EntryId(i64::try_from(state.journal.len()).unwrap_or(i64::MAX) + 1);
        state.journal.push(JournalEntry {
            id,
            sweep: intent.sweep.clone(),
            requested_by: intent.requested_by.to_owned(),
            account: intent.account,
            subject: intent.deed.subject(),
            operation: intent.deed.operation(),
            resource: intent.deed.resource(),
            parameters: intent.deed.parameters(),
            preconditions: intent.deed.preconditions(),
            before: intent.deed.before().map(str::to_owned),
            after: None,
            intended_at: intent.at,
            completed_at: None,
            completion: None,
        });
        Ok(id)
    }

    async fn complete(&self, entry: EntryId, completion: &Completion, at: Timestamp) -> Answer<()> {
        let to = self.changes();
        let mut state = self.write()?;
        let state = &mut *state;
        let index = usize::try_from(entry.0 - 1).unwrap_or(usize::MAX);
        let (Some(found), Some(span)) = (state.journal.get_mut(index), state.spans.get_mut(index))
        else {
            let message = format!("no journal entry {}", entry.0);
            return Err(StoreError::Corrupt { message });
        };
        if !stands_after(found.completion.as_ref(), completion) {
            return Ok(());
        }
        found.completion = Some(completion.clone());
        found.completed_at = Some(at);
        span.to = Some(to);
        let ours = (found.account, key(&found.resource));
        let is_done = completion.is_done();
        match found.operation {
            Operation::CreateRole | Operation::CreatePolicy if is_done => {
                state.owned.insert(ours, found.resource.clone());
            }
            Operation::DeleteRole | Operation::DeletePolicy if is_done => {
                state.owned.remove(&ours);
            }
            _ => {}
        }
        Ok(())
    }

    async fn open(&self) -> Answer<Vec<JournalEntry>> {
        let state = self.read()?;
        Ok(state
            .journal
            .iter()
            .filter(|entry| entry.completion.is_none())
            .cloned()
            .collect())
    }

    async fn history(
        &self,
        account: AccountId,
        before: Option<EntryId>,
        limit: u32,
    ) -> Answer<Vec<JournalEntry>> {
        let state = self.read()?;
        let older = state.journal.iter().rev().filter(|entry| {
            entry.account == account && before.is_none_or(|before| entry.id < before)
        });
        Ok(older.take(limit as usize).cloned().collect())
    }

    async fn of_sweep(
        &self,
        sweep: &SweepId,
        after: Option<EntryId>,
        limit: u32,
    ) -> Answer<Vec<JournalEntry>> {
        let state = self.read()?;
        let newer = state
            .journal
            .iter()
            .filter(|entry| entry.sweep == *sweep && after.is_none_or(|after| entry.id > after));
        Ok(newer.take(limit as usize).cloned().collect())
    }

    async fn owned(&self, account: AccountId) -> Answer<Vec<String>> {
        let state = self.read()?;
        let of_account = state.owned.iter().filter(|((at, _), _)| *at == account);
        Ok(of_account.map(|(_, resource)| resource.clone()).collect())
    }

    async fn forgotten_until(&self) -> Answer<Option<Timestamp>> {
        // Nothing is cut off here.
        self.read().map(|_| None)
    }

    async fn adopt(
        &self,
        account: AccountId,
        resource: &str,
        _: &SweepId,
        _: Timestamp,
        fence: Fence,
    ) -> Answer<()> {
        let mut state = self.write()?;
        state.check_fence(fence)?;
        let ours = (account, key(resource));
        state.owned.insert(ours, resource.to_owned());
        Ok(())
    }
}

/// Whether an end is recorded. A step ends once, but for a call that was settled as never taken and that AWS
/// carried out after all.
fn stands_after(first: Option<&Completion>, then: &Completion) -> bool {
    match first {
        None => true,
        Some(Completion::SettledUndone) => matches!(then, Completion::Done { .. }),
        Some(Completion::Done { .. } | Completion::Failed(_) | Completion::SettledDone) => false,
    }
}

/// What makes two names the same resource: the case says nothing, nor does a role's path.
fn key(resource: &str) -> String {
    let resource = resource.to_ascii_lowercase();
    match resource.strip_prefix("role/") {
        Some(rest) => format!("role/{}", rest.rsplit('/').next().unwrap_or_default()),
        None => resource,
    }
}
