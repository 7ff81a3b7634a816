//! What outlives the process, in SQLite or PostgreSQL.
//!
//! [`open()`] gives a [`Store`], which implements every trait of
//! `rolekeeper_engine::port::store` for both databases, with the same statements.
//! It keeps what it is given: no rule about accounts or roles is decided here.
//!
//! **Invariants.** What [`intend`](rolekeeper_engine::port::store::Journal::intend)
//! returned is on disk. Findings change in the transaction that records the reports they
//! come from. The journal is only appended to; retention takes whole records off its
//! old end and says so in the journal. A store of another program, of a newer version or
//! with damage is refused and left as it is.

mod open;
pub use open::{OpenError, Store, open, open_existing, open_read_only};

mod journal;
pub use journal::{Break, ExportLine, Head, InvalidHead, Verified, Verifier};

mod retention;
pub use retention::{Pruned, Retention};

mod findings;
mod fleet;
mod page;
mod sweeps;

mod control;
mod lease;
mod memory;
mod outbox;
mod registrations;

mod db;
mod rows;

#[cfg(test)]
mod full_disk_tests;
