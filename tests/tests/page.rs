//! The page, clicked through in a real Chromium by tests/browser; the API, held
//! against its own document by schemathesis; the events for a SIEM, held against OCSF's
//! published schema. All on the program's own demo.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test panics on purpose"
)]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rolekeeper_tests::program;
use tokio::process::Command;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs a program and shows what it said when it fails.
async fn run(command: &mut Command, what: &str) {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    if !output.status.success() {
        panic!(
            "{what} failed with {}:\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[tokio::test]
async fn the_page_does_what_a_person_expects_of_it() {
    let browser = folder("browser");
    let node = program::needed("ROLEKEEPER_TEST_NODE");
    let npm = node.with_file_name("npm");
    run(
        Command::new(npm)
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&browser),
        "npm ci",
    )
    .await;
    run(
        Command::new(node)
            .args(["--test", "--test-concurrency=1"])
            .current_dir(&browser)
            .env("ROLEKEEPER_TEST_BINARY", program::rolekeeper().await)
            .env(
                "ROLEKEEPER_TEST_CHROMIUM",
                program::needed("ROLEKEEPER_TEST_CHROMIUM"),
            ),
        "the browser tests",
    )
    .await;
}

#[tokio::test]
async fn the_api_answers_only_what_its_document_says() {
    run(
        Command::new(program::needed("ROLEKEEPER_TEST_PYTHON"))
            .arg(folder("python").join("api_contract.py"))
            .env("ROLEKEEPER_TEST_BINARY", program::rolekeeper().await)
            .env(
                "ROLEKEEPER_TEST_SCHEMATHESIS",
                program::needed("ROLEKEEPER_TEST_SCHEMATHESIS"),
            ),
        "schemathesis",
    )
    .await;
}

#[tokio::test]
async fn events_for_a_siem_fit_the_schema_that_ocsf_publishes() {
    run(
        Command::new(program::needed("ROLEKEEPER_TEST_PYTHON"))
            .arg(folder("python").join("ocsf_contract.py"))
            .env("ROLEKEEPER_TEST_BINARY", program::rolekeeper().await)
            .env(
                "ROLEKEEPER_TEST_SCHEMATHESIS",
                program::needed("ROLEKEEPER_TEST_SCHEMATHESIS"),
            ),
        "the events against OCSF's schema",
    )
    .await;
}
