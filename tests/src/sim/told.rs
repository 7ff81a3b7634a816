//! The daemon's loop, told of changes by events that are lost, doubled, late and out of order, while accounts
//! join, close, move and drift.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rolekeeper_domain::account::{AccountId, AccountState};
use rolekeeper_domain::outcome::{Mode, SweepId, SweepOutcome, SweepRecord, Trigger};
use rolekeeper_engine::port::store::{Control as _, Halt, Journal as _, SweepRequest, Sweeps as _};
use rolekeeper_engine::rollout::Share;
use rolekeeper_engine::schedule::{Cadence, Schedule};
use rolekeeper_simulator::{Drift, Limits, Settings, World};
use tokio_util::sync::CancellationToken;

use super::clock::SimClock;
use super::report::Report;
use super::rig::{self, Moment, Process};
use super::twin::Twin;
use super::variety::{Someone, Variety};
use super::violation::{Stores, Trail};

/// Between two looks at what is to be delivered.
const TICK: Duration = Duration::from_secs(5);

/// After so long without the sweep that is waited for, it is not going to come.
const PATIENCE: Duration = Duration::from_secs(24 * 3_600);

/// An account that the organization never had.
const STRANGER: &str = "210987654321";

/// Plays a seed. Answers what it went through, or what did not hold.
pub(super) async fn play(seed: u64, stores: Stores<'_>, trail: &Trail) -> Result<Report, String> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x7e11);
    let stage = Arc::new(Stage::of(seed, stores, &mut random));
    trail.note(format!("events; {}", stage.variety));
    let mut director = Director {
        stage: Arc::clone(&stage),
        coming: Vec::new(),
        judged_from: 0,
        told: 0,
        halts: 0,
        trail: trail.clone(),
        random,
    };
    let (first, second) = (director.random.random(), director.random.random());
    let alone = director.random.random_bool(0.6);
    let someone = Someone::of(1.0, &mut director.random);
    let other = async {
        if alone {
            std::future::pending::<()>().await;
        }
        stage.replica("b", second).await;
    };
    let result = tokio::select! {
        biased;
        result = director.direct() => result,
        never = stage.replica("a", first) => match never {},
        () = other => Ok(()),
        never = someone.approve(&stage.store, &stage.clock) => match never {},
        () = stage.clock.wait(rig::FOREVER) => Err("it never ended".to_owned()),
    };
    result.map(|()| director.report(seed))
}

/// The world and what the daemons share.
struct Stage {
    variety: Variety,
    world: Arc<World>,
    store: Arc<Twin>,
    clock: SimClock,
    every: Duration,
    asks: bool,
    crashing: f64,
    /// Cancelled when nothing is to go wrong any more.
    calm: CancellationToken,
    crashes: AtomicU64,
}

impl Stage {
    fn of(seed: u64, stores: Stores<'_>, random: &mut StdRng) -> Self {
        let variety = Variety::of(random);
        let settings = Settings {
            accounts: random.random_range(1..6),
            seed,
            provisioned: random.random_bool(0.7),
            inactive: 0.0,
            control_tower: 0.0,
            limits: Limits::none(),
            latency: Duration::from_millis(20),
            tail: false,
            history: true,
            log_capacity: 1_000,
            ..Settings::default()
        };
        let world = Arc::new(variety.world(settings, random));
        let store = Arc::new(Twin::of(stores, &format!("{seed}-told")));
        store.watch(&world);
        Self {
            variety,
            world,
            store,
            clock: SimClock::start(),
            every: Duration::from_secs(random.random_range(10..90) * 60),
            asks: random.random_bool(0.3),
            crashing: *[0.0, 0.3, 0.8].choose(random).unwrap_or(&0.0),
            calm: CancellationToken::new(),
            crashes: AtomicU64::new(0),
        }
    }

    /// One replica: a daemon that serves until it dies, and another in its place after a while.
    async fn replica(&self, name: &str, seed: u64) -> Infallible {
        let mut random = StdRng::seed_from_u64(seed);
        loop {
            let holder = format!("{name}-{}", random.random::<u32>());
            let mut settings = self.variety.settings(&holder);
            settings.approve_widening = self.asks;
            settings.limits.approval_wait = Duration::from_secs(120);
            settings.schedule = Schedule {
                cadence: Cadence::Every(self.every),
                jitter: Share::new(0.1).unwrap_or(Share::NONE),
                mode: Mode::Repair,
            };
            let process = Process::start(
                &self.world,
                &self.clock,
                &self.store,
                settings,
                random.random(),
            )
            .await;
            if !self.calm.is_cancelled() && random.random_bool(self.crashing) {
                let moment = *[Moment::Before, Moment::After]
                    .choose(&mut random)
                    .unwrap_or(&Moment::Before);
                process.wire.crash_at(random.random_range(0..12), moment);
            }
            tokio::select! {
                biased;
                () = process.wire.dead.cancelled() => {
                    self.crashes.fetch_add(1, Ordering::Relaxed);
                }
                () = process.engine.serve(CancellationToken::new()) => {}
            }
            self.clock
                .wait(Duration::from_secs(random.random_range(1..60)))
                .await;
        }
    }

