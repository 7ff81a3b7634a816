//! `rolekeeper check`: every condition for a sweep that succeeds, with the remedy for each that is missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use rolekeeper_domain::account::{Account, AccountId};
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Denial, Fault};
use rolekeeper_domain::least_privilege::missing_statement;
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, Trigger};
use rolekeeper_domain::policy::{Document, Lint, LintContext, LintSeverity, lint};
use rolekeeper_domain::registration::State;
use rolekeeper_domain::role::Boundary;
use rolekeeper_domain::selector::Selection;
use rolekeeper_engine::SweepOrder;
use rolekeeper_engine::port::registration::Registrations as _;
use rolekeeper_engine::port::store::{Control as _, ReportFilter, Sweeps as _};
use rolekeeper_store::Store;
use tokio_util::sync::CancellationToken;

use super::iam_policy;
use crate::app::App;
use crate::config::{Config, Role};
use crate::exit::Exit;
use crate::failure::{Failure, whole};
use crate::fit::broken;
use crate::output::{Style, Terminal, plain};
use crate::report::accounts;
use crate::specs;
use crate::wire::{self, AuditEngine, Sinks};

/// Tests everything; safe at any time.
pub(crate) async fn run(app: &App, offline: bool) -> Result<Exit, Failure> {
    // A mistake in the configuration is told as everywhere else.
    let config = app.config()?;
    let mut lines = Lines::new(&app.terminal);
    let roles_of = |role: &Role| match &role.entry.preset {
        Some(preset) => format!("{} (preset {preset})", role.entry.name),
        None => role.entry.name.to_string(),
    };
    let names: Vec<String> = config.roles.iter().map(roles_of).collect();
    lines.ok(
        "configuration",
        &format!("{}, for {}", app.config_path()?.display(), names.join(", ")),
    )?;
    roles(&config, &mut lines)?;
    http(&config, &mut lines)?;
    registration(&config, &mut lines)?;
    if offline {
        return Ok(lines.exit());
    }
    store(&config, &mut lines).await?;
    aws(&config, &mut lines).await?;
    Ok(lines.exit())
}

/// As wide as `warning` and two spaces.
const INDENT: usize = 9;

/// The lines, and the worst of them.
struct Lines<'a> {
    terminal: &'a Terminal,
    errors: u32,
    accounts_failed: u32,
}

impl<'a> Lines<'a> {
    const fn new(terminal: &'a Terminal) -> Self {
        Self {
            terminal,
            errors: 0,
            accounts_failed: 0,
        }
    }

    fn ok(&self, what: &str, words: &str) -> Result<(), Failure> {
        self.line(Style::Good, "ok", what, words)
    }

    fn warning(&self, what: &str, words: &str, remedy: &str) -> Result<(), Failure> {
        self.line(Style::Warning, "warning", what, words)?;
        self.remedy(remedy)
    }

    fn error(&mut self, what: &str, words: &str, remedy: &str) -> Result<(), Failure> {
        self.errors += 1;
        self.line(Style::Alarm, "error", what, words)?;
        self.remedy(remedy)
    }

    /// One account that cannot be looked at: the others can.
    fn account(&mut self, what: &str, words: &str, remedy: &str) -> Result<(), Failure> {
        self.accounts_failed += 1;
        self.line(Style::Alarm, "error", what, words)?;
        self.remedy(remedy)
    }

    fn line(&self, style: Style, word: &str, what: &str, words: &str) -> Result<(), Failure> {
        let padding = " ".repeat(INDENT.saturating_sub(word.len()));
        let word = self.terminal.paint(style, word);
        self.print(
            &format!("{word}{padding}"),
            &format!("{}: {}", plain(what), plain(words)),
        )
    }

    fn remedy(&self, remedy: &str) -> Result<(), Failure> {
        if remedy.is_empty() {
            Ok(())
        } else {
            self.print(&" ".repeat(INDENT), &format!("remedy: {}", plain(remedy)))
        }
    }

    /// A paragraph beside its first word, no wider than the terminal.
    fn print(&self, first: &str, words: &str) -> Result<(), Failure> {
        let width = self
            .terminal
            .width
            .map_or(usize::MAX, |width| width.saturating_sub(INDENT).max(40));
        let mut before = first.to_owned();
        for line in broken(words, width) {
            self.terminal.show(&format!("{before}{line}\n"))?;
            before = " ".repeat(INDENT);
        }
        Ok(())
    }

    const fn exit(&self) -> Exit {
        if self.errors > 0 {
            Exit::Error
        } else if self.accounts_failed > 0 {
            Exit::Incomplete
        } else {
            Exit::Clean
        }
    }
}

