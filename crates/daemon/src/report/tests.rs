#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use expect_test::expect_file;
use jiff::Timestamp;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::drift::{Drift, DriftKind, Severity};
use rolekeeper_domain::fault::{Category, Denial, Fault};
use rolekeeper_domain::outcome::{
    Mode, StepReport, StepResult, Summary, SweepId, SweepOutcome, Trigger,
};
use rolekeeper_store::Store;
use serde_json::Value;

use super::*;
use crate::output::Terminal;

/// A name that tries to break out of whatever it is printed in.
const HOSTILE: &str = "=cmd|'/c calc'!A1 <script>alert(1)</script> [x](javascript:y) \u{1b}[31m\u{202e} \"quoted\", @here";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_500_000 + second).unwrap()
}

fn account(number: u64, name: &str, outcome: Outcome) -> AccountReport {
    AccountReport {
        account: format!("{number:012}").parse().unwrap(),
        name: name.to_owned(),
        ou_path: "prod/payments".to_owned(),
        outcome,
        reason: None,
        failure: None,
        drifts: Vec::new(),
        steps: Vec::new(),
        mended: Vec::new(),
        observed_at: at(5),
        duration_ms: 12,
    }
}

fn drift(kind: DriftKind, severity: Severity, explanation: &str) -> Drift {
    Drift {
        role: "Auditor".parse().unwrap(),
        kind,
        subject: None,
        severity,
        explanation: explanation.to_owned(),
        before: Some("{\"before\":true}".to_owned()),
        after: None,
    }
}

fn step(operation: Operation, result: StepResult, reason: Option<&str>) -> StepReport {
    StepReport {
        operation,
        resource: "role/Auditor".to_owned(),
        result,
        reason: reason.map(str::to_owned),
    }
}

/// One account of each outcome, some with what hurts.
fn accounts() -> Vec<AccountReport> {
    let open = "more than agreed: anyone at all may assume the role";
    let mut drifted = account(2, HOSTILE, Outcome::Drifted);
    drifted
        .drifts
        .push(drift(DriftKind::TrustPolicy, Severity::Critical, open));
    drifted
        .drifts
        .push(drift(DriftKind::RoleTags, Severity::Low, "tags differ"));
    drifted.steps.push(step(
        Operation::UpdateAssumeRolePolicy,
        StepResult::Planned,
        None,
    ));
    drifted.steps.push(step(
        Operation::DetachRolePolicy,
        StepResult::Withheld,
        Some("extras = \"report\""),
    ));
    let mut same = account(3, "second", Outcome::Drifted);
    same.drifts
        .push(drift(DriftKind::TrustPolicy, Severity::Critical, open));
    same.steps.push(step(
        Operation::UpdateAssumeRolePolicy,
        StepResult::Planned,
        None,
    ));
    let mut repaired = account(4, "mended", Outcome::Repaired);
    repaired.drifts.push(drift(
        DriftKind::RoleMissing,
        Severity::High,
        "the role does not exist",
    ));
    repaired
        .steps
        .push(step(Operation::CreateRole, StepResult::Done, None));
    let mut failed = account(5, "walled", Outcome::Failed);
    failed.failure = Some(Fault {
        code: Some("AccessDenied".to_owned()),
        request_id: Some("7b1c".to_owned()),
        denial: Some(Denial::ServiceControlPolicy),
        ..Fault::new(Category::AccessDenied, "not authorized in 000000000005")
            .during(Operation::GetRole)
    });
    let mut skipped = account(6, "old", Outcome::Skipped);
    skipped.reason = Some("suspended".to_owned());
    let mut pending = account(7, "late", Outcome::Pending);
    pending.reason = Some("the sweep was cancelled".to_owned());
    vec![
        account(1, "fine", Outcome::InSync),
        drifted,
        same,
        repaired,
        failed,
        skipped,
        pending,
    ]
}