    /// Whether a sweep is under way.
    async fn is_sweeping(&self) -> bool {
        let unfinished = self.store.unfinished().await.unwrap_or_default();
        !unfinished.is_empty()
    }
}

/// An event on its way.
#[derive(Clone, Debug)]
struct Event {
    due: Timestamp,
    account: AccountId,
}

/// Whoever changes the world, and the queue that tells of it.
struct Director {
    stage: Arc<Stage>,
    random: StdRng,
    coming: Vec<Event>,
    judged_from: usize,
    told: u64,
    halts: u64,
    trail: Trail,
}

impl Director {
    async fn direct(&mut self) -> Result<(), String> {
        for _ in 0..self.random.random_range(3..8) {
            for _ in 0..self.random.random_range(1..4) {
                self.happen().await?;
            }
            let rest = self.random.random_range(10..1_200);
            self.pass(Duration::from_secs(rest)).await;
            self.holds()?;
        }
        self.converge().await
    }

    /// Something happens in the organization, and perhaps somebody is told.
    async fn happen(&mut self) -> Result<(), String> {
        // A change in the midst of a sweep exposes what neither hand alone would: it is judged apart.
        while self.stage.is_sweeping().await {
            self.stage.clock.wait(Duration::from_secs(1)).await;
        }
        self.holds()?;
        let world = Arc::clone(&self.stage.world);
        let known = world.reachable();
        let Some(account) = known.choose(&mut self.random).copied() else {
            return Ok(());
        };
        match self.random.random_range(0..20) {
            0..=2 => {
                let name = format!("joined-{}", self.told);
                let joined = world.add_account(&name);
                self.note(format!("{joined} joins"));
                self.tell(joined);
            }
            3 | 4 if known.len() > 1 => {
                let state = if self.random.random_bool(0.5) {
                    AccountState::Closed
                } else {
                    AccountState::Suspended
                };
                self.note(format!("{account} is {state:?}"));
                world.set_state(account, state);
                // What was on its way about it comes all the same.
                self.tell(account);
            }
            5 => {
                let closed = world.accounts();
                let closed = closed.iter().find(|one| one.state != AccountState::Active);
                if let Some(account) = closed.map(|one| one.id) {
                    self.note(format!("{account} is back"));
                    world.set_state(account, AccountState::Active);
                }
            }
            6 => {
                self.note(format!("{account} moves"));
                world.move_account(account, "/");
                self.tell(account);
            }
            7 => {
                self.halts += 1;
                self.note("a halt".to_owned());
                let halt = Halt {
                    why: "a test".to_owned(),
                    by: "somebody".to_owned(),
                    at: self.stage.clock.true_time(),
                };
                let halted = self.stage.store.halt(&halt).await;
                halted.map_err(|error| error.to_string())?;
            }
            8 => self.resume().await?,
            9 => {
                if let Ok(stranger) = STRANGER.parse() {
                    self.tell(stranger);
                }
            }
            _ => {
                let drift = Drift::visible().choose(&mut self.random).copied();
                if let Some(drift) = drift.filter(|drift| *drift != Drift::RolePath) {
                    self.note(format!("somebody plants {drift} in {account}"));
                    world.plant(account, drift);
                    self.tell(account);
                }
            }
        }
        self.judged_from = world.history().len();
        Ok(())
    }

    /// An event: lost, on time, late, or twice.
    fn tell(&mut self, account: AccountId) {
        let copies = *[0, 1, 1, 2, 3].choose(&mut self.random).unwrap_or(&1);
        for _ in 0..copies {
            let late = *[0, 2, 30, 900, 4_000]
                .choose(&mut self.random)
                .unwrap_or(&0);
            let late = Duration::from_secs(self.random.random_range(0..=late));
            let due = self.stage.clock.true_time() + late;
            self.coming.push(Event { due, account });
        }
    }

    /// Time passes, and what is due arrives in whatever order, some of it together.
    async fn pass(&mut self, length: Duration) {
        let mut passed = Duration::ZERO;
        while passed < length {
            self.deliver(self.stage.clock.true_time()).await;
            self.stage.clock.wait(TICK).await;
            passed += TICK;
        }
    }

    async fn deliver(&mut self, now: Timestamp) {
        let (due, later): (Vec<Event>, Vec<Event>) = std::mem::take(&mut self.coming)
            .into_iter()
            .partition(|event| event.due <= now);
        self.coming = later;
        let mut accounts: Vec<AccountId> = due.iter().map(|event| event.account).collect();
        accounts.shuffle(&mut self.random);
        self.told += accounts.len() as u64;
        while !accounts.is_empty() {
            let together = self.random.random_range(1..=accounts.len());
            let mut gathered: Vec<AccountId> = accounts.drain(..together).collect();
            gathered.sort_unstable();
            gathered.dedup();
            self.note(format!("events about {gathered:?}"));
            // As the daemon's listener asks.
            let request = SweepRequest {
                id: 0,
                mode: Mode::Repair,
                accounts: Some(gathered),
                trigger: Trigger::Event,
                requested_by: "events from AWS".to_owned(),
                at: now,
            };
            // The store in memory fails only where it is told to.
            drop(self.stage.store.request(&request).await);
        }
    }

