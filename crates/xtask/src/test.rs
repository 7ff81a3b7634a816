//! `cargo xtask test`: sees that everything is there, runs the steps, says what
//! each cost, and fails if any of them did.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::python::Python;
use crate::steps::{self, Need, Step};
use crate::tool::{self, Tool};
use crate::workshop::Workshop;

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct TestArgs {
    /// Only these steps; all of them when none is named.
    steps: Vec<String>,
    /// Say what the steps are, and run none.
    #[arg(long)]
    list: bool,
}

/// Runs the chosen steps, all of them even when one fails.
pub(crate) fn run(workshop: &Workshop, args: &TestArgs) -> Result<(), Failure> {
    if args.list {
        for step in steps::all() {
            println!("{:<14} {}", step.name, step.about);
        }
        return Ok(());
    }
    let chosen = choose(&args.steps)?;
    let needs: Vec<Need> = chosen
        .iter()
        .flat_map(|step| step.needs.iter().copied())
        .collect();
    heading("set-up", "the tools that these steps need");
    ensure(workshop, &needs)?;

    let results: Vec<(&Step, Result<(), Failure>, Duration)> = chosen
        .into_iter()
        .map(|step| timed(workshop, step))
        .collect();

    heading("summary", "every step and what it cost");
    for (step, result, took) in &results {
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{:<14} {word:<7} {:>7.1} s", step.name, took.as_secs_f64());
    }
    let failed: Vec<&'static str> = results
        .iter()
        .filter(|(_, result, _)| result.is_err())
        .map(|(step, _, _)| step.name)
        .collect();
    println!(
        "\nsteps: {} passed, {} failed",
        results.len() - failed.len(),
        failed.len()
    );
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Steps(failed))
    }
}

/// Installs what is missing of `needs`, or says why it cannot.
pub(crate) fn ensure(workshop: &Workshop, needs: &[Need]) -> Result<(), Failure> {
    let mut system: Vec<Tool> = needs
        .iter()
        .filter_map(|need| match need {
            Need::System(tool) => Some(*tool),
            Need::Cargo(_) | Need::Python => None,
        })
        .collect();
    system.sort();
    system.dedup();
    tool::ensure(workshop, &system)?;
    needs.iter().try_for_each(|need| match need {
        Need::Cargo(tool) => tool.ensure(workshop).map(drop),
        Need::Python => Python::ensure(workshop).map(drop),
        Need::System(_) => Ok(()),
    })
}

fn choose(names: &[String]) -> Result<Vec<&'static Step>, Failure> {
    if names.is_empty() {
        return Ok(steps::all().collect());
    }
    names
        .iter()
        .map(|name| {
            steps::all().find(|step| step.name == name).ok_or_else(|| {
                let known: Vec<&str> = steps::all().map(|step| step.name).collect();
                Failure::Found(format!(
                    "there is no step `{name}`; there are {}",
                    known.join(", ")
                ))
            })
        })
        .collect()
}

fn timed<'a>(workshop: &Workshop, step: &'a Step) -> (&'a Step, Result<(), Failure>, Duration) {
    heading(step.name, step.about);
    let started = now();
    let result = (step.run)(workshop);
    if let Err(failure) = &result {
        eprintln!("{}: {}", step.name, failure.chain());
    }
    (step, result, started.elapsed())
}

fn heading(name: &str, about: &str) {
    println!("\n=== {name}: {about}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a step took is shown to a person, nothing depends on it"
)]
fn now() -> Instant {
    Instant::now()
}
