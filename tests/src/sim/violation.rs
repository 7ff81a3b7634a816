//! What a seed is found to do that must never be, with the command that replays it.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, Once, PoisonError};

use super::report::Report;

/// What a simulation's processes remember in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores<'a> {
    /// Memory alone.
    Memory,
    /// Memory, and the real store on a file in this folder beside it: each answer is compared.
    Sqlite(&'a Path),
}

impl Stores<'_> {
    /// What the command line calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite(_) => "sqlite",
        }
    }
}

/// Something that must hold did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// What it remembered in.
    pub store: &'static str,
    /// What.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, store, what } = self;
        write!(
            f,
            "{what}\nreplay it with: cargo xtask simulate --seed {seed}"
        )?;
        if *store != Stores::Memory.as_str() {
            write!(f, " --store {store}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violation {}

/// What was done to the world so far, for whoever reads about a violation.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail(Arc<Mutex<Vec<String>>>);

impl Trail {
    pub(super) fn note(&self, what: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(format!("  {what}"));
    }

    fn text(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.join("\n")
    }
}

thread_local! {
    /// Panics on this thread, while a seed is played on it.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Notes every panic of a seed. The engine catches those in the walk of one account, and a report may be
/// lost with its process: where it was raised, none can be missed.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.with_borrow_mut(|panics| {
                if let Some(panics) = panics {
                    panics.push(panic.to_string());
                }
            });
            before(panic);
        }));
    });
}

/// Plays a seed. What did not hold is a violation, and so is a panic anywhere on the way.
pub(super) fn guarded(
    seed: u64,
    stores: Stores<'_>,
    play: impl FnOnce(&Trail) -> Result<Report, String>,
) -> Result<Report, Violation> {
    listen();
    let trail = Trail::default();
    PANICS.set(Some(Vec::new()));
    let played = catch_unwind(AssertUnwindSafe(|| play(&trail)));
    let mut wrong = PANICS.take().unwrap_or_default();
    match played {
        Ok(Ok(report)) if wrong.is_empty() => return Ok(report),
        Ok(Err(what)) => wrong.push(what),
        Ok(Ok(_)) | Err(_) => {}
    }
    let (what, trail) = (wrong.join("\n"), trail.text());
    Err(Violation {
        seed,
        store: stores.as_str(),
        what: format!("seed {seed}: {what}\nwhat went before:\n{trail}"),
    })
}

/// Plays one part of a seed in a runtime of its own, with paused time.
pub(super) fn in_paused_time(
    play: impl Future<Output = Result<Report, String>>,
) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(play)
}

#[cfg(test)]
#[expect(clippy::panic, reason = "a panic is what these are about")]
mod tests {
    use std::panic::catch_unwind;
    use std::path::Path;

    use super::super::report::Report;
    use super::{Stores, Trail, Violation, guarded};

    fn violation(stores: Stores<'_>, play: fn(&Trail) -> Result<Report, String>) -> String {
        let violation = guarded(17, stores, play);
        violation.map_or_else(
            |violation: Violation| violation.to_string(),
            |_| String::new(),
        )
    }

    #[test]
    fn a_violation_says_how_to_replay_it() {
        let text = violation(Stores::Memory, |trail| {
            trail.note("a sweep".to_owned());
            Err("a door stood open".to_owned())
        });
        let expected = "seed 17: a door stood open\nwhat went before:\n  a sweep\n\
                        replay it with: cargo xtask simulate --seed 17";
        assert_eq!(text, expected);
        let beside = Stores::Sqlite(Path::new("/nowhere"));
        let text = violation(beside, |_| Err("two answers".to_owned()));
        assert!(text.ends_with("--seed 17 --store sqlite"), "{text}");
    }

    #[test]
    fn a_panic_is_a_violation_of_its_seed_whoever_catches_it() {
        let raised = violation(Stores::Memory, |_| panic!("out of range"));
        let caught = violation(Stores::Memory, |_| {
            drop(catch_unwind(|| panic!("out of range")));
            Ok(Report::default())
        });
        for text in [raised, caught] {
            assert!(text.contains("out of range"), "{text}");
            assert!(text.contains("--seed 17"), "{text}");
        }
        assert_eq!(violation(Stores::Memory, |_| Ok(Report::default())), "");
    }
}
