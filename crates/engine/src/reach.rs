//! What a process can carry out, before it tries: asked by the sweep itself, and by whoever takes
//! orders for later and would rather say no at once.

use rolekeeper_domain::outcome::Mode;

use crate::order::SweepError;
use crate::port::session::SessionProvider;
use crate::port::store::{Control, Halt};

/// How far a process can reach, known from the parts it was put together from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    writes: bool,
}

impl Reach {
    /// Of a process that enters accounts through `P`.
    pub const fn of<P: SessionProvider>() -> Self {
        Self { writes: P::WRITES }
    }

    /// Whether a sweep of this mode is within reach at all.
    ///
    /// # Errors
    ///
    /// [`SweepError::AuditOnly`] for a repair by a process that cannot write.
    pub const fn covers(self, mode: Mode) -> Result<(), SweepError> {
        match mode {
            Mode::Repair if !self.writes => Err(SweepError::AuditOnly),
            Mode::Repair | Mode::Audit => Ok(()),
        }
    }

    /// Whether a sweep of this mode would be begun if it were asked for now.
    ///
    /// # Errors
    ///
    /// What the sweep would be refused with, or the store's own failure.
    pub async fn admits(self, mode: Mode, store: &impl Control) -> Result<(), SweepError> {
        self.covers(mode)?;
        match mode {
            Mode::Audit => Ok(()),
            Mode::Repair => store.halted().await?.map_or(Ok(()), |halt| Err(by(&halt))),
        }
    }
}

/// The refusal that a halt means.
pub(crate) fn by(halt: &Halt) -> SweepError {
    SweepError::Halted {
        by: halt.by.clone(),
        why: halt.why.clone(),
    }
}
