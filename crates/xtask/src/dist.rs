//! `cargo xtask dist`: what a release consists of, in `target/release-files`:
//! the binary, a Debian package, the chart, a list of everything that was
//! compiled in (SBOM), and the checksums of all of it.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::cargo_tool::{CYCLONEDX, DEB};
use crate::failure::Failure;
use crate::python::Python;
use crate::shell::Shell;
use crate::workshop::Workshop;

/// Arguments of `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct DistArgs {
    /// Pack the build without link-time optimization: shows sooner that packing works.
    #[arg(long)]
    quick: bool,
}

/// The cargo profile that is packed, and the folder it builds into.
struct Build {
    profile: &'static str,
    folder: &'static str,
}

const OPTIMIZED: Build = Build {
    profile: "dist",
    folder: "dist",
};
const QUICK: Build = Build {
    profile: "release",
    folder: "release",
};

/// Builds and packs.
pub(crate) fn run(workshop: &Workshop, args: &DistArgs) -> Result<(), Failure> {
    let build = if args.quick { QUICK } else { OPTIMIZED };
    let files = workshop.path("target/release-files");
    if files.exists() {
        fs::remove_dir_all(&files).map_err(Failure::file(&files, "cannot be removed"))?;
    }
    fs::create_dir_all(&files).map_err(Failure::file(&files, "cannot be made"))?;

    Shell::cargo(workshop)
        .args([
            "build",
            "--locked",
            "--package",
            "rolekeeper",
            "--bin",
            "rolekeeper",
        ])
        .args(["--profile", build.profile])
        .run()?;
    let binary = workshop
        .path("target")
        .join(build.folder)
        .join("rolekeeper");
    copy(&binary, &files.join("rolekeeper"))?;
    debian_package(workshop, &build, &files)?;
    bill_of_materials(workshop, &files)?;
    chart(workshop, &files)?;
    checksums(&files)
}

fn debian_package(workshop: &Workshop, build: &Build, files: &Path) -> Result<(), Failure> {
    Shell::new(workshop, DEB.ensure(workshop)?)
        .args([
            "--package",
            "rolekeeper",
            "--no-build",
            "--profile",
            build.profile,
            "--output",
        ])
        .arg(files)
        .run()
}

/// CycloneDX puts a file beside every manifest: the daemon's is kept, without the
/// name of the folder it was built in, and all are taken out of the tree.
fn bill_of_materials(workshop: &Workshop, files: &Path) -> Result<(), Failure> {
    Shell::new(workshop, CYCLONEDX.ensure(workshop)?)
        .args(["cyclonedx", "--format", "json", "--spec-version", "1.5"])
        .args(["--override-filename", "sbom"])
        .args(["--manifest-path", "crates/daemon/Cargo.toml"])
        .run()?;
    let made = workshop.path("crates/daemon/sbom.json");
    let text = fs::read_to_string(&made).map_err(Failure::file(&made, "cannot be read"))?;
    let anywhere = text.replace(&workshop.root().display().to_string(), "/rolekeeper");
    let kept = files.join("rolekeeper.cdx.json");
    fs::write(&kept, anywhere).map_err(Failure::file(&kept, "cannot be written"))?;
    for folder in [
        "crates/aws",
        "crates/daemon",
        "crates/domain",
        "crates/engine",
        "crates/simulator",
        "crates/store",
        "crates/xtask",
        "tests",
    ] {
        let beside = workshop.path(folder).join("sbom.json");
        if beside.exists() {
            fs::remove_file(&beside).map_err(Failure::file(&beside, "cannot be removed"))?;
        }
    }
    Ok(())
}

fn chart(workshop: &Workshop, files: &Path) -> Result<(), Failure> {
    const PACK: &str = "import sys, helm_python; \
                        helm_python.Chart.load('deploy/helm/rolekeeper').save(sys.argv[1])";
    let python = Python::ensure(workshop)?;
    Shell::new(workshop, python.program("python"))
        .args(["-c", PACK])
        .arg(files)
        .run()
}

/// `SHA256SUMS`, in the form that `sha256sum --check` reads.
fn checksums(files: &Path) -> Result<(), Failure> {
    let entries = fs::read_dir(files).map_err(Failure::file(files, "cannot be listed"))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let mut sums = String::new();
    for path in paths {
        let content = fs::read(&path).map_err(Failure::file(&path, "cannot be read"))?;
        let hex: String = Sha256::digest(&content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        sums.push_str(&format!("{hex}  {name}\n"));
    }
    print!("{sums}");
    let list = files.join("SHA256SUMS");
    fs::write(&list, sums).map_err(Failure::file(&list, "cannot be written"))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::copy(from, to)
        .map(drop)
        .map_err(Failure::file(from, "cannot be copied"))
}
