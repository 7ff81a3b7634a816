//! The daemon's loop: hold the lease, sweep when it is time or somebody asks.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rolekeeper_domain::outcome::{Mode, Trigger};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::event::{Event, EventSink};
use crate::order::{SweepError, SweepOrder, whole};
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Store, StoreError, SweepRequest};
use crate::settings::EngineSettings;

/// How often the daemon looks whether somebody asked for a sweep.
const GLANCE: Duration = Duration::from_secs(1);

/// After a sweep that failed as a whole the next one by schedule waits at least so long: with
/// `every = "1h"` a failure costs minutes, not the hour.
const AFTER_FAILURE: Duration = Duration::from_secs(300);

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
        let mut was_leading = false;
        let mut told = None;
        self.note(self.acquire_lease().await);
        while !cancel.is_cancelled() {
            let leading = inner.keeper.fence(clock).is_some();
            if leading && !was_leading {
                timetable = Timetable::default();
            }
            was_leading = leading;
            let order = if leading {
                self.note(self.next(&mut timetable).await).flatten()
            } else {
                None
            };
            let next = if leading { timetable.next() } else { None };
            if told != next {
                told = next;
                inner.gateway.sink.emit(&Event::NextSweep { at: next });
            }
            if let Some(order) = order {
                let scheduled = order.trigger == Trigger::Schedule;
                let result = self.sweep(order, cancel.child_token()).await;
                if let Err(error) = &result {
                    inner
                        .gateway
                        .sink
                        .emit(&Event::SweepRefused { why: whole(error) });
                }
                if scheduled {
                    timetable.done(clock.now(), &result);
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

    /// The sweep to carry out now, if there is one.
    async fn next(&self, timetable: &mut Timetable) -> Result<Option<SweepOrder>, StoreError> {
        let inner = self.inner.as_ref();
        let store = inner.store.as_ref();
        if let Some(request) = store.take_request().await? {
            return Ok(Some(asked(request)));
        }
        let now = inner.gateway.clock.now();
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
        if timetable.last.is_none() {
            let newest = store.sweeps(None, 1).await?;
            timetable.last = newest.first().map(|sweep| sweep.started_at);
        }
        let due = timetable
            .due
            .or_else(|| schedule.next(timetable.last, now, inner.gateway.random()));
        timetable.due = due;
        if due.is_none_or(|due| now < due) || timetable.wait_until.is_some_and(|until| now < until)
        {
            return Ok(None);
        }
        *timetable = Timetable {
            last: Some(now),
            by: timetable.by.take(),
            ..Timetable::default()
        };
        let mut order = SweepOrder::new(schedule.mode, Trigger::Schedule, "schedule");
        if schedule.mode == Mode::Repair && store.halted().await?.is_some() {
            // While writes are halted the schedule goes on looking.
            order.mode = Mode::Audit;
        }
        Ok(Some(order))
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

/// When sweeps by schedule were and will be.
#[derive(Debug, Default)]
struct Timetable {
    last: Option<Timestamp>,
    due: Option<Timestamp>,
    wait_until: Option<Timestamp>,
    /// The settings it was made by.
    by: Option<Arc<EngineSettings>>,
}

impl Timetable {
    /// When the next one is to begin.
    fn next(&self) -> Option<Timestamp> {
        self.due.max(self.due.and(self.wait_until))
    }

    fn done<T>(&mut self, now: Timestamp, result: &Result<T, SweepError>) {
        if result.is_err() {
            // Due again at once, but for the pause.
            self.due = Some(now);
            self.wait_until = now.checked_add(AFTER_FAILURE).ok();
        }
    }
}

fn asked(request: SweepRequest) -> SweepOrder {
    let SweepRequest {
        mode,
        accounts,
        trigger,
        requested_by,
        ..
    } = request;
    let accounts = accounts.map(|accounts| accounts.into_iter().collect());
    SweepOrder {
        accounts,
        ..SweepOrder::new(mode, trigger, requested_by)
    }
}
