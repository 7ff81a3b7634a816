//! Where things are.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The workspace and the folder that holds the tools installed for it.
pub(crate) struct Workshop {
    root: PathBuf,
    tools: PathBuf,
}

impl Workshop {
    /// Finds the workspace this program was built from. Tools are kept in
    /// `$ROLEKEEPER_TOOLS`, else beside the user's other caches, so that a fresh
    /// clone does not build them again.
    pub(crate) fn open() -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = root.canonicalize().map_err(Failure::file(
            &root,
            "the workspace is not where it was built",
        ))?;
        let tools = variable("ROLEKEEPER_TOOLS")
            .map(PathBuf::from)
            .or_else(|| cache().map(|cache| cache.join("rolekeeper-tools")))
            .unwrap_or_else(|| root.join("target/tools"));
        fs::create_dir_all(&tools).map_err(Failure::file(&tools, "cannot be made"))?;
        Ok(Self { root, tools })
    }

    /// The workspace's root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path in the workspace.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The folder for installed tools; kept between runs.
    pub(crate) fn tools(&self) -> &Path {
        &self.tools
    }
}

/// The user's folder for things that can be made again.
fn cache() -> Option<PathBuf> {
    variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache")))
}

/// An environment variable, if set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "a developer command has no configuration file; this is its one door to the environment"
)]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The first of `names` that is an executable file on `PATH` or in `also`.
pub(crate) fn find_program(names: &[&str], also: &[PathBuf]) -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = also
        .iter()
        .cloned()
        .chain(env::split_paths(&path))
        .collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