    async fn resume(&mut self) -> Result<(), String> {
        let now = self.stage.clock.true_time();
        let resumed = self.stage.store.resume("somebody", now).await;
        resumed.map_err(|error| error.to_string())
    }

    /// Nothing happens any more: the next sweep by schedule puts everything right, whatever was told, and the
    /// one after it writes nothing, however much is still told.
    async fn converge(&mut self) -> Result<(), String> {
        self.note("calm".to_owned());
        let stage = Arc::clone(&self.stage);
        stage.calm.cancel();
        let thaw = stage.variety.thaw(stage.clock.true_time());
        self.pass(thaw + Duration::from_secs(300)).await;
        while stage.is_sweeping().await {
            stage.clock.wait(TICK).await;
        }
        self.resume().await?;
        let first = self.by_schedule(stage.clock.true_time()).await?;
        let wrong = self.wrong(&first.id);
        if let Some(wrong) = wrong {
            return Err(format!("after the sweep by schedule {}: {wrong}", first.id));
        }
        self.holds()?;
        let written = stage.world.history().len();
        let accounts = stage.world.accounts();
        for account in accounts.iter().filter(|account| !account.is_management) {
            self.tell(account.id);
        }
        let begun = stage.clock.true_time();
        self.pass(Duration::from_secs(60)).await;
        let second = self.by_schedule(begun).await?;
        if stage.world.history().len() != written {
            let last = stage.world.history().pop();
            return Err(format!("written after everything was right: {last:?}"));
        }
        if let Some(wrong) = self.wrong(&second.id) {
            return Err(format!("after the sweep {}: {wrong}", second.id));
        }
        self.nothing_is_open().await?;
        let apart = stage.store.settled(&stage.world.reachable()).await;
        apart.map_or(Ok(()), Err)
    }

    /// The first sweep by schedule that begins now or later and ends well.
    async fn by_schedule(&mut self, since: Timestamp) -> Result<SweepRecord, String> {
        let until = since + SignedDuration::try_from(PATIENCE).unwrap_or_default();
        while self.stage.clock.true_time() < until {
            let recent = self.stage.store.sweeps(None, 50).await;
            let recent = recent.map_err(|error| error.to_string())?;
            let ended = recent.into_iter().rev().find(|sweep| {
                matches!(sweep.trigger, Trigger::Schedule | Trigger::Startup)
                    && sweep.mode == Mode::Repair
                    && since <= sweep.started_at
                    && sweep.outcome == Some(SweepOutcome::Completed)
            });
            if let Some(sweep) = ended {
                return Ok(sweep);
            }
            self.pass(Duration::from_secs(60)).await;
        }
        let recent = self.stage.store.sweeps(None, 3).await;
        let halt = self.stage.store.halted().await;
        Err(format!(
            "no sweep by schedule ended well since {since}; halted: {halt:?}; the last were {recent:?}"
        ))
    }

    fn wrong(&self, sweep: &SweepId) -> Option<String> {
        let stage = &self.stage;
        let reports = stage.store.all_reports(sweep);
        stage.variety.wrong(&stage.world, &stage.store, &reports)
    }

    /// Where an account cannot be entered any more, nobody can say what became of a step.
    async fn nothing_is_open(&self) -> Result<(), String> {
        let open = self.stage.store.open().await;
        let open = open.map_err(|error| error.to_string())?;
        let known = self.stage.world.reachable();
        let open = open.iter().find(|entry| known.contains(&entry.account));
        open.map_or(Ok(()), |entry| Err(format!("still open: {entry:?}")))
    }

    fn holds(&self) -> Result<(), String> {
        let Stage { world, store, .. } = self.stage.as_ref();
        let variety = &self.stage.variety;
        let broken = store
            .difference()
            .or_else(|| variety.violated(world, store, self.judged_from));
        broken.map_or(Ok(()), Err)
    }

    fn note(&mut self, what: String) {
        let changes = self.stage.world.history().len();
        let now = self.stage.clock.true_time();
        self.trail
            .note(format!("{now} after {changes} changes: {what}"));
    }

    fn report(&self, seed: u64) -> Report {
        let stage = &self.stage;
        let seconds = stage.clock.true_time().duration_since(SimClock::begin());
        Report {
            seed,
            sweeps: stage.store.how_many_sweeps(),
            changes: stage.world.history().len() as u64,
            crashes: stage.crashes.load(Ordering::Relaxed),
            pauses: 0,
            halts: self.halts,
            events: self.told,
            seconds: u64::try_from(seconds.as_secs()).unwrap_or(0),
        }
    }
}
