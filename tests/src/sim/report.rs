//! What happened in a simulation, in numbers.

/// What a simulation went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Sweeps that were begun.
    pub sweeps: u64,
    /// Changes that were made to the world.
    pub changes: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Processes that were stopped for a while and went on.
    pub pauses: u64,
    /// Halts.
    pub halts: u64,
    /// Events that arrived, doubled ones as often as they came.
    pub events: u64,
    /// Simulated seconds.
    pub seconds: u64,
}

impl Report {
    /// What this and another went through.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            seed: self.seed,
            sweeps: self.sweeps + other.sweeps,
            changes: self.changes + other.changes,
            crashes: self.crashes + other.crashes,
            pauses: self.pauses + other.pauses,
            halts: self.halts + other.halts,
            events: self.events + other.events,
            seconds: self.seconds + other.seconds,
        }
    }
}
