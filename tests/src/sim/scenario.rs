//! One simulation: what a seed makes of the world, what goes wrong in it, and whether
//! everything that must hold held.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{Mode, SweepId, SweepOutcome, Trigger};
use rolekeeper_engine::port::store::{Control as _, Halt, Journal as _};
use rolekeeper_engine::rollout::{OnSurprise, Rollout};
use rolekeeper_engine::{EngineSettings, SweepError, SweepOrder};
use rolekeeper_simulator::{Drift, World};
use tokio_util::sync::CancellationToken;

use super::check;
use super::clock::SimClock;
use super::report::Report;
use super::rig::{self, Loss, Process, order};
use super::storm::{Blow, Swarm, script, world_settings};
use super::told;
use super::twin::Twin;
use super::variety::{Someone, Variety, WITH_A_WORD};
use super::violation::{Stores, Trail, Violation, guarded, in_paused_time};

/// Where exposure is judged from that is not judged at all.
const UNJUDGED: usize = usize::MAX;

/// Runs the simulation of a seed, in its own runtime with paused time.
///
/// # Errors
///
/// What did not hold.
pub fn simulate(seed: u64, stores: Stores<'_>) -> Result<Report, Violation> {
    guarded(seed, stores, |trail| {
        let storms = in_paused_time(async {
            let mut stage = Stage::new(seed, stores, trail);
            let clock = stage.clock.clone();
            tokio::select! {
                biased;
                result = stage.play() => result,
                () = clock.wait(rig::FOREVER) => Err("it never ended".to_owned()),
            }?;
            Ok(stage.report())
        })?;
        let told = in_paused_time(told::play(seed, stores, trail))?;
        Ok(storms.and(&told))
    })
}

/// The world of a simulation with everything around it.
struct Stage {
    random: StdRng,
    swarm: Swarm,
    variety: Variety,
    world: Arc<World>,
    store: Arc<Twin>,
    clock: SimClock,
    processes: u64,
    report: Report,
    trail: Trail,
    /// Exposure is judged from this change on: where the last storm began.
    judged_from: usize,
    /// Whether somebody agreed to the specification by now.
    agreed: bool,
}

impl Stage {
    fn new(seed: u64, stores: Stores<'_>, trail: &Trail) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let swarm = Swarm::of(&mut random);
        let variety = Variety::of(&mut random);
        let settings = world_settings(seed, &mut random);
        let world = Arc::new(variety.world(settings, &mut random));
        trail.note(format!("{swarm:?}"));
        trail.note(variety.to_string());
        let store = Arc::new(Twin::of(stores, &seed.to_string()));
        store.watch(&world);
        let clock = SimClock::start();
        let report = Report {
            seed,
            ..Report::default()
        };
        let mut stage = Self {
            random,
            swarm,
            variety,
            world,
            store,
            clock,
            processes: 0,
            report,
            trail: trail.clone(),
            judged_from: 0,
            agreed: false,
        };
        stage.plant_some(3);
        stage
    }

    fn note(&mut self, what: String) {
        let changes = self.world.history().len();
        self.trail.note(format!(
            "{} after {changes} changes: {what}",
            self.clock.true_time()
        ));
    }

    fn report(&self) -> Report {
        let begun = SimClock::begin();
        Report {
            changes: self.world.history().len() as u64,
            seconds: u64::try_from(self.clock.true_time().duration_since(begun).as_secs())
                .unwrap_or(0),
            ..self.report.clone()
        }
    }

    /// Somebody changes `each` of a few accounts behind rolekeeper's back.
    fn plant_some(&mut self, each: usize) {
        for account in self.world.reachable() {
            for _ in 0..self.random.random_range(0..=each) {
                let drift = Drift::visible().choose(&mut self.random);
                // A path cannot be repaired: it would hide what else does not converge.
                if let Some(drift) = drift.filter(|drift| **drift != Drift::RolePath) {
                    self.note(format!("somebody plants {drift} in {account}"));
                    self.world.plant(account, *drift);
                }
            }
        }
    }

