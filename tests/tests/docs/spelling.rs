//! Each command that a page names is one that the program understands: its name, its flags and their values,
//! in the words of the program's own parser.

use std::collections::BTreeSet;
use std::fs;

use crate::commands::{self, Command};
use crate::none;
use crate::page::{pages, root};
use crate::program::say;

/// What stands for something else in a command, and the like of what.
pub(crate) struct Values {
    pub(crate) account: String,
    pub(crate) sweep: String,
    /// A place of the journal.
    pub(crate) head: String,
}

impl Values {
    fn made_up() -> Self {
        Self {
            account: "123456789012".to_owned(),
            sweep: "20261124T063000Z-0badcafe".to_owned(),
            head: format!("1:{}", "0".repeat(64)),
        }
    }

    /// The command with every word in capitals filled in. Everything else stays as it is written.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let before = filled.last().map(String::as_str).unwrap_or_default();
            let whole = word.trim_end_matches(",…");
            filled.push(match whole {
                "ID" if before == "--sweep" || before == "--since" => self.sweep.clone(),
                "ID" | "ACCOUNT" => self.account.clone(),
                "SWEEP-ID" => self.sweep.clone(),
                "N" => "0".to_owned(),
                "NUMBER:HASH" => self.head.clone(),
                "USER" => "cloudcoreo".to_owned(),
                "FILE" => "file.json".to_owned(),
                _ => word.to_owned(),
            });
        }
        filled.join(" ")
    }
}

/// A command with `[…]` taken and left, and each of `a|b|c`.
fn spellings(text: &str) -> Vec<String> {
    if let Some((before, rest)) = text.split_once('[')
        && let Some((inside, after)) = rest.split_once(']')
    {
        let choices = std::iter::once("").chain(inside.split('|'));
        return choices
            .flat_map(|choice| spellings(&format!("{before}{choice}{after}")))
            .collect();
    }
    let word = text
        .split_whitespace()
        .find(|word| word.len() > 1 && word.contains('|'));
    match word {
        Some(word) => word
            .split('|')
            .flat_map(|choice| spellings(&text.replacen(word, choice, 1)))
            .collect(),
        None => vec![text.to_owned()],
    }
}

/// The words of one command as a shell hands them over; what is redirected or piped away is left out.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in text.chars().chain([' ']) {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.push(c),
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_whitespace() => {
                if matches!(word.as_str(), "|" | ">" | ">>" | ";" | "&&") {
                    return words;
                }
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            None => word.push(c),
        }
    }
    words
}

/// What is wrong with a command, in the program's words; `--help` keeps it from being done.
fn problem(text: &str) -> Option<String> {
    let mut words = words(&Values::made_up().fill(text));
    while words.first().is_some_and(|word| word.contains('=')) {
        words.remove(0);
    }
    let (program, arguments) = match words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["rolekeeper", ..] => ("rolekeeper", words[1..].to_vec()),
        ["rolekeeper-simulator", ..] => ("rolekeeper-simulator", words[1..].to_vec()),
        ["cargo", rest @ ..] => return cargo(rest),
        _ => return None,
    };
    understood(program, arguments)
}

fn understood(program: &str, mut arguments: Vec<String>) -> Option<String> {
    arguments.push("--help".to_owned());
    let (content, said) = say(program, &arguments);
    (!content).then(|| said.lines().next().unwrap_or_default().to_owned())
}

/// Cargo itself is not asked, since it would build: what it is told to run is looked up.
fn cargo(arguments: &[&str]) -> Option<String> {
    let owned = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let (flags, rest) = match arguments.iter().position(|word| *word == "--") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, &[][..]),
    };
    let after = |flag: &str| {
        flags
            .iter()
            .position(|word| *word == flag)
            .and_then(|at| flags.get(at + 1).copied())
    };
    if flags.first() == Some(&"xtask") {
        return xtask(&flags[1..]);
    }
    let package = after("-p").or(after("--package"));
    let folder = match package {
        None => root(),
        Some("rolekeeper") => root().join("crates/daemon"),
        Some("rolekeeper-tests") => root().join("tests"),
        Some(name) => root()
            .join("crates")
            .join(name.trim_start_matches("rolekeeper-")),
    };
    if !folder.join("Cargo.toml").is_file() {
        return Some(format!("there is no package {}", package.unwrap_or("here")));
    }
    for (flag, place) in [
        ("--example", "examples"),
        ("--bench", "benches"),
        ("--test", "tests"),
    ] {
        if let Some(name) = after(flag)
            && !folder.join(place).join(format!("{name}.rs")).is_file()
            && !folder.join(place).join(name).is_dir()
        {
            return Some(format!("there is no {flag} {name}"));
        }
    }
    match flags.first() {
        Some(&"run") if after("--example").is_none() => {
            understood(package.unwrap_or("rolekeeper"), owned(rest))
        }
        Some(&"install") => {
            let path = after("--path").map(|path| root().join(path).join("Cargo.toml"));
            (!path.is_some_and(|path| path.is_file()))
                .then(|| "there is nothing to install".to_owned())
        }
        Some(&("run" | "bench" | "build" | "clippy" | "fmt" | "deny")) => None,
        Some(&"test") => {
            let filter = flags
                .iter()
                .skip(1)
                .find(|word| !word.starts_with('-') && Some(**word) != package);
            filter
                .filter(|filter| !sources(&folder.join("src")).contains(**filter))
                .map(|filter| format!("no test is named {filter}"))
        }
        other => Some(format!("what is cargo {}", other.unwrap_or(&""))),
    }
}

