//! Calls to other people's HTTP servers: webhooks, and the vendor.
//!
//! One client, one signature, one way to try again: whoever is called, it is the same.

mod backoff;
mod client;
mod sign;

pub(crate) use self::backoff::Backoff;
pub(crate) use self::client::{Answer, CallError, Client};
pub(crate) use self::sign::{SIGNATURE, signature};
