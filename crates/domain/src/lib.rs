//! What a managed role should be, what was seen, how the two differ, and the
//! steps between.
//!
//! Everything here is a function of its arguments: no clock, no environment,
//! no network, no log. Order never comes from a hash map.

pub mod policy;
