//! What the end-to-end tests share.

pub mod program;
pub mod sim;

pub use sim::scenario::{Report, Violation, simulate};
