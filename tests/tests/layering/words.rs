//! What must not be left lying about in any file. The words are put together
//! from halves, so that this file passes its own check.

use crate::none;
use crate::tree::{Written, rust, written};

/// Notes to self: either it is done, or it is an issue.
const NOTES: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];

/// What has no place in Rust that is finished, or in a test that means it. (That
/// an `allow` gives its reason is clippy's to see.)
const UNFINISHED: &[&str] = &[
    concat!("dbg", "!("),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[ig", "nore"),
    concat!("#[should_", "panic"),
];

/// Places on the machine that something was written on, hosts that a package
/// came from, and documents that are not in this repository: a stranger with a
/// fresh clone can follow none of them.
const ELSEWHERE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/fa", "rm/"),
    concat!("/ro", "ot/"),
    concat!("/tmp", "/rk"),
    concat!("arti", "factory"),
    concat!("py", "pi.org"),
    concat!("files.python", "hosted.org"),
    concat!("registry.npm", "js.org"),
    concat!("index.crates", ".io"),
    concat!("deb.deb", "ian.org"),
    concat!("DESIGN", ".md"),
    concat!("DESIGN", " section"),
    concat!("HOUSE-", "STYLE"),
    concat!("AWS-", "FACTS"),
    concat!("MODEL-", "CODEBASES"),
    concat!("cloudcoreo", "-faq.md"),
];

/// Who or what typed it is not the reader's concern.
///
/// The list of AWS's service prefixes, where one of the words is a service, is
/// left out.
const WRITERS: &[&str] = &[
    concat!("cla", "ude"),
    concat!("anth", "ropic"),
    concat!("chat", "gpt"),
    concat!("open", "ai"),
    concat!("copi", "lot"),
    concat!("sub", "agent"),
];

#[test]
fn no_note_to_self_is_left() {
    let offences = everything()
        .iter()
        .flat_map(|file| find(file, NOTES, whole_word))
        .collect();
    none("notes to self", offences);
}

#[test]
fn nothing_unfinished_is_left() {
    let offences = rust()
        .iter()
        .flat_map(|file| find(file, UNFINISHED, anywhere))
        .collect();
    none("unfinished code", offences);
}

#[test]
fn nothing_points_outside_the_repository() {
    let offences = everything()
        .iter()
        .flat_map(|file| find(file, ELSEWHERE, anywhere))
        .collect();
    none("words that mean another place", offences);
}

#[test]
fn nothing_says_who_typed_it() {
    let offences = everything()
        .iter()
        .filter(|file| file.path != "crates/domain/src/policy/lint/names.rs")
        .flat_map(|file| find(file, WRITERS, in_any_case))
        .collect();
    none("words about writers", offences);
}

#[test]
fn no_pictures_among_the_letters() {
    let mut offences = Vec::new();
    for file in everything() {
        for (number, line) in (1..).zip(file.text.lines()) {
            if line
                .chars()
                .any(|c| ('\u{1F000}'..='\u{1FAFF}').contains(&c) || c == '\u{FE0F}')
            {
                offences.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none("emojis", offences);
}

/// All that people write here: not the licence, which is not ours to word, nor
/// the lists that package managers write.
fn everything() -> Vec<Written> {
    let not_ours = |path: &str| {
        path == "LICENSE" || path.ends_with("Cargo.lock") || path.ends_with("package-lock.json")
    };
    written("")
        .into_iter()
        .filter(|file| !not_ours(&file.path))
        .collect()
}

/// `path:line: text` for every line with one of `words` in it.
fn find(file: &Written, words: &[&str], matches: fn(&str, &str) -> bool) -> Vec<String> {
    (1..)
        .zip(file.text.lines())
        .filter(|(_, line)| words.iter().any(|word| matches(line, word)))
        .map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim()))
        .collect()
}

fn anywhere(line: &str, word: &str) -> bool {
    line.contains(word)
}

fn in_any_case(line: &str, word: &str) -> bool {
    line.to_lowercase().contains(word)
}

fn whole_word(line: &str, word: &str) -> bool {
    let part_of_one = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line.get(..at), line.get(at + word.len()..));
        !part_of_one(before.and_then(|text| text.chars().next_back()))
            && !part_of_one(after.and_then(|text| text.chars().next()))
    })
}

#[test]
fn a_word_inside_a_longer_one_is_no_note() {
    let word = concat!("XX", "X");
    assert!(whole_word(&format!("// {word}: look"), word));
    assert!(whole_word(word, word));
    assert!(!whole_word(&format!("{word}{word}"), word));
    assert!(!whole_word(&format!("a{word}"), word));
}
