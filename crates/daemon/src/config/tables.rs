//! The tables of the configuration, one struct each. `[[roles]]` has a file of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::outcome::Mode;
use rolekeeper_engine::rollout::OnSurprise;
use secrecy::SecretString;

use super::kind::{
    Kind, boolean, count, duration, list, number, one_of, parsed, percent, region, secret, some,
    text, text_or_empty, texts, url_or_empty,
};
use super::node::Value;
use super::settings::settings;

/// What is done with the management account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ManagementAccount {
    /// Left out.
    Skip,
    /// Managed with the hub's own credentials.
    Include,
}

settings! {
    /// How AWS is reached, and as whom.
    pub(crate) struct Aws {
        /// The Region whose STS endpoint is used. The partition comes from the caller's own ARN.
        region: String = region(), default "\"us-east-1\"";
        /// The roles that may be assumed in an account to manage IAM there, tried in this order. With a path: `ops/Admin`.
        admin_roles: Vec<String> = some(text()), default "[\"OrganizationAccountAccessRole\", \"AWSControlTowerExecution\"]";
        /// The first part of each session's name in CloudTrail; the sweep's id follows.
        session_name: String = session_name(), default "\"rolekeeper\"";
        /// Sent as SourceIdentity when set. The admin role's trust policy must then allow `sts:SetSourceIdentity`.
        source_identity: Option<String> = text_or_empty(), default "\"\"";
        /// A role that is assumed first to read the organization, when the hub is neither the management account nor a delegated administrator.
        organization_role_arn: Option<Arn> = arn_or_empty(), default "\"\"";
        /// Whether the management account is left out, or managed with the hub's own credentials.
        management_account: ManagementAccount = one_of(&[("skip", ManagementAccount::Skip), ("include", ManagementAccount::Include)]), default "\"skip\"";
        /// One endpoint for all services, for a simulator. `AWS_ENDPOINT_URL` does the same.
        endpoint_url: Option<String> = url_or_empty(), default "\"\"";
        /// The profile of the AWS configuration files to take credentials from.
        profile: Option<String> = text_or_empty(), default "\"\"";
        /// How long a session in an account lasts. Chained sessions (a hub that itself assumed a role) last 1 hour at most.
        session_duration: Duration = duration("15m", "12h"), default "\"15m\"";
        /// Use FIPS endpoints. As the environment or the profile says when not set.
        use_fips: Option<bool> = boolean(), optional;
        /// Use dual-stack (IPv6) endpoints. As the environment or the profile says when not set.
        use_dual_stack: Option<bool> = boolean(), optional;
    }
}

settings! {
    /// Accounts by place, id or tag. An account matches when one of the three names it; exclude wins; no include means every account.
    pub(crate) struct Match {
        /// Organizational units by id (`ou-ab12-11111111`), or by the path of their names (`prod/payments`), with all below.
        ous: Vec<String> = list(text()), default "[]";
        /// Account ids.
        accounts: Vec<AccountId> = list(parsed::<AccountId>("a twelve-digit account id, as a text")), default "[]";
        /// Account tags in Organizations: `include` wants all of them, `exclude` needs one. Reading tags costs one call for each account.
        tags: BTreeMap<String, String> = texts(), default "{}";
    }
}

settings! {
    /// When sweeps begin, and whether they may write.
    pub(crate) struct Schedule {
        /// The time between the beginnings of two sweeps; `1h` where neither this nor `cron` is set.
        every: Option<Duration> = duration("1m", "31d"), optional;
        /// A cron expression in UTC, in place of `every`.
        cron: Option<String> = text(), optional;
        /// Each beginning is moved by a random part of the interval, up to this one, so that many hubs do not start together: earlier or later with `every`, only later with `cron`.
        jitter: f64 = percent(), default "\"10%\"";
        /// `audit` reads and reports; `repair` also writes.
        mode: Mode = one_of(&[("audit", Mode::Audit), ("repair", Mode::Repair)]), default "\"audit\"";
        /// Whether people may ask the daemon for a repair, on the page or through the API, although its schedule only audits. Events never do: whether they repair is `mode`'s to say. While false and `mode` is `audit`, the process has no way to write.
        repair_on_request: bool = boolean(), default "false";
    }
}

