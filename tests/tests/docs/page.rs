//! A page of Markdown: its headings, blocks, inline code and links.

use std::fs;
use std::path::{Path, PathBuf};

/// Where pages are.
const FOLDERS: &[&str] = &["docs", "docs/decisions", "deploy"];

/// One page.
pub(crate) struct Page {
    /// Where it is, from the root.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Code that stands apart.
pub(crate) struct Block {
    /// The line it begins on.
    pub(crate) line: usize,
    /// The word after the fence; empty for a block that is only indented.
    pub(crate) language: String,
    pub(crate) text: String,
}

/// Something within a paragraph, and the line it begins on.
pub(crate) struct Span {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the tests are a folder of the workspace")
        .to_owned()
}

/// Every page that a stranger reads.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths: Vec<String> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(str::to_owned)
        .into();
    for folder in FOLDERS {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                paths.push(format!("{folder}/{name}"));
            }
        }
    }
    paths.sort();
    let read = |path: String| Page {
        text: fs::read_to_string(root().join(&path)).unwrap(),
        path,
    };
    paths.into_iter().map(read).collect()
}

impl Page {
    /// Where something is, for a message.
    pub(crate) fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        self.split().0
    }

    /// The text without its blocks, on the same lines.
    pub(crate) fn prose(&self) -> String {
        self.split().1
    }

    fn split(&self) -> (Vec<Block>, String) {
        let mut blocks: Vec<Block> = Vec::new();
        let mut prose = String::new();
        let mut fence: Option<usize> = None;
        let mut indented = false;
        let mut after_blank = true;
        for (line, number) in self.text.lines().zip(1..) {
            let inner = line.trim_start();
            let margin = line.len() - inner.len();
            let mut shown = "";
            if let Some(at) = fence {
                if inner.starts_with("```") {
                    fence = None;
                } else {
                    push(&mut blocks, line.get(at.min(margin)..).unwrap_or(""));
                }
            } else if let Some(language) = inner.strip_prefix("```") {
                fence = Some(margin);
                blocks.push(Block {
                    line: number,
                    language: language.trim().to_owned(),
                    text: String::new(),
                });
            } else if margin >= 4 && (indented || after_blank) && !inner.is_empty() {
                if !indented {
                    blocks.push(Block {
                        line: number,
                        language: String::new(),
                        text: String::new(),
                    });
                }
                indented = true;
                push(&mut blocks, line.get(4..).unwrap_or(""));
            } else {
                indented = false;
                shown = line;
            }
            after_blank = inner.is_empty();
            prose.push_str(shown);
            prose.push('\n');
        }
        (blocks, prose)
    }

    /// Headings, as GitHub makes anchors of them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let prose = self.prose();
        let headings = prose.lines().filter_map(|line| {
            let rest = line.trim_start_matches('#');
            (rest.len() < line.len())
                .then(|| rest.strip_prefix(' '))
                .flatten()
        });
        headings.map(slug).collect()
    }

    /// Inline code, with its lines joined.
    pub(crate) fn code(&self) -> Vec<Span> {
        let prose = self.prose();
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(begin) = prose
            .get(from..)
            .and_then(|rest| rest.find('`'))
            .map(|at| from + at)
        {
            let ticks = prose[begin..].chars().take_while(|c| *c == '`').count();
            let inside = begin + ticks;
            let paragraph = prose[inside..]
                .find("\n\n")
                .map_or(prose.len(), |at| inside + at);
            let Some(end) = prose[inside..paragraph]
                .find(&"`".repeat(ticks))
                .map(|at| inside + at)
            else {
                from = inside;
                continue;
            };
            let text = prose[inside..end]
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            found.push(Span {
                line: line_of(&prose, begin),
                text,
            });
            from = end + ticks;
        }
        found
    }

    /// What links lead to, pictures included.
    pub(crate) fn links(&self) -> Vec<Span> {
        let prose = self.prose();
        let mut found = Vec::new();
        for (before, after) in [
            ("](", ")"),
            ("src=\"", "\""),
            ("srcset=\"", "\""),
            ("href=\"", "\""),
        ] {
            for (at, _) in prose.match_indices(before) {
                let begin = at + before.len();
                let length = prose[begin..].find(after).unwrap_or(0);
                let text = prose[begin..begin + length].to_owned();
                found.push(Span {
                    line: line_of(&prose, at),
                    text,
                });
            }
        }
        found
    }
}

fn push(blocks: &mut [Block], line: &str) {
    if let Some(block) = blocks.last_mut() {
        block.text.push_str(line);
        block.text.push('\n');
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// `The store` as `the-store`.
fn slug(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn a_page_is_taken_apart_as_a_reader_sees_it() {
    let text = "# One `two`\n\ntext `a\nb` [x](y.md#z)\n\n    rolekeeper plan\n\n1. item\n\n   ```toml\n   a = 1\n     b\n   ```\n    lazy\n";
    let page = Page {
        path: "p.md".to_owned(),
        text: text.to_owned(),
    };
    let blocks = page.blocks();
    let shown: Vec<_> = blocks
        .iter()
        .map(|block| (block.line, block.language.as_str(), block.text.as_str()))
        .collect();
    assert_eq!(
        shown,
        [(6, "", "rolekeeper plan\n"), (10, "toml", "a = 1\n  b\n")]
    );
    assert_eq!(page.anchors(), ["one-two"]);
    let code: Vec<_> = page
        .code()
        .into_iter()
        .map(|span| (span.line, span.text))
        .collect();
    assert_eq!(code, [(1, "two".to_owned()), (3, "a b".to_owned())]);
    assert_eq!(page.links()[0].text, "y.md#z");
}