    async fn play(&mut self) -> Result<(), String> {
        for _ in 0..self.random.random_range(2..6) {
            self.storm().await?;
            self.holds()?;
            if self.swarm.meddling && self.random.random_bool(0.5) {
                self.plant_some(2);
            }
            if self.random.random_bool(0.4) && self.variety.leave() {
                self.note("a role should be gone from now on".to_owned());
            }
            let rest = self.random.random_range(0..60);
            self.clock.wait(Duration::from_secs(rest)).await;
        }
        self.calm().await
    }

    /// A sweep, or two beside each other, in which anything may go wrong.
    async fn storm(&mut self) -> Result<(), String> {
        self.judge_from_now();
        for _ in 0..self.swarm.scripts {
            script(&self.world, &self.swarm, &mut self.random);
        }
        let blow = self.swarm.blow(&mut self.random);
        if let Some(Blow::BreakStore(writes)) = blow {
            self.store.break_after(writes);
        }
        let mode = if self.random.random_bool(0.2) {
            Mode::Audit
        } else {
            Mode::Repair
        };
        let process = self.start().await?;
        if self.swarm.lost > 0.0 {
            let random = StdRng::seed_from_u64(self.random.random());
            process.wire.lose(Some(Loss {
                share: self.swarm.lost,
                random,
            }));
        }
        self.note(format!(
            "{mode} sweep of process {}, {blow:?}",
            self.processes
        ));
        let rival = matches!(blow, Some(Blow::Pause(..)));
        let rival = if rival {
            Some(self.start().await?)
        } else {
            None
        };
        let word = self.swarm.asks && self.random.random_bool(0.4);
        self.agreed |= word;
        let order = if word { agreed(mode) } else { order(mode) };
        self.sweep_under(&process, order, blow, rival.as_ref())
            .await;
        let sent = process.wire.writes();
        if mode == Mode::Audit && sent > 0 {
            return Err(format!("an audit sent {sent} changes"));
        }
        let rivals = rival.as_ref().map_or(0, |rival| rival.wire.writes());
        self.nothing_without_a_word(sent + rivals)?;
        self.store.set_broken(false);
        Ok(())
    }

    async fn sweep_under(
        &mut self,
        process: &Process<Twin>,
        order: SweepOrder,
        blow: Option<Blow>,
        rival: Option<&Process<Twin>>,
    ) {
        let cancel = CancellationToken::new();
        self.report.sweeps += 1;
        let someone = Someone::of(self.variety.approving, &mut self.random);
        let meanwhile = self.meanwhile();
        let world = Arc::clone(&self.world);
        let sweep = process.engine.sweep(order, cancel.clone());
        let (store, clock, wire) = (&self.store, &self.clock, &process.wire);
        let counts = &mut self.report;
        let strike = async {
            match blow {
                Some(Blow::Crash(index, moment)) => wire.crash_at(index, moment),
                Some(Blow::Pause(after, length)) => {
                    clock.wait(after).await;
                    let paused = wire.pause();
                    counts.pauses += 1;
                    if let Some(rival) = rival {
                        counts.sweeps += 1;
                        let takeover = take_over(rival, clock);
                        tokio::join!(takeover, async {
                            clock.wait(length).await;
                            paused.cancel();
                        });
                    }
                    paused.cancel();
                }
                Some(Blow::Halt(after)) => {
                    clock.wait(after).await;
                    counts.halts += 1;
                    let at = clock.true_time();
                    let halt = Halt {
                        why: "a test".to_owned(),
                        by: "somebody".to_owned(),
                        at,
                    };
                    // A store that is broken at that moment refuses; nothing is halted then.
                    drop(store.halt(&halt).await);
                }
                Some(Blow::Cancel(after)) => {
                    clock.wait(after).await;
                    cancel.cancel();
                }
                Some(Blow::Jump(after, seconds)) => {
                    clock.wait(after).await;
                    process.clock.jump(seconds);
                }
                Some(Blow::BreakStore(_)) | None => {}
            }
        };
        let meddle = async {
            if let Some((after, account, drift)) = meanwhile {
                clock.wait(after).await;
                world.plant(account, drift);
            }
        };
        let death = async {
            wire.dead.cancelled().await;
        };
        let both = async {
            let all = async { tokio::join!(sweep, strike, meddle) };
            tokio::select! {
                biased;
                // However a sweep ends in a storm, it is the state of the world that counts.
                ended = all => drop(ended),
                never = someone.approve(store, clock) => match never {},
            }
        };
        let died = tokio::select! {
            biased;
            () = death => true,
            () = both => false,
        };
        self.report.crashes += u64::from(died);
        self.agreed |= someone.has_approved();
        // Nothing of a process outlives it.
        process.wire.dead.cancel();
    }