settings! {
    /// How much at once, how fast, how long. IAM's rates are unpublished: they are discovered, and remembered in the store.
    pub(crate) struct Limits {
        /// Accounts in flight at the same time.
        concurrency: u64 = count(1, 1024), default "64";
        /// The part of AWS's published quotas (Organizations, STS) that rolekeeper may use.
        quota_share: f64 = number(0.0, 1.0), default "0.8";
        /// The longest that looking at one account may take, waits for limits and retries included.
        account_timeout: Duration = duration("10s", "1h"), default "\"5m\"";
        /// The longest that the repair of one account may take, verification included.
        repair_timeout: Duration = duration("10s", "2h"), default "\"15m\"";
        /// The longest that one AWS call may take.
        call_timeout: Duration = duration("1s", "5m"), default "\"20s\"";
        /// How long a change is given to read back right: IAM is eventually consistent.
        settle_timeout: Duration = duration("1s", "10m"), default "\"2m\"";
        /// How long a stop waits for the steps under way. `run` ends 20 s later at the latest; what supervises it (`TimeoutStopSec`, `terminationGracePeriodSeconds`: 45 s in deploy/) has to wait for longer than both.
        shutdown_timeout: Duration = duration("1s", "10m"), default "\"20s\"";
        /// Sessions kept for the next sweep, about 1.5 KB each.
        sessions: u64 = count(0, 100_000), default "10000";
        /// How often the same thing is repaired in a row before it is left to a person; 0: always again.
        max_repairs: u64 = count(0, 1000), default "3";
        /// A listing of the organization with a smaller part than this of the last one's accounts fails the sweep.
        smallest_listing: f64 = percent(), default "\"50%\"";
    }
}

settings! {
    /// How a change spreads, and what stops it.
    pub(crate) struct Rollout {
        /// Accounts that are changed first.
        canary: u64 = count(0, 1000), default "3";
        /// The part of the accounts that is done at the end of each wave after the canary.
        waves: Vec<f64> = list(percent()), default "[\"10%\", \"50%\", \"100%\"]";
        /// The share of changed accounts whose change failed or did not verify that halts the writes. Three at least, one in the canary.
        max_failures: f64 = percent(), default "\"2%\"";
        /// What the first failed change of a category that the canary did not show leads to: another canary for what is left, or a halt of all writes.
        on_surprise: OnSurprise = one_of(&[("canary", OnSurprise::Canary), ("halt", OnSurprise::Halt)]), default "\"canary\"";
        /// A repair that changes more accounts than this waits for approval; 0: none waits.
        approve_above: u64 = count(0, 100_000), default "0";
        /// Whether a change that gives somebody more than now waits for approval, where the specification gives more than the one that was agreed to last. Restoring what was agreed to never waits.
        approve_widening: bool = boolean(), default "true";
        /// How long a repair waits for its approval.
        approval_timeout: Duration = duration("1m", "31d"), default "\"1h\"";
    }
}

settings! {
    /// A time in which nothing is changed. Audits go on.
    pub(crate) struct Freeze {
        /// From this moment, such as `2026-12-20T00:00:00Z`.
        from: jiff::Timestamp = parsed::<jiff::Timestamp>("a moment such as \"2026-12-20T00:00:00Z\""), required;
        /// Until this moment.
        until: jiff::Timestamp = parsed::<jiff::Timestamp>("a moment such as \"2027-01-04T06:00:00Z\""), required;
        /// Why: shown wherever a write is refused.
        why: String = text(), default "\"change freeze\"";
    }
}

settings! {
    /// Where findings, the journal and the reports are kept.
    pub(crate) struct Store {
        /// `sqlite:FILE`, relative to the working directory, or `postgres://USER@HOST/DATABASE`.
        url: String = text(), default "\"sqlite:rolekeeper.db\"";
        /// Days for which the journal is kept: as long as a sweep can be rolled back and its writes can be shown. What is owned is never forgotten.
        keep_days: u64 = count(1, 36_500), default "400";
        /// Sweeps whose reports are kept, the newest ones.
        keep_sweeps: u64 = count(2, 1_000_000), default "500";
    }
}

settings! {
    /// The HTTP listener of `run`.
    pub(crate) struct Http {
        /// The address. One that is not loopback needs a token, or the start is refused.
        listen: std::net::SocketAddr = parsed::<std::net::SocketAddr>("an address and port such as \"127.0.0.1:9464\""), default "\"127.0.0.1:9464\"";
        /// The bearer token that the API asks for, best given as `token_file`. Without one, the API only reads.
        token: Option<SecretString> = secret(), secret;
        /// Whether /metrics has a series for each drifted account, the worst 500 at most.
        account_series: bool = boolean(), default "false";
    }
}

fn session_name() -> Kind<String> {
    const ALLOWED: &str = "2 to 32 of letters, digits and =,.@_-";
    Kind::from_fn(ALLOWED, |node| match &node.value {
        Value::Text(text)
            if (2..=32).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"=,.@_-".contains(&byte)) =>
        {
            Ok(text.clone())
        }
        _ => Err(node.wrong(ALLOWED)),
    })
}

fn arn_or_empty() -> Kind<Option<Arn>> {
    const ALLOWED: &str =
        "an ARN such as \"arn:aws:iam::123456789012:role/Reader\"; empty for none";
    Kind::from_fn(ALLOWED, |node| match &node.value {
        Value::Text(text) if text.is_empty() => Ok(None),
        Value::Text(text) => text.parse().map(Some).map_err(|_| node.wrong(ALLOWED)),
        _ => Err(node.wrong(ALLOWED)),
    })
}
