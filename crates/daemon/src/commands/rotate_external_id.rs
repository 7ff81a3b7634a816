//! `rolekeeper rotate-external-id`: how far the change of an external id has come, and what comes next.
//!
//! It looks and says; what is to be written, `apply` and the daemon write. What it says follows from what the accounts
//! show now, so a change that was interrupted anywhere goes on from there. Ids are shown as fingerprints alone.

use std::fmt::Write as _;
use std::sync::Arc;

use rolekeeper_domain::outcome::{Mode, SweepId, Trigger};
use rolekeeper_domain::role::{Ensure, RoleName};
use rolekeeper_domain::spec::{Progress, RotationGoal, RotationStep, Standing};
use rolekeeper_engine::SweepOrder;
use rolekeeper_engine::port::store::{ReportFilter, Sweeps as _};
use rolekeeper_engine::settings::Place;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::sweep;
use crate::app::App;
use crate::args::{Format, RotateArgs};
use crate::config::{Config, Role};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Style, plain};
use crate::report::accounts;
use crate::wire::{self, AuditEngine};

/// Reports read at a time.
const PAGE: u32 = 500;

/// Accounts that are named of those that cannot be seen: a person starts with the first ones.
const NAMED: usize = 10;

/// What stands of one role's rotation.
struct State {
    role: RoleName,
    goal: RotationGoal,
    present: String,
    next: String,
    progress: Progress,
}

/// Looks at every account and says what comes next.
pub(crate) async fn run(app: &App, args: RotateArgs) -> Result<Exit, Failure> {
    let config = app.config()?;
    let roles = chosen(&config, args.role.as_ref())?;
    let under_way: Vec<&Role> = roles
        .iter()
        .copied()
        .filter(|role| {
            role.entry.next_external_id.is_some() && role.entry.ensure == Ensure::Present
        })
        .collect();
    if under_way.is_empty() {
        let text = match args.format {
            Format::Json => document(None, &[]),
            Format::Text => nothing_under_way(&roles),
        };
        app.terminal.give(args.format, &text)?;
        return Ok(Exit::Clean);
    }
    let store = wire::store(&config).await?;
    let engine = wire::audit(&config, Arc::clone(&store), sweep::sinks(app)).await?;
    let order = SweepOrder::new(Mode::Audit, Trigger::CommandLine, app.person());
    let audit = sweep::carry_out(app, &engine, order).await?;
    if audit.interrupted {
        return Err(Failure::interrupted());
    }
    let mut states: Vec<State> = under_way.into_iter().map(begun).collect();
    look(&engine, &audit.record.id, &mut states).await?;
    let text = match args.format {
        Format::Json => document(Some(&audit.record.id), &states),
        Format::Text => states.iter().map(|state| state.text(app)).collect(),
    };
    app.terminal.give(args.format, &text)?;
    store.close().await;
    Ok(exit(&states))
}

/// The roles that are asked about.
fn chosen<'a>(config: &'a Config, name: Option<&RoleName>) -> Result<Vec<&'a Role>, Failure> {
    let meant: Vec<&Role> = config
        .roles
        .iter()
        .filter(|role| name.is_none_or(|name| role.entry.name == *name))
        .collect();
    match name {
        Some(name) if meant.is_empty() => {
            let known: Vec<&str> = config
                .roles
                .iter()
                .map(|role| role.entry.name.as_str())
                .collect();
            Err(Failure::new(format!("no role {name} is configured"))
                .with_help(format!("there are {}", known.join(", "))))
        }
        _ => Ok(meant),
    }
}

fn nothing_under_way(roles: &[&Role]) -> String {
    let mut text = String::new();
    for role in roles {
        let key = &role.key;
        let name = &role.entry.name;
        let _infallible = match &role.entry.external_id {
            Some(id) => writeln!(
                text,
                "{name}: no other external id is on its way; the present one is {}.\n\
                 To change it without a gap, put the new one beside it, in {key}:\n\
                 \x20   next_external_id_file = \"…\"\n\
                 and give `rolekeeper rotate-external-id` again: it says what comes next, now and after any interruption.",
                fingerprint(id)
            ),
            None => writeln!(
                text,
                "{name}: it asks for no external id ({key}.external_id)."
            ),
        };
    }
    text
}

fn begun(role: &Role) -> State {
    let shown = |id: &Option<SecretString>| id.as_ref().map(fingerprint).unwrap_or_default();
    State {
        role: role.entry.name.clone(),
        goal: role.entry.external_id_rotation,
        present: shown(&role.entry.external_id),
        next: shown(&role.entry.next_external_id),
        progress: Progress::default(),
    }
}

/// Tells one id from another without showing it.
fn fingerprint(id: &SecretString) -> String {
    let digest = Sha256::digest(id.expose_secret());
    digest.iter().take(4).fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// Counts the accounts of each rotation, from the reports of the sweep that has just ended.
async fn look(engine: &AuditEngine, sweep: &SweepId, states: &mut [State]) -> Result<(), Failure> {
    let (caller, organization) = engine.ourselves().await?;
    let settings = engine.settings();
    let everyone = ReportFilter::default();
    let mut after = None;
    loop {
        let page = engine
            .store()
            .reports(sweep, &everyone, after, PAGE)
            .await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.account);
        for report in &page {
            let place = Place {
                account: report.account,
                partition: caller.partition,
                organization_id: &organization.id,
                hub_account: caller.account,
            };
            let rotations = settings
                .roles
                .rotations(&place)
                .map_err(|fault| Failure::new(plain(&fault.to_string())))?;
            for rotation in rotations.iter() {
                let state = states.iter_mut().find(|state| state.role == rotation.role);
                if let Some((state, sight)) = state.zip(rotation.seen_in(report)) {
                    state.progress.count(report.account, sight);
                }
            }
        }
    }
}

