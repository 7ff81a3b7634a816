//! `cargo xtask simulate`: more seeds than the test command has time for, or one
//! again.

use clap::Args;

use crate::failure::Failure;
use crate::shell::Shell;
use crate::workshop::Workshop;

/// Which simulations.
#[derive(Args)]
pub(crate) struct SimulateArgs {
    /// Replay this one.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// So many, one after the other.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// Runs them; the first violation ends it and says how to replay it.
pub(crate) fn run(workshop: &Workshop, args: &SimulateArgs) -> Result<(), Failure> {
    let seeds = match args.seed {
        Some(seed) => vec![seed],
        None => vec![args.from, args.from.saturating_add(args.seeds)],
    };
    Shell::cargo(workshop)
        .args([
            "run",
            "-p",
            "rolekeeper-tests",
            "--example",
            "simulate",
            "--",
        ])
        .args(seeds.iter().map(u64::to_string))
        .run()
}
