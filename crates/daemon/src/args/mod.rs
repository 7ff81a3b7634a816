//! The command line: what can be asked for, and with which words.

mod each;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepId;

pub(crate) use self::each::*;
use crate::log::LogFormat;

/// Keeps one cross-account IAM role right in every account of an AWS organization.
#[derive(Debug, Parser)]
#[command(
    name = "rolekeeper",
    version,
    max_term_width = 100,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 nothing left to do, 2 drift found or left, 3 an account could not be evaluated or \
                  repaired, 1 usage or configuration, 130 interrupted.\n\nNo AWS at hand? Try: rolekeeper demo"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// The configuration file [default: $ROLEKEEPER_CONFIG, ./rolekeeper.toml, /etc/rolekeeper/rolekeeper.toml]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How log lines are written to stderr
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
    /// More log lines; twice for each AWS call. $ROLEKEEPER_LOG=TARGET=LEVEL,… says it crate by crate
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// How a result is written to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document and nothing else.
    Json,
}

/// The forms of a drift report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// The schema rolekeeper.report/v1.
    Json,
    /// One line for each difference, for a spreadsheet.
    Csv,
    /// For a pull request or a chat.
    Markdown,
    /// One self-contained file, to mail or to print.
    Html,
    /// OCSF events as NDJSON, for a SIEM.
    Ocsf,
}

/// Which accounts.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Accounts {
    /// Only these accounts of the selected ones, by id
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub(crate) accounts: Vec<AccountId>,
}

impl Accounts {
    /// None: all selected accounts.
    pub(crate) fn chosen(&self) -> Option<std::collections::BTreeSet<AccountId>> {
        (!self.accounts.is_empty()).then(|| self.accounts.iter().copied().collect())
    }
}

