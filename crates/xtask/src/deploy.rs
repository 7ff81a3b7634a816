//! The checks of `deploy/`: each file is held against the program that will read it.

use std::fs;
use std::path::{Path, PathBuf};

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
        name: "aws-commands",
        about: "the AWS commands of the pages, against the model of AWS's own SDK",
        needs: PYTHON,
        run: |workshop| script(workshop, "tests/python/docs_aws.py"),
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

fn unit(workshop: &Workshop) -> Result<(), Failure> {
    let binary = daemon(workshop)?;
    let source = workshop.path("deploy/systemd/rolekeeper.service");
    let unit = verified_unit(workshop, &source, &binary)?;
    Shell::new(workshop, Tool::SystemdAnalyze.path()?)
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

/// Has systemd verify a unit. It looks whether the program is there, so the unit that is verified names
/// `binary`; answers where that unit is.
pub(crate) fn verified_unit(
    workshop: &Workshop,
    source: &Path,
    binary: &Path,
) -> Result<PathBuf, Failure> {
    let text = fs::read_to_string(source).map_err(Failure::file(source, "cannot be read"))?;
    let folder = workshop.path("target/unit");
    let unit = folder.join("rolekeeper.service");
    fs::create_dir_all(&folder).map_err(Failure::file(&folder, "cannot be made"))?;
    let named = text.replace("/usr/bin/rolekeeper", &binary.display().to_string());
    fs::write(&unit, named).map_err(Failure::file(&unit, "cannot be written"))?;
    Shell::new(workshop, Tool::SystemdAnalyze.path()?)
        .args(["verify", "--man=no"])
        .arg(&unit)
        .run()?;
    Ok(unit)
}

/// As `docker run --read-only --tmpfs /tmp -v …:/var/lib/rolekeeper` would: its own root, which nobody can
/// write to, as the user of the image.
const AS_A_CONTAINER: &str = r#"set -e
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
mount -t tmpfs -o mode=1777 tmpfs "$0/tmp"
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 tmpfs "$0/var/lib/rolekeeper"
exec chroot --userspec=65532:65532 "$0" /usr/bin/rolekeeper "$@""#;

/// Runs the binary in the very file system that the Dockerfile makes, as it is
/// run there.
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
    let config = root.join("etc/rolekeeper/rolekeeper.toml");
    let example = workshop.path("config/ten-lines.toml");
    fs::copy(&example, &config).map_err(Failure::file(&config, "cannot be written"))?;
    let inside = |args: &[&str]| {
        Shell::new(workshop, "unshare")
            .args(["--mount", "sh", "-c", AS_A_CONTAINER])
            .arg(&root)
            .args(args)
    };
    println!("{}", inside(&["--version"]).read()?);
    inside(&["check", "--offline"]).read()?;
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
