//! What stands beside the commands: completions, manual pages, log levels.

use std::collections::BTreeSet;

use serde_json::Value;

use super::harness::Desk;

#[test]
fn every_shell_completes_every_command() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = desk.run(&["completions", shell]).exits(0);
        for word in ["retire-user", "rollback", "log-format"] {
            assert!(script.stdout.contains(word), "{shell} does not know {word}");
        }
        assert_eq!(script.stderr, "");
    }
    desk.run(&["completions", "tcsh"]).exits(1);
}

#[test]
fn every_command_has_a_manual_page_with_an_example() {
    let desk = Desk::new();
    desk.run(&["man", "pages"]).exits(0);
    let pages: BTreeSet<String> = std::fs::read_dir(desk.path("pages"))
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in [
        "rolekeeper.1",
        "rolekeeper-plan.1",
        "rolekeeper-policy-diff.1",
    ] {
        assert!(pages.contains(name), "{name} is not among {pages:?}");
    }
    for page in &pages {
        let text = desk.read(&format!("pages/{page}"));
        assert!(text.contains(".TH "), "{page}");
    }
    assert!(desk.read("pages/rolekeeper-plan.1").contains("plan.json"));
}

#[test]
fn log_levels_are_told_crate_by_crate() {
    let desk = Desk::new();
    let targets = |filter: &str| -> BTreeSet<String> {
        let output = desk
            .command(&["--log-format", "json", "plan"])
            .env("ROLEKEEPER_LOG", filter)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        // What a command says to a person is no log.
        said.lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let target = line["target"].as_str().unwrap();
                target.split("::").next().unwrap().to_owned()
            })
            .collect()
    };
    assert_eq!(targets("off"), BTreeSet::new());
    for one in ["rolekeeper", "hyper_util"] {
        let only = BTreeSet::from([one.to_owned()]);
        assert_eq!(targets(&format!("off,{one}=trace")), only);
    }
    let wrong = desk
        .command(&["plan"])
        .env("ROLEKEEPER_LOG", "rolekeeper=loud")
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(
        said.contains("ROLEKEEPER_LOG is no list of target=level"),
        "{said}"
    );
}
