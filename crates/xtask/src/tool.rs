//! The programs that steps need, where they are found, and what installs them.

use std::fs;
use std::path::PathBuf;

use crate::apt;
use crate::failure::Failure;
use crate::workshop::{Workshop, find_program};

/// A program from the system's packages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Tool {
    Chromedriver,
    Chromium,
    Node,
    Postgres,
    Promtool,
    Shellcheck,
    SystemdAnalyze,
}

impl Tool {
    /// The names it may have, the best first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Chromedriver => &["chromedriver"],
            Self::Chromium => &["chromium", "chromium-browser", "google-chrome"],
            Self::Node => &["node"],
            Self::Postgres => &["postgres"],
            Self::Promtool => &["promtool"],
            Self::Shellcheck => &["shellcheck"],
            Self::SystemdAnalyze => &["systemd-analyze"],
        }
    }

    /// Debian's package for it.
    fn package(self) -> &'static str {
        match self {
            Self::Chromedriver => "chromium-driver",
            Self::Chromium => "chromium",
            Self::Node => "nodejs",
            Self::Postgres => "postgresql",
            Self::Promtool => "prometheus",
            Self::Shellcheck => "shellcheck",
            Self::SystemdAnalyze => "systemd",
        }
    }

    /// The program's path, if it is on this machine.
    fn find(self) -> Option<PathBuf> {
        let also = match self {
            Self::Postgres => postgres_folders(),
            _ => Vec::new(),
        };
        find_program(self.names(), &also)
    }

    /// The program's path; a tool that is not there is a failure, never a skip.
    pub(crate) fn path(self) -> Result<PathBuf, Failure> {
        self.find().ok_or_else(|| Failure::Missing {
            tool: self.names().join(" or "),
            remedy: format!("Debian's package `{}` has it", self.package()),
        })
    }
}

/// Makes sure of all of them, with one call of the package manager at most.
pub(crate) fn ensure(workshop: &Workshop, tools: &[Tool]) -> Result<(), Failure> {
    let missing: Vec<&str> = tools
        .iter()
        .filter(|tool| tool.find().is_none())
        .map(|tool| tool.package())
        .collect();
    apt::install(workshop, &missing)?;
    tools.iter().try_for_each(|tool| tool.path().map(drop))
}

/// Debian keeps a server's programs off `PATH`, a folder for each version.
fn postgres_folders() -> Vec<PathBuf> {
    let Ok(versions) = fs::read_dir("/usr/lib/postgresql") else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = versions
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("bin"))
        .collect();
    folders.sort();
    folders.reverse();
    folders
}
