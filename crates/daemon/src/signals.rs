//! The signals that end a process in order: SIGINT of a person, SIGTERM of whatever runs it. As process 1 of a
//! container a program that does not listen to SIGTERM does not get it at all.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// The signals, heard since this was made.
pub(crate) struct Signals {
    terminations: Signal,
    interrupts: Signal,
}

impl Signals {
    /// Hears them from now on.
    pub(crate) fn heard() -> Result<Self, Failure> {
        Ok(Self {
            terminations: signal(SignalKind::terminate())?,
            interrupts: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one; answers its name.
    pub(crate) async fn told(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminations.recv() => "SIGTERM",
            _ = self.interrupts.recv() => "SIGINT",
        }
    }
}
