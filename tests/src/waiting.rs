//! Waiting for other processes, in their own time.

use std::time::Duration;

/// Looks until there is something to be seen, and panics when that takes too long.
#[expect(
    clippy::disallowed_methods,
    reason = "another process is waited for, in its own time"
)]
#[expect(clippy::panic, reason = "a test panics on purpose")]
pub async fn eventually<T>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    match tokio::time::timeout(patience, waiting).await {
        Ok(found) => found,
        Err(_) => panic!("not within {} s: {what}", patience.as_secs()),
    }
}