/// One command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon: scheduled sweeps, HTTP API, page, metrics
    #[command(
        after_help = "Example:\n  rolekeeper run --config /etc/rolekeeper/rolekeeper.toml\n\nSIGTERM and Ctrl-C finish the \
                            steps under way and end; SIGHUP reads the configuration again."
    )]
    Run,
    /// Find the drift and show what a repair would do; writes nothing to AWS
    #[command(
        after_help = "Examples:\n  rolekeeper plan\n  rolekeeper plan --accounts 123456789012 --out plan.json\n\nExit code 0: \
                            nothing differs. 2: drift. 3: an account could not be evaluated."
    )]
    Plan(PlanArgs),
    /// Repair the drift, or carry out exactly a saved plan
    #[command(
        after_help = "Examples:\n  rolekeeper apply\n  rolekeeper apply plan.json --yes\n\nWith a plan file, a step whose \
                            precondition no longer holds is refused."
    )]
    Apply(ApplyArgs),
    /// List every account: its state, its place, and selected or why not
    #[command(after_help = "Example:\n  rolekeeper accounts --format json")]
    Accounts {
        /// Form of the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Write the drift report of a past sweep
    #[command(
        after_help = "Examples:\n  rolekeeper report --format html --out drift.html\n  rolekeeper report --sweep \
                            20261124T063000Z-0badcafe --format ocsf > events.ndjson\n  rolekeeper report --since last --format markdown"
    )]
    Report(ReportArgs),
    /// List the past sweeps, the newest first
    #[command(after_help = "Example:\n  rolekeeper sweeps --limit 5")]
    Sweeps {
        /// How many at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Form of the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show what was done to one account, and its findings
    #[command(after_help = "Example:\n  rolekeeper history 123456789012")]
    History {
        /// The account's id
        account: AccountId,
        /// Form of the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Export or verify the record of every write
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Undo what a sweep wrote, from the journal, under the same guards
    #[command(
        after_help = "Examples:\n  rolekeeper rollback --sweep 20261124T063000Z-0badcafe --plan\n  rolekeeper rollback --sweep \
                            20261124T063000Z-0badcafe --accounts 123456789012\n\nWhat others changed since is left alone and named. \
                            Afterwards writes stay halted, so that the next sweep does not do it again: `rolekeeper resume` lifts that."
    )]
    Rollback(RollbackArgs),
    /// Retire the temporary IAM user of the FAQ: its keys, then all it has, then the user
    #[command(
        after_help = "Examples:\n  rolekeeper retire-user cloudcoreo --plan\n  rolekeeper retire-user cloudcoreo --accounts \
                      123456789012\n\nOnly where the managed roles are as specified, and only a user that was not used for \
                      anything else lately."
    )]
    RetireUser(RetireArgs),
    /// Say how far the change of an external id has come, and what comes next; writes nothing to AWS
    #[command(
        after_help = "Examples:\n  rolekeeper rotate-external-id\n  rolekeeper rotate-external-id --role CloudCoreoAssumedRolePolicy \
                      --format json\n\nBoth ids are accepted for a while, then the new one alone: `next_external_id` and \
                      `external_id_rotation` of [[roles]]. Exit code 0: it is a person's turn. 2: a repair has work. 3: an \
                      account could not be looked at."
    )]
    RotateExternalId(RotateArgs),
    /// Provision one account outside the organization with the FAQ's six permissions
    #[command(
        after_help = "Examples:\n  rolekeeper bootstrap --profile new-account --plan\n  printf '%s\\n' \"$ID\" \"$SECRET\" | rolekeeper \
                      bootstrap --stdin --yes\n\nThe keys of the temporary user come from the environment, a profile or standard \
                      input, never from an argument, and are not kept."
    )]
    Bootstrap(BootstrapArgs),
    /// Stop all writes to AWS now, wherever a replica runs
    #[command(
        after_help = "Example:\n  rolekeeper halt --why 'incident 4711'\n\nThe halt is kept in the store and outlives restarts; \
                            audits go on. Lift it with `rolekeeper resume`."
    )]
    Halt {
        /// Why: shown wherever a write is refused
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Lift a halt
    #[command(after_help = "Example:\n  rolekeeper resume")]
    Resume,
    /// Approve a repair that waits for a person's word, or show what waits
    #[command(
        after_help = "Examples:\n  rolekeeper approve\n  rolekeeper approve 20261124T063000Z-0badcafe\n\nA repair waits when its \
                            specification gives more than was agreed to (rollout.approve_widening), or when it changes more \
                            accounts than rollout.approve_above."
    )]
    Approve {
        /// The sweep; without it, what waits is shown
        #[arg(value_parser = parse_sweep)]
        sweep: Option<SweepId>,
    },
    /// Test configuration, credentials, permissions and store; safe at any time
    #[command(after_help = "Examples:\n  rolekeeper check --offline\n  rolekeeper check")]
    Check {
        /// Only what can be tested without AWS and without the store
        #[arg(long)]
        offline: bool,
    },
    /// Print the IAM policies that rolekeeper itself needs, made from its own list of calls
    #[command(
        after_help = "Examples:\n  rolekeeper iam-policy hub > hub-policy.json\n  rolekeeper iam-policy admin --audit-only"
    )]
    IamPolicy(IamPolicyArgs),
    /// Ask the daemon on this machine whether it is alive: a container's health check
    #[command(
        after_help = "Example:\n  rolekeeper health\n\nAsks /healthz at http.listen. Exit code 0: it answers. 1: it does not."
    )]
    Health,
    /// Compare or explain IAM policy documents by meaning
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// See it at work: a simulated organization with drift in it, and the real daemon against it
    #[command(
        after_help = "Examples:\n  rolekeeper demo\n  rolekeeper demo --accounts 2000 --once\n\nNothing leaves this machine: the \
                            organization is simulated in this process and spoken to over loopback."
    )]
    Demo(DemoArgs),
    /// Write the manual pages into a folder
    #[command(
        hide = true,
        after_help = "Example:\n  rolekeeper man /usr/share/man/man1"
    )]
    Man {
        /// The folder; made if need be
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Print shell completions
    #[command(
        after_help = "Example:\n  rolekeeper completions bash > /etc/bash_completion.d/rolekeeper"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

fn parse_sweep(text: &str) -> Result<SweepId, String> {
    SweepId::parse(text).ok_or_else(|| {
        "a sweep id looks like 20261124T063000Z-0badcafe; `rolekeeper sweeps` lists them".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn walk(command: &clap::Command, missing: &mut Vec<String>) {
            for sub in command.get_subcommands() {
                let is_group = sub.get_subcommands().next().is_some();
                let has_example = sub
                    .get_after_help()
                    .is_some_and(|help| help.to_string().contains("Example"));
                if !is_group && !has_example {
                    missing.push(sub.get_name().to_owned());
                }
                walk(sub, missing);
            }
        }
        let mut missing = Vec::new();
        walk(&Cli::command(), &mut missing);
        assert_eq!(missing, Vec::<String>::new());
    }
}
