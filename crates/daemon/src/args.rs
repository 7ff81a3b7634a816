//! The command line: what can be asked for, and with which words.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepId;

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
    #[command(after_help = "Example:\n  rolekeeper run --config /etc/rolekeeper/rolekeeper.toml\n\nSIGTERM and Ctrl-C finish the \
                            steps under way and end; SIGHUP reads the configuration again.")]
    Run,
    /// Find the drift and show what a repair would do; writes nothing to AWS
    #[command(after_help = "Examples:\n  rolekeeper plan\n  rolekeeper plan --accounts 123456789012 --out plan.json\n\nExit code 0: \
                            nothing differs. 2: drift. 3: an account could not be evaluated.")]
    Plan(PlanArgs),
    /// Repair the drift, or carry out exactly a saved plan
    #[command(after_help = "Examples:\n  rolekeeper apply\n  rolekeeper apply plan.json --yes\n\nWith a plan file, a step whose \
                            precondition no longer holds is refused.")]
    Apply(ApplyArgs),
    /// List every account: its state, its place, and selected or why not
    #[command(after_help = "Example:\n  rolekeeper accounts --format json")]
    Accounts {
        /// Form of the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Write the drift report of a past sweep
    #[command(after_help = "Examples:\n  rolekeeper report --format html --out drift.html\n  rolekeeper report --sweep \
                            20261124T063000Z-0badcafe --format ocsf > events.ndjson\n  rolekeeper report --since last --format markdown")]
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
    #[command(after_help = "Examples:\n  rolekeeper rollback --sweep 20261124T063000Z-0badcafe --plan\n  rolekeeper rollback --sweep \
                            20261124T063000Z-0badcafe --accounts 123456789012\n\nWhat others changed since is left alone and named. \
                            Afterwards writes stay halted, so that the next sweep does not do it again: `rolekeeper resume` lifts that.")]
    Rollback(RollbackArgs),
    /// Stop all writes to AWS now, wherever a replica runs
    #[command(after_help = "Example:\n  rolekeeper halt --why 'incident 4711'\n\nThe halt is kept in the store and outlives restarts; \
                            audits go on. Lift it with `rolekeeper resume`.")]
    Halt {
        /// Why: shown wherever a write is refused
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Lift a halt
    #[command(after_help = "Example:\n  rolekeeper resume")]
    Resume,
    /// Test configuration, credentials, permissions and store; safe at any time
    #[command(after_help = "Examples:\n  rolekeeper check --offline\n  rolekeeper check")]
    Check {
        /// Only what can be tested without AWS and without the store
        #[arg(long)]
        offline: bool,
    },
    /// Print the IAM policies that rolekeeper itself needs, made from its own list of calls
    #[command(after_help = "Examples:\n  rolekeeper iam-policy hub > hub-policy.json\n  rolekeeper iam-policy admin --audit-only")]
    IamPolicy(IamPolicyArgs),
    /// Ask the daemon on this machine whether it is alive: a container's health check
    #[command(after_help = "Example:\n  rolekeeper health\n\nAsks /healthz at http.listen. Exit code 0: it answers. 1: it does not.")]
    Health,
    /// Compare or explain IAM policy documents by meaning
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// See it at work: a simulated organization with drift in it, and the real daemon against it
    #[command(after_help = "Examples:\n  rolekeeper demo\n  rolekeeper demo --accounts 2000 --once\n\nNothing leaves this machine: the \
                            organization is simulated in this process and spoken to over loopback.")]
    Demo(DemoArgs),
    /// Write the manual pages into a folder
    #[command(hide = true, after_help = "Example:\n  rolekeeper man /usr/share/man/man1")]
    Man {
        /// The folder; made if need be
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Print shell completions
    #[command(after_help = "Example:\n  rolekeeper completions bash > /etc/bash_completion.d/rolekeeper")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Arguments of `plan`.
#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) accounts: Accounts,
    /// Save the plan here, for `apply FILE`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Arguments of `apply`.
#[derive(Args, Debug)]
pub(crate) struct ApplyArgs {
    /// A plan that `plan --out` saved
    #[arg(value_name = "PLAN-FILE")]
    pub(crate) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) accounts: Accounts,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Arguments of `rollback`.
#[derive(Args, Debug)]
pub(crate) struct RollbackArgs {
    /// The sweep whose writes are undone
    #[arg(long, value_name = "ID", value_parser = parse_sweep)]
    pub(crate) sweep: SweepId,
    #[command(flatten)]
    pub(crate) accounts: Accounts,
    /// Only show what would be done
    #[arg(long)]
    pub(crate) plan: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Arguments of `iam-policy`.
#[derive(Args, Debug)]
pub(crate) struct IamPolicyArgs {
    /// Whose policy
    #[arg(value_enum)]
    pub(crate) whose: Whose,
    /// Leave out what only repairs and rollbacks need
    #[arg(long)]
    pub(crate) audit_only: bool,
    /// Leave out what only rollbacks need: deleting what was made, attaching what was there before
    #[arg(long)]
    pub(crate) no_rollback: bool,
}

/// Whose policy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Whose {
    /// The principal that rolekeeper runs as.
    Hub,
    /// The role that reads the organization, where the hub may not (`aws.organization_role_arn`).
    Organization,
    /// The admin role in each member account.
    Admin,
    /// The session policy of an audit.
    Session,
    /// The temporary user in an account outside the organization.
    Bootstrap,
}

/// Arguments of `report`.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// The sweep [default: the last one that completed]
    #[arg(long, value_name = "ID", value_parser = parse_sweep)]
    pub(crate) sweep: Option<SweepId>,
    /// Only what changed since this earlier sweep; `last` means the comparable one before
    #[arg(long, value_name = "ID|last", value_parser = parse_since)]
    pub(crate) since: Option<Since>,
    /// Form of the report
    #[arg(long, value_enum)]
    pub(crate) format: ReportFormat,
    /// Write it here instead of stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// The sweep that a report is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// The last completed one before it that looked at comparably many accounts.
    Last,
    /// This one.
    Sweep(SweepId),
}

fn parse_since(text: &str) -> Result<Since, String> {
    if text == "last" { Ok(Since::Last) } else { parse_sweep(text).map(Since::Sweep) }
}

/// `journal …`
#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Write the journal as JSON lines, each bound to the one before it by its hash
    #[command(after_help = "Example:\n  rolekeeper journal export --after 1200 >> audit.jsonl")]
    Export {
        /// Only records after this number
        #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
        after: i64,
    },
    /// Check that no record was changed, taken out or put in; prints the last one as NUMBER:HASH
    #[command(after_help = "Examples:\n  rolekeeper journal verify\n  rolekeeper journal verify audit.jsonl --known 1200:3f…\n\nThat the end \
                            was cut shows only against a place that was kept elsewhere: keep the last line, and give it to --known next time.")]
    Verify {
        /// An export; the store's own journal when none is given
        file: Option<PathBuf>,
        /// A place that the journal must lead through
        #[arg(long, value_name = "NUMBER:HASH")]
        known: Option<rolekeeper_store::Head>,
    },
}

/// `policy …`
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Compare two documents: exit 0 equivalent, 2 different, 1 invalid
    #[command(after_help = "Example:\n  rolekeeper policy diff agreed.json found.json")]
    Diff {
        /// The first document
        a: PathBuf,
        /// The second document
        b: PathBuf,
    },
    /// Say in words what a document allows and denies, and what is doubtful in it
    #[command(after_help = "Example:\n  rolekeeper policy explain trust.json")]
    Explain {
        /// The document
        file: PathBuf,
    },
}

/// `config …`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the effective configuration, secrets hidden, each value with where it came from
    #[command(after_help = "Example:\n  ROLEKEEPER__LIMITS__CONCURRENCY=8 rolekeeper config show")]
    Show,
}

/// Arguments of `demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Member accounts of the simulated organization
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) accounts: u32,
    /// End after the second sweep instead of staying up
    #[arg(long)]
    pub(crate) once: bool,
    /// What everything that looks like chance is drawn from
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
    /// Where the page is served
    #[arg(long, default_value = "127.0.0.1:9464", value_name = "ADDRESS")]
    pub(crate) listen: std::net::SocketAddr,
}

fn parse_sweep(text: &str) -> Result<SweepId, String> {
    SweepId::parse(text).ok_or_else(|| "a sweep id looks like 20261124T063000Z-0badcafe; `rolekeeper sweeps` lists them".to_owned())
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
                let has_example = sub.get_after_help().is_some_and(|help| help.to_string().contains("Example"));
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
