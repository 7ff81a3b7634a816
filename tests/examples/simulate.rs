//! Runs simulations: `simulate SEED` one, `simulate FROM TO` all seeds from the first to before
//! the last; with `--store sqlite` on the real store as well. Prints what the seeds went through, or
//! the first violation with the command that replays it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's command line"
)]

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rolekeeper_tests::{Report, Stores, simulate};
use tempfile::TempDir;

const USAGE: &str = "usage: simulate SEED [--store sqlite] | simulate FROM TO [--store sqlite]";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let sqlite = arguments.ends_with(&["--store".to_owned(), "sqlite".to_owned()]);
    if sqlite {
        arguments.truncate(arguments.len() - 2);
    }
    let numbers: Result<Vec<u64>, _> = arguments.iter().map(|text| text.parse()).collect();
    let seeds = match numbers.as_deref() {
        Ok([seed]) => *seed..seed.saturating_add(1),
        Ok([from, to]) => *from..*to,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let folder = match sqlite.then(tempfile::tempdir).transpose() {
        Ok(folder) => folder,
        Err(error) => {
            eprintln!("no folder for the store: {error}");
            return ExitCode::FAILURE;
        }
    };
    let stores = folder.as_ref().map(TempDir::path);
    let stores = stores.map_or(Stores::Memory, Stores::Sqlite);
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicBool::new(false);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let halves = std::thread::scope(|scope| {
        let work = || run(&next, seeds.end, stores, &failed);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| {
                eprintln!("a thread died outside of every seed");
                failed.store(true, Ordering::Relaxed);
                (0, Report::default())
            })
        });
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
fn run(next: &AtomicU64, end: u64, stores: Stores<'_>, failed: &AtomicBool) -> (u64, Report) {
    let (mut ran, mut total) = (0, Report::default());
    while !failed.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            break;
        }
        match simulate(seed, stores) {
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
