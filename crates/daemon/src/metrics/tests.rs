#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

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
        assert!(text.lines().any(|found| found == line), "missing {line} in:\n{text}");
    }
}

#[test]
fn what_vanished_goes_to_zero() {
    let metrics = metrics();
    let mut totals = FleetTotals::default();
    let gone: RoleName = "Former".parse().unwrap();
    totals.findings.insert((gone, DriftKind::RoleMissing, Severity::High), 7);
    metrics.set_fleet(&totals);
    let line = |count| {
        format!(r#"rolekeeper_findings{{kind="role_missing",role="Former",severity="high"}} {count}"#)
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
    let series = text.lines().filter(|line| line.starts_with("rolekeeper_account_drifted{")).count();
    assert_eq!(series, ACCOUNT_SERIES_MAX);
}
