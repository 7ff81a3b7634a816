//! The ports' AWS side.
//!
//! The only room that knows the AWS SDK, and none of its types leaves it: what
//! goes in and comes out are the domain's own. Each method is one call and one attempt;
//! spacing, retrying and turning pages is the engine's. Nothing is decided here.
//!
//! - [`ClientBuilder`] makes [`Aws`]: one connection pool, one client a service.
//! - [`Directory`] reads the organization.
//! - [`Sessions`] and [`AuditOnly`] enter accounts; [`Reader`] looks, [`Writer`] changes.
//! - [`EventQueue`] reads what EventBridge put into SQS.

mod client;
mod credentials;
mod error;
mod http_client;
mod time;
mod transport;

mod directory;
mod document;
mod reader;
mod session;
mod user;
mod writer;

mod event;
mod queue;

pub use client::{Aws, BuildError, ClientBuilder, HubKeys, Settings, Timeouts};
pub use directory::Directory;
pub use event::{Content, Hint, HintKind};
pub use queue::{Backlog, EventQueue, Message, queue_arn};
pub use reader::Reader;
pub use session::{AuditOnly, NoWriter, Sessions};
pub use transport::{Transport, TransportFailure, TransportFuture};
pub use user::{UserReader, UserWriter};
pub use writer::Writer;
