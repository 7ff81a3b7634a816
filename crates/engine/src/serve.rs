//! The daemon's loop: hold the lease, sweep when it is time or somebody asks.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::outcome::{Mode, SweepOutcome, SweepRecord, Trigger};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::event::{Event, EventSink};
use crate::order::{SweepError, SweepOrder, whole};
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Store, StoreError, SweepRequest};
use crate::reach::Reach;
use crate::settings::EngineSettings;
use crate::sweep::{CANCELLED, RECONFIGURED};

/// How often the daemon looks whether somebody asked for a sweep.
const GLANCE: Duration = Duration::from_secs(1);

/// After a sweep that failed as a whole the next one by schedule waits at least so long: with
/// `every = "1h"` a failure costs minutes, not the hour.
const AFTER_FAILURE: Duration = Duration::from_secs(300);

/// A sweep that an event asked for and that failed as a whole is tried again after so long, and so often.
const AFTER_EVENT_FAILED: Duration = Duration::from_secs(60);
const EVENT_TRIES: u32 = 15;

/// How many of the newest sweeps are looked through for the last one by schedule. Where events have caused
/// more than that since, one is due anyway.
const RECALLED: u32 = 200;

impl<D, P, S, C, E> Engine<D, P, S, C, E>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    /// Serves until `cancel`: as the one that writes it sweeps; otherwise it waits to take
    /// over. A store that fails is waited for.
    ///
    /// A sweep under way at the end is cancelled as [`Engine::sweep`] says.
    pub async fn serve(&self, cancel: CancellationToken) {
        let inner = self.inner.as_ref();
        let (store, clock) = (inner.store.as_ref(), inner.gateway.clock.as_ref());
        let sink = &inner.gateway.sink;
        tokio::select! {
            biased;
            () = self.lead_or_wait(&cancel) => {}
            () = inner.keeper.keep(store, clock, sink) => {}
        }
        if let Err(error) = self.release_lease().await {
            sink.emit(&Event::StoreFailed {
                message: error.to_string(),
            });
        }
    }

    async fn lead_or_wait(&self, cancel: &CancellationToken) {
        let inner = self.inner.as_ref();
        let clock = inner.gateway.clock.as_ref();
        let mut timetable = Timetable::default();
        let mut retries = Retries::default();
        let mut was_leading = false;
        let mut told = None;
        if let Some(None) = self.note(self.acquire_lease().await) {
            self.say_who_leads().await;
        }
        while !cancel.is_cancelled() {
            let leading = inner.keeper.fence(clock).is_some();
            if leading && !was_leading {
                timetable = Timetable::default();
            }
            was_leading = leading;
            let order = if leading {
                self.note(self.next(&mut timetable, &retries).await)
                    .flatten()
            } else {
                None
            };
            let next = if leading { timetable.next() } else { None };
            if told != next {
                told = next;
                inner.gateway.sink.emit(&Event::NextSweep { at: next });
            }
            if let Some(order) = order {
                let scheduled = is_by_schedule(order.trigger);
                let (request, trigger) = (order.request, order.trigger);
                let result = tokio::select! {
                    biased;
                    result = self.sweep_or_say(order, cancel) => result,
                    never = self.events_meanwhile(cancel) => match never {},
                };
                if scheduled {
                    timetable.done(clock.now(), &result);
                }
                if let Some(request) = request {
                    self.answered(request, trigger, &result, &mut retries).await;
                }
                continue;
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                () = clock.sleep(GLANCE) => {}
            }
        }
    }

    async fn say_who_leads(&self) {
        let inner = self.inner.as_ref();
        if let Some(Some((holder, _))) = self.note(inner.store.holder().await) {
            inner.gateway.sink.emit(&Event::LeaseHeld { holder });
        }
    }

    async fn sweep_or_say(
        &self,
        order: SweepOrder,
        cancel: &CancellationToken,
    ) -> Result<SweepRecord, SweepError> {
        let result = self.sweep(order, cancel.child_token()).await;
        if let Err(error) = &result {
            let why = whole(error);
            let sink = &self.inner.gateway.sink;
            sink.emit(&Event::SweepRefused { why });
        }
        result
    }

    /// What events ask for, while the sweep under way does nothing but wait for a person's word: a new
    /// account and a door that somebody opens do not wait for that.
    async fn events_meanwhile(&self, cancel: &CancellationToken) -> Infallible {
        let inner = self.inner.as_ref();
        let mut retries = Retries::default();
        loop {
            inner.gateway.clock.sleep(GLANCE).await;
            if retries.is_waiting(inner.gateway.clock.now()) {
                continue;
            }
            // Held until the sweep below is over.
            let awaits_word = inner.awaits_word.lock().await;
            if !*awaits_word {
                continue;
            }
            let oldest = inner.store.next_request(Some(Trigger::Event)).await;
            let Some(request) = self.note(oldest).flatten() else {
                continue;
            };
            let id = request.id;
            if let Some(order) = self.note(self.asked(request).await) {
                let result = self.sweep_or_say(order, cancel).await;
                self.answered(id, Trigger::Event, &result, &mut retries)
                    .await;
            }
        }
    }

    /// Forgets a request whose sweep is over. One that an event made stays if that sweep failed as a whole or
    /// was cut off: the event itself is gone, and nobody else would ask again.
    async fn answered(
        &self,
        request: i64,
        trigger: Trigger,
        result: &Result<SweepRecord, SweepError>,
        retries: &mut Retries,
    ) {
        let is_undone = match result {
            // Nothing was begun: the request is still there, whoever made it.
            Err(SweepError::Store(_)) => true,
            Err(_) => trigger == Trigger::Event,
            Ok(record) => {
                let is_cut_off = record.reason.as_deref() == Some(CANCELLED);
                let is_failed = record.outcome == Some(SweepOutcome::Failed);
                trigger == Trigger::Event && (is_failed || is_cut_off)
            }
        };
        if is_undone && retries.again(request, trigger, self.inner.gateway.clock.now()) {
            return;
        }
        retries.failures.remove(&request);
        // If that fails, it is answered once more.
        self.note(self.inner.store.forget_request(request).await);
    }

    /// What a request asks for. An event asks for no more than the schedule would do: the
    /// configuration may be another one since, or writes may be halted.
    async fn asked(&self, request: SweepRequest) -> Result<SweepOrder, StoreError> {
        let SweepRequest {
            id,
            mode,
            accounts,
            trigger,
            requested_by,
            ..
        } = request;
        let mode = if trigger == Trigger::Event {
            self.mode_by_schedule().await?
        } else {
            mode
        };
        let accounts = accounts.map(|accounts| accounts.into_iter().collect());
        Ok(SweepOrder {
            accounts,
            request: Some(id),
            ..SweepOrder::new(mode, trigger, requested_by)
        })
    }

    /// The schedule's mode. While writes are halted, or until the process is started anew with a way to
    /// write, it goes on looking.
    async fn mode_by_schedule(&self) -> Result<Mode, StoreError> {
        let mode = self.settings().schedule.mode;
        let cannot_write = Reach::of::<P>().covers(mode).is_err();
        let store = self.inner.store.as_ref();
        if cannot_write || mode == Mode::Repair && store.halted().await?.is_some() {
            return Ok(Mode::Audit);
        }
        Ok(mode)
    }

    /// The sweep to carry out now, if there is one.
    async fn next(
        &self,
        timetable: &mut Timetable,
        retries: &Retries,
    ) -> Result<Option<SweepOrder>, StoreError> {
        let inner = self.inner.as_ref();
        let store = inner.store.as_ref();
        let now = inner.gateway.clock.now();
        let only = retries.is_waiting(now).then_some(Trigger::Api);
        if let Some(request) = store.next_request(only).await? {
            return Ok(Some(self.asked(request).await?));
        }
        let settings = self.settings();
        let schedule = &settings.schedule;
        if !timetable
            .by
            .as_ref()
            .is_some_and(|by| Arc::ptr_eq(by, &settings))
        {
            // Another configuration, perhaps another schedule.
            *timetable = Timetable {
                by: Some(Arc::clone(&settings)),
                ..Timetable::default()
            };
        }
        if !timetable.is_recalled {
            timetable.recall(&store.sweeps(None, RECALLED).await?, now);
        }
        if timetable.looked_at.is_some_and(|looked_at| now < looked_at) {
            // The clock was set back: what was worked out by the other one may be far away.
            (timetable.due, timetable.wait_until) = (None, None);
        }
        timetable.looked_at = Some(now);
        let due = if schedule.is_never() {
            None
        } else {
            let random = inner.gateway.random();
            let by_schedule = || schedule.next(timetable.last, now, random);
            timetable.due.or_else(by_schedule)
        };
        timetable.due = due;
        if due.is_none_or(|due| now < due) || timetable.wait_until.is_some_and(|until| now < until)
        {
            return Ok(None);
        }
        // Asked first: a store that fails must not cost a whole interval.
        let mode = self.mode_by_schedule().await?;
        let (trigger, requested_by) = if timetable.was_cut_off {
            (Trigger::Startup, "startup")
        } else {
            (Trigger::Schedule, "schedule")
        };
        *timetable = Timetable {
            last: Some(now),
            is_recalled: true,
            by: timetable.by.take(),
            ..Timetable::default()
        };
        Ok(Some(SweepOrder::new(mode, trigger, requested_by)))
    }

    /// The value, or none and the news that the store failed.
    fn note<T>(&self, result: Result<T, StoreError>) -> Option<T> {
        result
            .inspect_err(|error| {
                let message = error.to_string();
                self.inner
                    .gateway
                    .sink
                    .emit(&Event::StoreFailed { message });
            })
            .ok()
    }
}

