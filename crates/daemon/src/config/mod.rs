//! The configuration: one file, the environment over it, one clear error.
//!
//! Every setting is declared once, with its words, default and allowed values
//! ([`settings`]); docs/CONFIGURATION.md and `config show` come from the same lines.

pub(crate) mod docs;
mod error;
mod hooks;
mod kind;
mod node;
mod register;
mod roles;
mod section;
mod settings;
mod source;
mod tables;
#[cfg(test)]
mod tests;

use std::path::Path;

use secrecy::SecretString;

pub(crate) use self::error::ConfigError;
pub(crate) use self::hooks::Events;
use self::hooks::{read_events, read_notify};
use self::node::Node;
use self::register::read_register;
pub(crate) use self::roles::{Entry, Role};
use self::section::{Context, Section};
pub(crate) use self::section::{Shown, nearest};
use self::settings::Settings;
pub(crate) use self::source::{Environment, find};
pub(crate) use self::tables::{
    Aws, Freeze, Http, Limits, ManagementAccount, Match, Rollout, Schedule, Store,
};
use crate::notify::Webhook;
use crate::register::Register;

/// The whole configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// `[aws]`.
    pub(crate) aws: Aws,
    /// `[select.include]`.
    pub(crate) include: Match,
    /// `[select.exclude]`.
    pub(crate) exclude: Match,
    /// `[[roles]]`.
    pub(crate) roles: Vec<Role>,
    /// `[schedule]`.
    pub(crate) schedule: Schedule,
    /// `[limits]`.
    pub(crate) limits: Limits,
    /// `[rollout]`.
    pub(crate) rollout: Rollout,
    /// `[[rollout.freeze]]`.
    pub(crate) freezes: Vec<Freeze>,
    /// `[store]`.
    pub(crate) store: Store,
    /// The store's URL, from wherever it was given.
    pub(crate) store_url: SecretString,
    /// `[http]`.
    pub(crate) http: Http,
    /// `[notify]`.
    pub(crate) webhooks: Vec<Webhook>,
    /// `[register]`.
    pub(crate) register: Option<Register>,
    /// `[events]`.
    pub(crate) events: Option<Events>,
    /// Every value with where it came from.
    pub(crate) shown: Vec<Shown>,
}

/// AWS's own variable for the endpoint of all services: heard where no setting names one.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// Reads the configuration file and the environment.
pub(crate) fn load(path: &Path, environment: &Environment) -> Result<Config, ConfigError> {
    let root = source::layers(path, environment)?;
    read(&root, path.parent().unwrap_or(Path::new("")), environment)
}

/// Reads the configuration from a text, as if it stood in a file of that name.
pub(crate) fn load_text(
    name: &str,
    text: &str,
    environment: &Environment,
) -> Result<Config, ConfigError> {
    let root = source::merge(name, text, environment)?;
    read(&root, Path::new(""), environment)
}

/// Reads a tree. `folder` is what relative paths are relative to.
fn read(root: &Node, folder: &Path, environment: &Environment) -> Result<Config, ConfigError> {
    let context = Context {
        folder: folder.to_owned(),
        ..Context::default()
    };
    let top = Section::open(root, &context)?;
    let mut aws: Aws = table(&top.section("aws")?)?;
    if aws.endpoint_url.is_none()
        && let Some(url) = environment.get(ENDPOINT)
    {
        aws.endpoint_url = Some(url.to_owned());
        let mut shown = context.shown.borrow_mut();
        for shown in shown.iter_mut().filter(|it| it.key == "aws.endpoint_url") {
            shown.value = node::quoted(url);
            shown.origin = error::Origin::Env(ENDPOINT.to_owned());
        }
    }
    let select = top.section("select")?;
    let include = table(&select.section("include")?)?;
    let exclude = table(&select.section("exclude")?)?;
    select.finish()?;
    let roles = roles::read_all(&top)?;
    let schedule = read_schedule(&top.section("schedule")?)?;
    let limits = table(&top.section("limits")?)?;
    let (rollout, freezes) = read_rollout(&top.section("rollout")?)?;
    let (store, store_url) = read_store(&top.section("store")?)?;
    let http = read_http(&top.section("http")?)?;
    let webhooks = read_notify(&top.section("notify")?)?;
    let register = read_register(&top, &roles)?;
    let events = read_events(&top.section("events")?)?;
    top.finish()?;
    Ok(Config {
        aws,
        include,
        exclude,
        roles,
        schedule,
        limits,
        rollout,
        freezes,
        store,
        store_url,
        http,
        webhooks,
        register,
        events,
        shown: context.shown.take(),
    })
}