    /// What somebody is going to change in the midst of a sweep, and when. It exposes what neither hand alone
    /// would: from then on that is not judged any more in this seed, and everything else is.
    fn meanwhile(&mut self) -> Option<(Duration, AccountId, Drift)> {
        if !self.swarm.meanwhile || self.random.random_bool(0.5) {
            return None;
        }
        let account = *self.world.reachable().choose(&mut self.random)?;
        let drift = *Drift::visible().choose(&mut self.random)?;
        // Whose it is was judged before it was changed; and a path stays.
        let tags = matches!(drift, Drift::RoleTags | Drift::PolicyTags);
        if drift == Drift::RolePath || tags && self.variety.foreign {
            return None;
        }
        let after = Duration::from_millis(self.random.random_range(0..15_000));
        self.note(format!(
            "somebody plants {drift} in {account} after {after:?}"
        ));
        self.judged_from = UNJUDGED;
        Some((after, account, drift))
    }

    /// What stands now was there before what comes next.
    fn judge_from_now(&mut self) {
        if self.judged_from != UNJUDGED {
            self.judged_from = self.world.history().len();
        }
    }

    async fn start(&mut self) -> Result<Process<Twin>, String> {
        self.processes += 1;
        let holder = format!("process-{}", self.processes);
        let settings = self.settings(&holder);
        let seed = self.random.random();
        Ok(Process::start(&self.world, &self.clock, &self.store, settings, seed).await)
    }

    fn settings(&mut self, holder: &str) -> EngineSettings {
        let mut settings = self.variety.settings(holder);
        settings.limits.concurrency = self.random.random_range(1..9);
        settings.approve_widening = self.swarm.asks;
        settings.limits.approval_wait = Duration::from_secs(60);
        settings.rollout = Rollout {
            canary: self.random.random_range(0..3),
            on_surprise: if self.processes.is_multiple_of(2) {
                OnSurprise::Halt
            } else {
                OnSurprise::Canary
            },
            ..settings.rollout
        };
        settings
    }

    /// When nothing goes wrong any more, everything comes right, and stays so without a write.
    async fn calm(&mut self) -> Result<(), String> {
        self.note("calm".to_owned());
        self.agreed = true;
        self.world.clear_scripts();
        // As long as it takes until whatever never came of a step is known never to come.
        self.clock.wait(Duration::from_secs(1_200)).await;
        self.clock
            .wait(self.variety.thaw(self.clock.true_time()))
            .await;
        let resumed = self.store.resume("somebody", self.clock.true_time()).await;
        resumed.map_err(|error| error.to_string())?;
        let mut last = String::new();
        for _ in 0..3 {
            let process = self.start().await?;
            self.judge_from_now();
            self.report.sweeps += 1;
            match process
                .engine
                .sweep(agreed(Mode::Repair), CancellationToken::new())
                .await
            {
                Ok(record) => {
                    let wrong = self.wrong(&record.id);
                    if record.outcome == Some(SweepOutcome::Completed) && wrong.is_none() {
                        self.holds()?;
                        return self.quiet().await;
                    }
                    last = format!("{record:?}; {}", wrong.unwrap_or_default());
                }
                // A clock that was set forward left a lease that lasts a day; nobody renews it.
                Err(SweepError::NotLeader { until, .. }) => {
                    let wait = until.duration_since(self.clock.true_time());
                    self.clock
                        .wait(Duration::try_from(wait).unwrap_or_default())
                        .await;
                    last = "somebody else held the lease".to_owned();
                }
                Err(error) => last = format!("{error:?}"),
            }
            self.clock.wait(Duration::from_secs(60)).await;
            drop(self.store.resume("somebody", self.clock.true_time()).await);
        }
        Err(format!(
            "the accounts did not converge after all was calm: {last}"
        ))
    }

