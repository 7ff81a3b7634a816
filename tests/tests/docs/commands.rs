//! The commands of the pages, and what each of them needs beside rolekeeper.

use crate::none;
use crate::page::{Block, Page, pages};

/// What a command may need that a test on a bare machine has not, as the pages spell it in a comment
/// `# needs …` above the command, and the programs that need it.
const NEEDS: &[(&str, &[&str])] = &[
    ("AWS", &["aws", "terraform"]),
    ("Kubernetes", &["kubectl", "helm"]),
    ("Docker", &["docker"]),
    ("root", &["dpkg", "systemctl", "install"]),
    ("PostgreSQL", &["pg_dump", "pg_restore", "psql"]),
    ("SQLite's shell", &["sqlite3"]),
    ("another daemon", &["curl"]),
];

/// Programs of this repository.
const OURS: &[&str] = &["rolekeeper", "cargo", "rolekeeper-simulator"];

/// What every shell has.
const SHELL: &[&str] = &[
    "export",
    "printf",
    "cp",
    "mv",
    "mkdir",
    "diff",
    "sha256sum",
    "for",
    "umask",
];

/// Blocks without a language that show something else than commands, by how they begin.
const FIGURES: &[(&str, &str)] = &[
    ("docs/ARCHITECTURE.md", "discover -> select"),
    ("docs/ARCHITECTURE.md", "domain <- engine"),
];

/// One command of a block.
pub(crate) struct Command {
    pub(crate) line: usize,
    /// Without its comment, its continued lines joined.
    pub(crate) text: String,
    /// What it needs, where the block says so.
    pub(crate) needs: Option<String>,
}

impl Command {
    /// The programs in it: the first word, and the first after each pipe.
    pub(crate) fn programs(&self) -> Vec<&str> {
        let parts = self
            .text
            .split(['|', ';'])
            .flat_map(|part| part.split("&&"));
        parts.filter_map(program).collect()
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.programs()
            .iter()
            .all(|program| OURS.contains(program) || SHELL.contains(program))
    }
}

/// The first word that is no variable.
fn program(part: &str) -> Option<&str> {
    part.split_whitespace()
        .find(|word| !word.contains('=') && *word != "sudo")
}

fn is_shell(block: &Block) -> bool {
    if !block.language.is_empty() {
        return matches!(block.language.as_str(), "console" | "sh" | "shell" | "bash");
    }
    let lines = block
        .text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let first = lines.filter_map(program).next().unwrap_or_default();
    OURS.contains(&first)
        || SHELL.contains(&first)
        || NEEDS.iter().any(|(_, programs)| programs.contains(&first))
}

/// The commands of a block, top down.
pub(crate) fn commands(block: &Block) -> Vec<Command> {
    if !is_shell(block) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut needs = None;
    let mut whole = String::new();
    let mut begin = 0;
    for (line, number) in block.text.lines().zip(block.line..) {
        let line = if block.language == "console" {
            match (line.strip_prefix("$ "), whole.is_empty()) {
                (Some(command), _) => command,
                (None, false) => line,
                (None, true) if line.starts_with("# ") => line,
                // What the command answered.
                (None, true) => continue,
            }
        } else {
            line
        };
        if let Some(comment) = line.trim_start().strip_prefix('#') {
            if let Some(what) = comment.trim_start().strip_prefix("needs ") {
                needs = Some(what.split(':').next().unwrap_or(what).trim().to_owned());
            }
            continue;
        }
        if whole.is_empty() {
            begin = number;
        }
        let line = without_comment(line).trim();
        if let Some(more) = line.strip_suffix('\\') {
            whole.push_str(more.trim_end());
            whole.push(' ');
            continue;
        }
        whole.push_str(line);
        let text = std::mem::take(&mut whole);
        if !text.is_empty() {
            found.push(Command {
                line: begin,
                text,
                needs: needs.clone(),
            });
        }
    }
    found
}

/// Cuts ` # …` off, unless it stands in quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '#' && before.is_whitespace() => return &line[..at],
            _ => {}
        }
        before = c;
    }
    line
}

