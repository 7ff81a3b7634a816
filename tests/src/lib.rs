//! What the end-to-end tests share.

pub mod program;
pub mod sim;
mod waiting;

pub use sim::report::Report;
pub use sim::scenario::simulate;
pub use sim::violation::{Stores, Violation};
pub use waiting::eventually;
