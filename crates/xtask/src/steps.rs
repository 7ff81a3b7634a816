//! What `cargo xtask test` does, as a table. A new check is a row: its name,
//! what it looks at, what it needs, and the function that does it.

use std::path::{Path, PathBuf};

use crate::cargo_tool::{CargoTool, DENY, NEXTEST};
use crate::deploy;
use crate::failure::Failure;
use crate::python::Python;
use crate::services::Postgres;
use crate::shell::Shell;
use crate::tool::Tool;
use crate::workshop::Workshop;

/// One check.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) needs: &'static [Need],
    pub(crate) run: fn(&Workshop) -> Result<(), Failure>,
}

/// What has to be on the machine before a step starts.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// A program from the system's packages.
    System(Tool),
    /// A cargo subcommand.
    Cargo(&'static CargoTool),
    /// The virtual environment of tests/python.
    Python,
}

/// The packages with tests that need one of those programs: they live behind a
/// feature `external`, so that `cargo test --workspace` passes on a bare toolchain.
const EXTERNAL: &[&str] = &["rolekeeper-store", "rolekeeper-tests"];

/// What the test programs themselves reach for.
const TESTS_NEED: &[Need] = &[
    Need::Cargo(&NEXTEST),
    Need::Python,
    Need::System(Tool::Postgres),
    Need::System(Tool::Promtool),
    Need::System(Tool::Chromium),
    Need::System(Tool::Chromedriver),
    Need::System(Tool::Node),
];

/// All checks: these, then those of `deploy/`.
pub(crate) fn all() -> impl Iterator<Item = &'static Step> {
    STEPS.iter().chain(deploy::STEPS)
}

/// The checks of the code, the quick ones first.
const STEPS: &[Step] = &[
    Step {
        name: "format",
        about: "rustfmt changes nothing",
        needs: &[],
        run: |workshop| {
            Shell::cargo(workshop)
                .args(["fmt", "--all", "--check"])
                .run()
        },
    },
    Step {
        name: "shell",
        about: "shellcheck on every script",
        needs: &[Need::System(Tool::Shellcheck)],
        run: shell_scripts,
    },
    Step {
        name: "deny",
        about: "licences, sources and the arrows between the crates",
        needs: &[Need::Cargo(&DENY)],
        run: |workshop| {
            deny(workshop)?
                .args([
                    "check",
                    "--hide-inclusion-graph",
                    "bans",
                    "licenses",
                    "sources",
                ])
                .run()
        },
    },
    Step {
        name: "advisories",
        about: "known vulnerabilities, when the advisory database can be had",
        needs: &[Need::Cargo(&DENY)],
        run: advisories,
    },
    Step {
        name: "clippy",
        about: "every target of every crate, warnings are errors",
        needs: &[],
        run: |workshop| {
            Shell::cargo(workshop)
                .args(["clippy", "--workspace", "--all-targets"])
                .args(features(&[]))
                .args(["--", "-D", "warnings"])
                .run()
        },
    },
    Step {
        name: "tests",
        about: "unit, property, simulation and end-to-end tests; moto, PostgreSQL and Chromium at hand",
        needs: TESTS_NEED,
        run: |workshop| {
            nextest(
                workshop,
                &[
                    "--profile".to_owned(),
                    "ci".to_owned(),
                    "--workspace".to_owned(),
                ],
            )
        },
    },
    Step {
        name: "bench-counts",
        about: "requests and throttles per account; no times",
        needs: &[Need::Python],
        run: crate::bench::check,
    },
    Step {
        name: "doctests",
        about: "the examples in the documentation comments",
        needs: &[],
        run: |workshop| {
            Shell::cargo(workshop)
                .args(["test", "--workspace", "--doc"])
                .args(features(&[]))
                .run()
        },
    },
];