    /// The next sweep writes nothing.
    async fn quiet(&mut self) -> Result<(), String> {
        self.clock.wait(Duration::from_secs(60)).await;
        let process = self.start().await?;
        self.report.sweeps += 1;
        let record = process
            .engine
            .sweep(agreed(Mode::Repair), CancellationToken::new())
            .await
            .map_err(|error| format!("the quiet sweep failed: {error:?}"))?;
        if process.wire.writes() > 0 {
            return Err(format!(
                "the second sweep wrote {} times",
                process.wire.writes()
            ));
        }
        if let Some(wrong) = self.wrong(&record.id) {
            return Err(wrong);
        }
        self.settled().await
    }

    /// Nothing is open, and each change is on record as done once. Where somebody undoes what a process that
    /// died had done, nobody can see that it had: then nothing open is all that can be asked for.
    async fn settled(&mut self) -> Result<(), String> {
        let (world, store) = (&self.world, &self.store);
        let open = store.open().await.map_err(|error| error.to_string())?;
        let unsettled = if let Some(open) = open.first() {
            Some(format!("still open: {open:?}"))
        } else if self.swarm.meddling || self.judged_from == UNJUDGED {
            None
        } else if self.swarm.lies {
            check::unaccounted(world, store)
        } else {
            check::unsettled(world, store)
        };
        let apart = store.settled(&world.reachable()).await;
        unsettled.or(apart).map_or(Ok(()), Err)
    }

    /// An account that is not right and not left alone for a reason, in words.
    fn wrong(&self, sweep: &SweepId) -> Option<String> {
        let reports = self.store.all_reports(sweep);
        self.variety.wrong(&self.world, &self.store, &reports)
    }

    /// Nobody ever agreed to the specification: then nothing at all is written, also what only takes away.
    fn nothing_without_a_word(&self, sent: u64) -> Result<(), String> {
        if self.swarm.asks && !self.agreed && sent > 0 {
            return Err(format!("{sent} changes were sent that nobody agreed to"));
        }
        Ok(())
    }

    fn holds(&self) -> Result<(), String> {
        let (world, store) = (&self.world, &self.store);
        let broken = store
            .difference()
            .or_else(|| self.variety.violated(world, store, self.judged_from));
        broken.map_or(Ok(()), Err)
    }
}

/// A sweep that somebody agreed to.
fn agreed(mode: Mode) -> SweepOrder {
    SweepOrder {
        approved_by: Some("somebody".to_owned()),
        ..SweepOrder::new(mode, Trigger::CommandLine, WITH_A_WORD)
    }
}

/// A second process that wants to write, again and again until it has.
async fn take_over(rival: &Process<Twin>, clock: &SimClock) {
    for _ in 0..60 {
        match rival
            .engine
            .sweep(order(Mode::Repair), CancellationToken::new())
            .await
        {
            Err(SweepError::NotLeader { .. }) => clock.wait(Duration::from_secs(5)).await,
            // However it ends in a storm, it is the state of the world that counts.
            Ok(_) | Err(_) => return,
        }
    }
}
