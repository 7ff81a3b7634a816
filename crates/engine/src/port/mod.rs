//! What the engine needs from the outside: one trait a file.

pub mod clock;
pub mod directory;
mod journal;
pub mod registration;
pub mod session;
pub mod store;
pub mod user;
