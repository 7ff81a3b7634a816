//! Runs simulations: `simulate SEED` one, `simulate FROM TO` all seeds from the first to before
//! the last. Prints what the seeds went through, or the first violation with the command that
//! replays it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's command line"
)]

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicBool::new(false);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let halves = std::thread::scope(|scope| {
        let work = || run(&next, seeds.end, &failed);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().filter_map(|thread| thread.join().ok());
        ended.collect::<Vec<_>>()
    });
    let mut total = Report::default();
    let mut ran = 0_u64;
    for (count, report) in halves {
        ran += count;
        total = total.and(&report);
    }
    println!(
        "{ran} seeds: {} sweeps, {} changes, {} crashes, {} pauses, {} halts, {} events, {} simulated hours{}",
        total.sweeps,
        total.changes,
        total.crashes,
        total.pauses,
        total.halts,
        total.events,
        total.seconds / 3_600,
        if failed.load(Ordering::Relaxed) {
            ""
        } else {
            "; nothing was violated"
        }
    );
    if failed.load(Ordering::Relaxed) || ran < seeds.end.saturating_sub(seeds.start) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Takes one seed after the other until all are done or one has failed. Answers how many, and what they
/// went through.
fn run(next: &AtomicU64, end: u64, failed: &AtomicBool) -> (u64, Report) {
    let (mut ran, mut total) = (0, Report::default());
    while !failed.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            break;
        }
        match simulate(seed) {
            Ok(report) => {
                ran += 1;
                total = total.and(&report);
            }
            Err(violation) => {
                eprintln!("{violation}");
                failed.store(true, Ordering::Relaxed);
            }
        }
    }
    (ran, total)
}
