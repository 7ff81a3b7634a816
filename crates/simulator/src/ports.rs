//! The world's in-process face: for a client under a clock that is not the
//! wall's.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;

use crate::call::Delivery;
use crate::wire::{Parsed, parse, response};
use crate::world::World;

/// Time as the caller keeps it.
pub trait Time: Send + Sync {
    /// What time it is.
    fn now(&self) -> Timestamp;

    /// Waits.
    fn wait(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The connection was cut.
    Cut,
    /// This is not a request that the world understands.
    NotACall,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cut => "the connection was cut before an answer came",
            Self::NotACall => "not a call of Organizations, STS or IAM",
        })
    }
}

impl std::error::Error for Lost {}

/// A world behind a client in the same process.
#[derive(Debug)]
pub struct InProcess<T> {
    world: Arc<World>,
    time: T,
}

impl<T: Clone> Clone for InProcess<T> {
    fn clone(&self) -> Self {
        Self {
            world: Arc::clone(&self.world),
            time: self.time.clone(),
        }
    }
}

impl<T: Time> InProcess<T> {
    /// Puts a world behind a client.
    pub const fn new(world: Arc<World>, time: T) -> Self {
        Self { world, time }
    }

    /// The world behind it.
    pub const fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Answers one request, after as long as the service takes. An answer that
    /// is never to come is a future that never ends: the client's own timeout
    /// has to.
    ///
    /// # Errors
    ///
    /// When the connection is cut, or the request is none.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Lost> {
        let (parts, body) = request.into_parts();
        let Parsed::Call(call) = parse(&parts.method, &parts.uri, &parts.headers, &body) else {
            return Err(Lost::NotACall);
        };
        let answer = self.world.handle(&call, self.time.now());
        if !answer.delay.is_zero() {
            self.time.wait(answer.delay).await;
        }
        match answer.delivery {
            Delivery::Whole => Ok(response(answer)),
            Delivery::Cut => Err(Lost::Cut),
            Delivery::Never => std::future::pending().await,
        }
    }
}
