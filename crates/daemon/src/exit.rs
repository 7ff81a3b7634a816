//! How the process ends.

use std::process::{ExitCode, Termination};

/// What an exit code says. Scripts and schedulers read nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing is left to do.
    Clean,
    /// Usage, configuration, or nothing could be done at all.
    Error,
    /// Drift was found (`plan`) or is left (`apply`); documents differ (`policy diff`).
    Drift,
    /// At least one account could not be evaluated or repaired: wins over drift.
    Incomplete,
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Error => 1,
            Self::Drift => 2,
            Self::Incomplete => 3,
            Self::Interrupted => 130,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
