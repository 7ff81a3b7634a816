//! Critical findings are told once, whatever becomes of the sweeps about them.

use super::*;

const MINUTES: i64 = 60;
const HOURS: i64 = 3_600;
const DAYS: i64 = 24 * HOURS;

/// A sweep that began so many seconds after [`NOW`].
fn begun(number: u32, seconds: i64) -> SweepRecord {
    SweepRecord {
        started_at: after(seconds),
        ..record(number)
    }
}

/// What a look at an account saw then.
fn seen(account: u64, seconds: i64) -> AccountReport {
    AccountReport {
        observed_at: after(seconds),
        ..open_to_all(account)
    }
}

async fn sees(store: &Store, sweep: &SweepRecord, reports: &[AccountReport]) {
    store.begin(sweep).await.unwrap();
    store.record(&sweep.id, reports).await.unwrap();
}

async fn ends(store: &Store, sweep: &SweepRecord, seconds: i64) {
    let end = store.finish(&sweep.id, SweepOutcome::Completed, None, after(seconds));
    end.await.unwrap();
}

/// A stage with one receiver that wants everything.
async fn house() -> (Stage, Receiver, [Webhook; 1]) {
    let receiver = Receiver::start().await;
    let webhooks = [receiver.webhook("ops", Format::Generic, &NoticeKind::ALL)];
    (Stage::new(), receiver, webhooks)
}

/// The accounts of each notice, in the order in which it came.
fn told(receiver: &Receiver) -> Vec<Vec<String>> {
    let accounts = |heard: &Heard| {
        let body: Value = serde_json::from_str(&heard.body).unwrap();
        let findings = body["data"]["findings"].as_array().unwrap().iter();
        let account = |it: &Value| {
            it["account_id"]
                .as_str()
                .unwrap()
                .trim_start_matches('0')
                .to_owned()
        };
        findings.map(account).collect()
    };
    receiver.heard().iter().map(accounts).collect()
}

#[tokio::test]
async fn a_plan_that_was_killed_hides_nothing_that_the_next_sweeps_see() {
    let (stage, receiver, webhooks) = house().await;
    let store = stage.store().await;
    let killed = begun(1, 0);
    store.begin(&killed).await.unwrap();
    let hourly = begun(2, -60);
    sees(&store, &hourly, &[seen(1, 5)]).await;
    ends(&store, &hourly, 10).await;
    stage.round(&store, &webhooks, after(20)).await;
    assert_eq!(told(&receiver), [["1"]]);
    // A day later the killed one is buried, and covers all that was seen since.
    ends(&store, &killed, DAYS).await;
    stage.round(&store, &webhooks, after(DAYS + 20)).await;
    assert_eq!(told(&receiver), [["1"]]);
}

#[tokio::test]
async fn what_only_a_killed_sweep_saw_is_told_after_a_while_and_together() {
    let (stage, receiver, webhooks) = house().await;
    let store = stage.store().await;
    sees(&store, &begun(1, 0), &[seen(1, 5), seen(2, 10 * MINUTES)]).await;
    stage.round(&store, &webhooks, after(14 * MINUTES)).await;
    assert!(told(&receiver).is_empty());
    for minute in [16, 17, 60] {
        stage
            .round(&store, &webhooks, after(minute * MINUTES))
            .await;
    }
    assert_eq!(told(&receiver), [["1", "2"]]);
    let heard = receiver.heard();
    let body: Value = serde_json::from_str(&heard[0].body).unwrap();
    assert_eq!(body["data"]["sweep"], record(1).id.as_str());
}

#[tokio::test]
async fn a_clock_that_was_put_back_hides_nothing() {
    let (stage, receiver, webhooks) = house().await;
    let store = stage.store().await;
    let sweep = begun(1, 0);
    // Stamped before the sweep that saw it began, and after everything else by another account's stamp.
    sees(&store, &sweep, &[seen(1, -HOURS), seen(2, 5 * HOURS)]).await;
    ends(&store, &sweep, 10).await;
    for minute in [1, 2, 5 * 60, 6 * 60] {
        stage
            .round(&store, &webhooks, after(minute * MINUTES))
            .await;
    }
    assert_eq!(told(&receiver), [["1", "2"]]);
    let heard = receiver.heard();
    let body: Value = serde_json::from_str(&heard[0].body).unwrap();
    assert!(body["data"]["sweep"].is_null(), "{body}");
    assert_eq!(body["summary"], "2 new critical findings");
}

