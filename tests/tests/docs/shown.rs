//! A test that a page names as the one that shows something is there, under that very name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::none;
use crate::page::{pages, root};

/// Shorter names are settings, fields and the like.
const WORDS: usize = 5;

/// What metrics and the resources of Terraform begin with.
const OTHERS: [&str; 2] = ["rolekeeper", "aws"];

fn is_sentence(text: &str) -> bool {
    let words: Vec<&str> = text.split('_').collect();
    let is_word = |word: &&str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    words.len() >= WORDS && words.iter().all(is_word) && !OTHERS.contains(&words[0])
}

/// The names of all functions below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            functions(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let after = text.split("fn ").skip(1);
            let names = after.filter_map(|rest| rest.split(['(', '<']).next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_test_that_a_page_names_exists() {
    let mut known = BTreeSet::new();
    functions(&root().join("crates"), &mut known);
    functions(&root().join("tests"), &mut known);
    let (mut named, mut missing) = (0, Vec::new());
    for page in pages() {
        for span in page.code() {
            if is_sentence(&span.text) {
                named += 1;
                if !known.contains(&span.text) {
                    missing.push(format!("{}: {}", page.at(span.line), span.text));
                }
            }
        }
    }
    assert!(named > 50, "only {named} are named");
    none("these tests are not there", &missing);
}
