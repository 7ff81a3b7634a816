//! `cargo xtask bench`: release builds, measured by tests/bench on the simulator,
//! beside what people use today.

use clap::Args;

use crate::failure::Failure;
use crate::python::Python;
use crate::shell::Shell;
use crate::steps;
use crate::workshop::Workshop;

/// What to measure.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Arguments for tests/bench/bench.py: `--accounts 1000,10000 --latency 100
    /// --scenario cold,warm,peers --iam-rate 500 --out results.json`, or `--suite`
    /// for everything that docs/BENCHMARKS.md shows.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Builds and measures.
pub(crate) fn run(workshop: &Workshop, args: &BenchArgs) -> Result<(), Failure> {
    Shell::cargo(workshop)
        .args(["build", "--release", "--bins"])
        .args(["-p", "rolekeeper", "-p", "rolekeeper-simulator"])
        .run()?;
    let peer = Python::ensure_peer(workshop)?.program("c7n-org");
    let mut all = vec!["--custodian".to_owned(), peer.display().to_string()];
    all.extend_from_slice(&args.args);
    measure(workshop, "release", &all)
}

/// The quick form for the test command: counts requests with the debug build.
pub(crate) fn check(workshop: &Workshop) -> Result<(), Failure> {
    steps::daemon(workshop)?;
    measure(workshop, "debug", &["--check".to_owned()])
}

fn measure(workshop: &Workshop, profile: &str, args: &[String]) -> Result<(), Failure> {
    let python = Python::ensure(workshop)?;
    let binary = |name: &str| workshop.path(&format!("target/{profile}/{name}"));
    Shell::new(workshop, python.program("python"))
        .arg("tests/bench/bench.py")
        .arg("--keeper")
        .arg(binary("rolekeeper"))
        .arg("--simulator")
        .arg(binary("rolekeeper-simulator"))
        .args(args)
        .run()
}
