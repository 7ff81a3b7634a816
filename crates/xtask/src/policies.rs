//! `deploy/policies`: what `rolekeeper iam-policy` prints for the preset, kept in
//! the tree so that the templates can be compared with it and a reviewer can
//! read it.

use std::fs;

use crate::failure::Failure;
use crate::shell::Shell;
use crate::steps::daemon;
use crate::workshop::Workshop;

const FOLDER: &str = "deploy/policies";

/// A kept file, the configuration it is printed for, and the arguments.
const PRINTED: &[(&str, &str, &[&str])] = &[
    ("hub.json", "rolekeeper.toml", &["hub"]),
    ("hub-events.json", "events.toml", &["hub"]),
    (
        "hub-check.json",
        "rolekeeper.toml",
        &["hub", "--with-check"],
    ),
    ("hub-everything.json", "everything.toml", &["hub"]),
    ("admin.json", "rolekeeper.toml", &["admin"]),
    (
        "admin-no-rollback.json",
        "rolekeeper.toml",
        &["admin", "--no-rollback"],
    ),
    ("session.json", "rolekeeper.toml", &["session"]),
    ("bootstrap.json", "rolekeeper.toml", &["bootstrap"]),
];

/// Fails when a kept policy is not what the program prints.
pub(crate) fn check(workshop: &Workshop) -> Result<(), Failure> {
    let mut stale = Vec::new();
    for (name, text) in printed(workshop)? {
        let path = workshop.path(FOLDER).join(name);
        let kept = fs::read_to_string(&path).map_err(Failure::file(&path, "cannot be read"))?;
        println!("{} {name}", if kept == text { "ok    " } else { "STALE " });
        if kept != text {
            stale.push(name);
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(Failure::Found(format!(
        "{} in {FOLDER} differ from what rolekeeper prints; `cargo xtask policies` writes them anew, \
         then the templates in deploy/ have to follow",
        stale.join(", ")
    )))
}

/// Writes the kept policies anew.
pub(crate) fn write(workshop: &Workshop) -> Result<(), Failure> {
    for (name, text) in printed(workshop)? {
        let path = workshop.path(FOLDER).join(name);
        fs::write(&path, text).map_err(Failure::file(&path, "cannot be written"))?;
    }
    Ok(())
}

fn printed(workshop: &Workshop) -> Result<Vec<(&'static str, String)>, Failure> {
    let binary = daemon(workshop)?;
    PRINTED
        .iter()
        .map(|(name, config, args)| {
            let text = Shell::new(workshop, &binary)
                .arg("--config")
                .arg(workshop.path(FOLDER).join(config))
                .arg("iam-policy")
                .args(*args)
                .read()?;
            Ok((*name, text + "\n"))
        })
        .collect()
}
