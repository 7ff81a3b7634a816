//! What happens at this moment, for the page: the last events in a ring, the
//! sweep under way, the rates in force.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{Outcome, Summary, SweepId, SweepRecord};
use rolekeeper_engine::event::{Event, EventSink};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Events kept for a browser that reconnects. At the floor that AWS sets a busy
/// sweep makes some dozens a second, so this is about half a minute.
const RING_MAX: usize = 2_048;

/// One event, as it goes over the wire.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LiveEvent {
    pub(crate) id: u64,
    pub(crate) kind: &'static str,
    pub(crate) data: String,
}

/// A sweep under way.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) record: SweepRecord,
    pub(crate) listed: u64,
    pub(crate) selected: u64,
    /// Whether discovery is complete, so that `selected` is final.
    pub(crate) whole: bool,
    /// How the walks that ended came out; a repair looks at some accounts twice, and the later word counts.
    done: BTreeMap<AccountId, Outcome>,
    in_flight: BTreeSet<AccountId>,
    pub(crate) wave: Option<(u32, u32)>,
}

/// A limiter's rate.
pub(crate) type Rates = BTreeMap<(&'static str, &'static str), f64>;

struct Inner {
    next_id: u64,
    ring: VecDeque<LiveEvent>,
    /// The one begun last at the end: while one waits for a word, those of events go before it.
    running: Vec<Running>,
    rates: Rates,
    next_sweep_at: Option<Timestamp>,
    leading: bool,
}

/// Listens to the engine and remembers for a while.
pub(crate) struct Live {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

impl Live {
    /// `started_at` makes ids of two runs of the process differ, so a browser
    /// that reconnects after a restart is told to start anew.
    pub(crate) fn new(started_at: Timestamp) -> Self {
        let first = u64::try_from(started_at.as_second()).unwrap_or(0) << 20;
        let inner = Inner {
            next_id: first,
            ring: VecDeque::new(),
            running: Vec::new(),
            rates: Rates::new(),
            next_sweep_at: None,
            leading: false,
        };
        Self {
            inner: Mutex::new(inner),
            changed: watch::Sender::new(first),
        }
    }

    /// Wakes when an event was added.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The id the next event will have.
    pub(crate) fn next_id(&self) -> u64 {
        self.lock().next_id
    }

    /// The events from `id` on; none when the ring no longer reaches back that
    /// far, or never reached that far.
    pub(crate) fn since(&self, id: u64) -> Option<Vec<LiveEvent>> {
        let inner = self.lock();
        let oldest = inner.ring.front().map_or(inner.next_id, |event| event.id);
        if id < oldest || inner.next_id < id {
            return None;
        }
        Some(
            inner
                .ring
                .iter()
                .filter(|event| id <= event.id)
                .cloned()
                .collect(),
        )
    }

    /// Tells what the engine does not: somebody halts or resumes.
    pub(crate) fn tell(&self, kind: &'static str, data: &Value) {
        self.add(self.lock(), kind, data);
    }

    fn add(&self, mut inner: MutexGuard<'_, Inner>, kind: &'static str, data: &Value) {
        inner.push(kind, data);
        let next_id = inner.next_id;
        drop(inner);
        self.changed.send_replace(next_id);
    }

    /// The sweep under way.
    pub(crate) fn running(&self) -> Option<Running> {
        self.lock().running.last().cloned()
    }

    /// The rates in force.
    pub(crate) fn rates(&self) -> Rates {
        self.lock().rates.clone()
    }

    /// When the schedule's next sweep is due, while this process is the one that sweeps.
    pub(crate) fn next_sweep_at(&self) -> Option<Timestamp> {
        self.lock().next_sweep_at
    }

