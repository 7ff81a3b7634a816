//! Starting programs: each one is shown before it runs, so that a failing line
//! can be repeated by hand.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::failure::Failure;
use crate::workshop::Workshop;

/// One program to be run from the workspace's root, without standard input.
pub(crate) struct Shell {
    command: Command,
    program: String,
    shown: String,
}

impl Shell {
    /// `program`, run in the workspace's root. What cargo told us of ourselves is taken away: a
    /// build below, and nextest's is one, shares its fingerprints with one started by hand.
    pub(crate) fn new(workshop: &Workshop, program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program.as_ref());
        command.current_dir(workshop.root()).stdin(Stdio::null());
        for name in [
            "CARGO_MANIFEST_DIR",
            "CARGO_MANIFEST_PATH",
            "CARGO_PKG_NAME",
            "CARGO_BIN_NAME",
        ] {
            command.env_remove(name);
        }
        let program = program.as_ref().to_string_lossy().into_owned();
        Self {
            command,
            shown: program.clone(),
            program,
        }
    }

    /// The cargo that runs us.
    pub(crate) fn cargo(workshop: &Workshop) -> Self {
        Self::new(workshop, "cargo")
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn envs<'a>(
        self,
        all: impl IntoIterator<Item = &'a (&'static str, String)>,
    ) -> Self {
        all.into_iter()
            .fold(self, |shell, (name, value)| shell.env(name, value))
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs it with our own output; anything but exit 0 is a failure.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        println!("$ {}", self.shown);
        let status = self.command.status().map_err(|source| Failure::Start {
            program: self.program,
            source,
        })?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::Exit {
            command: self.shown,
            status: status.to_string(),
        })
    }

    /// Runs it and keeps what it says, whatever its exit code.
    pub(crate) fn output(mut self) -> Result<Output, Failure> {
        self.command.output().map_err(|source| Failure::Start {
            program: self.program,
            source,
        })
    }

    /// Runs it and gives its standard output; anything but exit 0 is a failure
    /// that shows what it said.
    pub(crate) fn read(self) -> Result<String, Failure> {
        let shown = self.shown.clone();
        let output = self.output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout)
                .trim_end()
                .to_owned());
        }
        eprint!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        Err(Failure::Exit {
            command: shown,
            status: output.status.to_string(),
        })
    }

    /// The command itself, for a child that is to keep running.
    pub(crate) fn into_command(self) -> Command {
        self.command
    }
}
