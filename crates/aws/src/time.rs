//! The engine's clock, as the SDK wants it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use rolekeeper_engine::port::clock::Clock;

/// Tells the SDK the clock's time and waits with it.
pub(crate) struct ByClock<C>(pub(crate) Arc<C>);

impl<C> Clone for ByClock<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> fmt::Debug for ByClock<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByClock")
    }
}

impl<C: Clock> TimeSource for ByClock<C> {
    fn now(&self) -> SystemTime {
        // A clock that shows a time before 1970 cannot sign anything anyway.
        let since = u64::try_from(self.0.now().as_microsecond()).unwrap_or_default();
        UNIX_EPOCH + Duration::from_micros(since)
    }
}

impl<C: Clock> AsyncSleep for ByClock<C> {
    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = Arc::clone(&self.0);
        Sleep::new(Alone(Mutex::new(Box::pin(async move {
            clock.sleep(duration).await
        }))))
    }
}

/// Lets a future that only its owner polls be shared, as the SDK demands and
/// never does: the lock is never taken, since polling has the future to itself.
struct Alone(Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Future for Alone {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let alone = self.get_mut();
        alone
            .0
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            .poll(context)
    }
}