fn roles(config: &Config, lines: &mut Lines<'_>) -> Result<(), Failure> {
    for spec in specs::samples(config) {
        let sizes = std::iter::once(&spec.trust)
            .chain(spec.managed_policies.iter().map(|policy| &policy.document));
        let fullest = sizes.filter_map(fullness).max().unwrap_or(0);
        let words = format!(
            "{} managed, {} attached, {} inline policies; the fullest document uses {fullest} % of its limit",
            spec.managed_policies.len(),
            spec.attach.len(),
            spec.inline.len()
        );
        lines.ok(&format!("role {}", spec.name), &words)?;
        let mut documents = vec![("trust policy".to_owned(), &spec.trust)];
        documents.extend(
            spec.managed_policies
                .iter()
                .map(|policy| (format!("policy {}", policy.name), &policy.document)),
        );
        documents.extend(
            spec.inline
                .iter()
                .map(|(name, document)| (format!("inline policy {name}"), document)),
        );
        for (part, document) in documents {
            let context = LintContext {
                bounded: matches!(spec.boundary, Boundary::Policy(_)),
                ..LintContext::default()
            };
            for remark in lint(document, &context) {
                remarked(&format!("role {}, {part}", spec.name), &remark, lines)?;
            }
        }
    }
    Ok(())
}

/// What a reviewer would remark on a document. An error there is one that AWS or the vendor will meet.
fn remarked(what: &str, remark: &Lint, lines: &mut Lines<'_>) -> Result<(), Failure> {
    let words = format!(
        "{}{} ({})",
        if remark.path.is_empty() {
            String::new()
        } else {
            format!("{}: ", remark.path)
        },
        remark.message,
        remark.code
    );
    match remark.severity {
        LintSeverity::Error => lines.error(what, &words, &remark.remedy),
        LintSeverity::Warning => lines.warning(what, &words, &remark.remedy),
        LintSeverity::Note => Ok(()),
    }
}

fn fullness(document: &Document) -> Option<usize> {
    document
        .kind()
        .character_limit()
        .map(|most| document.size() * 100 / most)
}

fn http(config: &Config, lines: &mut Lines<'_>) -> Result<(), Failure> {
    let listen = config.http.listen;
    match (&config.http.token, listen.ip().is_loopback()) {
        (Some(_), _) => lines.ok("http", &format!("{listen}, with a token")),
        (None, _) => lines.ok(
            "http",
            &format!(
                "{listen}, reachable from this machine alone; without a token the API only reads"
            ),
        ),
    }
}

