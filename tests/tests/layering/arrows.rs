//! domain <- engine <- {aws, store} <- daemon; the simulator knows the domain at
//! most; nothing depends on the daemon.

use std::collections::BTreeSet;
use std::fs;

use toml::Table;

use crate::none;
use crate::tree::root;

/// A room: its folder, the rooms it may build on, and those that only its own
/// tests may use besides.
struct Room {
    folder: &'static str,
    name: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
}

const DOMAIN: &str = "rolekeeper-domain";
const ENGINE: &str = "rolekeeper-engine";
const AWS: &str = "rolekeeper-aws";
const STORE: &str = "rolekeeper-store";
const SIMULATOR: &str = "rolekeeper-simulator";
const DAEMON: &str = "rolekeeper";

const ROOMS: &[Room] = &[
    Room {
        folder: "crates/domain",
        name: DOMAIN,
        uses: &[],
        tests_use: &[],
    },
    Room {
        folder: "crates/engine",
        name: ENGINE,
        uses: &[DOMAIN],
        tests_use: &[],
    },
    Room {
        folder: "crates/aws",
        name: AWS,
        uses: &[DOMAIN, ENGINE],
        tests_use: &[SIMULATOR],
    },
    Room {
        folder: "crates/store",
        name: STORE,
        uses: &[DOMAIN, ENGINE],
        tests_use: &[],
    },
    Room {
        folder: "crates/simulator",
        name: SIMULATOR,
        uses: &[DOMAIN],
        tests_use: &[],
    },
    Room {
        folder: "crates/daemon",
        name: DAEMON,
        uses: &[DOMAIN, ENGINE, AWS, STORE, SIMULATOR],
        tests_use: &[],
    },
    Room {
        folder: "crates/xtask",
        name: "xtask",
        uses: &[],
        tests_use: &[],
    },
    Room {
        folder: "tests",
        name: "rolekeeper-tests",
        uses: &[DOMAIN, ENGINE, AWS, STORE, SIMULATOR],
        tests_use: &[DAEMON],
    },
];

/// Everything that the pure room may be built with, word for word. sha2 is there
/// for the digests of plans and documents: arithmetic, nothing else.
const DOMAIN_NEEDS: &[&str] = &["jiff", "serde", "serde_json", "sha2", "thiserror"];
/// Everything that the room of the moving parts may be built with: no SDK, no
/// SQL, no HTTP.
const ENGINE_NEEDS: &[&str] = &[
    "futures-util",
    "jiff",
    "rand",
    "rolekeeper-domain",
    "thiserror",
    "tokio",
    "tokio-util",
    "tracing",
];

/// Crates that only certain rooms may name. cargo-deny holds the same for the
/// whole graph; this one needs nothing installed.
const GUARDED: &[(&str, &[&str])] = &[
    ("aws-", &[AWS]),
    ("sqlx", &[STORE]),
    ("axum", &[DAEMON]),
    ("prometheus", &[DAEMON]),
    ("clap", &[DAEMON, SIMULATOR, "xtask"]),
    ("anyhow", &[]),
];

#[test]
fn no_arrow_between_the_rooms_turns_round() {
    let names: BTreeSet<&str> = ROOMS.iter().map(|room| room.name).collect();
    let mut offences = Vec::new();
    for room in ROOMS {
        for used in needs(room, "dependencies")
            .iter()
            .filter(|used| names.contains(used.as_str()))
        {
            if !room.uses.contains(&used.as_str()) {
                offences.push(format!("{} builds on {used}", room.name));
            }
        }
        for used in needs(room, "dev-dependencies")
            .iter()
            .filter(|used| names.contains(used.as_str()))
        {
            if !room.uses.contains(&used.as_str()) && !room.tests_use.contains(&used.as_str()) {
                offences.push(format!("the tests of {} use {used}", room.name));
            }
        }
    }
    none("arrows that turn round", offences);
}

#[test]
fn every_member_of_the_workspace_is_a_known_room() {
    let manifest = manifest("Cargo.toml");
    let members: BTreeSet<&str> = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("members"))
        .and_then(|members| members.as_array())
        .expect("the workspace lists its members")
        .iter()
        .filter_map(|member| member.as_str())
        .collect();
    let rooms: BTreeSet<&str> = ROOMS.iter().map(|room| room.folder).collect();
    assert_eq!(members, rooms, "a new room needs its arrows here");
}

#[test]
fn the_pure_room_and_the_engine_are_built_with_nothing_else() {
    let mut offences = Vec::new();
    for (name, allowed) in [(DOMAIN, DOMAIN_NEEDS), (ENGINE, ENGINE_NEEDS)] {
        let room = ROOMS
            .iter()
            .find(|room| room.name == name)
            .expect("both are rooms");
        for used in needs(room, "dependencies") {
            if !allowed.contains(&used.as_str()) {
                offences.push(format!("{name} is built with {used}"));
            }
        }
    }
    none("dependencies outside the list", offences);
}

#[test]
fn guarded_crates_stay_in_their_rooms() {
    let mut offences = Vec::new();
    for room in ROOMS {
        for used in needs(room, "dependencies") {
            for (guarded, rooms) in GUARDED {
                if used.starts_with(guarded) && !rooms.contains(&room.name) {
                    offences.push(format!("{} names {used}", room.name));
                }
            }
        }
    }
    none("crates outside their rooms", offences);
}

#[test]
fn every_room_obeys_the_lints_of_the_workspace() {
    let offences = ROOMS
        .iter()
        .filter(|room| {
            let manifest = manifest(&format!("{}/Cargo.toml", room.folder));
            manifest
                .get("lints")
                .and_then(|lints| lints.get("workspace"))
                .and_then(|on| on.as_bool())
                != Some(true)
        })
        .map(|room| room.folder.to_owned())
        .collect();
    none("rooms without `[lints] workspace = true`", offences);
}

/// The names that a manifest gives under `section`, target-specific ones included.
fn needs(room: &Room, section: &str) -> BTreeSet<String> {
    let manifest = manifest(&format!("{}/Cargo.toml", room.folder));
    let for_targets = manifest
        .get("target")
        .and_then(|targets| targets.as_table())
        .into_iter()
        .flat_map(|targets| targets.values().filter_map(|target| target.as_table()));
    std::iter::once(&manifest)
        .chain(for_targets)
        .filter_map(|table| table.get(section).and_then(|list| list.as_table()))
        .flat_map(|list| list.keys().cloned())
        .collect()
}

fn manifest(path: &str) -> Table {
    let text = fs::read_to_string(root().join(path)).expect("every room has a manifest");
    text.parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}
