//! Why no further step may be begun, once there is a reason.

use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// Why a sweep stops early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Somebody ended it: a signal, the command line, the API.
    Cancelled(String),
    /// Writes were halted: by a person, or by the rollout.
    Halted(String),
    /// It cannot go on: the store failed, the lease or the credentials were lost.
    Failed(String),
}

impl Stop {
    pub(crate) fn why(&self) -> &str {
        match self {
            Self::Cancelled(why) | Self::Halted(why) | Self::Failed(why) => why,
        }
    }
}

/// Pulled once; stays pulled.
#[derive(Debug, Default)]
pub(crate) struct Brake {
    stop: Mutex<Option<Stop>>,
    pulled: CancellationToken,
    hurried: CancellationToken,
}

impl Brake {
    /// Stops the sweep. The first reason is kept; but whoever is told to leave after a halt leaves soon.
    pub(crate) fn pull(&self, stop: Stop) {
        let hurries = !matches!(stop, Stop::Halted(_));
        self.stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(stop);
        self.pulled.cancel();
        if hurries {
            self.hurried.cancel();
        }
    }

    /// Whether what is under way is to end soon: the process is told to leave, or cannot go on. After a
    /// halt what was begun is looked through to its end.
    pub(crate) fn is_hurried(&self) -> bool {
        self.hurried.is_cancelled()
    }

    /// Waits until it is.
    pub(crate) async fn hurried(&self) {
        self.hurried.cancelled().await;
    }

    /// Why it stopped, if it did.
    pub(crate) fn stop(&self) -> Option<Stop> {
        self.stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until it is pulled.
    pub(crate) async fn pulled(&self) {
        self.pulled.cancelled().await;
    }
}