/// How the vendor is told. Nothing is sent: a call that registers is no test.
fn registration(config: &Config, lines: &mut Lines<'_>) -> Result<(), Failure> {
    let Some(register) = &config.register else {
        return Ok(());
    };
    let known_by = match (&register.secret, &register.token) {
        (Some(_), Some(_)) => "signed, with a token",
        (Some(_), None) => "signed",
        (None, Some(_)) => "with a token",
        (None, None) => "unsigned and without a token",
    };
    let then = |there: bool, words: &'static str| there.then_some(words);
    let further: Vec<&str> = [
        then(
            register.revalidate.is_some(),
            "looked at again after repairs",
        ),
        then(register.withdraw.is_some(), "withdrawn when they leave"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let words = format!(
        "accounts in which {} is right are registered with the vendor, {known_by}{}{}",
        register.role,
        if further.is_empty() {
            ""
        } else {
            "; they are "
        },
        further.join(" and ")
    );
    if register.secret.is_none() && register.token.is_none() {
        let remedy = "register.secret_file or register.token_file, as the vendor wants it";
        return lines.warning("registration", &words, remedy);
    }
    lines.ok("registration", &words)
}

/// What the store says about registrations that did not come about.
async fn registrations(config: &Config, store: &Store, lines: &Lines<'_>) -> Result<(), Failure> {
    let Some(register) = &config.register else {
        return Ok(());
    };
    if store.refused_settings().await? == Some(register.fingerprint()) {
        return lines.warning(
            "registration",
            "the vendor let nobody in (401 or 403); with these settings it is not asked again",
            "another token or secret in [register], then SIGHUP or a restart",
        );
    }
    let counts = store.registration_counts().await?;
    match counts.get(&State::GivenUp) {
        Some(given_up) => lines.warning(
            "registration",
            &format!("{} could not be registered", accounts(*given_up)),
            "`rolekeeper history ACCOUNT` says why; each is tried again a day later",
        ),
        None => Ok(()),
    }
}

async fn store(config: &Config, lines: &mut Lines<'_>) -> Result<(), Failure> {
    let store = match wire::store(config).await {
        Ok(store) => store,
        Err(problem) => {
            return lines.error(
                "store",
                problem.message(),
                "store.url names the database; this user has to be able to write it",
            );
        }
    };
    lines.ok("store", store.place())?;
    if let Some(halt) = store.halted().await? {
        let words = format!("writes are halted by {}: {}", halt.by, halt.why);
        lines.warning("halt", &words, "`rolekeeper resume` lifts it")?;
    }
    registrations(config, &store, lines).await?;
    store.close().await;
    Ok(())
}

async fn aws(config: &Config, lines: &mut Lines<'_>) -> Result<(), Failure> {
    // What this audit finds is nobody's history: its store is thrown away.
    let folder = tempfile::tempdir()?;
    let scratch = rolekeeper_store::open(&format!(
        "sqlite:{}",
        folder.path().join("check.db").display()
    ))
    .await?;
    let engine = wire::audit(config, Arc::new(scratch), Sinks::default()).await?;
    let ourselves = match engine.ourselves().await {
        Ok(ourselves) => ourselves,
        Err(problem) => {
            let failure = Failure::from(problem);
            return lines.error(
                "credentials",
                failure.message(),
                failure.help().unwrap_or_default(),
            );
        }
    };
    let (caller, organization) = ourselves;
    lines.ok(
        "credentials",
        &format!("{} in the partition {}", caller.arn, caller.partition),
    )?;
    let place = if caller.account == organization.management_account {
        "the management account"
    } else {
        "not the management account: it has to be a delegated administrator, or aws.organization_role_arn names a role that may list"
    };
    lines.ok(
        "organization",
        &format!(
            "{}, managed by {}; the hub is {place}",
            organization.id, organization.management_account
        ),
    )?;
    if specs::partition_of(&config.aws.region) != caller.partition {
        lines.error(
            "region",
            &format!(
                "aws.region = \"{}\" lies in another partition than the credentials",
                config.aws.region
            ),
            &format!(
                "a Region of {}, such as {}",
                caller.partition,
                caller.partition.iam_region()
            ),
        )?;
    }
    let found = match engine.discover().await {
        Ok(found) => found,
        Err(problem) => {
            let failure = Failure::from(problem);
            return lines.error(
                "accounts",
                failure.message(),
                failure.help().unwrap_or_default(),
            );
        }
    };
    let selected = found
        .iter()
        .filter(|(_, selection)| selection.is_included())
        .count();
    if selected == 0 {
        return lines.error(
            "accounts",
            &format!("{} in the organization, none of them selected", found.len()),
            "`rolekeeper accounts` says why for each",
        );
    }
    lines.ok(
        "accounts",
        &format!("{} in the organization, {selected} selected", found.len()),
    )?;
    one_in_each_unit(config, &engine, &found, lines).await
}

/// Audits one selected account of each organizational unit.
async fn one_in_each_unit(
    config: &Config,
    engine: &AuditEngine,
    found: &[(Account, Selection)],
    lines: &mut Lines<'_>,
) -> Result<(), Failure> {
    let mut chosen: BTreeMap<String, AccountId> = BTreeMap::new();
    for (account, selection) in found {
        if selection.is_included() {
            chosen.entry(account.path.to_string()).or_insert(account.id);
        }
    }
    let mut order = SweepOrder::new(Mode::Audit, Trigger::CommandLine, "rolekeeper check");
    order.accounts = Some(chosen.values().copied().collect());
    let record = match engine.sweep(order, CancellationToken::new()).await {
        Ok(record) => record,
        Err(problem) => return lines.error("audit", &whole(&problem), ""),
    };
    let mut after = None;
    loop {
        let page = engine
            .store()
            .reports(&record.id, &ReportFilter::default(), after, 500)
            .await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.account);
        for report in page
            .iter()
            .filter(|report| report.outcome != Outcome::Skipped)
        {
            account(config, report, lines)?;
        }
    }
}

fn account(config: &Config, report: &AccountReport, lines: &mut Lines<'_>) -> Result<(), Failure> {
    let what = format!("{} ({} in {})", report.account, report.name, report.ou_path);
    match &report.failure {
        Some(fault) => lines.account(&what, &fault.to_string(), &remedy(config, fault)),
        None => lines.ok(
            &what,
            &format!("can be read; {}", report.outcome.as_str().replace('_', " ")),
        ),
    }
}

/// What most often helps.
fn remedy(config: &Config, fault: &Fault) -> String {
    match (fault.category, fault.operation, fault.denial) {
        (Category::AccessDenied, _, Some(Denial::ServiceControlPolicy)) => {
            "a service control policy of the organization forbids it: exempt the admin role there (aws:PrincipalArn)".to_owned()
        }
        (Category::AccessDenied, _, Some(Denial::ResourceControlPolicy)) => {
            "a resource control policy of the organization forbids it: exempt the hub there".to_owned()
        }
        (Category::AccessDenied, Some(Operation::AssumeRole), _) => format!(
            "the account needs one of the roles of aws.admin_roles ({}), and the role has to trust the hub; invited accounts have \
             none. `rolekeeper iam-policy admin` prints what the role needs",
            config.aws.admin_roles.join(", ")
        ),
        (Category::AccessDenied, Some(operation), _) => {
            match missing_statement(operation, &iam_policy::scope(config, false)) {
                Some(statement) => format!("this statement is missing: {statement}"),
                None => "`rolekeeper iam-policy admin` prints what the admin role needs".to_owned(),
            }
        }
        (Category::Network | Category::Timeout, ..) => "is the network, a proxy or aws.endpoint_url in the way?".to_owned(),
        _ => String::new(),
    }
}
