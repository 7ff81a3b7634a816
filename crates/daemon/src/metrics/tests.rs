#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::collections::BTreeMap;

use super::*;

fn metrics() -> Metrics {
    Metrics::new(vec!["Auditor".parse().unwrap()]).unwrap()
}

#[test]
fn known_labels_are_there_at_zero_before_anything_happened() {
    let text = metrics().render().unwrap();
    for line in [
        r#"rolekeeper_accounts{outcome="in_sync"} 0"#,
        r#"rolekeeper_accounts_skipped{reason="management_account"} 0"#,
        r#"rolekeeper_findings{kind="trust_policy",role="Auditor",severity="critical"} 0"#,
        r#"rolekeeper_steps_total{action="iam:CreateRole",result="done"} 0"#,
        r#"rolekeeper_sweeps_total{mode="repair",outcome="halted"} 0"#,
        r#"rolekeeper_aws_requests_total{operation="GetRole",outcome="throttled",service="iam"} 0"#,
        r#"rolekeeper_last_sweep_success_timestamp_seconds{mode="audit"} 0"#,
        r#"rolekeeper_notifications_total{outcome="dropped"} 0"#,
        "rolekeeper_store_errors_total 0",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "missing {line} in:\n{text}"
        );
    }
}

#[test]
fn what_vanished_goes_to_zero() {
    let metrics = metrics();
    let mut totals = FleetTotals::default();
    let gone: RoleName = "Former".parse().unwrap();
    totals
        .findings
        .insert((gone, DriftKind::RoleMissing, Severity::High), 7);
    metrics.set_fleet(&totals);
    let line = |count| {
        format!(
            r#"rolekeeper_findings{{kind="role_missing",role="Former",severity="high"}} {count}"#
        )
    };
    assert!(metrics.render().unwrap().contains(&line(7)));
    metrics.set_fleet(&FleetTotals::default());
    assert!(metrics.render().unwrap().contains(&line(0)));
}

#[test]
fn series_of_single_accounts_are_capped() {
    let metrics = metrics();
    let many: Vec<_> = (0..ACCOUNT_SERIES_MAX + 50)
        .map(|n| (format!("{n:012}").parse().unwrap(), Severity::High))
        .collect();
    metrics.set_accounts(&many);
    let text = metrics.render().unwrap();
    let series = text
        .lines()
        .filter(|line| line.starts_with("rolekeeper_account_drifted{"))
        .count();
    assert_eq!(series, ACCOUNT_SERIES_MAX);
}

/// A label with more values than this has a word for them in docs/METRICS.md instead.
const VALUES_LISTED: usize = 20;

/// The values of each label that are there before anything happened, by family and label.
fn preset_values(text: &str) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut values: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else {
            continue;
        };
        let name = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name);
        let (labels, _) = rest.rsplit_once('}').unwrap();
        for label in labels.split(',') {
            let (label, value) = label.split_once('=').unwrap();
            values
                .entry((name.to_owned(), label.to_owned()))
                .or_default()
                .insert(value.trim_matches('"').to_owned());
        }
    }
    values
}

fn documentation() -> String {
    let values = preset_values(&metrics().render().unwrap());
    let mut text = "# Metrics\n\n\
        What `/metrics` exports. With a token configured, Prometheus needs it too (`authorization.credentials_file`). Values of labels\n\
        that are known beforehand are exported as 0 from the start, gauges of the fleet are read from the store at each scrape, so that a restart\n\
        resets counters alone. `process_*` are there as usual. Rules and a dashboard: `deploy/prometheus`, `deploy/grafana`.\n\n\
        This page is made from the code by a test; `UPDATE_EXPECT=1 cargo test -p rolekeeper metrics` writes it anew.\n\n\
        | metric | kind | labels | meaning |\n|---|---|---|---|\n"
        .to_owned();
    for (name, kind, help, labels) in Families::CATALOG {
        let kind = ["Histogram", "Counter", "Gauge"]
            .into_iter()
            .find(|word| kind.contains(word))
            .unwrap();
        let labels = labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect::<Vec<_>>()
            .join(", ");
        text.push_str(&format!(
            "| `{name}` | {} | {labels} | {} |\n",
            kind.to_lowercase(),
            help.trim()
        ));
    }
    text.push_str("\n## Values of labels\n\n| metric | label | values |\n|---|---|---|\n");
    for (name, _, _, labels) in Families::CATALOG {
        for label in *labels {
            let known = values.get(&((*name).to_owned(), (*label).to_owned()));
            let words = match (*label, known) {
                ("version", _) => "the version that runs".to_owned(),
                ("role", _) => {
                    "the managed roles of the configuration, and those that still have findings"
                        .to_owned()
                }
                ("account_id", _) => {
                    "accounts with open findings, when `http.account_series` is on; at most 500"
                        .to_owned()
                }
                (_, Some(known)) if known.len() <= VALUES_LISTED => known
                    .iter()
                    .map(|value| format!("`{value}`"))
                    .collect::<Vec<_>>()
                    .join(", "),
                ("action", Some(known)) => format!(
                    "{} writing calls of IAM, such as `iam:CreateRole`",
                    known.len()
                ),
                ("operation", Some(known)) => format!("{} calls, such as `GetRole`", known.len()),
                _ => "as they come up".to_owned(),
            };
            text.push_str(&format!("| `{name}` | `{label}` | {words} |\n"));
        }
    }
    text
}

#[test]
fn the_documentation_says_what_is_exported() {
    expect_test::expect_file!["../../../../docs/METRICS.md"].assert_eq(&documentation());
}

#[test]
fn every_family_of_the_catalog_says_what_it_means() {
    for (name, _, help, _) in Families::CATALOG {
        assert!(name.starts_with("rolekeeper_"), "{name}");
        assert!(
            help.trim().ends_with('.') && 10 < help.len(),
            "{name}: {help}"
        );
    }
}

#[test]
fn an_account_that_is_looked_at_twice_or_never_does_not_bend_the_gauge() {
    let metrics = metrics();
    let sweep = SweepId::parse("s").unwrap();
    let account: AccountId = "000000000001".parse().unwrap();
    let report = |outcome| {
        Box::new(rolekeeper_domain::outcome::AccountReport {
            account,
            name: String::new(),
            ou_path: "/".to_owned(),
            outcome,
            reason: None,
            failure: None,
            drifts: Vec::new(),
            steps: Vec::new(),
            mended: Vec::new(),
            observed_at: jiff::Timestamp::UNIX_EPOCH,
            duration_ms: 1,
        })
    };
    let flying = |count| {
        let text = metrics.render().unwrap();
        assert!(
            text.contains(&format!("\nrolekeeper_accounts_in_flight {count}\n")),
            "{text}"
        );
    };
    metrics.emit(&Event::AccountFinished {
        sweep: sweep.clone(),
        report: report(Outcome::Skipped),
    });
    flying(0);
    metrics.emit(&Event::AccountStarted {
        sweep: sweep.clone(),
        account,
    });
    metrics.emit(&Event::AccountStarted {
        sweep: sweep.clone(),
        account,
    });
    flying(1);
    metrics.emit(&Event::AccountFinished {
        sweep,
        report: report(Outcome::Repaired),
    });
    flying(0);
}
