//! What can go wrong in a simulation: kinds of trouble, and the worlds in which it strikes.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::{ApiError, Limits, Settings, World};

use super::rig::Moment;

/// Kinds of trouble, each off or of some weight: a swarm differs from seed to seed in what
/// can go wrong at all, which finds more than everything going wrong a little.
#[derive(Clone, Debug)]
pub(super) struct Swarm {
    pub(super) lost: f64,
    pub(super) scripts: u32,
    pub(super) crashes: bool,
    pub(super) pauses: bool,
    pub(super) halts: bool,
    pub(super) jumps: bool,
    pub(super) broken_store: bool,
    pub(super) meddling: bool,
    /// Whether somebody changes things while a sweep is under way, too.
    pub(super) meanwhile: bool,
    /// Whether AWS may say yes to a change and not make it.
    pub(super) lies: bool,
    /// Whether a wider specification waits for a person's word. In a new store every one is wider.
    pub(super) asks: bool,
}

impl Swarm {
    pub(super) fn of(random: &mut StdRng) -> Self {
        Self {
            lost: *[0.0, 0.0, 0.02, 0.15].choose(random).unwrap_or(&0.0),
            scripts: *[0, 0, 3, 12].choose(random).unwrap_or(&0),
            crashes: random.random_bool(0.6),
            pauses: random.random_bool(0.3),
            halts: random.random_bool(0.3),
            jumps: random.random_bool(0.3),
            broken_store: random.random_bool(0.2),
            meddling: random.random_bool(0.6),
            meanwhile: random.random_bool(0.15),
            lies: random.random_bool(0.15),
            asks: random.random_bool(0.3),
        }
    }

    /// One of them, or none.
    pub(super) fn blow(&self, random: &mut StdRng) -> Option<Blow> {
        let mut blows: Vec<Blow> = Vec::new();
        let soon = Duration::from_millis(random.random_range(0..60_000));
        if self.crashes {
            let moment = if random.random_bool(0.5) {
                Moment::Before
            } else {
                Moment::After
            };
            blows.push(Blow::Crash(random.random_range(0..12), moment));
        }
        if self.pauses {
            let length = Duration::from_secs(random.random_range(1..120));
            blows.push(Blow::Pause(soon, length));
        }
        if self.halts {
            blows.push(Blow::Halt(soon));
            blows.push(Blow::Cancel(soon));
        }
        if self.jumps {
            let seconds = *[-86_400, -60, 60, 86_400].choose(random).unwrap_or(&60);
            blows.push(Blow::Jump(soon, seconds));
        }
        if self.broken_store {
            blows.push(Blow::BreakStore(random.random_range(0..40)));
        }
        blows.choose(random).copied()
    }
}

/// What happens to a process while it sweeps.
#[derive(Clone, Copy, Debug)]
pub(super) enum Blow {
    Crash(u64, Moment),
    Pause(Duration, Duration),
    Halt(Duration),
    Cancel(Duration),
    Jump(Duration, i64),
    BreakStore(u64),
}

/// A reply that lies, an error, or a throttle, somewhere on the way.
pub(super) fn script(world: &World, swarm: &Swarm, random: &mut StdRng) {
    const OPERATIONS: [&str; 16] = [
        "CreateRole",
        "CreatePolicy",
        "CreatePolicyVersion",
        "DeletePolicyVersion",
        "AttachRolePolicy",
        "DetachRolePolicy",
        "UpdateAssumeRolePolicy",
        "UpdateRole",
        "TagRole",
        "DeleteRolePolicy",
        "DeleteRolePermissionsBoundary",
        "GetRole",
        "GetPolicy",
        "ListAttachedRolePolicies",
        "AssumeRole",
        "ListAccounts",
    ];
    let Some(operation) = OPERATIONS.choose(random) else {
        return;
    };
    let effect = if random.random_bool(0.5) {
        Effect::Done
    } else {
        Effect::None
    };
    let error = |status, code: &'static str| Fault {
        effect: Effect::None,
        trouble: Trouble::Error(ApiError {
            status,
            code: code.into(),
            message: "simulated".to_owned(),
        }),
    };
    let pretence = Fault {
        effect: Effect::None,
        trouble: Trouble::Pretend,
    };
    let fault = match random.random_range(0..6) {
        _ if swarm.lies && random.random_bool(0.15) => pretence,
        0..=2 => Fault::internal(effect),
        3 => error(400, "Throttling"),
        4 => error(409, "ConcurrentModification"),
        _ => error(403, "AccessDenied"),
    };
    world.script(Script::on(operation, fault).nth(random.random_range(1..8)));
}

/// A world as a seed makes it.
pub(super) fn world_settings(seed: u64, random: &mut StdRng) -> Settings {
    let rate = |random: &mut StdRng, rates: &[Option<f64>]| rates.choose(random).copied().flatten();
    let limits = Limits {
        published: random.random_bool(0.5),
        iam_rate: rate(random, &[None, None, Some(20.0), Some(100.0)]),
        target_rate: rate(random, &[None, None, Some(5.0), Some(25.0)]),
    };
    let stale = *[0, 0, 1, 4, 12].choose(random).unwrap_or(&0);
    Settings {
        accounts: random.random_range(1..9),
        seed,
        provisioned: random.random_bool(0.7),
        inactive: 0.0,
        control_tower: if random.random_bool(0.3) { 0.5 } else { 0.0 },
        ragged_pages: random.random_bool(0.5),
        limits,
        latency: Duration::from_millis(*[0, 5, 80].choose(random).unwrap_or(&5)),
        errors: 0.0,
        stale: Duration::from_secs(stale),
        history: true,
        log_capacity: 1_000,
        ..Settings::default()
    }
}
