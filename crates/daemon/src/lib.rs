//! The program `rolekeeper`: command line, configuration, wiring, HTTP, reports.
//!
//! No rules live here: what is decided is decided in `rolekeeper_domain`, in the
//! order of events of `rolekeeper_engine`.

mod args;
mod exit;
mod failure;
mod fit;
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
mod signals;

mod api;
mod metrics;
mod notify;
mod outgoing;
mod register;
mod traces;
mod web;

mod cron;
mod wall_clock;
mod wire;

use std::process::{ExitCode, Termination};

use clap::Parser;

/// Reads the command line and does what it asks for.
pub fn main() -> ExitCode {
    match args::Cli::try_parse() {
        Ok(cli) => commands::dispatch(cli).report(),
        Err(mistake) if mistake.use_stderr() => {
            let terminal = output::Terminal::of_process(&config::Environment::of_process());
            terminal.tell_styled(&mistake.render());
            exit::Exit::Error.report()
        }
        Err(asked) => {
            // Help and version go to stdout and are no mistake; where they cannot be
            // written there is nobody left to tell.
            let _closed = asked.print();
            exit::Exit::Clean.report()
        }
    }
}
