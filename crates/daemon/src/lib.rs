//! The program `rolekeeper`: command line, configuration, wiring, HTTP, reports.
//!
//! No rules live here: what is decided is decided in `rolekeeper_domain`, in the
//! order of events of `rolekeeper_engine`.

mod args;
mod exit;
mod failure;
mod output;

mod config;
mod log;
mod specs;

mod app;
mod commands;
mod daemon;
mod gremlin;
mod plan_file;
mod progress;
mod report;

mod api;
mod metrics;
mod notify;
mod web;

mod cron;
mod wall_clock;
mod wire;

use std::process::{ExitCode, Termination};

use clap::Parser;

/// Reads the command line and does what it asks for.
pub fn main() -> ExitCode {
    let cli = args::Cli::parse();
    commands::dispatch(cli).report()
}