async fn filled() -> (tempfile::TempDir, Store, SweepRecord) {
    let folder = tempfile::tempdir().unwrap();
    let store = rolekeeper_store::open(&format!(
        "sqlite:{}",
        folder.path().join("test.db").display()
    ))
    .await
    .unwrap();
    let mut record = SweepRecord {
        id: SweepId::parse("20261124T063000Z-00000001").unwrap(),
        mode: Mode::Audit,
        trigger: Trigger::CommandLine,
        requested_by: "a test".to_owned(),
        started_at: at(0),
        finished_at: None,
        outcome: None,
        reason: None,
        summary: Summary::default(),
        widens: Vec::new(),
    };
    store.begin(&record).await.unwrap();
    store.record(&record.id, &accounts()).await.unwrap();
    store
        .finish(&record.id, SweepOutcome::Completed, None, at(9))
        .await
        .unwrap();
    record = store.sweep(&record.id).await.unwrap().unwrap();
    (folder, store, record)
}

#[derive(Default)]
struct Text(String);

impl Sink for Text {
    async fn take(&mut self, piece: String) -> bool {
        self.0.push_str(&piece);
        true
    }
}

async fn written(format: ReportFormat) -> String {
    let (_folder, store, record) = filled().await;
    let mut text = Text::default();
    write(&store, &record, format, &mut text).await.unwrap();
    text.0
}

fn terminal() -> Terminal {
    Terminal::plain()
}