/// `cargo nextest run` with every outside program started or named.
pub(crate) fn nextest(workshop: &Workshop, args: &[String]) -> Result<(), Failure> {
    crate::test::ensure(workshop, TESTS_NEED)?;
    let nextest = NEXTEST.ensure(workshop)?;
    let postgres = folder_of(Tool::Postgres)?;
    let server = Postgres::start(workshop, &postgres)?;
    let python = Python::ensure(workshop)?;
    let binary = daemon(workshop)?;
    let environment = [
        ("ROLEKEEPER_TEST_AWS_CLI", show(&python.program("aws"))),
        ("ROLEKEEPER_TEST_BINARY", show(&binary)),
        (
            "ROLEKEEPER_TEST_CHROMEDRIVER",
            show(&Tool::Chromedriver.path()?),
        ),
        ("ROLEKEEPER_TEST_CHROMIUM", show(&Tool::Chromium.path()?)),
        ("ROLEKEEPER_TEST_MOTO", show(&python.program("moto_server"))),
        ("ROLEKEEPER_TEST_NODE", show(&Tool::Node.path()?)),
        ("ROLEKEEPER_TEST_POSTGRES", show(&postgres)),
        ("ROLEKEEPER_TEST_POSTGRES_URL", server.url()),
        ("ROLEKEEPER_TEST_PROMTOOL", show(&Tool::Promtool.path()?)),
        ("ROLEKEEPER_TEST_PYTHON", show(&python.program("python"))),
        (
            "ROLEKEEPER_TEST_SCHEMATHESIS",
            show(&python.program("schemathesis")),
        ),
    ];
    Shell::new(workshop, nextest)
        .args(["nextest", "run"])
        .args(features(args))
        .args(args)
        .envs(&environment)
        .run()
}

/// The daemon, built as the tests build it: with other features cargo would
/// compile half the workspace once more.
pub(crate) fn daemon(workshop: &Workshop) -> Result<PathBuf, Failure> {
    Shell::cargo(workshop)
        .args(["build", "--quiet", "--workspace", "--bins"])
        .args(features(&[]))
        .run()?;
    Ok(workshop.path("target/debug/rolekeeper"))
}

/// `--features` for the tests that need something from outside, in the packages
/// that `args` choose: cargo refuses a feature of a package that is not chosen.
fn features(args: &[String]) -> Vec<String> {
    let choice = args
        .iter()
        .any(|arg| arg == "-p" || arg.starts_with("--package"));
    EXTERNAL
        .iter()
        .filter(|package| !choice || args.iter().any(|arg| arg.ends_with(*package)))
        .flat_map(|package| ["--features".to_owned(), format!("{package}/external")])
        .collect()
}

/// The folder that a system tool really lives in.
fn folder_of(tool: Tool) -> Result<PathBuf, Failure> {
    let path = tool.path()?;
    let real = path
        .canonicalize()
        .map_err(Failure::file(&path, "cannot be resolved"))?;
    Ok(real.parent().unwrap_or(Path::new("/")).to_owned())
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

fn deny(workshop: &Workshop) -> Result<Shell, Failure> {
    Ok(Shell::new(workshop, DENY.ensure(workshop)?).arg("--all-features"))
}

/// The database lives in a git repository outside the package registries. Where
/// that cannot be reached the step says that nothing was checked; where it can,
/// an advisory is a failure like any other.
fn advisories(workshop: &Workshop) -> Result<(), Failure> {
    let output = deny(workshop)?
        .args(["check", "--hide-inclusion-graph", "advisories"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        println!("no advisory applies");
        return Ok(());
    }
    if text.contains("failed to fetch advisory database") {
        println!("NOT CHECKED: the advisory database cannot be fetched from here.");
        println!("Run `cargo deny check advisories` where it can, before a release.");
        return Ok(());
    }
    eprint!("{text}");
    Err(Failure::Found("cargo-deny found an advisory".to_owned()))
}

fn shell_scripts(workshop: &Workshop) -> Result<(), Failure> {
    let listed = Shell::new(workshop, "git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "--",
            ".ci/run",
            "*.sh",
        ])
        .read()?;
    Shell::new(workshop, Tool::Shellcheck.path()?)
        .args(listed.lines())
        .run()
}
