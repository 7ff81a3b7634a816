//! Real processes that are really killed: nothing lost, nothing doubled, and the next process puts
//! everything right.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod moto_support;

use std::collections::BTreeMap;
use std::time::Duration;

use moto_support::{Keeper, Moto, Recorder, World, mutating};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rolekeeper_engine::port::store::Journal;
use rolekeeper_tests::program;
use serde_json::Value;
use tokio::process::Child;

const CONFIG: &str = r#"
[select]
exclude = { ous = ["quarantine"] }

[[roles]]
preset = "cloudcoreo"
vendor_account_id = "999999999999"
external_id = "rk-external-id-0123456789"
description = "Access for the vendor's engine"
max_session_duration = 7200
permissions_boundary = "arn:aws:iam::aws:policy/PowerUserAccess"
tags = { team = "security" }
attach = ["arn:aws:iam::aws:policy/SecurityAudit"]
extras = "remove"

[[roles.inline]]
name = "NoBilling"
document = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "aws-portal:*", "Resource": "*"}]}'

[limits]
concurrency = 2

[schedule]
every = "1d"
mode = "repair"

[rollout]
approve_widening = false

[http]
listen = "127.0.0.1:0"
"#;

/// Before which change a process is killed, drawn from a seed: early or late, anew in every run of the tests.
struct Moments {
    seed: u64,
    counts: Vec<usize>,
}

impl Moments {
    /// So many of them. The variable `ROLEKEEPER_TEST_KILLS` gives a seed again.
    #[expect(
        clippy::disallowed_methods,
        reason = "a real process dies at a moment that nobody chose; which one is told"
    )]
    fn draw(count: usize) -> Self {
        let given = program::outside("ROLEKEEPER_TEST_KILLS");
        let given = given.and_then(|text| text.to_str()?.parse().ok());
        let seed = given.unwrap_or_else(rand::random::<u64>);
        let mut random = StdRng::seed_from_u64(seed);
        let counts = (0..count).map(|_| random.random_range(1..=9)).collect();
        let moments = Self { seed, counts };
        // Shown with the rest of what a failed test said.
        tell(&moments);
        moments
    }
}

/// Which changes the processes are killed at, for whoever reads about a failure.
#[expect(clippy::print_stderr, reason = "shown only when the test fails")]
fn tell(moments: &Moments) {
    let Moments { seed, counts } = moments;
    eprintln!("killed at changes {counts:?}: again with ROLEKEEPER_TEST_KILLS={seed}");
}

/// Accounts of the world `drift` that a repair leaves right.
fn repairable(world: &World) -> Vec<String> {
    let left = ["excluded", "suspended", "master"];
    let names = world.names().into_iter();
    names
        .filter(|name| !left.contains(&name.as_str()))
        .collect()
}

/// Waits until `count` changes have gone by, and kills the process in the midst of the next.
#[expect(
    clippy::disallowed_methods,
    reason = "another process is watched, in its own time"
)]
async fn kill_after(child: &mut Child, recorder: &Recorder, count: usize) -> Counts {
    let mut seen = Counts::new();
    let watching = async {
        loop {
            add(&mut seen, recorder.take());
            if changes(&seen) >= count || child.try_wait().unwrap().is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), watching)
        .await
        .unwrap();
    // It may have ended by itself, when little was left to do.
    drop(child.start_kill());
    child.wait().await.unwrap();
    recorder.settled().await;
    add(&mut seen, recorder.take());
    seen
}

type Counts = BTreeMap<String, usize>;

fn add(all: &mut Counts, more: Counts) {
    for (operation, count) in more {
        *all.entry(operation).or_default() += count;
    }
}

fn changes(counts: &Counts) -> usize {
    mutating(counts)
        .iter()
        .map(|operation| counts[operation])
        .sum()
}

