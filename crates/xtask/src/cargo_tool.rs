//! Tools that crates.io has: taken from `PATH`, else built once into the tools
//! folder at a fixed version.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::shell::Shell;
use crate::workshop::{Workshop, find_program};

/// A cargo subcommand and the version that is built when there is none.
pub(crate) struct CargoTool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

pub(crate) const NEXTEST: CargoTool = CargoTool {
    name: "cargo-nextest",
    version: "0.9.151",
};
pub(crate) const DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
};

pub(crate) const DEB: CargoTool = CargoTool {
    name: "cargo-deb",
    version: "3.8.0",
};
pub(crate) const CYCLONEDX: CargoTool = CargoTool {
    name: "cargo-cyclonedx",
    version: "0.5.9",
};

impl CargoTool {
    /// The program, built first if it is nowhere to be found.
    pub(crate) fn ensure(&self, workshop: &Workshop) -> Result<PathBuf, Failure> {
        let root = workshop
            .tools()
            .join(format!("{}-{}", self.name, self.version));
        if let Some(found) = find_program(&[self.name], &[root.join("bin")]) {
            return Ok(found);
        }
        println!("building {} {}, once", self.name, self.version);
        Shell::cargo(workshop)
            .args([
                "install",
                "--quiet",
                "--locked",
                self.name,
                "--version",
                self.version,
                "--root",
            ])
            .arg(&root)
            .run()?;
        find_program(&[self.name], &[root.join("bin")]).ok_or_else(|| Failure::Missing {
            tool: self.name.to_owned(),
            remedy: format!(
                "cargo install --locked {} did not leave it behind",
                self.name
            ),
        })
    }
}