impl State {
    fn step(&self) -> RotationStep {
        self.progress.step(self.goal)
    }

    /// Each way to stand with its accounts.
    fn rows(&self) -> [(&'static str, &'static str, usize); 6] {
        let progress = &self.progress;
        let seen = |standing| progress.standing(standing).len();
        [
            ("both", "either is accepted", seen(Standing::Both)),
            (
                "present_only",
                "the present one alone",
                seen(Standing::PresentOnly),
            ),
            ("next_only", "the next one alone", seen(Standing::NextOnly)),
            ("neither", "neither", seen(Standing::Neither)),
            ("no_role", "there is no role", progress.no_role.len()),
            ("unseen", "not seen", progress.unseen.len()),
        ]
    }

    fn text(&self, app: &App) -> String {
        let Self {
            role,
            present,
            next,
            ..
        } = self;
        let terminal = &app.terminal;
        let mut text = format!(
            "{}: from external id {present} to {next} (the first digits of their SHA-256)\n",
            terminal.paint(Style::Strong, role.as_str())
        );
        for (_, words, count) in self.rows().iter().filter(|(_, _, count)| *count > 0) {
            let _infallible = writeln!(text, "  {words:<22} {}", accounts(*count as u64));
        }
        let unseen = &self.progress.unseen;
        for (account, why) in unseen.iter().take(NAMED) {
            let _infallible = writeln!(text, "    {account} {}", plain(why));
        }
        if let Some(more @ 1..) = unseen.len().checked_sub(NAMED) {
            let _infallible = writeln!(text, "    and {more} more: rolekeeper report --format csv");
        }
        for line in self.advice() {
            let _infallible = writeln!(text, "{line}");
        }
        text
    }

    /// What comes next, in words.
    fn advice(&self) -> Vec<String> {
        let lagging = self.progress.lagging();
        let all = accounts(self.progress.accounts() as u64);
        let lines: &[&str] = match self.step() {
            RotationStep::Add => &[
                "Step 1 of 4: every account has to accept both ids. Whoever presents the next one gains the role, nobody loses it.",
                "  Next: `rolekeeper plan` shows who gains, `rolekeeper apply` adds the next id. Then this command again.",
                "  Do not hand the next id over yet, and leave external_id_rotation at \"both\".",
            ],
            RotationStep::HandOver => &[
                "  Next: give the next id to whoever assumes the role, and wait until it is used for every account.",
                "  rolekeeper cannot see which id is presented. Then set external_id_rotation = \"next_only\", and this command again.",
            ],
            RotationStep::Drop if lagging > 0 => &[
                "  Next: `rolekeeper apply` lets the others accept it, and takes nothing away before. Then this command again.",
                "  An account that cannot be entered has to be mended, or excluded in [select].",
            ],
            RotationStep::Drop => &[
                "Step 3 of 4: the present id has to go.",
                "  Next: `rolekeeper apply` takes it out: whoever presents it is refused from then on. Then this command again.",
                "  Not handed over everywhere yet? external_id_rotation = \"both\" goes back.",
            ],
            RotationStep::Finish => &[
                "  Next: make the next id external_id, and remove next_external_id and external_id_rotation.",
                "  That changes nothing in AWS: `rolekeeper plan` finds nothing to do.",
            ],
        };
        let first = match self.step() {
            RotationStep::HandOver => {
                Some(format!("Step 2 of 4: either id is accepted in all {all}."))
            }
            RotationStep::Drop if lagging > 0 => Some(format!(
                "Step 3 of 4 waits: the next id is not seen to be accepted in {} of {all}.",
                lagging
            )),
            RotationStep::Finish => Some(format!(
                "Step 4 of 4: the next id alone is accepted in all {all}."
            )),
            RotationStep::Add | RotationStep::Drop => None,
        };
        first
            .into_iter()
            .chain(lines.iter().map(|line| (*line).to_owned()))
            .collect()
    }
}

fn document(sweep: Option<&SweepId>, states: &[State]) -> String {
    let roles: Vec<Value> = states
        .iter()
        .map(|state| {
            let counts: serde_json::Map<String, Value> = state
                .rows()
                .into_iter()
                .map(|(name, _, count)| (name.to_owned(), json!(count)))
                .collect();
            let unseen = state.progress.unseen.iter();
            let unseen: Vec<Value> = unseen
                .map(|(account, why)| json!({ "account_id": account.to_string(), "reason": why }))
                .collect();
            json!({
                "role": state.role.as_str(),
                "present": state.present,
                "next": state.next,
                "step": state.step().as_str(),
                "accounts": counts,
                "unseen": unseen,
                "advice": state.advice().iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
            })
        })
        .collect();
    let document = json!({
        "schema": "rolekeeper.rotation/v1", "sweep": sweep.map(SweepId::as_str), "roles": roles,
    });
    format!("{document:#}\n")
}

/// What could not be seen wins; then what a repair has to do; a person's turn is no drift.
fn exit(states: &[State]) -> Exit {
    if states.iter().any(|state| !state.progress.unseen.is_empty()) {
        return Exit::Incomplete;
    }
    let to_repair = |state: &State| matches!(state.step(), RotationStep::Add | RotationStep::Drop);
    if states.iter().any(to_repair) {
        Exit::Drift
    } else {
        Exit::Clean
    }
}