/// Events whose sweeps failed.
#[derive(Debug, Default)]
struct Retries {
    failures: BTreeMap<i64, u32>,
    wait_until: Option<Timestamp>,
}

impl Retries {
    /// Whether no event is answered for the moment.
    fn is_waiting(&self, now: Timestamp) -> bool {
        let pause = SignedDuration::try_from(AFTER_EVENT_FAILED).unwrap_or_default();
        // A moment that is further away is from a clock that was set back since.
        self.wait_until
            .is_some_and(|until| now < until && until.duration_since(now) <= pause)
    }

    /// Notes a failure; answers whether the request is tried again.
    fn again(&mut self, request: i64, trigger: Trigger, now: Timestamp) -> bool {
        if trigger != Trigger::Event {
            return true;
        }
        let failures = self.failures.entry(request).or_default();
        *failures += 1;
        self.wait_until = now.checked_add(AFTER_EVENT_FAILED).ok();
        *failures < EVENT_TRIES
    }
}

/// When sweeps by schedule were and will be.
#[derive(Debug, Default)]
struct Timetable {
    last: Option<Timestamp>,
    due: Option<Timestamp>,
    wait_until: Option<Timestamp>,
    /// When it was last asked, by the time of day.
    looked_at: Option<Timestamp>,
    /// Whether it knows what earlier processes left.
    is_recalled: bool,
    /// Whether an earlier process ended in the midst of a sweep.
    was_cut_off: bool,
    /// The settings it was made by.
    by: Option<Arc<EngineSettings>>,
}

