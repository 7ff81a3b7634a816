//! What a managed role should be, what was seen, how the two differ, and the
//! steps between.
//!
//! Everything here is a function of its arguments: no clock, no environment,
//! no network, no log. Order never comes from a hash map.

pub mod account;
pub mod arn;
pub mod call;
pub mod census;
pub mod fault;
pub mod selector;

pub mod agreement;
pub mod least_privilege;
pub mod policy;
pub mod role;
pub mod spec;
pub mod user;
pub mod wall;

pub mod drift;
pub mod observation;
pub mod ownership;

pub mod diff;

pub mod plan;
pub mod planner;
pub mod record;

pub mod judge;
pub mod verdict;

pub mod finding;
pub mod outcome;
pub mod registration;

pub mod limits;