/// Each change that was asked for is on record, each that was made is on record as done exactly once, the record
/// holds together and nothing in it is open.
async fn adds_up(store_url: &str, asked: &Counts, made: &Counts) {
    let store = rolekeeper_store::open_read_only(store_url).await.unwrap();
    assert_eq!(Journal::open(&store).await.unwrap(), []);
    store.verify_journal(None).await.unwrap().unwrap();
    let (mut intended, mut done) = (Counts::new(), Counts::new());
    for line in store.export_journal(0, 100_000).await.unwrap() {
        let result = line.body["result"].as_str().unwrap_or_default();
        let counts = match line.kind.as_str() {
            "intent" => &mut intended,
            "completion" if matches!(result, "done" | "settled_done") => &mut done,
            _ => continue,
        };
        let action = line.body["action"].as_str().unwrap();
        let name = action.rsplit(':').next().unwrap().to_owned();
        *counts.entry(name).or_default() += 1;
    }
    for operation in mutating(asked) {
        let (asked, intended) = (asked[&operation], intended.get(&operation).copied());
        assert!(
            intended.is_some_and(|intended| asked <= intended),
            "{operation} was asked for {asked} times and intended {intended:?} times"
        );
    }
    let made: Counts = mutating(made)
        .into_iter()
        .map(|operation| (operation.clone(), made[&operation]))
        .collect();
    assert_eq!(done, made, "a step is lost or doubled");
}

fn store_of(keeper: &Keeper) -> String {
    format!("sqlite:{}", keeper.folder().join("rolekeeper.db").display())
}

/// After the kills: the next repair ends what they began, boto3 finds nothing wrong, and a further
/// one writes nothing.
async fn ends_well(
    moto: &Moto,
    world: &World,
    recorder: &Recorder,
    keeper: &Keeper,
    asked: &mut Counts,
) {
    let last = keeper.run(&["apply", "--yes"]).await;
    add(asked, recorder.take());
    assert_eq!(last.code, 0, "{}\n{}", last.stdout, last.stderr);
    let names = repairable(world);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let wrong = moto.confirm(&names).await;
    for (name, faults) in wrong.as_object().unwrap() {
        assert_eq!(faults, &Value::Array(Vec::new()), "{name}");
    }
    adds_up(&store_of(keeper), asked, &recorder.done()).await;
    keeper.run(&["apply", "--yes"]).await;
    assert_eq!(
        mutating(&recorder.take()),
        Vec::<String>::new(),
        "a sweep over what is right wrote something"
    );
}

#[tokio::test]
async fn a_repair_that_is_killed_again_and_again_is_finished_and_nothing_is_done_twice() {
    let moto = Moto::start().await;
    let world = moto.plant("drift").await;
    let recorder = Recorder::before(moto.url()).await;
    let keeper = Keeper::new(recorder.url(), CONFIG).await;
    let mut asked = Counts::new();
    let moments = Moments::draw(3);
    for moment in &moments.counts {
        let mut apply = keeper.start(&["apply", "--yes"]);
        add(&mut asked, kill_after(&mut apply, &recorder, *moment).await);
    }
    let least = moments.counts.iter().max().copied().unwrap_or_default();
    assert!(changes(&asked) >= least, "{asked:?}");
    ends_well(&moto, &world, &recorder, &keeper, &mut asked).await;
}

#[tokio::test]
async fn a_daemon_that_is_killed_again_and_again_leaves_what_the_next_one_finishes() {
    let moto = Moto::start().await;
    let world = moto.plant("drift").await;
    let recorder = Recorder::before(moto.url()).await;
    let keeper = Keeper::new(recorder.url(), CONFIG).await;
    let mut asked = Counts::new();
    // Each next one waits until the lease of the killed one is over, and then goes on at once: its
    // schedule alone would wait for a day.
    let moments = Moments::draw(2);
    for moment in &moments.counts {
        let mut daemon = keeper.daemon();
        add(
            &mut asked,
            kill_after(&mut daemon, &recorder, *moment).await,
        );
    }
    let least = moments.counts.iter().sum();
    assert!(changes(&asked) >= least, "{asked:?}");
    ends_well(&moto, &world, &recorder, &keeper, &mut asked).await;
}
