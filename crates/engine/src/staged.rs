//! Canary and waves: who comes next, for every kind of write; and the passes of what is not a repair, the way
//! back and users' retirement: one an account, in this task. A repair has tasks of its own, see [`crate::waves`].

use std::collections::VecDeque;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rolekeeper_domain::account::AccountId;

use crate::brake::Stop;
use crate::event::{Event, EventSink};
use crate::order::SweepError;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::Store;
use crate::rollout::{Change, Tally};
use crate::run::Run;
use crate::waves::halt_on_verdict;

/// Wave after wave over some places, canary first. A way of failing that the canary did not show, and a
/// canary that showed nothing, send the rest through a canary again.
pub(crate) struct Waves<'a, T> {
    places: &'a [T],
    /// How many of them were begun.
    begun: usize,
    /// The sizes of the waves to come.
    sizes: VecDeque<usize>,
    begun_waves: usize,
    pub(crate) tally: Tally,
}

impl<'a, T> Waves<'a, T> {
    pub(crate) fn over(places: &'a [T]) -> Self {
        Self {
            places,
            begun: 0,
            sizes: VecDeque::new(),
            begun_waves: 0,
            tally: Tally::default(),
        }
    }

    fn left(&self) -> &'a [T] {
        self.places.get(self.begun..).unwrap_or_default()
    }

    /// The next wave; none when nobody is left.
    pub(crate) fn next<D, P: SessionProvider, S, C: Clock, E: EventSink>(
        &mut self,
        run: &Run<D, P, S, C, E>,
    ) -> Option<&'a [T]> {
        let rollout = &run.settings.rollout;
        let is_first = self.sizes.is_empty();
        if is_first {
            let ranges = rollout.waves(self.left().len()).into_iter();
            self.sizes = ranges.map(|range| range.len()).collect();
        }
        let of = self.begun_waves + self.sizes.len();
        let wave = self.left().get(..self.sizes.pop_front()?)?;
        self.tally.begin_wave(is_first && rollout.canary > 0);
        self.begun_waves += 1;
        run.emit(&Event::WaveStarted {
            sweep: run.sweep.clone(),
            wave: number(self.begun_waves),
            of: number(of),
            accounts: wave.len() as u64,
        });
        Some(wave)
    }

    /// The wave is over; so many of it were begun.
    pub(crate) fn ended<D, P: SessionProvider, S, C: Clock, E: EventSink>(
        &mut self,
        run: &Run<D, P, S, C, E>,
        begun: usize,
    ) {
        self.begun += begun;
        let Some(why) = self.tally.why_again() else {
            return;
        };
        self.sizes.clear();
        if !self.left().is_empty() {
            run.emit(&Event::CanaryAgain {
                sweep: run.sweep.clone(),
                why,
            });
        }
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Whom a verdict against the rollout stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stops {
    /// Every writer, until a person lifts that.
    Everybody,
    /// This sweep alone: what goes wrong with a user says nothing about the roles.
    ThisSweep,
}

/// Passes over `places`, wave after wave, canary first; no further when too much goes wrong, and
/// through a canary again after a way of failing that was not met before.
pub(crate) async fn in_waves<'a, D, P, S, C, E, T, F>(
    run: &Run<D, P, S, C, E>,
    places: &'a [T],
    stops: Stops,
    pass: impl Fn(&'a T) -> F,
) -> Result<(), SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
    F: Future<Output = (AccountId, Result<Change, SweepError>)>,
{
    let concurrency = run.settings.limits.concurrency.max(1);
    let mut waves = Waves::over(places);
    while let Some(wave) = waves.next(run) {
        let mut under_way = FuturesUnordered::new();
        let mut begun = 0;
        loop {
            while under_way.len() < concurrency
                && run.brake.stop().is_none()
                && !waves.tally.has_setback()
                && let Some(place) = wave.get(begun)
            {
                under_way.push(pass(place));
                begun += 1;
            }
            let Some((account, change)) = under_way.next().await else {
                break;
            };
            waves.tally.count(account, change?);
            match stops {
                Stops::Everybody => halt_on_verdict(run, &waves.tally).await,
                Stops::ThisSweep => {
                    if let Some(why) = run.settings.rollout.verdict(&waves.tally) {
                        run.brake.pull(Stop::Halted(why));
                    }
                }
            }
        }
        run.recorder.flush().await;
        if run.brake.stop().is_some() {
            break;
        }
        waves.ended(run, begun);
    }
    Ok(())
}
