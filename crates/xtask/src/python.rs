//! The virtual environment with moto, boto3 and the checkers from PyPI.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::shell::Shell;
use crate::workshop::{Workshop, find_program};

const PINNED: &str = "tests/python/requirements.txt";
const PEER: &str = "tests/bench/requirements.txt";
const WANTED: &str = "tests/python/requirements.in";

/// A virtual environment that holds exactly what the pinned list says.
pub(crate) struct Python {
    venv: PathBuf,
}

impl Python {
    /// Makes the environment of the tests, or makes it anew when the list has changed.
    pub(crate) fn ensure(workshop: &Workshop) -> Result<Self, Failure> {
        Self::from(workshop, PINNED, "venv")
    }

    /// The same for the benchmark's peer, whose boto3 is another than that of the tests.
    pub(crate) fn ensure_peer(workshop: &Workshop) -> Result<Self, Failure> {
        Self::from(workshop, PEER, "venv-bench")
    }

    fn from(workshop: &Workshop, list: &str, name: &str) -> Result<Self, Failure> {
        let list = workshop.path(list);
        let wanted = fs::read_to_string(&list).map_err(Failure::file(&list, "cannot be read"))?;
        let venv = workshop.tools().join(name);
        let stamp = venv.join("installed.txt");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(Self { venv });
        }
        create(workshop, &venv)?;
        pip(workshop, &venv)
            .args(["install", "-r"])
            .arg(&list)
            .run()?;
        fs::write(&stamp, wanted).map_err(Failure::file(&stamp, "cannot be written"))?;
        Ok(Self { venv })
    }

    /// A program of the environment: `python`, `moto_server`, `cfn-lint`, …
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.venv.join("bin").join(name)
    }
}

/// Writes the pinned list anew: the newest of everything that is wanted.
pub(crate) fn pin(workshop: &Workshop) -> Result<(), Failure> {
    let venv = workshop.tools().join("venv-pin");
    create(workshop, &venv)?;
    pip(workshop, &venv).args(["install", "-r", WANTED]).run()?;
    let frozen = pip(workshop, &venv).arg("freeze").read()?;
    let list = workshop.path(PINNED);
    fs::write(&list, frozen + "\n").map_err(Failure::file(&list, "cannot be written"))
}

fn create(workshop: &Workshop, venv: &Path) -> Result<(), Failure> {
    let python = find_program(&["python3"], &[]).ok_or_else(|| Failure::Missing {
        tool: "python3".to_owned(),
        remedy: "install Python 3.11 or newer".to_owned(),
    })?;
    Shell::new(workshop, python)
        .args(["-m", "venv", "--clear"])
        .arg(venv)
        .run()
}

fn pip(workshop: &Workshop, venv: &Path) -> Shell {
    Shell::new(workshop, venv.join("bin/python")).args([
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
    ])
}
