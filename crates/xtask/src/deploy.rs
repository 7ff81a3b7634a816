//! The checks of `deploy/`: each file is held against the program that will read it.

use std::fs;

use crate::apt::is_root;
use crate::failure::Failure;
use crate::policies;
use crate::python::Python;
use crate::shell::Shell;
use crate::steps::{Need, Step, daemon};
use crate::tool::Tool;
use crate::workshop::Workshop;

/// What every checker from PyPI needs.
const PYTHON: &[Need] = &[Need::Python];
/// systemd's own number, 0 to 10 with one digit after the point: above two, a
/// directive of the sandbox has been lost.
const EXPOSURE: &str = "20";

/// The rows of the table that look at `deploy/`.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "alerts",
        about: "the alert rules and the dashboard, against what a running daemon exports",
        needs: &[Need::System(Tool::Promtool), Need::Python],
        run: alerts,
    },
    Step {
        name: "kubernetes",
        about: "the Helm chart in Helm's engine, manifests against the schemas",
        needs: PYTHON,
        run: |workshop| script(workshop, "tests/python/deploy_kubernetes.py"),
    },
    Step {
        name: "policies",
        about: "the policies kept for reviewers and templates, as the program prints them",
        needs: &[],
        run: policies::check,
    },
    Step {
        name: "cloudformation",
        about: "cfn-lint, and the templates' policies against those that rolekeeper prints",
        needs: PYTHON,
        run: |workshop| script(workshop, "tests/python/deploy_cloudformation.py"),
    },
    Step {
        name: "terraform",
        about: "the module in Terraform's own parser and formatter, and its policies",
        needs: PYTHON,
        run: |workshop| script(workshop, "tests/python/deploy_terraform.py"),
    },
    Step {
        name: "unit",
        about: "the systemd unit and how much its sandbox leaves",
        needs: &[Need::System(Tool::SystemdAnalyze)],
        run: unit,
    },
    Step {
        name: "image",
        about: "the Dockerfile, and the binary inside the image's file system",
        needs: PYTHON,
        run: image,
    },
];

fn script(workshop: &Workshop, path: &str) -> Result<(), Failure> {
    let python = Python::ensure(workshop)?;
    Shell::new(workshop, python.program("python"))
        .arg(path)
        .run()
}

fn alerts(workshop: &Workshop) -> Result<(), Failure> {
    let promtool = Tool::Promtool.path()?;
    Shell::new(workshop, &promtool)
        .args(["check", "rules", "deploy/prometheus/rules.yml"])
        .run()?;
    Shell::new(workshop, &promtool)
        .args(["test", "rules", "deploy/prometheus/rules.test.yml"])
        .run()?;
    let python = Python::ensure(workshop)?;
    Shell::new(workshop, python.program("python"))
        .arg("tests/python/deploy_observability.py")
        .arg(promtool)
        .arg(daemon(workshop)?)
        .run()
}

/// `systemd-analyze verify` looks whether the program is there, so the unit that
/// is verified names the one that cargo built.
fn unit(workshop: &Workshop) -> Result<(), Failure> {
    let binary = daemon(workshop)?;
    let source = workshop.path("deploy/systemd/rolekeeper.service");
    let text = fs::read_to_string(&source).map_err(Failure::file(&source, "cannot be read"))?;
    let folder = workshop.path("target/unit");
    let unit = folder.join("rolekeeper.service");
    fs::create_dir_all(&folder).map_err(Failure::file(&folder, "cannot be made"))?;
    let named = text.replace("/usr/bin/rolekeeper", &binary.display().to_string());
    fs::write(&unit, named).map_err(Failure::file(&unit, "cannot be written"))?;

    let analyze = Tool::SystemdAnalyze.path()?;
    Shell::new(workshop, &analyze)
        .args(["verify", "--man=no"])
        .arg(&unit)
        .run()?;
    Shell::new(workshop, &analyze)
        .args([
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold",
            EXPOSURE,
        ])
        .arg(&unit)
        .read()
        .map(|table| println!("{}", table.lines().last().unwrap_or_default()))
}

/// Runs the binary in the very file system that the Dockerfile makes, as the
/// user it runs as there.
fn image(workshop: &Workshop) -> Result<(), Failure> {
    let python = Python::ensure(workshop)?;
    Shell::new(workshop, python.program("hadolint"))
        .arg("deploy/image/Dockerfile")
        .run()?;
    if !is_root() {
        return Err(Failure::Missing {
            tool: "root".to_owned(),
            remedy: "changing the root directory needs it: run this step with sudo".to_owned(),
        });
    }
    let binary = daemon(workshop)?;
    let root = workshop.path("target/image");
    if root.exists() {
        fs::remove_dir_all(&root).map_err(Failure::file(&root, "cannot be removed"))?;
    }
    Shell::new(workshop, workshop.path("deploy/image/rootfs.sh"))
        .arg(&binary)
        .arg(&root)
        .run()?;
    let inside = |args: &[&str]| {
        Shell::new(workshop, "chroot")
            .arg("--userspec=65532:65532")
            .arg(&root)
            .arg("/usr/bin/rolekeeper")
            .args(args)
    };
    println!("{}", inside(&["--version"]).read()?);
    inside(&[
        "demo",
        "--once",
        "--accounts",
        "12",
        "--listen",
        "127.0.0.1:0",
    ])
    .read()
    .map(drop)
}
