//! What people say, and who may write, in memory.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::outcome::{SweepId, Trigger};
use rolekeeper_engine::port::store::{
    AgreedSpec, Control, Fence, Halt, Lease, Notice, Outbox, SweepRequest,
};

use super::{Answer, MemoryStore};

impl Control for MemoryStore {
    async fn halted(&self) -> Answer<Option<Halt>> {
        Ok(self.read()?.halt.clone())
    }

    async fn halt(&self, halt: &Halt) -> Answer<()> {
        self.write()?.halt = Some(halt.clone());
        Ok(())
    }

    async fn resume(&self, _: &str, _: Timestamp) -> Answer<()> {
        self.write()?.halt = None;
        Ok(())
    }

    async fn request(&self, request: &SweepRequest) -> Answer<i64> {
        let mut state = self.write()?;
        state.requested += 1;
        let id = state.requested;
        state.requests.push(SweepRequest {
            id,
            ..request.clone()
        });
        Ok(id)
    }

    async fn next_request(&self, trigger: Option<Trigger>) -> Answer<Option<SweepRequest>> {
        let state = self.read()?;
        let is_meant = |request: &&SweepRequest| trigger.is_none_or(|by| request.trigger == by);
        Ok(state.requests.iter().find(is_meant).cloned())
    }

    async fn forget_request(&self, id: i64) -> Answer<()> {
        self.write()?.requests.retain(|request| request.id != id);
        Ok(())
    }

    async fn cancel(&self, sweep: &SweepId, _: &str, _: Timestamp) -> Answer<()> {
        self.write()?.cancelled.push(sweep.clone());
        Ok(())
    }

    async fn cancelled(&self, sweep: &SweepId) -> Answer<bool> {
        Ok(self.read()?.cancelled.contains(sweep))
    }

    async fn await_approval(
        &self,
        sweep: &SweepId,
        changes: u64,
        _: &[String],
        at: Timestamp,
    ) -> Answer<()> {
        let mut state = self.write()?;
        state.waiting.insert(sweep.clone(), changes);
        state.asked.entry(sweep.clone()).or_insert(at);
        Ok(())
    }

    async fn approval_asked_at(&self, sweep: &SweepId) -> Answer<Option<Timestamp>> {
        Ok(self.read()?.asked.get(sweep).copied())
    }

    async fn approve(&self, sweep: &SweepId, by: &str, at: Timestamp) -> Answer<bool> {
        let mut state = self.write()?;
        let led = state.lease.as_ref().is_some_and(|(_, until)| at < *until);
        let waited = led && state.waits(sweep);
        if waited {
            state.approved.insert(sweep.clone(), by.to_owned());
        }
        Ok(waited)
    }

    async fn approved_by(&self, sweep: &SweepId) -> Answer<Option<String>> {
        Ok(self.read()?.approved.get(sweep).cloned())
    }

    async fn approved(&self, sweep: &SweepId) -> Answer<bool> {
        Ok(self.read()?.approved.contains_key(sweep))
    }

    async fn agreed_specs(&self) -> Answer<Vec<AgreedSpec>> {
        Ok(self.read()?.agreed.values().cloned().collect())
    }

    async fn agree(&self, spec: &AgreedSpec, fence: Fence) -> Answer<()> {
        let mut state = self.write()?;
        state.check_fence(fence)?;
        state.agreed.insert(spec.role.clone(), spec.clone());
        Ok(())
    }

    async fn awaiting_approval(&self) -> Answer<Vec<(SweepId, u64)>> {
        let state = self.read()?;
        let waiting = state.begun.iter().filter(|sweep| state.waits(sweep));
        let changes = |sweep: &SweepId| state.waiting.get(sweep).copied().unwrap_or_default();
        Ok(waiting
            .map(|sweep| (sweep.clone(), changes(sweep)))
            .collect())
    }
}

impl Lease for MemoryStore {
    async fn acquire(&self, holder: &str, ttl: Duration, now: Timestamp) -> Answer<Option<Fence>> {
        let mut state = self.write()?;
        let ours = state.lease.as_ref().is_some_and(|(name, _)| name == holder);
        let over = state.lease.as_ref().is_none_or(|(_, until)| *until <= now);
        if !ours && !over {
            let longest = now + SignedDuration::try_from(ttl).unwrap_or_default();
            if let Some((_, until)) = &mut state.lease {
                *until = longest.min(*until);
            }
            return Ok(None);
        }
        // Whoever comes back late to a lease that nobody took meanwhile goes on under the same number.
        if !ours {
            state.fence += 1;
        }
        let ttl = SignedDuration::try_from(ttl).unwrap_or_default();
        state.lease = Some((holder.to_owned(), now + ttl));
        Ok(Some(Fence(state.fence)))
    }

    async fn release(&self, holder: &str) -> Answer<()> {
        let mut state = self.write()?;
        if state.lease.as_ref().is_some_and(|(name, _)| name == holder) {
            state.lease = None;
        }
        Ok(())
    }

    async fn holder(&self) -> Answer<Option<(String, Timestamp)>> {
        Ok(self.read()?.lease.clone())
    }
}

impl Outbox for MemoryStore {
    async fn post(&self, _: &Notice) -> Answer<bool> {
        Ok(true)
    }

    async fn due(&self, _: Timestamp, _: u32) -> Answer<Vec<Notice>> {
        Ok(Vec::new())
    }

    async fn delivered(&self, _: i64, _: Timestamp) -> Answer<()> {
        Ok(())
    }

    async fn postponed(&self, _: i64, _: &str, _: Option<Timestamp>) -> Answer<()> {
        Ok(())
    }
}
