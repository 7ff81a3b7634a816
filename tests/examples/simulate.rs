//! Runs simulations: `simulate SEED` one, `simulate FROM TO` all seeds from the first to before
//! the last. Prints what the seeds went through, or the first violation with the command that
//! replays it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's command line"
)]

use std::process::ExitCode;

use rolekeeper_tests::{Report, simulate};

fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok())
        .collect();
    let seeds = match arguments.as_slice() {
        [seed] => *seed..seed.saturating_add(1),
        [from, to] => *from..*to,
        _ => {
            eprintln!("usage: simulate SEED | simulate FROM TO");
            return ExitCode::FAILURE;
        }
    };
    let mut total = Report::default();
    let mut ran = 0_u64;
    for seed in seeds {
        match simulate(seed) {
            Ok(report) => {
                ran += 1;
                total.sweeps += report.sweeps;
                total.changes += report.changes;
                total.crashes += report.crashes;
                total.pauses += report.pauses;
                total.halts += report.halts;
                total.events += report.events;
                total.seconds += report.seconds;
            }
            Err(violation) => {
                eprintln!("{violation}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!(
        "{ran} seeds: {} sweeps, {} changes, {} crashes, {} pauses, {} halts, {} events, {} simulated hours; nothing was violated",
        total.sweeps,
        total.changes,
        total.crashes,
        total.pauses,
        total.halts,
        total.events,
        total.seconds / 3_600
    );
    ExitCode::SUCCESS
}