#[tokio::test]
async fn what_is_told_does_not_depend_on_how_many_sweeps_there_were_since() {
    let (stage, receiver, webhooks) = house().await;
    let store = stage.store().await;
    let first = begun(1, 0);
    sees(&store, &first, &[seen(1, 5)]).await;
    ends(&store, &first, 10).await;
    for number in 2..30 {
        let next = begun(number, i64::from(number) * 20);
        store.begin(&next).await.unwrap();
        ends(&store, &next, i64::from(number) * 20 + 5).await;
    }
    // Nobody had looked until now, and nobody is told again when the sweep goes out of sight.
    stage.round(&store, &webhooks, after(HOURS)).await;
    stage.round(&store, &webhooks, after(2 * HOURS)).await;
    assert_eq!(told(&receiver), [["1"]]);
}

#[tokio::test]
async fn what_is_recorded_after_its_sweep_was_told_of_is_told_by_itself() {
    let (stage, receiver, webhooks) = house().await;
    let store = stage.store().await;
    let (long, short) = (begun(1, 0), begun(2, 5));
    sees(&store, &long, &[]).await;
    sees(&store, &short, &[seen(1, 6)]).await;
    ends(&store, &short, 10).await;
    stage.round(&store, &webhooks, after(11)).await;
    store.record(&long.id, &[seen(2, 8)]).await.unwrap();
    for second in [12, 13] {
        stage.round(&store, &webhooks, after(second)).await;
    }
    assert_eq!(told(&receiver), [["1"], ["2"]]);
}

#[tokio::test]
async fn a_process_that_dies_between_the_rows_and_their_notice_tells_them_together() {
    let (stage, receiver, webhooks) = house().await;
    let store = stage.store().await;
    let sweep = begun(1, 0);
    sees(&store, &sweep, &[seen(1, 5), seen(2, 5)]).await;
    ends(&store, &sweep, 10).await;
    // What it had written by then: the row of one of the two.
    let findings = store.critical_findings(NOW).await.unwrap();
    let row = Notice {
        id: 0,
        kind: NoticeKind::CriticalDrift.as_str().to_owned(),
        dedup_key: groups::identity(&findings[0]),
        target: webhooks[0].name.clone(),
        body: "{}".to_owned(),
        at: after(5 * MINUTES),
        attempts: 0,
    };
    assert!(store.post(&row).await.unwrap());
    for second in [20, 30, DAYS] {
        stage.round(&store, &webhooks, after(second)).await;
    }
    assert_eq!(told(&receiver), [["1", "2"]]);
}

#[tokio::test]
async fn what_retention_forgot_is_not_told_again() {
    let (stage, receiver, webhooks) = house().await;
    let store = stage.store().await;
    trouble(&store).await;
    for day in 0..5 {
        let now = after(60 + day * DAYS);
        let keep = rolekeeper_store::Retention {
            keep_days: 1,
            keep_sweeps: 500,
        };
        store.prune(keep, now).await.unwrap();
        let mut scan = Scan::new(keep.keep_days);
        scan.round(&store, &webhooks, now).await.unwrap();
        deliver(&store, &stage.post, &webhooks, now).await.unwrap();
    }
    assert_eq!(receiver.heard().len(), 4, "{:?}", receiver.ids());
}

#[tokio::test]
async fn another_round_of_the_same_process_asks_and_tells_nothing_twice() {
    let (stage, receiver, webhooks) = house().await;
    let store = stage.store().await;
    let mut scan = Scan::new(400);
    for number in 1..4 {
        let sweep = begun(number, i64::from(number) * 20);
        sees(
            &store,
            &sweep,
            &[seen(number.into(), i64::from(number) * 20 + 1)],
        )
        .await;
        ends(&store, &sweep, i64::from(number) * 20 + 2).await;
        for _ in 0..2 {
            let now = after(i64::from(number) * 20 + 3);
            scan.round(&store, &webhooks, now).await.unwrap();
            deliver(&store, &stage.post, &webhooks, now).await.unwrap();
        }
    }
    assert_eq!(told(&receiver), [["1"], ["2"], ["3"]]);
}