#[tokio::test]
async fn json_follows_the_published_schema() {
    let schema: Value =
        serde_json::from_str(include_str!("../../schema/report.v1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document: Value = serde_json::from_str(&written(ReportFormat::Json).await).unwrap();
    let problems: Vec<String> = validator
        .iter_errors(&document)
        .map(|problem| format!("{}: {problem}", problem.instance_path()))
        .collect();
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(document["accounts"].as_array().unwrap().len(), 7);
    assert_eq!(document["summary"]["drifted"], 2);
}

#[test]
fn schema_names_every_value_that_can_come() {
    let schema: Value =
        serde_json::from_str(include_str!("../../schema/report.v1.schema.json")).unwrap();
    let words = |path: &str| -> Vec<String> {
        let values = schema.pointer(path).unwrap().as_array().unwrap();
        values
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let kinds: Vec<&str> = DriftKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(words("/$defs/drift/properties/kind/enum"), kinds);
    let categories: Vec<&str> = Category::ALL
        .iter()
        .map(|category| category.as_str())
        .collect();
    assert_eq!(words("/$defs/failure/properties/category/enum"), categories);
    let outcomes: Vec<&str> = Outcome::ALL
        .iter()
        .map(|outcome| outcome.as_str())
        .collect();
    assert_eq!(words("/$defs/account/properties/outcome/enum"), outcomes);
    let results: Vec<&str> = StepResult::ALL
        .iter()
        .map(|result| result.as_str())
        .collect();
    assert_eq!(words("/$defs/step/properties/result/enum"), results);
    let triggers: Vec<&str> = Trigger::ALL
        .iter()
        .map(|trigger| trigger.as_str())
        .collect();
    assert_eq!(words("/$defs/sweep/properties/trigger/enum"), triggers);
    let severities: Vec<&str> = Severity::ALL
        .iter()
        .map(|severity| severity.as_str())
        .collect();
    assert_eq!(words("/$defs/drift/properties/severity/enum"), severities);
    let modes: Vec<&str> = Mode::ALL.iter().map(|mode| mode.as_str()).collect();
    assert_eq!(words("/$defs/sweep/properties/mode/enum"), modes);
    let ends: Vec<&str> = SweepOutcome::ALL.iter().map(|end| end.as_str()).collect();
    assert_eq!(words("/$defs/sweep/properties/outcome/enum"), ends);
}

#[tokio::test]
async fn csv_has_one_line_for_each_difference_and_each_account_without_one() {
    let text = written(ReportFormat::Csv).await;
    assert!(
        text.split_inclusive('\n')
            .all(|line| line.ends_with("\r\n"))
    );
    // The golden file is read with plain line ends.
    expect_file!["../../../../tests/golden/report.csv"].assert_eq(&text.replace("\r\n", "\n"));
}

#[tokio::test]
async fn markdown_begins_with_what_is_wrong() {
    expect_file!["../../../../tests/golden/report.md"]
        .assert_eq(&written(ReportFormat::Markdown).await);
}

#[tokio::test]
async fn html_is_whole_and_loads_nothing() {
    let page = written(ReportFormat::Html).await;
    expect_file!["../../../../tests/golden/report.html"].assert_eq(&page);
    for forbidden in [
        "<script", "src=", "href=", "url(", "@import", "\u{1b}", "\u{202e}",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for tag in [
        "html", "body", "main", "details", "section", "table", "tbody",
    ] {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[tokio::test]
async fn ocsf_events_have_what_their_classes_require() {
    let events = written(ReportFormat::Ocsf).await;
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        events.len(),
        5,
        "three differences, one repaired, one change"
    );
    for event in &events {
        let class = event["class_uid"].as_u64().unwrap();
        let activity = event["activity_id"].as_u64().unwrap();
        assert_eq!(event["type_uid"].as_u64().unwrap(), class * 100 + activity);
        assert_eq!(event["category_uid"].as_u64().unwrap(), class / 1000);
        let required: &[&str] = match class {
            2003 => &[
                "cloud",
                "compliance",
                "finding_info",
                "metadata",
                "severity_id",
                "time",
            ],
            3004 => &["cloud", "entity", "metadata", "severity_id", "time"],
            _ => &["a class that the schema has"],
        };
        for field in required {
            assert!(!event[field].is_null(), "{class} lacks {field}");
        }
        assert_eq!(event["metadata"]["version"], "1.5.0");
    }
    expect_file!["../../../../tests/golden/report.ocsf.ndjson"].assert_eq(
        &written(ReportFormat::Ocsf)
            .await
            .replace(env!("CARGO_PKG_VERSION"), "VERSION"),
    );
}

#[tokio::test]
async fn people_read_what_is_wrong_first_and_what_is_equal_once() {
    let (_folder, store, record) = filled().await;
    let overview = overview(&store, &record).await.unwrap();
    let text = overview_text(&record, &overview, &terminal());
    expect_file!["../../../../tests/golden/overview.txt"].assert_eq(&text);
    assert!(
        text.lines().all(|line| line.chars().count() <= 120),
        "a line is wider than the terminal"
    );
}

#[test]
fn five_thousand_accounts_are_as_many_lines_as_five() {
    let mut overview = Overview::default();
    for number in 0..5_000 {
        let mut report = account(number, "same", Outcome::Drifted);
        let own = report.account;
        let words = format!("arn:aws:iam::{own}:policy/Audit is not attached");
        report
            .drifts
            .push(drift(DriftKind::AttachmentMissing, Severity::High, &words));
        overview.add(&report);
    }
    assert_eq!(overview.drifts.len(), 1);
    let mut record = SweepRecord {
        id: SweepId::parse("x").unwrap(),
        mode: Mode::Audit,
        trigger: Trigger::CommandLine,
        requested_by: String::new(),
        started_at: at(0),
        finished_at: Some(at(9)),
        outcome: Some(SweepOutcome::Completed),
        reason: None,
        summary: Summary::default(),
        widens: Vec::new(),
    };
    record.summary.add(Outcome::Drifted, 5_000);
    let text = overview_text(&record, &overview, &terminal());
    assert!(text.lines().count() < 20, "{text}");
    assert!(text.contains("5,000 accounts"), "{text}");
    assert!(text.contains("and 4,995 more"), "{text}");
}

#[tokio::test]
async fn reader_who_has_seen_enough_ends_the_report() {
    struct Enough(usize);
    impl Sink for Enough {
        async fn take(&mut self, _: String) -> bool {
            self.0 += 1;
            false
        }
    }
    let (_folder, store, record) = filled().await;
    let mut enough = Enough(0);
    write(&store, &record, ReportFormat::Csv, &mut enough)
        .await
        .unwrap();
    assert_eq!(enough.0, 1);
}
