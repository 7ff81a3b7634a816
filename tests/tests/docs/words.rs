//! Settings, metrics and categories that a page names exist, under that very name.

use std::collections::BTreeSet;

use rolekeeper_domain::fault::Category;

use crate::none;
use crate::page::{Page, pages};

fn page(path: &str) -> Page {
    pages().into_iter().find(|page| page.path == path).unwrap()
}

/// Every setting as `section.key`, and every section, from the page that the code writes.
fn settings() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let mut sections: Vec<String> = Vec::new();
    for line in page("docs/CONFIGURATION.md").text.lines() {
        if let Some(heading) = line.strip_prefix("## `") {
            let names = heading.trim_end_matches('`').split(" and ");
            sections = names
                .map(|name| name.trim_matches(['[', ']']).to_owned())
                .collect();
            for section in &sections {
                // A table's own parts are keys as well: `select`, `select.include`.
                let parts: Vec<&str> = section.split('.').collect();
                known.extend((1..=parts.len()).map(|count| parts[..count].join(".")));
            }
        } else if let Some(key) = line
            .strip_prefix("| `")
            .and_then(|rest| rest.split('`').next())
        {
            for section in &sections {
                known.insert(format!("{section}.{key}"));
                known.insert(format!("{section}.{key}_file"));
            }
        }
    }
    known
}

/// What looks like a setting of rolekeeper and is one of a database, or a field of a log line.
const OTHERS: &[&str] = &[
    "aws.operation",
    "aws.request_id",
    "synchronous",
    "synchronous_commit",
];

/// The key in `limits.concurrency = 3`, or in `limits.concurrency`.
fn key(span: &str) -> &str {
    span.split([' ', '=']).next().unwrap_or_default()
}

#[test]
fn every_setting_that_a_page_names_exists() {
    let known = settings();
    assert!(known.len() > 100, "{known:?}");
    let last: BTreeSet<&str> = known
        .iter()
        .filter_map(|name| name.rsplit('.').next())
        .collect();
    let sections: BTreeSet<&str> = known
        .iter()
        .filter_map(|name| name.split('.').next())
        .collect();
    let mut offences = Vec::new();
    let mut unused = OTHERS.to_vec();
    for page in pages() {
        for span in page.code() {
            let key = key(&span.text);
            if OTHERS.contains(&key) {
                unused.retain(|other| *other != key);
                continue;
            }
            let lower = !key.is_empty()
                && key
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || "._".contains(c));
            let file = [".yaml", ".toml", ".json", ".rs", ".md", ".yml"]
                .iter()
                .any(|end| key.ends_with(end));
            if !lower || file {
                continue;
            }
            let missing = match key.split_once('.') {
                Some((section, _)) if sections.contains(section) => !known.contains(key),
                Some(_) => false,
                // `adopt = "always"`
                None => span.text.starts_with(&format!("{key} = ")) && !last.contains(key),
            };
            if missing {
                offences.push(format!("{}: {}", page.at(span.line), span.text));
            }
        }
    }
    none("settings that do not exist", &offences);
    assert!(unused.is_empty(), "no page names {unused:?} any more");
}

#[test]
fn every_metric_that_a_page_names_is_exported() {
    let listed = page("docs/METRICS.md").text;
    let mut offences = Vec::new();
    for page in pages() {
        for span in page
            .code()
            .into_iter()
            .filter(|span| span.text.starts_with("rolekeeper_"))
        {
            let name = span.text.split('{').next().unwrap_or_default();
            if !listed.contains(&format!("| `{name}` |")) {
                offences.push(format!("{}: {name}", page.at(span.line)));
            }
        }
    }
    none("metrics that nobody exports", &offences);
}

#[test]
fn the_runbook_explains_every_failure_category() {
    let runbook = page("docs/OPERATIONS.md").text;
    let section = runbook
        .split("## Failure categories")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let explained: Vec<&str> = rows.collect();
    let all: Vec<&str> = Category::ALL
        .iter()
        .map(|category| category.as_str())
        .collect();
    assert_eq!(explained, all);
}
