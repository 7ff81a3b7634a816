//! Canary and waves for what is not a repair: the way back, and users' retirement. One pass an account,
//! in this task; a repair has tasks of its own, see [`crate::waves`].

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
use crate::waves::{halt_on_verdict, number};

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
    let rollout = &run.settings.rollout;
    let concurrency = run.settings.limits.concurrency.max(1);
    let mut tally = Tally::default();
    let mut begun_waves = 0;
    let mut left = places;
    'canary: while !left.is_empty() {
        let ranges = rollout.waves(left.len());
        let of = begun_waves + ranges.len();
        for (index, range) in ranges.iter().enumerate() {
            let wave = left.get(range.clone()).unwrap_or_default();
            tally.begin_wave(index == 0 && rollout.canary > 0);
            begun_waves += 1;
            run.emit(&Event::WaveStarted {
                sweep: run.sweep.clone(),
                wave: number(begun_waves),
                of: number(of),
                accounts: wave.len() as u64,
            });
            let mut under_way = FuturesUnordered::new();
            let mut begun = 0;
            loop {
                while under_way.len() < concurrency
                    && run.brake.stop().is_none()
                    && !tally.has_setback()
                    && let Some(place) = wave.get(begun)
                {
                    under_way.push(pass(place));
                    begun += 1;
                }
                let Some((account, change)) = under_way.next().await else {
                    break;
                };
                tally.count(account, change?);
                match stops {
                    Stops::Everybody => halt_on_verdict(run, &tally).await,
                    Stops::ThisSweep => {
                        if let Some(why) = rollout.verdict(&tally) {
                            run.brake.pull(Stop::Halted(why));
                        }
                    }
                }
            }
            run.recorder.flush().await;
            if run.brake.stop().is_some() {
                return Ok(());
            }
            if let Some(why) = tally.why_again() {
                left = left.get(range.start + begun..).unwrap_or_default();
                if !left.is_empty() {
                    run.emit(&Event::CanaryAgain {
                        sweep: run.sweep.clone(),
                        why,
                    });
                }
                continue 'canary;
            }
        }
        return Ok(());
    }
    Ok(())
}
