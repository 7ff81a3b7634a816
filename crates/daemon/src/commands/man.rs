//! `rolekeeper man FOLDER`.

use std::path::Path;

use clap::CommandFactory;

use crate::app::App;
use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::Failure;

/// Writes a manual page for each command into a folder.
pub(crate) fn run(app: &App, folder: &Path) -> Result<Exit, Failure> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map_err(|problem| {
            Failure::new(format!(
                "the manual pages cannot be written into {}: {problem}",
                folder.display()
            ))
        })?;
    app.terminal
        .tell(&format!("The manual pages are in {}.", folder.display()));
    Ok(Exit::Clean)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use super::*;

    #[test]
    fn each_command_has_a_page_with_its_options_and_an_example() {
        let folder = tempfile::tempdir().unwrap();
        clap_mangen::generate_to(Cli::command(), folder.path()).unwrap();
        let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(page("rolekeeper.1").contains("Exit codes"));
        for command in Cli::command()
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            let text = page(&format!("rolekeeper-{}.1", command.get_name()));
            assert!(
                text.contains("Example") || command.has_subcommands(),
                "{text}"
            );
        }
        assert!(page("rolekeeper-report.1").contains("since"));
        assert!(page("rolekeeper-policy-diff.1").contains("Example"));
    }
}
