//! `rolekeeper-simulator`: an AWS organization on a local port.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use rolekeeper_simulator::{Events, Limits, Settings, Simulator, World};

/// An AWS organization in a process: Organizations, STS and IAM for any SDK.
///
/// The hub's keys are AKIASIMULATORHUB0001 / simulator; signatures are not verified, so any secret will do.
#[derive(Debug, Parser)]
#[command(name = "rolekeeper-simulator", version)]
struct Args {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:4599")]
    listen: SocketAddr,
    /// Member accounts, beside the management account
    #[arg(long, default_value_t = 50)]
    accounts: u32,
    /// What every choice is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Each account already has the role of config/demo.toml
    #[arg(long)]
    provisioned: bool,
    /// How long a call takes, such as 100ms
    #[arg(long, default_value = "0ms", value_parser = duration)]
    latency: Duration,
    /// No long tail: every call takes the same time
    #[arg(long)]
    no_tail: bool,
    /// IAM calls a second for each account that AssumeRole is called from
    #[arg(long, default_value_t = 500.0)]
    iam_rate: f64,
    /// IAM calls a second in each target account
    #[arg(long, default_value_t = 25.0)]
    target_rate: f64,
    /// Share of the provisioned accounts in which something drifted, such as 1%
    #[arg(long, default_value = "0%", value_parser = share)]
    drift: f64,
    /// Share of the accounts that the hub cannot work in
    #[arg(long, default_value = "0%", value_parser = share)]
    denied: f64,
    /// Share of the accounts that are suspended, closed or not yet active
    #[arg(long, default_value = "2%", value_parser = share)]
    inactive: f64,
    /// Share of the accounts whose admin role is AWSControlTowerExecution
    #[arg(long, default_value = "2%", value_parser = share)]
    control_tower: f64,
    /// Share of the calls that fail for no reason of the caller's
    #[arg(long, default_value = "0%", value_parser = share)]
    errors: f64,
    /// How long after a write some replica may still answer without it
    #[arg(long, default_value = "0s", value_parser = duration)]
    stale: Duration,
    /// Mean time between accounts that close, move or appear; 0s for none
    #[arg(long, default_value = "0s", value_parser = duration)]
    churn: Duration,
    /// A queue `rolekeeper-events` that tells of changes, some seconds later
    #[arg(long)]
    events: bool,
    /// Share of the events that never come
    #[arg(long, default_value = "0%", value_parser = share)]
    events_lost: f64,
    /// Account names that try to break out of wherever they are printed
    #[arg(long)]
    hostile_names: bool,
    /// Every page of a list is full
    #[arg(long)]
    even_pages: bool,
    /// No rate limits at all
    #[arg(long)]
    no_limits: bool,
    /// Threads that serve
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

impl Args {
    fn settings(&self) -> Settings {
        let limits = if self.no_limits {
            Limits::none()
        } else {
            Limits {
                published: true,
                iam_rate: Some(self.iam_rate),
                target_rate: Some(self.target_rate),
            }
        };
        Settings {
            accounts: self.accounts,
            seed: self.seed,
            provisioned: self.provisioned,
            drift: self.drift,
            denied: self.denied,
            inactive: self.inactive,
            control_tower: self.control_tower,
            hostile_names: self.hostile_names,
            ragged_pages: !self.even_pages,
            limits,
            latency: self.latency,
            tail: !self.no_tail,
            errors: self.errors,
            stale: self.stale,
            churn: self.churn,
            events: self.events.then(|| Events {
                lost: self.events_lost,
                ..Events::default()
            }),
            ..Settings::default()
        }
    }
}

/// `100ms`, `4s`, `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let unit =
        text.trim_start_matches(|character: char| character.is_ascii_digit() || character == '.');
    let number = text.strip_suffix(unit).unwrap_or(text);
    let seconds_each = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(format!("`{text}` is no duration: write 100ms, 4s or 2m")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` is no duration: write 100ms, 4s or 2m"))?;
    Duration::try_from_secs_f64(number * seconds_each).map_err(|error| error.to_string())
}

/// `1%` or `0.01`.
fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text
        .strip_suffix('%')
        .map_or((text, 1.0), |number| (number, 100.0));
    let share = number.parse::<f64>().map(|number| number / scale).ok();
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("`{text}` is no share: write 1% or 0.01"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let world = Arc::new(World::new(args.settings()));
    let accounts = world.accounts().len();
    match Simulator::serve(world, args.listen, args.threads) {
        Ok(simulator) => {
            let line = format!(
                "rolekeeper-simulator: {accounts} accounts at {}\n",
                simulator.endpoint_url()
            );
            // Without a terminal to tell it to, it serves all the same.
            drop(std::io::stderr().write_all(line.as_bytes()));
            stopped().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            let cause = std::error::Error::source(&error)
                .map(|cause| format!(": {cause}"))
                .unwrap_or_default();
            let line = format!("rolekeeper-simulator: {error}{cause}\n");
            drop(std::io::stderr().write_all(line.as_bytes()));
            ExitCode::FAILURE
        }
    }
}

/// Waits for SIGINT or SIGTERM.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        drop(tokio::signal::ctrl_c().await);
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
