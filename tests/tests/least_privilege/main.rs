//! Least privilege, proven: with exactly the policies that rolekeeper prints for itself everything works that it
//! does, and without any one of their actions it fails and says which.
//!
//! The six actions of the temporary user are taken away in the command's own tests.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod hub;
mod removal;
mod rollback;
mod stage;
mod sweeps;
mod users;
