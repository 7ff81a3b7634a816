//! The program itself, for tests that run it as a user does.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

/// The binary `rolekeeper` of this tree.
///
/// `cargo xtask test` has built it with everything else and says where it is; a
/// test that is run by hand builds it, since cargo tells no package but
/// its own.
#[expect(
    clippy::expect_used,
    reason = "a test that cannot build the program has failed"
)]
pub async fn rolekeeper() -> PathBuf {
    if let Some(path) = outside("ROLEKEEPER_TEST_BINARY") {
        return path;
    }
    let build = [
        "build",
        "--quiet",
        "--package",
        "rolekeeper",
        "--message-format",
        "json",
    ];
    let output = Command::new(env!("CARGO"))
        .args(build)
        .stderr(Stdio::inherit())
        .output()
        .await
        .expect("cargo can be run");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .expect("cargo builds the binary rolekeeper")
}

/// Where `cargo xtask test` has put a program from outside.
#[expect(
    clippy::disallowed_methods,
    reason = "the workshop names outside programs in the environment"
)]
pub fn outside(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

/// The same, for a test that cannot do without it.
///
/// # Panics
///
/// When the variable is not set: a missing tool is a failure, never a silent skip.
#[expect(clippy::panic, reason = "a missing tool is a failed test")]
pub fn needed(variable: &str) -> PathBuf {
    outside(variable).unwrap_or_else(|| panic!("{variable} is not set: `cargo xtask test` sets it"))
}