fn table<T: Settings>(section: &Section<'_>) -> Result<T, ConfigError> {
    let value = T::read(section)?;
    section.finish()?;
    Ok(value)
}

fn read_schedule(section: &Section<'_>) -> Result<Schedule, ConfigError> {
    let mut schedule: Schedule = table(section)?;
    if schedule.every.is_some() && schedule.cron.is_some() {
        return Err(section.wrong_at("cron", "both `every` and `cron`", "one of them"));
    }
    if let Some(expression) = &schedule.cron
        && let Err(problem) = expression.parse::<croner::Cron>()
    {
        return Err(section.wrong_at(
            "cron",
            format!("cron = {}: {problem}", node::quoted(expression)),
            "a cron expression of five fields, such as \"17 * * * *\"",
        ));
    }
    if schedule.every.is_none() && schedule.cron.is_none() {
        schedule.every = Some(section.default("every", &kind::duration("1m", "31d"), "\"1h\"")?);
    }
    Ok(schedule)
}

fn read_rollout(section: &Section<'_>) -> Result<(Rollout, Vec<Freeze>), ConfigError> {
    let rollout = Rollout::read(section)?;
    let ascending = rollout
        .waves
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a < b));
    if !ascending || rollout.waves.last().is_none_or(|last| *last < 1.0) {
        return Err(section.wrong_at(
            "waves",
            "waves that do not grow up to 100%",
            "growing percentages that end with \"100%\", such as [\"10%\", \"50%\", \"100%\"]",
        ));
    }
    let mut freezes = Vec::new();
    for entry in section.sections("freeze")? {
        let freeze: Freeze = table(&entry)?;
        if freeze.until <= freeze.from {
            return Err(entry.wrong(
                "an end that is not after its beginning",
                "`until` later than `from`",
            ));
        }
        freezes.push(freeze);
    }
    section.finish()?;
    Ok((rollout, freezes))
}

fn read_store(section: &Section<'_>) -> Result<(Store, SecretString), ConfigError> {
    // The URL may hold a password, so `config show` must not print it as it stands.
    let shown_password = |url: &str| {
        url.starts_with("postgres")
            && url.split_once("://").is_some_and(|(_, rest)| {
                rest.split_once('@')
                    .is_some_and(|(user, _)| user.contains(':'))
            })
    };
    let from_file = if section.has("url_file") {
        section.secret("url", &kind::secret())?
    } else {
        None
    };
    let store: Store = table(section)?;
    let url = from_file.unwrap_or_else(|| SecretString::from(store.url.clone()));
    let known = ["sqlite:", "postgres://", "postgresql://"];
    if !known
        .iter()
        .any(|scheme| secrecy::ExposeSecret::expose_secret(&url).starts_with(scheme))
    {
        let text = secrecy::ExposeSecret::expose_secret(&url);
        let kind = text.split(':').next().unwrap_or_default();
        let key = if section.has("url_file") {
            "url_file"
        } else {
            "url"
        };
        return Err(section.wrong_at(
            key,
            format!("a url that begins with {}", node::quoted(kind)),
            "sqlite:FILE, sqlite::memory: or postgres://USER@HOST/DATABASE",
        ));
    }
    if shown_password(&store.url) {
        section.hide("url");
    }
    Ok((store, url))
}

fn read_http(section: &Section<'_>) -> Result<Http, ConfigError> {
    let http: Http = table(section)?;
    if http.token.is_none() && !http.listen.ip().is_loopback() {
        return Err(section
            .wrong_at(
                "listen",
                format!("listen = \"{}\" without token_file", http.listen),
                "a loopback address such as \"127.0.0.1:9464\", or also a token_file",
            )
            .with_help("make a token: (umask 077; openssl rand -hex 32 > rolekeeper.token)"));
    }
    Ok(http)
}
