//! What the end-to-end tests share.

pub mod program;
pub mod sim;

pub use sim::scenario::{Report, simulate};
pub use sim::violation::{Stores, Violation};
