//! `cargo xtask screenshots`: the pictures of the page, from the demo.

use crate::failure::Failure;
use crate::shell::Shell;
use crate::steps::{Need, daemon};
use crate::test;
use crate::tool::Tool;
use crate::workshop::Workshop;

const NEEDS: &[Need] = &[Need::System(Tool::Chromium), Need::System(Tool::Node)];

/// Takes them into docs/images.
pub(crate) fn run(workshop: &Workshop) -> Result<(), Failure> {
    test::ensure(workshop, NEEDS)?;
    let node = Tool::Node.path()?;
    let browser = workshop.path("tests/browser");
    Shell::new(workshop, node.with_file_name("npm"))
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .dir(&browser)
        .run()?;
    Shell::new(workshop, node)
        .arg("screenshots.mjs")
        .arg(workshop.path("docs/images"))
        .dir(&browser)
        .env("ROLEKEEPER_TEST_BINARY", daemon(workshop)?)
        .env("ROLEKEEPER_TEST_CHROMIUM", Tool::Chromium.path()?)
        .run()
}
