//! A simulated organization, a folder with a configuration, and the program itself.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rolekeeper_simulator::{HUB_ACCESS_KEY, HUB_SECRET_KEY, Limits, Settings, Simulator};

/// Where a person works: a folder with `rolekeeper.toml`, and an organization behind it.
pub(crate) struct Desk {
    pub(crate) simulator: Simulator,
    folder: tempfile::TempDir,
}

impl Desk {
    /// A small organization in which 18 accounts differ, each in another way, and two cannot be entered.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same with other settings.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            accounts: 30,
            seed: 11,
            provisioned: true,
            drift: 0.6,
            denied: 0.07,
            limits: Limits::none(),
            ..Settings::default()
        };
        change(&mut settings);
        let simulator = Simulator::builder().settings(settings).start().unwrap();
        let desk = Self {
            simulator,
            folder: tempfile::tempdir().unwrap(),
        };
        desk.write("rolekeeper.toml", &desk.configuration());
        desk
    }

    /// The configuration that goes with the simulator.
    pub(crate) fn configuration(&self) -> String {
        let demo = include_str!("../../../../config/demo.toml");
        demo.replace("http://127.0.0.1:4599", &self.simulator.endpoint_url())
            + "\n[limits]\nquota_share = 1.0\n"
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Reads a file of the folder.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, ready to be started in the folder, with nothing in its environment but the hub's keys.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rolekeeper"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", HUB_ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", HUB_SECRET_KEY)
            .env("USER", "somebody")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        Ran::new(arguments, &output, self)
    }
}

/// A program that has run.
pub(crate) struct Ran {
    pub(crate) line: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn new(arguments: &[&str], output: &Output, desk: &Desk) -> Self {
        let text = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            text.replace(&desk.simulator.endpoint_url(), "http://SIMULATOR")
        };
        Self {
            line: format!("$ rolekeeper {}", arguments.join(" ")),
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// The exit code, and the rest of the run when it is another one.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "{}\n{}\n{}",
            self.line,
            self.stdout,
            self.stderr
        );
        self
    }

    /// What a person saw, with everything that differs from run to run blotted out.
    pub(crate) fn transcript(&self) -> String {
        let mut text = format!("{}\n", self.line);
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                text.push_str(&format!("--- {name}\n{stream}"));
            }
        }
        blotted(&format!(
            "{text}--- exit {}\n\n",
            self.code
                .map_or("by signal".to_owned(), |code| code.to_string())
        ))
    }
}

/// Moments, sweep ids and durations, each under one name.
fn blotted(text: &str) -> String {
    // 0: a digit, x: a hexadecimal digit, everything else stands for itself.
    const PATTERNS: [(&str, &str); 7] = [
        ("00000000T000000Z-xxxxxxxx", "SWEEP-ID"),
        ("0000-00-00 at 00:00 UTC", "MOMENT"),
        ("0000-00-00 00:00:00 UTC", "MOMENT"),
        ("0000-00-00 00:00 UTC", "MOMENT"),
        ("0000-00-00T00:00:00", "MOMENT"),
        // The column of `sweeps`.
        ("     0.0 s", "      SOME"),
        ("    00.0 s", "      SOME"),
    ];
    let text = PATTERNS
        .iter()
        .fold(text.to_owned(), |text, (pattern, name)| {
            replaced(&text, pattern, name)
        });
    let mut clean = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("took ") {
        let end = after.find(" s").unwrap_or(0);
        clean.push_str(before);
        clean.push_str("took SOME");
        rest = after.get(end..).unwrap_or_default();
    }
    clean + rest
}

fn replaced(text: &str, pattern: &str, name: &str) -> String {
    let fits = |window: &[u8]| {
        pattern
            .bytes()
            .zip(window)
            .all(|(wanted, found)| match wanted {
                b'0' => found.is_ascii_digit(),
                b'x' => found.is_ascii_hexdigit(),
                other => other == *found,
            })
    };
    let mut clean: Vec<u8> = Vec::new();
    let mut bytes = text.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        if bytes.get(..pattern.len()).is_some_and(fits) {
            clean.extend(name.bytes());
            bytes = bytes.get(pattern.len()..).unwrap_or_default();
        } else {
            clean.push(*first);
            bytes = rest;
        }
    }
    String::from_utf8(clean).unwrap()
}
