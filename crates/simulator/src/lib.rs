//! An AWS organization in a process: a world that can go wrong.
//!
//! It speaks the wire protocols of Organizations, STS and IAM to any SDK. What
//! a request does depends on the request, the time and the seed alone, so that
//! a run can be repeated.
//!
//! In reading order: [`Settings`] say what kind of world it is; [`World`] takes
//! a request and a time and gives an answer; [`Simulator`] puts a world on a
//! local port; [`ports::InProcess`] puts it behind a client in the same process
//! and under the caller's clock.

mod settings;
pub use settings::{Events, HUB_ACCESS_KEY, HUB_SECRET_KEY, Limits, Settings, VENDOR_ACCESS_KEY};

mod call;
pub use call::{Answer, ApiError, Delivery, Input, Params, Request, Service, Verdict};

mod world;
pub use world::drift::Drift;
pub use world::provision::{DEMO_DESCRIPTION, DEMO_EXTERNAL_ID, DEMO_ROLE, DEMO_TAG, DEMO_VENDOR};
pub use world::{AccountView, PolicyView, RoleView, World};

mod ask;
mod iam;
mod organizations;
mod sqs;
pub use sqs::EVENT_QUEUE;
mod sts;

pub mod buckets;
pub mod check;
pub mod faults;

mod log;
pub use log::Entry;

mod seed;
mod xml;

pub mod ports;
mod wire;
pub use wire::{Builder, Simulator, StartError};
