//! Simulation: the production engine, the real planner and the real AWS adapter against a
//! simulated organization, single-threaded, in paused time, from one seed.

pub mod check;
pub mod clock;
pub mod durable;
mod each;
pub mod hand;
pub mod memory;
pub mod replica;
pub mod report;
pub mod rig;
pub mod scenario;
pub mod sent;
pub mod stage;
mod stays;
pub mod storm;
pub mod told;
pub mod twin;
pub mod variety;
pub mod violation;
pub mod wanted;