fn xtask(arguments: &[&str]) -> Option<String> {
    let owned = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    match arguments {
        // Whatever follows is for another program.
        ["nextest" | "bench", ..] => understood("xtask", owned(&arguments[..1])),
        ["test", names @ ..] if names.iter().any(|name| !name.starts_with('-')) => {
            let (_, listed) = say("xtask", &owned(&["test", "--list"]));
            let known: BTreeSet<&str> = listed.split_whitespace().collect();
            let unknown = names
                .iter()
                .find(|name| !name.starts_with('-') && !known.contains(**name));
            unknown.map(|name| format!("no step is named {name}"))
        }
        _ => understood("xtask", owned(arguments)),
    }
}

fn sources(folder: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else {
            text.push_str(&fs::read_to_string(&path).unwrap_or_default());
        }
    }
    text
}

#[test]
fn every_command_in_a_block_is_understood() {
    let mut offences = Vec::new();
    let mut seen = 0;
    for (page, found) in commands::all() {
        for Command { line, text, .. } in &found {
            for spelling in spellings(text) {
                seen += 1;
                offences.extend(
                    problem(&spelling)
                        .map(|problem| format!("{}: `{spelling}`: {problem}", page.at(*line))),
                );
            }
        }
    }
    assert!(seen > 30, "only {seen} commands were found");
    none("commands that the program does not understand", &offences);
}

#[test]
fn every_command_within_a_sentence_is_understood() {
    let mut offences = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for span in page.code() {
            let ours = ["rolekeeper ", "rolekeeper-simulator ", "cargo "]
                .iter()
                .any(|program| span.text.starts_with(program));
            if !ours {
                continue;
            }
            for spelling in spellings(&span.text) {
                seen += 1;
                offences.extend(
                    problem(&spelling)
                        .map(|problem| format!("{}: `{spelling}`: {problem}", page.at(span.line))),
                );
            }
        }
    }
    assert!(seen > 30, "only {seen} commands were found");
    none("commands that the program does not understand", &offences);
}

#[test]
fn every_example_of_the_help_is_understood() {
    let (_, help) = say("rolekeeper", &["help".to_owned()]);
    let listed = help
        .split("Commands:")
        .nth(1)
        .and_then(|rest| rest.split("Options:").next())
        .unwrap_or_default();
    let names: Vec<&str> = listed
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() > 15, "{help}");
    let mut offences = Vec::new();
    for name in names {
        let (_, help) = say("rolekeeper", &[name.to_owned(), "--help".to_owned()]);
        let examples = help.split("Example").nth(1).unwrap_or_default();
        // Sentences begin at the margin.
        let lines = examples.lines().filter(|line| line.starts_with("  "));
        for line in lines.filter_map(|line| line.find("rolekeeper ").map(|at| &line[at..])) {
            offences.extend(problem(line).map(|problem| format!("`{line}`: {problem}")));
        }
    }
    none("examples that the program does not understand", &offences);
}

#[test]
fn choices_are_each_spelled_out() {
    assert_eq!(spellings("a [--x|--y] b"), ["a  b", "a --x b", "a --y b"]);
    assert_eq!(spellings("a --f j|k"), ["a --f j", "a --f k"]);
    assert_eq!(words("a 'b c' \"d\" >> e"), ["a", "b c", "d"]);
    assert!(
        problem("rolekeeper plan --acounts 1").is_some_and(|problem| problem.contains("--acounts"))
    );
    assert_eq!(problem("rolekeeper plan --accounts ID,…"), None);
    assert!(problem("cargo xtask test clipy").is_some());
    assert!(problem("cargo test -p rolekeeper no_such_test_anywhere").is_some());
}
