//! The moving parts: sweeps, one account's walk, limits, retries, rollout.
//!
//! Knows no SDK, no SQL, no HTTP and no metric names: the outside is reached
//! through the traits of [`port`], and what happens is told to an
//! [`event::EventSink`].
//!
//! In reading order: an [`Engine`] takes a [`SweepOrder`]; a sweep lists and looks at
//! everybody (`sweep`, `census`, `look`, `observe`), then, in a repair, changes what drifted in
//! waves (`waves`, `repair`, `apply`); `rollback` undoes another sweep, [`retire`] takes a
//! temporary user apart, [`ledger`] keeps the record of an account that is provisioned by itself, and `settle` looks what became of the steps of a process that died.
//! Every call goes out through one gateway (`gateway`, [`limit`], [`retry`]).

pub mod event;
pub mod port;

mod engine;
mod order;
mod reach;
pub mod settings;

pub mod schedule;
mod serve;

mod census;
mod staged;
mod sweep;
mod waves;

mod agreement;
mod apply;
pub mod ledger;
mod look;
mod observe;
mod repair;
mod repaired;
pub mod retire;
mod rollback;
pub mod rollout;
mod rotation;
mod settle;

mod brake;
mod discover;
mod documents;
mod lease;
mod rails;
mod recorder;
mod run;
mod sessions;

mod gateway;
pub mod limit;
pub mod retry;
mod slot;

pub use engine::{Engine, Ports};
pub use order::{FaultError, SavedPlans, SweepError, SweepOrder};
pub use reach::Reach;
pub use settings::{EngineSettings, Limits};
