//! `cargo xtask dist`: what a release consists of, in `target/release-files`:
//! the binary, a Debian package, the chart, a list of everything that was
//! compiled in (SBOM), and the checksums of all of it. In the end it is unpacked
//! and used, as whoever installs it will.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::cargo_tool::{CYCLONEDX, DEB};
use crate::deploy::verified_unit;
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

/// Where the manual pages and completions are made; the package's manifest names it.
const EXTRAS: &str = "target/package-extras";

/// The completions: the shell, and where its package keeps them.
const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "rolekeeper"),
    ("zsh", "_rolekeeper"),
    ("fish", "rolekeeper.fish"),
];

/// What has to be in the package, of each sort one.
const PACKED: &[&str] = &[
    "usr/bin/rolekeeper",
    "usr/lib/systemd/system/rolekeeper.service",
    "usr/share/bash-completion/completions/rolekeeper",
    "usr/share/doc/rolekeeper/MIGRATING.md",
    "usr/share/doc/rolekeeper/OPERATIONS.md",
    "usr/share/doc/rolekeeper/cloudformation/hub.yaml",
    "usr/share/doc/rolekeeper/examples/ten-lines.toml",
    "usr/share/doc/rolekeeper/policies/hub.json",
    "usr/share/fish/vendor_completions.d/rolekeeper.fish",
    "usr/share/man/man1/rolekeeper-apply.1.gz",
    "usr/share/zsh/vendor-completions/_rolekeeper",
];

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
    extras(workshop, &binary)?;
    debian_package(workshop, &build, &files)?;
    bill_of_materials(workshop, &files)?;
    chart(workshop, &files)?;
    checksums(&files)?;
    tried(workshop, &files)
}

/// What the program writes about itself: manual pages and completions.
fn extras(workshop: &Workshop, binary: &Path) -> Result<(), Failure> {
    let folder = workshop.path(EXTRAS);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Failure::file(&folder, "cannot be removed"))?;
    }
    Shell::new(workshop, binary)
        .arg("man")
        .arg(folder.join("man"))
        .run()?;
    for (shell, name) in COMPLETIONS {
        let script = Shell::new(workshop, binary)
            .args(["completions", shell])
            .read()?;
        let kept = folder.join(name);
        fs::write(&kept, script + "\n").map_err(Failure::file(&kept, "cannot be written"))?;
    }
    Ok(())
}

/// Unpacks what was packed and uses it.
fn tried(workshop: &Workshop, files: &Path) -> Result<(), Failure> {
    Shell::new(workshop, "sha256sum")
        .args(["--check", "--quiet", "SHA256SUMS"])
        .dir(files)
        .run()?;
    let root = workshop.path("target/release-tried");
    if root.exists() {
        fs::remove_dir_all(&root).map_err(Failure::file(&root, "cannot be removed"))?;
    }
    let entries = fs::read_dir(files).map_err(Failure::file(files, "cannot be listed"))?;
    let package = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| Failure::Found("cargo-deb left no package behind".to_owned()))?;
    Shell::new(workshop, "dpkg-deb")
        .arg("--extract")
        .arg(&package)
        .arg(&root)
        .run()?;
    let missing: Vec<&str> = PACKED
        .iter()
        .copied()
        .filter(|path| !root.join(path).is_file())
        .collect();
    if !missing.is_empty() {
        return Err(Failure::Found(format!(
            "the package lacks {}",
            missing.join(", ")
        )));
    }
    let binary = root.join("usr/bin/rolekeeper");
    let unit = root.join("usr/lib/systemd/system/rolekeeper.service");
    verified_unit(workshop, &unit, &binary)?;
    let inside = || Shell::new(workshop, &binary);
    println!("{}", inside().arg("--version").read()?);
    inside()
        .args(["demo", "--once", "--accounts", "12"])
        .args(["--listen", "127.0.0.1:0"])
        .read()
        .map(drop)
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
