//! Draws policies for as long as it is told and holds every verdict against
//! the evaluator; changes texts of the corpus byte by byte and reads them.
//!
//! `cargo run -p rolekeeper-domain --example policy_soak -- --seconds 60 [--seed N]`
//!
//! Ends with code 1 and the case at the first verdict that does not hold. A
//! panic ends it too: nothing here catches one.

#[path = "../tests/policy_support/mod.rs"]
mod policy_support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use policy_support::{document, hold, hold_powers, pair, powers, request};
use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rolekeeper_domain::policy::{
    Authority, Context, Document, Kind, LintContext, Verdict, compare, compare_authority, explain,
    lint,
};

const KINDS: [Kind; 6] = [
    Kind::Identity,
    Kind::Trust,
    Kind::Session,
    Kind::ServiceControl,
    Kind::ResourceControl,
    Kind::Resource,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let seconds = number("--seconds").unwrap_or(60);
    let seed = number("--seed").unwrap_or_else(|| u64::from(std::process::id()));
    let corpus = corpus();
    say(&format!(
        "seed {seed}, {seconds} s, {} texts in the corpus",
        corpus.len()
    ));

    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(seed.to_le_bytes().iter().cycle()) {
        *to = *from;
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut soak = Soak {
        runner: TestRunner::new_with_rng(Config::default(), rng),
        random: seed | 1,
        corpus,
        verdicts: BTreeMap::new(),
        read: 0,
        refused: 0,
    };
    let end = now() + Duration::from_secs(seconds);
    let mut rounds = 0u64;
    while now() < end {
        if let Err(why) = soak.round() {
            say(&format!("seed {seed}, round {rounds}: {why}"));
            return ExitCode::FAILURE;
        }
        rounds += 1;
    }
    say(&format!(
        "{rounds} rounds; verdicts {:?}; changed texts read {}, refused {}",
        soak.verdicts, soak.read, soak.refused
    ));
    ExitCode::SUCCESS
}

struct Soak {
    runner: TestRunner,
    random: u64,
    corpus: Vec<String>,
    verdicts: BTreeMap<Verdict, u64>,
    read: u64,
    refused: u64,
}

impl Soak {
    fn draw<S: Strategy>(&mut self, strategy: &S) -> Result<S::Value, String> {
        let tree = strategy
            .new_tree(&mut self.runner)
            .map_err(|why| why.to_string())?;
        Ok(tree.current())
    }

    /// A xorshift step: enough to choose places in a text.
    fn below(&mut self, n: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % n.max(1) as u64).unwrap_or_default()
    }

    fn round(&mut self) -> Result<(), String> {
        for kind in [Kind::Identity, Kind::Trust] {
            let (before, after) = self.draw(&pair(kind))?;
            let requests = self.draw(&vec(request(), 32))?;
            let verdict = hold(&before, &after, &requests).map_err(|why| {
                format!("{why}\nbefore {}\nafter  {}", before.text(), after.text())
            })?;
            *self.verdicts.entry(verdict).or_default() += 1;
        }
        self.authorities()?;
        for _ in 0..8 {
            let text = self.changed();
            self.try_text(&text);
        }
        Ok(())
    }

    /// Whole roles: verdicts hold, and the same power is equivalent in
    /// whatever order its policies are.
    fn authorities(&mut self) -> Result<(), String> {
        let (before, after) = self.draw(&powers())?;
        let requests = self.draw(&vec(request(), 16))?;
        let verdict = hold_powers(&before, &after, &requests)
            .map_err(|why| format!("{why}\nbefore {before:?}\nafter  {after:?}"))?;
        *self.verdicts.entry(verdict).or_default() += 1;
        let (one, two) = (
            self.draw(&document(Kind::Identity))?,
            self.draw(&document(Kind::Identity))?,
        );
        let boundary = self.draw(&document(Kind::Identity))?;
        let whole = [one.clone(), two.clone()];
        let turned = [two, one];
        let role = |policies| Authority {
            trust: None,
            policies,
            boundary: Some(&boundary),
        };
        let verdict = compare_authority(&role(&whole), &role(&turned), &Context::default()).verdict;
        if verdict == Verdict::Equivalent {
            return Ok(());
        }
        Err(format!(
            "two orders of the same policies are {verdict}: {whole:?}"
        ))
    }

    fn changed(&mut self) -> String {
        let n = self.below(self.corpus.len());
        let mut bytes = self.corpus.get(n).cloned().unwrap_or_default().into_bytes();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => drop(bytes.drain(at..(at + self.below(20)).min(bytes.len()))),
                1 => {
                    let other = self.below(self.corpus.len());
                    let other = self
                        .corpus
                        .get(other)
                        .cloned()
                        .unwrap_or_default()
                        .into_bytes();
                    let from = self.below(other.len());
                    let to = (from + self.below(60)).min(other.len());
                    let part = other.get(from..to).unwrap_or_default().to_vec();
                    bytes.splice(at..at, part);
                }
                2 => {
                    let value = u8::try_from(self.below(128)).unwrap_or_default();
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = value;
                    }
                }
                _ => {
                    let letters = b"\"{}[]:,*?${}\\";
                    let letter = letters
                        .get(self.below(letters.len()))
                        .copied()
                        .unwrap_or(b'*');
                    bytes.insert(at.min(bytes.len()), letter);
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn try_text(&mut self, text: &str) {
        for kind in KINDS {
            let Ok(document) = Document::parse(kind, text) else {
                self.refused += 1;
                continue;
            };
            self.read += 1;
            drop(explain(&document));
            drop(lint(&document, &LintContext::default()));
            let n = self.below(self.corpus.len());
            let other = self.corpus.get(n).cloned().unwrap_or_default();
            if let Ok(other) = Document::parse(kind, &other) {
                drop(compare(&document, &other, &Context::default()));
            }
        }
    }
}

fn corpus() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let Ok(entries) = std::fs::read_dir(folder) else {
        return vec!["{}".to_owned()];
    };
    let mut paths: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|p| std::fs::read_to_string(p).ok())
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a soak is about wall-clock time; nothing is decided by it"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stdout, reason = "this is the program's one output")]
fn say(text: &str) {
    println!("{text}");
}
