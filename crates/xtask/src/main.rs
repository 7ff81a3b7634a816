//! Developer commands: `cargo xtask test` is the whole of the checks, the
//! others are its neighbours. Nothing here ships.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer command talks to the terminal it was started from"
)]

mod apt;
mod bench;
mod cargo_tool;
mod deploy;
mod dist;
mod failure;
mod policies;
mod python;
mod screenshots;
mod services;
mod shell;
mod simulate;
mod steps;
mod test;
mod tool;
mod workshop;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::shell::Shell;
use crate::workshop::Workshop;

/// Developer commands of rolekeeper.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run all the checks, or only the named ones; installs what they need.
    Test(test::TestArgs),
    /// Run cargo-nextest with moto, PostgreSQL and the rest at hand:
    /// `cargo xtask nextest -p rolekeeper-tests --test moto_plan`.
    Nextest {
        /// Arguments for `cargo nextest run`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Build and pack a release: binary, Debian package, chart, SBOM, checksums.
    Dist(dist::DistArgs),
    /// Measure time, calls, CPU and memory on the simulator, beside boto3.
    Bench(bench::BenchArgs),
    /// Hold the tree against its own rules: arrows, file sizes, leftovers.
    Tidy,
    /// Run the whole engine over simulated organizations in which anything may go wrong, one for each seed.
    Simulate(simulate::SimulateArgs),
    /// Write deploy/policies anew: what `rolekeeper iam-policy` prints.
    Policies,
    /// Take the pictures of the page for README, from the demo.
    Screenshots,
    /// Write tests/python/requirements.txt anew from requirements.in.
    PinPython,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {}", failure.chain());
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let workshop = Workshop::open()?;
    match args.command {
        Command::Test(args) => test::run(&workshop, &args),
        Command::Nextest { args } => steps::nextest(&workshop, &args),
        Command::Dist(args) => dist::run(&workshop, &args),
        Command::Bench(args) => bench::run(&workshop, &args),
        Command::Tidy => Shell::cargo(&workshop)
            .args(["test", "-p", "rolekeeper-tests", "--test", "layering"])
            .run(),
        Command::Simulate(args) => simulate::run(&workshop, &args),
        Command::Policies => policies::write(&workshop),
        Command::Screenshots => screenshots::run(&workshop),
        Command::PinPython => python::pin(&workshop),
    }
}
