//! The moving parts: sweeps, one account's walk, limits, retries, rollout.
//!
//! Knows no SDK, no SQL, no HTTP and no metric names: the outside is reached
//! through the traits of [`port`], and what happens is told to an
//! [`event::EventSink`].

pub mod event;
pub mod port;

mod gateway;
pub mod limit;
pub mod retry;
mod slot;