impl Timetable {
    /// Takes up what earlier processes left: what one was cut off from is due at once, however long the
    /// schedule would wait. Sweeps that somebody asked for say nothing about the schedule.
    fn recall(&mut self, recent: &[SweepRecord], now: Timestamp) {
        self.is_recalled = true;
        let is_cut_off = |sweep: &SweepRecord| match sweep.outcome {
            // We lead, so that no other process is carrying out a repair.
            None => sweep.mode == Mode::Repair || is_by_schedule(sweep.trigger),
            Some(SweepOutcome::Cancelled) => {
                let why = sweep.reason.as_deref();
                is_by_schedule(sweep.trigger)
                    && (why == Some(CANCELLED) || why == Some(RECONFIGURED))
            }
            Some(SweepOutcome::Completed | SweepOutcome::Halted | SweepOutcome::Failed) => false,
        };
        let mut earlier = recent.iter();
        let by_schedule = earlier
            .by_ref()
            .inspect(|sweep| self.was_cut_off |= is_cut_off(sweep))
            .find(|sweep| is_by_schedule(sweep.trigger));
        self.last = by_schedule.map(|sweep| sweep.started_at);
        if self.was_cut_off {
            self.due = Some(now);
        } else if let Some(sweep) = by_schedule
            && sweep.outcome == Some(SweepOutcome::Failed)
        {
            self.due = Some(now);
            let ended = sweep.finished_at.unwrap_or(sweep.started_at);
            self.wait_until = ended.checked_add(AFTER_FAILURE).ok();
        }
    }

    /// When the next one is to begin.
    fn next(&self) -> Option<Timestamp> {
        self.due.max(self.due.and(self.wait_until))
    }

