//! The commands of the pages, run one after the other as a reader would, in a folder with the configuration of README
//! and an organization behind it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use rolekeeper_simulator::{
    DEMO_EXTERNAL_ID, HUB_ACCESS_KEY, HUB_SECRET_KEY, Limits, Settings, Simulator,
};
use serde_json::Value;

use crate::commands;
use crate::none;
use crate::page::{Page, pages};
use crate::program::folder;
use crate::spelling::Values;

/// Where a reader sits.
struct Desk {
    simulator: Simulator,
    folder: tempfile::TempDir,
    /// `export` lines, which hold for what follows.
    exports: String,
}

impl Desk {
    fn new() -> Self {
        let settings = Settings {
            accounts: 30,
            seed: 11,
            provisioned: true,
            drift: 0.6,
            denied: 0.07,
            limits: Limits::none(),
            ..Settings::default()
        };
        let desk = Self {
            simulator: Simulator::builder().settings(settings).start().unwrap(),
            folder: tempfile::tempdir().unwrap(),
            exports: String::new(),
        };
        let readme = pages()
            .into_iter()
            .find(|page| page.path == "README.md")
            .unwrap();
        let block = readme
            .blocks()
            .into_iter()
            .find(|block| block.language == "toml")
            .unwrap();
        desk.write("rolekeeper.toml", &block.text);
        desk.write("external-id", DEMO_EXTERNAL_ID);
        desk
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn shell(&self, text: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{}{text}", self.exports)])
            .current_dir(self.folder.path())
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/local/bin:/usr/bin:/bin", folder().display()),
            )
            .env("USER", "reader")
            .env("AWS_ACCESS_KEY_ID", HUB_ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", HUB_SECRET_KEY)
            .env("AWS_ENDPOINT_URL", self.simulator.endpoint_url())
            .env("ROLEKEEPER__HTTP__LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, text: &str) -> Output {
        self.shell(text).output().unwrap()
    }

    /// A reader has swept before: what the words in capitals stand for.
    fn values(&self) -> Values {
        let applied = self.run("rolekeeper apply --yes");
        assert_eq!(
            applied.status.code(),
            Some(2),
            "{}",
            String::from_utf8_lossy(&applied.stderr)
        );
        let report: Value =
            serde_json::from_slice(&self.run("rolekeeper report --format json").stdout).unwrap();
        let repaired = report["accounts"]
            .as_array()
            .unwrap()
            .iter()
            .find(|account| account["outcome"] == "repaired")
            .unwrap();
        let verified = String::from_utf8(self.run("rolekeeper journal verify").stdout).unwrap();
        let head = verified
            .split_whitespace()
            .rev()
            .find(|word| word.contains(':'))
            .unwrap();
        Values {
            account: repaired["account_id"].as_str().unwrap().to_owned(),
            sweep: report["sweep"]["id"].as_str().unwrap().to_owned(),
            head: head.to_owned(),
        }
    }
}

/// What a program that stays says when it is up; none for one that ends by itself.
fn stays(text: &str) -> Option<&'static str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["rolekeeper", "run", ..] => Some("is up"),
        ["rolekeeper", "demo", rest @ ..] if !rest.contains(&"--once") => Some("Ctrl-C ends"),
        _ => None,
    }
}

