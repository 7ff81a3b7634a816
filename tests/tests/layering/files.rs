//! No dead file, no file that has outgrown its noun.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::none;
use crate::tree::{Written, relative, root, rust};

/// Past this a file holds more than one noun. The tests at a file's end do not
/// count.
const LINES: usize = 500;

/// Tables of cases may be longer than code: a row takes several lines.
const LINES_OF_TESTS: usize = 1000;

/// Files that may be longer, and why.
const LONGER: &[(&str, &str)] = &[];

#[test]
fn no_file_has_outgrown_its_noun() {
    let offences = rust()
        .iter()
        .filter(|file| outgrown(file) && !LONGER.iter().any(|(longer, _)| *longer == file.path))
        .map(|file| {
            format!(
                "{}: {} lines, {} allowed",
                file.path,
                lines(file),
                allowed(file)
            )
        })
        .collect();
    none("files that are too long", offences);
}

#[test]
fn every_exception_is_still_needed() {
    let files = rust();
    let offences = LONGER
        .iter()
        .filter(|(longer, _)| {
            !files
                .iter()
                .any(|file| file.path == *longer && outgrown(file))
        })
        .map(|(longer, _)| (*longer).to_owned())
        .collect();
    none("exceptions for files that are short or gone", offences);
}

fn outgrown(file: &Written) -> bool {
    lines(file) > allowed(file)
}

fn lines(file: &Written) -> usize {
    file.text
        .lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .count()
}

fn allowed(file: &Written) -> usize {
    let of_tests = file.path.starts_with("tests/")
        || file.path.contains("/tests/")
        || file.path.ends_with("/tests.rs");
    if of_tests { LINES_OF_TESTS } else { LINES }
}

#[test]
fn every_rust_file_is_reached_from_a_crate_root() {
    let root = root();
    let files = rust();
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<String> = files
        .iter()
        .map(|file| file.path.clone())
        .filter(|path| is_crate_root(path))
        .collect();
    while let Some(path) = waiting.pop() {
        if !reached.insert(path.clone()) {
            continue;
        }
        let Some(file) = files.iter().find(|file| file.path == path) else {
            continue;
        };
        for candidate in modules(&root.join(&path), &file.text, is_crate_root(&path)) {
            waiting.push(relative(&root, &candidate));
        }
    }
    let offences = files
        .into_iter()
        .map(|file| file.path)
        .filter(|path| !reached.contains(path))
        .collect();
    none("files that no `mod` names", offences);
}

/// Whether cargo compiles the file by itself: a crate's root, or a test program.
fn is_crate_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [.., "src", "lib.rs" | "main.rs"] | [.., "build.rs"] => true,
        [.., "src", "bin", _] | [.., "src", "bin", _, "main.rs"] => true,
        // The member `tests` has its test programs in tests/tests.
        ["tests", "tests" | "benches" | "examples", _] => true,
        ["tests", "tests" | "benches" | "examples", _, "main.rs"] => true,
        ["crates", _, "tests" | "benches" | "examples", _] => true,
        ["crates", _, "tests" | "benches" | "examples", _, "main.rs"] => true,
        _ => false,
    }
}

/// The files that the `mod name;` lines of `text` may mean, whether they are
/// there or not.
fn modules(path: &Path, text: &str, is_root: bool) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let stem = path.file_stem().unwrap_or_default();
    let owns_folder = is_root || stem == "mod";
    let inside = if owns_folder {
        folder.to_owned()
    } else {
        folder.join(stem)
    };
    let mut found = Vec::new();
    let mut elsewhere = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            elsewhere = rest.split('"').next().map(|named| folder.join(named));
        } else if let Some(name) = declared(line) {
            match elsewhere.take() {
                Some(named) => found.push(plain(&named)),
                None => {
                    found.push(inside.join(format!("{name}.rs")));
                    found.push(inside.join(name).join("mod.rs"));
                }
            }
        }
    }
    found
}

/// The name in `mod name;`, whatever its visibility.
fn declared(line: &str) -> Option<&str> {
    let after = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1,
        Some(rest) => rest,
        None => line,
    };
    after
        .trim_start()
        .strip_prefix("mod ")?
        .strip_suffix(';')
        .map(str::trim)
}

/// `a/b/../c` as `a/c`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

#[test]
fn a_module_line_is_read_whatever_its_visibility() {
    let cases = [
        ("mod plan;", Some("plan")),
        ("pub mod plan;", Some("plan")),
        ("pub(crate) mod plan;", Some("plan")),
        ("pub(in crate::sweep) mod plan;", Some("plan")),
        ("mod tests {", None),
        ("// mod plan;", None),
        ("model;", None),
    ];
    for (line, name) in cases {
        assert_eq!(declared(line), name, "{line}");
    }
}
