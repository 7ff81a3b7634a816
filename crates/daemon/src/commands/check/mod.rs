//! `rolekeeper check`: every condition for a sweep that succeeds, with the remedy for each that is missing.

mod accounts;
mod lines;
mod registration;
mod template;
mod walls;
mod writing;

use std::sync::Arc;

use rolekeeper_aws::Aws;
use rolekeeper_domain::outcome::Mode;
use rolekeeper_domain::policy::{Document, Lint, LintContext, LintSeverity, lint};
use rolekeeper_domain::role::Boundary;
use rolekeeper_engine::port::directory::{Caller, Organization};
use rolekeeper_engine::port::store::Control as _;
use rolekeeper_store::OpenError;
use secrecy::ExposeSecret as _;

use self::accounts::remedy;
use self::lines::Lines;
use crate::app::App;
use crate::config::{Config, Role};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::log::LogSink;
use crate::specs;
use crate::wire::{self, AuditEngine, Sinks};

/// Events that wait longer than the daemon would leave them: nobody reads the queue, or not fast enough.
const PILED_UP: u64 = 1_000;

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
    registration::settings(&config, &lines)?;
    if offline {
        return Ok(lines.exit());
    }
    store(&config, &mut lines).await?;
    aws(&config, &mut lines).await?;
    Ok(lines.exit())
}

fn roles(config: &Config, lines: &mut Lines<'_>) -> Result<(), Failure> {
    if let Err(placeholder) = wire::refuse_placeholder(config) {
        lines.warning(
            "external id",
            placeholder.message(),
            placeholder.help().unwrap_or_default(),
        )?;
    }
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

async fn store(config: &Config, lines: &mut Lines<'_>) -> Result<(), Failure> {
    let url = config.store_url.expose_secret();
    // A store of an older version is not brought up to date by a look at it: the daemon of that version may be using it.
    match rolekeeper_store::open_read_only(url).await {
        Ok(store) => store.close().await,
        Err(OpenError::Older { place, .. }) => {
            return lines.warning(
                "store",
                &format!("{place} was written by an older version; the first `run`, `plan` or `apply` of this one brings it up to date"),
                "stop the older one and make a backup first: it cannot read the store afterwards",
            );
        }
        // Whatever else is wrong is wrong for writing too. One that is missing is made: whether it can be is the question.
        Err(_) => {}
    }
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
    writing::look(config, &store, lines).await?;
    registration::outcomes(config, &store, lines).await?;
    store.close().await;
    Ok(())
}

/// Who we are, and where.
struct Place {
    caller: Caller,
    organization: Organization,
}

async fn aws(config: &Config, lines: &mut Lines<'_>) -> Result<(), Failure> {
    // What this audit finds is nobody's history: its store is thrown away.
    let folder = tempfile::tempdir()?;
    let scratch = rolekeeper_store::open(&format!(
        "sqlite:{}",
        folder.path().join("check.db").display()
    ))
    .await?;
    let aws = wire::aws(config).await?;
    let reader = aws.audit_only();
    let engine = wire::engine(
        config,
        &aws,
        reader,
        Arc::new(scratch),
        Sinks::default().and(LogSink),
    )
    .await?;
    let Some(place) = ourselves(config, &engine, lines).await? else {
        return Ok(());
    };
    events(config, &aws, lines).await?;
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
    accounts::idle_rules(&engine.settings().selector, &found, lines)?;
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
    let chosen = accounts::one_in_each_unit(&found);
    let is_without_role = accounts::audit(config, &engine, &chosen, lines).await?;
    walls::look(config, &engine, (&place, &chosen), lines).await?;
    if is_without_role {
        lines.verbatim(&template::text(config, &place.caller))?;
    }
    Ok(())
}

/// Whose credentials these are, and what they may list.
async fn ourselves(
    config: &Config,
    engine: &AuditEngine,
    lines: &mut Lines<'_>,
) -> Result<Option<Place>, Failure> {
    let (caller, organization) = match engine.ourselves().await {
        Ok(ourselves) => ourselves,
        Err(problem) => {
            let failure = Failure::from(problem);
            let help = failure.help().unwrap_or_default();
            lines.error("credentials", failure.message(), help)?;
            return Ok(None);
        }
    };
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
    Ok(Some(Place {
        caller,
        organization,
    }))
}

/// Whether the queue can be asked. No message is taken off it: what is received here would be missing to the daemon
/// for a while.
async fn events(config: &Config, aws: &Aws, lines: &mut Lines<'_>) -> Result<(), Failure> {
    let url = config
        .events
        .as_ref()
        .and_then(|events| events.queue_url.as_deref());
    let Some(url) = url else {
        return Ok(());
    };
    match aws.event_queue(url).backlog().await {
        Ok(backlog) if backlog.waiting > PILED_UP => lines.warning(
            "events",
            &format!("{} wait in the queue", backlog.waiting),
            "does `rolekeeper run` read it? What is older than a day is dropped, and the next sweep sees all the same",
        ),
        Ok(backlog) => lines.ok(
            "events",
            &format!(
                "the queue can be asked; {} wait, {} are being read; what they name is {}",
                backlog.waiting,
                backlog.in_flight,
                match config.schedule.mode {
                    Mode::Audit => "looked at and reported, since schedule.mode is \"audit\"",
                    Mode::Repair => "repaired, as far as that was agreed to",
                }
            ),
        ),
        Err(fault) => lines.error("events", &fault.to_string(), &remedy(config, &fault)),
    }
}