/// Starts it, waits until it is up, and ends it as a service manager does.
fn visit(desk: &Desk, text: &str, up: &str) -> Result<(), String> {
    let listen = if text.contains(" demo") {
        " --listen 127.0.0.1:0"
    } else {
        ""
    };
    let mut child = desk
        .shell(&format!("exec {text}{listen} 2>&1"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut said = Vec::new();
    let is_up = lines
        .by_ref()
        .inspect(|line| said.push(line.clone()))
        .any(|line| line.contains(up));
    // One that closed its output without a word has ended, or is about to.
    if is_up {
        terminate(&child);
    }
    // Read to the end, so that the pipe never fills.
    let rest: Vec<String> = lines.collect();
    match child.wait().unwrap().code() {
        _ if !is_up => Err(format!("`{text}` never said `{up}`: {said:?}")),
        Some(0) => Ok(()),
        code => Err(format!("`{text}` ended with {code:?}: {rest:?}")),
    }
}

fn terminate(child: &Child) {
    let sent = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Commands that want something which the folder of a reader has not, each with the test that runs it.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "rolekeeper approve SWEEP",
        "crates/daemon/tests/cli/repair.rs",
        "repair_that_nobody_agreed_to_waits_and_is_approved_from_another_terminal",
    ),
    (
        "rolekeeper bootstrap --stdin",
        "crates/daemon/tests/cli/faq.rs",
        "temporary_keys_make_the_role_and_nothing_else",
    ),
];

#[test]
fn a_command_that_is_run_elsewhere_is_run_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (command, file, test) in ELSEWHERE {
        let tests = std::fs::read_to_string(root.join(file)).unwrap();
        let name = format!("fn {test}()");
        let (_, body) = tests.split_once(&name).unwrap();
        let body = body.split("\n}\n").next().unwrap();
        let word = command.split(' ').nth(1).unwrap();
        assert!(body.contains(word), "{file}: {test} does not run {command}");
    }
}

/// What is done of a command here: none for those that run the tests themselves.
fn runnable(command: &commands::Command) -> Option<String> {
    let is_run_elsewhere = ELSEWHERE
        .iter()
        .any(|(begin, _, _)| command.text.starts_with(begin));
    if command.needs.is_some() || !command.is_ours() || is_run_elsewhere {
        return None;
    }
    if command.text.starts_with("cargo ") {
        return command
            .text
            .strip_prefix("cargo run --release -- ")
            .map(|rest| format!("rolekeeper {rest}"));
    }
    Some(agreed(&command.text))
}

/// A reader who is asked at the terminal says yes; where there is none, `--yes` says it.
fn agreed(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let asks = matches!(
        words.as_slice(),
        [
            "rolekeeper",
            "apply" | "rollback" | "retire-user" | "bootstrap",
            ..
        ]
    );
    let is_answered = words.iter().any(|word| matches!(*word, "--yes" | "--plan"));
    if asks && !is_answered {
        format!("{text} --yes")
    } else {
        text.to_owned()
    }
}

/// Runs the commands of a page, top down. Answers how many there were, and what did not work.
fn read_through(page: &Page) -> (usize, Vec<String>) {
    let mut desk = Desk::new();
    let values = desk.values();
    let mut offences = Vec::new();
    let mut ran = 0;
    for command in page.blocks().iter().flat_map(commands::commands) {
        let Some(text) = runnable(&command) else {
            continue;
        };
        ran += 1;
        let text = values.fill(&text);
        let at = page.at(command.line);
        if text.starts_with("export ") {
            desk.exports.push_str(&format!("{text}\n"));
        } else if let Some(up) = stays(&text) {
            let problem = visit(&desk, &text, up).err();
            offences.extend(problem.map(|problem| format!("{at}: {problem}")));
        } else {
            let output = desk.run(&text);
            // 2 and 3: there is drift, and accounts that cannot be entered.
            if !matches!(output.status.code(), Some(0 | 2 | 3)) {
                let said = String::from_utf8_lossy(&output.stderr);
                let code = output.status.code();
                offences.push(format!("{at}: `{text}` ended with {code:?}: {said}"));
            }
        }
    }
    (ran, offences)
}

#[test]
fn the_commands_of_every_page_work_one_after_the_other() {
    let mut ran = 0;
    let mut offences = Vec::new();
    for page in pages() {
        let blocks = page.blocks();
        let mut all = blocks.iter().flat_map(commands::commands);
        if all.any(|command| runnable(&command).is_some()) {
            let (commands, problems) = read_through(&page);
            ran += commands;
            offences.extend(problems);
        }
    }
    none("commands that do not work", &offences);
    assert!(ran > 20, "only {ran} commands were run");
}