    /// Whether this process is the one that writes.
    pub(crate) fn leading(&self) -> bool {
        self.lock().leading
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventSink for Live {
    fn emit(&self, event: &Event) {
        // Events are told in the order in which the state follows them.
        let mut inner = self.lock();
        inner.follow(event);
        if let Some((kind, data)) = wire(event) {
            self.add(inner, kind, &data);
        }
    }
}

impl Inner {
    fn push(&mut self, kind: &'static str, data: &Value) {
        if self.ring.len() == RING_MAX {
            self.ring.pop_front();
        }
        self.ring.push_back(LiveEvent {
            id: self.next_id,
            kind,
            data: data.to_string(),
        });
        self.next_id += 1;
    }

    fn follow(&mut self, event: &Event) {
        match event {
            Event::SweepStarted { sweep } => {
                self.running.push(Running {
                    record: sweep.clone(),
                    listed: 0,
                    selected: 0,
                    whole: false,
                    done: BTreeMap::new(),
                    in_flight: BTreeSet::new(),
                    wave: None,
                });
            }
            Event::SweepFinished { sweep } => {
                self.running.retain(|running| running.record.id != sweep.id);
            }
            Event::NextSweep { at } => self.next_sweep_at = *at,
            Event::LeaderChanged { leading } => self.leading = *leading,
            Event::LimiterRate {
                service,
                operation,
                rate,
            } => {
                self.rates.insert((service, operation), *rate);
            }
            _ => {
                let about = sweep_of(event);
                let mut all = self.running.iter_mut();
                if let Some(running) = all.find(|running| Some(&running.record.id) == about) {
                    running.follow(event);
                }
            }
        }
    }
}

/// The sweep whose progress an event tells of.
const fn sweep_of(event: &Event) -> Option<&SweepId> {
    match event {
        Event::Discovered { sweep, .. }
        | Event::AccountStarted { sweep, .. }
        | Event::AccountFinished { sweep, .. }
        | Event::WaveStarted { sweep, .. } => Some(sweep),
        _ => None,
    }
}

impl Running {
    /// The accounts that are done, by outcome.
    pub(crate) fn done(&self) -> Summary {
        let mut done = Summary::default();
        self.done.values().for_each(|outcome| done.count(*outcome));
        done
    }

    /// How many accounts are being looked at or repaired.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.len() as u64
    }

    fn follow(&mut self, event: &Event) {
        match event {
            Event::Discovered {
                listed,
                selected,
                whole,
                ..
            } => {
                (self.listed, self.selected, self.whole) = (*listed, *selected, *whole);
            }
            Event::AccountStarted { account, .. } => {
                self.in_flight.insert(*account);
            }
            Event::AccountFinished { report, .. } => {
                self.in_flight.remove(&report.account);
                self.done.insert(report.account, report.outcome);
            }
            Event::WaveStarted { wave, of, .. } => self.wave = Some((*wave, *of)),
            _ => {}
        }
    }
}

/// What browsers are told one by one; the rest they see as progress.
fn wire(event: &Event) -> Option<(&'static str, Value)> {
    let wired = match event {
        Event::SweepStarted { sweep } => (
            "sweep_started",
            json!({"sweep": sweep.id.as_str(), "mode": sweep.mode.as_str()}),
        ),
        Event::AccountFinished { sweep, report }
            if matches!(
                report.outcome,
                Outcome::Drifted | Outcome::Repaired | Outcome::Failed
            ) =>
        {
            (
                "account_finished",
                json!({
                    "sweep": sweep.as_str(),
                    "account_id": report.account.to_string(),
                    "name": report.name,
                    "outcome": report.outcome.as_str(),
                }),
            )
        }
        Event::StepFinished {
            sweep,
            account,
            operation,
            resource,
            result,
            ..
        } => (
            "step_finished",
            json!({
                "sweep": sweep.as_str(),
                "account_id": account.to_string(),
                "action": operation.action(),
                "resource": resource,
                "result": result.as_str(),
            }),
        ),
        Event::ApprovalWanted {
            sweep,
            changes,
            widens,
        } => (
            "approval_wanted",
            json!({"sweep": sweep.as_str(), "changes": changes, "widens": widens}),
        ),
        Event::WaveStarted {
            sweep,
            wave,
            of,
            accounts,
        } => (
            "wave_started",
            json!({"sweep": sweep.as_str(), "wave": wave, "of": of, "accounts": accounts}),
        ),
        Event::CanaryAgain { sweep, why } => {
            ("canary_again", json!({"sweep": sweep.as_str(), "why": why}))
        }
        Event::Halted { why, .. } => ("halted", json!({"why": why})),
        Event::SweepFinished { sweep } => (
            "sweep_finished",
            json!({
                "sweep": sweep.id.as_str(),
                "outcome": sweep.outcome.map(|outcome| outcome.as_str()),
            }),
        ),
        Event::NextSweep { at } => ("next_sweep", json!({"at": at.map(|at| at.to_string())})),
        Event::LeaderChanged { leading } => ("leader_changed", json!({"leading": leading})),
        _ => return None,
    };
    Some(wired)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halted(live: &Live, times: usize) {
        for _ in 0..times {
            live.emit(&Event::Halted {
                sweep: None,
                why: "drill".to_owned(),
            });
        }
    }

    #[test]
    fn a_browser_that_reconnects_gets_what_it_missed() {
        let live = Live::new(Timestamp::constant(1_700_000_000, 0));
        let from = live.next_id();
        halted(&live, 3);
        let missed = live.since(from + 1).map(|events| events.len());
        assert_eq!(missed, Some(2));
        assert_eq!(live.since(from + 3), Some(Vec::new()));
    }

    #[test]
    fn a_browser_that_was_away_too_long_is_told_to_start_anew() {
        let live = Live::new(Timestamp::constant(1_700_000_000, 0));
        let from = live.next_id();
        halted(&live, RING_MAX + 1);
        assert_eq!(live.since(from), None);
        assert!(live.since(from + 1).is_some());
    }

    #[test]
    fn ids_of_another_run_are_unknown() {
        let before = Live::new(Timestamp::constant(1_700_000_000, 0));
        let after = Live::new(Timestamp::constant(1_700_000_060, 0));
        halted(&before, 5);
        assert_eq!(after.since(before.next_id()), None);
        assert_eq!(before.since(after.next_id()), None);
    }
}
