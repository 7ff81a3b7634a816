//! Each configuration that a page shows, or that lies in `config/`, is one that the program takes.

use std::fs;
use std::path::Path;

use crate::none;
use crate::page::{pages, root};
use crate::program::say;

/// Files that the examples name.
const FILES: &[(&str, &str)] = &[
    ("external-id", "an-example\n"),
    ("token", "0123456789abcdef0123456789abcdef\n"),
    ("webhook-url", "https://hooks.example.com/rolekeeper\n"),
    ("webhook-secret", "0123456789abcdef\n"),
];

/// The least that a configuration has to say, for examples that show another part of it.
const ROLE: &str = "\n[[roles]]\npreset = \"cloudcoreo\"\nvendor_account_id = \"999999999999\"\nexternal_id = \"an-example\"\n";

/// What the program says against a configuration.
fn problem(text: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    for (name, content) in FILES {
        write(name, content);
    }
    // Documents lie beside the examples.
    let documents = folder.path().join("documents");
    fs::create_dir(&documents).unwrap();
    for entry in fs::read_dir(root().join("config/documents")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, documents.join(path.file_name().unwrap())).unwrap();
    }
    let whole = if text.contains("[[roles]]") {
        text.to_owned()
    } else {
        format!("{text}{ROLE}")
    };
    // What the package and the chart mount.
    let near = [
        "/etc/rolekeeper/secrets/",
        "/run/credentials/rolekeeper.service/",
    ]
    .iter()
    .fold(whole, |text, far| text.replace(far, ""));
    write("rolekeeper.toml", &near);
    let file = folder.path().join("rolekeeper.toml").display().to_string();
    let (content, said) = say(
        "rolekeeper",
        &["--config", &file, "config", "show"].map(str::to_owned),
    );
    (!content).then_some(said)
}

#[test]
fn every_configuration_on_a_page_is_taken() {
    let mut offences = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for block in page
            .blocks()
            .into_iter()
            .filter(|block| block.language == "toml")
        {
            seen += 1;
            offences.extend(
                problem(&block.text).map(|problem| format!("{}: {problem}", page.at(block.line))),
            );
        }
    }
    assert!(seen >= 4, "only {seen} configurations were found");
    none("configurations that the program refuses", &offences);
}

#[test]
fn every_example_configuration_is_taken() {
    let mut offences = Vec::new();
    for folder in ["config", "deploy/policies"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                let text = fs::read_to_string(&path).unwrap();
                offences
                    .extend(problem(&text).map(|problem| format!("{}: {problem}", path.display())));
            }
        }
    }
    none("examples that the program refuses", &offences);
}

#[test]
fn the_configuration_of_the_chart_is_taken() {
    let values = fs::read_to_string(root().join("deploy/helm/rolekeeper/values.yaml")).unwrap();
    let block = values.split("config: |\n").nth(1).unwrap();
    let lines = block
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("  "));
    let text: String = lines
        .map(|line| format!("{}\n", line.trim_start()))
        .collect();
    assert!(text.contains("[[roles]]"), "{text}");
    assert_eq!(problem(&text), None);
}

#[test]
fn every_document_on_a_page_is_json() {
    let mut offences = Vec::new();
    for page in pages() {
        for block in page
            .blocks()
            .into_iter()
            .filter(|block| block.language == "json")
        {
            let read: Result<serde_json::Value, _> = serde_json::from_str(&block.text);
            offences.extend(
                read.err()
                    .map(|problem| format!("{}: {problem}", page.at(block.line))),
            );
        }
    }
    none("documents that are no JSON", &offences);
}

#[test]
fn a_mistake_is_found() {
    assert!(problem("[limits]\nconcurency = 3\n").is_some_and(|said| said.contains("concurency")));
    assert_eq!(problem("[limits]\nconcurrency = 3\n"), None);
    assert!(Path::new(&root()).join("config/documents").is_dir());
}
