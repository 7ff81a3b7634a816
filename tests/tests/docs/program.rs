//! The programs of this tree, built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rolekeeper_tests::program::outside;

/// The folder with `rolekeeper`, `rolekeeper-simulator` and `xtask`.
///
/// `cargo xtask test` has built them all and says where one of them is; a test that is run by hand
/// builds them.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let built = outside("ROLEKEEPER_TEST_BINARY").unwrap_or_else(build);
        built
            .parent()
            .expect("a program lies in a folder")
            .to_owned()
    })
}

fn build() -> PathBuf {
    let packages = ["rolekeeper", "rolekeeper-simulator", "xtask"];
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--bins", "--message-format", "json"])
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    let messages = said
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    messages
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .find(|path| path.ends_with("rolekeeper"))
        .expect("cargo builds the program rolekeeper")
}

/// What a program says to these arguments, and whether it was content.
pub(crate) fn say(program: &str, arguments: &[String]) -> (bool, String) {
    let output = Command::new(folder().join(program))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|problem| panic!("{program} cannot be started: {problem}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.success(),
        text(&output.stdout) + &text(&output.stderr),
    )
}