/// Every command of every block, with where it stands.
pub(crate) fn all() -> Vec<(Page, Vec<Command>)> {
    let of = |page: Page| {
        let found = page.blocks().iter().flat_map(commands).collect();
        (page, found)
    };
    pages().into_iter().map(of).collect()
}

#[test]
fn a_command_that_no_test_can_run_says_what_it_needs() {
    let mut offences = Vec::new();
    for (page, found) in all() {
        for command in found {
            let known = |program: &str| match NEEDS
                .iter()
                .find(|(_, programs)| programs.contains(&program))
            {
                Some((need, _)) => command.needs.as_deref() == Some(need),
                None => OURS.contains(&program) || SHELL.contains(&program),
            };
            for program in command
                .programs()
                .into_iter()
                .filter(|program| !known(program))
            {
                let needs = command.needs.as_deref().unwrap_or("nothing");
                offences.push(format!(
                    "{}: `{}` calls {program}, and the block says that it needs {needs}",
                    page.at(command.line),
                    command.text
                ));
            }
        }
    }
    none(
        "commands that neither a test can run nor say what they need",
        &offences,
    );
}

#[test]
fn a_block_that_says_what_it_needs_does_need_it() {
    let mut offences = Vec::new();
    for page in pages() {
        for block in page.blocks() {
            let found = commands(&block);
            for command in &found {
                let Some(need) = &command.needs else { continue };
                let programs = NEEDS
                    .iter()
                    .find(|(name, _)| name == need)
                    .map(|(_, programs)| *programs);
                let used = found.iter().flat_map(Command::programs);
                if !programs
                    .is_some_and(|programs| used.clone().any(|used| programs.contains(&used)))
                {
                    offences.push(format!(
                        "{}: nothing here needs {need}",
                        page.at(block.line)
                    ));
                    break;
                }
            }
        }
    }
    none("marks that are not needed", &offences);
}

#[test]
fn every_block_without_a_language_is_commands_or_a_known_figure() {
    let mut offences = Vec::new();
    let mut unused: Vec<_> = FIGURES.to_vec();
    for page in pages() {
        for block in page
            .blocks()
            .into_iter()
            .filter(|block| block.language.is_empty() && !is_shell(block))
        {
            let of_block = |(path, begins): &(&str, &str)| {
                *path == page.path && block.text.starts_with(begins)
            };
            if FIGURES.iter().any(of_block) {
                unused.retain(|figure| !of_block(figure));
            } else {
                offences.push(format!(
                    "{}: {}",
                    page.at(block.line),
                    block.text.lines().next().unwrap_or("")
                ));
            }
        }
    }
    offences.extend(
        unused
            .iter()
            .map(|(path, begins)| format!("{path} has no figure `{begins}` any more")),
    );
    none("blocks of which nobody knows what they are", &offences);
}

#[test]
fn a_block_is_read_as_a_shell_reads_it() {
    let block = |language: &str, text: &str| Block {
        line: 7,
        language: language.to_owned(),
        text: text.to_owned(),
    };
    let shown = |block: &Block| -> Vec<(usize, String, Option<String>)> {
        commands(block)
            .into_iter()
            .map(|command| (command.line, command.text, command.needs))
            .collect()
    };
    assert_eq!(shown(&block("toml", "a = 1\n")), []);
    assert_eq!(
        shown(&block(
            "console",
            "$ rolekeeper plan   # all\nout\n$ rolekeeper halt --why 'a # b'\n"
        )),
        [
            (7, "rolekeeper plan".to_owned(), None),
            (9, "rolekeeper halt --why 'a # b'".to_owned(), None)
        ]
    );
    assert_eq!(
        shown(&block(
            "",
            "# needs AWS: the management account\naws a \\\n  b\n"
        )),
        [(8, "aws a b".to_owned(), Some("AWS".to_owned()))]
    );
    assert_eq!(shown(&block("", "a -> b\n")), []);
}
