//! `cargo xtask simulate`: more seeds than the test command has time for, or one
//! again.

use clap::{Args, ValueEnum};

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
    /// What the processes remember in.
    #[arg(long, value_enum, default_value_t = StoreArg::Memory)]
    store: StoreArg,
}

/// A store of simulations.
#[derive(Clone, Copy, ValueEnum)]
enum StoreArg {
    /// Memory alone.
    Memory,
    /// The real store on a file beside it, each answer compared: slower.
    Sqlite,
}

/// Runs them; the first violation ends it and says how to replay it.
pub(crate) fn run(workshop: &Workshop, args: &SimulateArgs) -> Result<(), Failure> {
    let seeds = match args.seed {
        Some(seed) => vec![seed],
        None => vec![args.from, args.from.saturating_add(args.seeds)],
    };
    let store: &[&str] = match args.store {
        StoreArg::Memory => &[],
        StoreArg::Sqlite => &["--store", "sqlite"],
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
        .args(store)
        .run()
}
