//! Tools that Debian packages.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::failure::Failure;
use crate::shell::Shell;
use crate::workshop::{Workshop, find_program};

/// Installs the packages if this is a Debian on which we are root; says what to
/// type everywhere else.
pub(crate) fn install(workshop: &Workshop, packages: &[&str]) -> Result<(), Failure> {
    if packages.is_empty() {
        return Ok(());
    }
    let wanted = packages.join(" ");
    let apt = find_program(&["apt-get"], &[]);
    let (Some(apt), true) = (apt, is_root()) else {
        return Err(Failure::Missing {
            tool: wanted.clone(),
            remedy: format!(
                "install with the system's package manager; on Debian: \
                 sudo apt-get install --no-install-recommends {wanted}"
            ),
        });
    };
    // A package's service is not started: the checks start what they need
    // themselves, on ports of their own.
    let quiet = |shell: Shell| {
        shell
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("RUNLEVEL", "1")
    };
    quiet(Shell::new(workshop, &apt).args(["update", "-q=2"])).run()?;
    quiet(
        Shell::new(workshop, &apt)
            .args(["install", "-q=2", "--yes", "--no-install-recommends"])
            .args(packages),
    )
    .run()
}

/// Whether this process is root: `/proc/self` belongs to whom we run as.
pub(crate) fn is_root() -> bool {
    Path::new("/proc/self")
        .metadata()
        .is_ok_and(|meta| meta.uid() == 0)
}
