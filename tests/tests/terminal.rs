//! The commands in a pseudo-terminal of several widths, by tests/python/terminal.py.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test panics on purpose"
)]

use std::path::Path;
use std::process::Stdio;

use rolekeeper_tests::program;
use tokio::process::Command;

#[tokio::test]
async fn what_people_read_fits_their_terminal() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/terminal.py");
    let output = Command::new(program::needed("ROLEKEEPER_TEST_PYTHON"))
        .arg(script)
        .env("ROLEKEEPER_TEST_BINARY", program::rolekeeper().await)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    if !output.status.success() {
        panic!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
