//! What the end-to-end tests share.

pub mod program;
pub mod sim;
