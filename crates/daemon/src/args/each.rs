//! What each command takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_domain::role::RoleName;

use super::{Accounts, Format, ReportFormat, parse_sweep};

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

/// Arguments of `retire-user`.
#[derive(Args, Debug)]
pub(crate) struct RetireArgs {
    /// The user's name
    #[arg(value_parser = parse_user)]
    pub(crate) user: String,
    #[command(flatten)]
    pub(crate) accounts: Accounts,
    /// A user that was used within so many days for anything but IAM and STS is left alone
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(0..=3650))]
    pub(crate) quiet_days: u16,
    /// Only show what would be done
    #[arg(long)]
    pub(crate) plan: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

fn parse_user(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("a user name has 1 to 64 of letters, digits and +=,.@_-".to_owned())
    }
}

/// Arguments of `rotate-external-id`.
#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    /// Only this role [default: every role whose external id is on its way]
    #[arg(long, value_name = "NAME", value_parser = parse_role)]
    pub(crate) role: Option<RoleName>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

fn parse_role(text: &str) -> Result<RoleName, String> {
    text.parse()
        .map_err(|_| "a role name has 1 to 64 of letters, digits and +=,.@_-".to_owned())
}

/// Arguments of `bootstrap`.
#[derive(Args, Debug)]
pub(crate) struct BootstrapArgs {
    /// Take the keys from this profile of the AWS configuration files
    #[arg(long, value_name = "NAME", conflicts_with = "stdin")]
    pub(crate) profile: Option<String>,
    /// Read the keys from standard input: id, secret and session token, one a line
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Only show what would be done
    #[arg(long)]
    pub(crate) plan: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
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
    /// Add what lets `check` read the organization's own policies; no sweep needs it
    #[arg(long)]
    pub(crate) with_check: bool,
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
    /// The sweep [default: the last one over the organization that completed]
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
    if text == "last" {
        Ok(Since::Last)
    } else {
        parse_sweep(text).map(Since::Sweep)
    }
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
    #[command(
        after_help = "Examples:\n  rolekeeper journal verify\n  rolekeeper journal verify audit.jsonl --known 1200:3f…\n\nThat the end \
                            was cut shows only against a place that was kept elsewhere: keep the last line, and give it to --known next time."
    )]
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
        /// For people or for programs
        #[arg(long, value_enum, default_value_t)]
        format: Format,
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
    /// Print every setting with what may stand there and its default, as Markdown
    #[command(after_help = "Example:\n  rolekeeper config reference | less")]
    Reference,
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
    /// Where the page is served [default: 127.0.0.1:9464, or a free port when that is taken]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,
}
