//! What a page points at is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::none;
use crate::page::{Page, pages, root};

/// `a/b/../c` as `a/c`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

fn broken(page: &Page, target: &str, anchors: &BTreeMap<String, Vec<String>>) -> Option<String> {
    if target.starts_with("https://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target
        .split_once('#')
        .map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() {
        PathBuf::from(&page.path)
    } else {
        plain(
            &Path::new(&page.path)
                .parent()
                .unwrap_or(Path::new(""))
                .join(file),
        )
    };
    if !root().join(&path).exists() {
        return Some("leads nowhere".to_owned());
    }
    let anchor = anchor?;
    let known = anchors.get(path.to_str()?)?;
    (!known.iter().any(|heading| heading == anchor))
        .then(|| format!("{} has no such heading", path.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let anchors: BTreeMap<String, Vec<String>> = pages
        .iter()
        .map(|page| (page.path.clone(), page.anchors()))
        .collect();
    let mut offences = Vec::new();
    for page in &pages {
        for link in page.links() {
            offences.extend(
                broken(page, &link.text, &anchors)
                    .map(|why| format!("{}: {}: {why}", page.at(link.line), link.text)),
            );
        }
    }
    none("links that lead nowhere", &offences);
}

#[test]
fn every_page_can_be_reached_from_readme() {
    let pages = pages();
    let mut reached = vec!["README.md".to_owned()];
    let mut at = 0;
    while let Some(path) = reached.get(at).cloned() {
        at += 1;
        let Some(page) = pages.iter().find(|page| page.path == path) else {
            continue;
        };
        for link in page.links() {
            let file = link.text.split('#').next().unwrap_or_default();
            let target = plain(
                &Path::new(&page.path)
                    .parent()
                    .unwrap_or(Path::new(""))
                    .join(file),
            );
            let target = target.to_string_lossy().into_owned();
            // Whoever is led to a folder sees what is in it.
            let within = pages.iter().map(|page| page.path.clone());
            let within = within.filter(|path| path.starts_with(&format!("{target}/")));
            for path in std::iter::once(target.clone()).chain(within) {
                if !reached.contains(&path) {
                    reached.push(path);
                }
            }
        }
    }
    let lost: Vec<String> = pages
        .into_iter()
        .map(|page| page.path)
        .filter(|path| !reached.contains(path))
        .collect();
    none("pages that nothing leads to", &lost);
}

#[test]
fn every_file_that_a_page_names_is_there() {
    let folders = ["crates/", "deploy/", "docs/", "tests/", "config/", ".ci/"];
    let mut offences = Vec::new();
    for page in pages() {
        for span in page.code() {
            let named = folders.iter().any(|folder| span.text.starts_with(folder));
            let whole = span
                .text
                .split('#')
                .next()
                .unwrap_or_default()
                .trim_end_matches('/');
            if !named || whole.contains([' ', '{', '<']) {
                continue;
            }
            let there = match whole.split_once('*') {
                None => root().join(whole).exists() || in_a_crate(whole),
                Some((before, after)) => matches(before, after),
            };
            if !there {
                offences.push(format!("{}: {}", page.at(span.line), span.text));
            }
        }
    }
    none("files that are not there", &offences);
}

/// Whether it is a file of some crate, named as within that crate.
fn in_a_crate(path: &str) -> bool {
    let mut crates = fs::read_dir(root().join("crates"))
        .into_iter()
        .flatten()
        .flatten();
    crates.any(|member| {
        let folder = member.path();
        folder.join(path).exists() || folder.join("src").join(path).exists()
    })
}

fn matches(before: &str, after: &str) -> bool {
    let (folder, begins) = before.rsplit_once('/').unwrap_or(("", before));
    let mut names = fs::read_dir(root().join(folder))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    names.any(|name| {
        name.to_str()
            .is_some_and(|name| name.starts_with(begins) && name.ends_with(after))
    })
}

#[test]
fn every_alert_leads_to_its_place_in_the_runbook() {
    let runbook = pages()
        .into_iter()
        .find(|page| page.path == "docs/OPERATIONS.md")
        .unwrap();
    let rules = fs::read_to_string(root().join("deploy/prometheus/rules.yml")).unwrap();
    let field = |name: &str| -> Vec<String> {
        let lines = rules
            .lines()
            .map(|line| line.trim().trim_start_matches("- "));
        lines
            .filter_map(|line| line.strip_prefix(name))
            .map(|value| value.trim().to_owned())
            .collect()
    };
    let (alerts, runbooks) = (field("alert:"), field("runbook_url:"));
    assert!(alerts.len() > 8, "{alerts:?}");
    let expected: Vec<String> = alerts
        .iter()
        .map(|alert| format!("docs/OPERATIONS.md#{}", alert.to_lowercase()))
        .collect();
    assert_eq!(runbooks, expected);
    let anchors = runbook.anchors();
    let lost: Vec<String> = alerts
        .iter()
        .filter(|alert| !anchors.contains(&alert.to_lowercase()))
        .cloned()
        .collect();
    none("alerts that the runbook does not explain", &lost);
    let explained = runbook
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("### Rolekeeper"));
    let gone: Vec<String> = explained
        .filter(|name| !alerts.contains(&format!("Rolekeeper{name}")))
        .map(str::to_owned)
        .collect();
    none("alerts that the runbook explains and nobody raises", &gone);
}