    fn done(&mut self, now: Timestamp, result: &Result<SweepRecord, SweepError>) {
        let failed = result
            .as_ref()
            .map_or(true, |record| record.outcome == Some(SweepOutcome::Failed));
        if failed {
            // Due again at once, but for the pause.
            self.due = Some(now);
            self.wait_until = now.checked_add(AFTER_FAILURE).ok();
        }
    }
}

/// Whether the daemon itself began it, for everybody.
pub(crate) const fn is_by_schedule(trigger: Trigger) -> bool {
    matches!(trigger, Trigger::Schedule | Trigger::Startup)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use rolekeeper_domain::outcome::{Summary, SweepId};

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    fn sweep(
        minute: i64,
        mode: Mode,
        trigger: Trigger,
        outcome: Option<SweepOutcome>,
    ) -> SweepRecord {
        SweepRecord {
            id: SweepId::new(at(minute), 1),
            mode,
            trigger,
            requested_by: "ann".to_owned(),
            started_at: at(minute),
            finished_at: outcome.map(|_| at(minute + 1)),
            outcome,
            reason: (outcome == Some(SweepOutcome::Cancelled)).then(|| CANCELLED.to_owned()),
            widens: Vec::new(),
            summary: Summary::default(),
        }
    }

    #[track_caller]
    fn check(recent: &[SweepRecord], expected: (Option<i64>, Option<i64>, bool)) {
        let mut timetable = Timetable::default();
        timetable.recall(recent, at(100));
        let (last, next, was_cut_off) = expected;
        let found = (timetable.last, timetable.next(), timetable.was_cut_off);
        assert_eq!(found, (last.map(at), next.map(at), was_cut_off));
    }

    #[test]
    fn what_earlier_processes_left_decides_when_the_next_sweep_is_due() {
        use Mode::{Audit, Repair};
        use SweepOutcome::{Cancelled, Completed, Failed, Halted};
        use Trigger::{Api, CommandLine, Event, Schedule, Startup};
        check(&[], (None, None, false));
        check(
            &[sweep(10, Repair, Schedule, Some(Completed))],
            (Some(10), None, false),
        );
        check(
            &[sweep(10, Repair, Startup, Some(Halted))],
            (Some(10), None, false),
        );
        // What somebody asked for, and an event, put nothing off.
        check(
            &[
                sweep(30, Repair, Event, Some(Completed)),
                sweep(20, Audit, CommandLine, Some(Completed)),
                sweep(10, Repair, Schedule, Some(Completed)),
            ],
            (Some(10), None, false),
        );
        // Cut off: at once, however long the schedule would wait.
        check(
            &[sweep(10, Audit, Schedule, None)],
            (Some(10), Some(100), true),
        );
        check(
            &[sweep(10, Repair, Schedule, Some(Cancelled))],
            (Some(10), Some(100), true),
        );
        check(
            &[sweep(10, Repair, CommandLine, None)],
            (None, Some(100), true),
        );
        check(
            &[
                sweep(30, Repair, Api, None),
                sweep(10, Repair, Schedule, Some(Completed)),
            ],
            (Some(10), Some(100), true),
        );
        // Somebody looks for themselves at this moment.
        check(&[sweep(99, Audit, CommandLine, None)], (None, None, false));
        // Failed: after the pause for failures.
        check(
            &[sweep(98, Repair, Schedule, Some(Failed))],
            (Some(98), Some(104), false),
        );
        // Cut off earlier, and made up for since.
        check(
            &[
                sweep(30, Repair, Startup, Some(Completed)),
                sweep(10, Repair, Schedule, None),
            ],
            (Some(30), None, false),
        );
    }

    #[test]
    fn a_sweep_that_failed_is_due_again_after_the_pause() {
        let pause = SignedDuration::try_from(AFTER_FAILURE).unwrap_or_default();
        let ended = |outcome| Ok(sweep(10, Mode::Repair, Trigger::Schedule, Some(outcome)));
        for (result, next) in [
            (ended(SweepOutcome::Completed), None),
            (ended(SweepOutcome::Halted), None),
            (ended(SweepOutcome::Failed), Some(at(11) + pause)),
            (Err(SweepError::AuditOnly), Some(at(11) + pause)),
        ] {
            let mut timetable = Timetable::default();
            timetable.done(at(11), &result);
            assert_eq!(timetable.next(), next, "{result:?}");
        }
    }
}
