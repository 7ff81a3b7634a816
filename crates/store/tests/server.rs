//! What only a server can do: lose connections, keep time, belong to others.

#![cfg(feature = "external")]
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::time::Duration;

use jiff::Timestamp;
use rolekeeper_domain::outcome::{Mode, Summary, SweepId, SweepRecord, Trigger};
use rolekeeper_engine::port::store::{Lease as _, StoreError, Sweeps as _};
use rolekeeper_store::{OpenError, open, open_read_only};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};

fn server() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told where the server is"
    )]
    std::env::var("ROLEKEEPER_TEST_POSTGRES_URL").expect(
        "the feature `external` needs ROLEKEEPER_TEST_POSTGRES_URL; cargo xtask test sets it",
    )
}

struct Schema {
    name: String,
    url: String,
}

impl Schema {
    /// A schema that this test alone uses.
    fn new(test: &str) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "only to name a schema that was never there"
        )]
        let moment = Timestamp::now().as_microsecond();
        let name = format!("s_{test}_{moment}");
        let server = server();
        let joint = if server.contains('?') { '&' } else { '?' };
        Self {
            url: format!("{server}{joint}schema={name}"),
            name,
        }
    }

    /// Runs statements behind rolekeeper's back, `{s}` being the schema.
    async fn run(&self, sql: &str) {
        let sql = sql.replace("{s}", &self.name);
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection().await)
            .await
            .unwrap();
    }
}

async fn connection() -> PgConnection {
    server()
        .parse::<PgConnectOptions>()
        .unwrap()
        .connect()
        .await
        .unwrap()
}

fn sweep(id: &str) -> SweepRecord {
    SweepRecord {
        id: SweepId::parse(id).unwrap(),
        mode: Mode::Audit,
        trigger: Trigger::Schedule,
        requested_by: "the schedule".to_owned(),
        started_at: Timestamp::UNIX_EPOCH,
        finished_at: None,
        outcome: None,
        reason: None,
        summary: Summary::default(),
        widens: Vec::new(),
    }
}

#[tokio::test]
async fn a_reader_makes_nothing() {
    let schema = Schema::new("reader");
    assert!(matches!(
        open_read_only(&schema.url).await,
        Err(OpenError::Missing { .. })
    ));
    let writer = open(&schema.url).await.unwrap();
    let reader = open_read_only(&schema.url).await.unwrap();
    writer.begin(&sweep("one")).await.unwrap();
    assert_eq!(reader.unfinished().await.unwrap(), [sweep("one")]);
    let told = reader.begin(&sweep("two")).await;
    assert!(
        matches!(told, Err(StoreError::Unavailable { .. })),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_schema_of_another_program_is_left_as_it_is() {
    let schema = Schema::new("foreign");
    schema
        .run("CREATE SCHEMA {s}; CREATE TABLE {s}.diary (day TEXT)")
        .await;
    let told = open(&schema.url).await.unwrap_err();
    assert!(matches!(told, OpenError::Foreign { .. }), "{told}");
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = $1")
        .bind(&schema.name)
        .fetch_one(&mut connection().await)
        .await
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_newer_schema_is_left_as_it_is() {
    let schema = Schema::new("newer");
    open(&schema.url).await.unwrap().close().await;
    schema
        .run(
            "INSERT INTO {s}._sqlx_migrations \
             SELECT 99, description, installed_on, success, checksum, execution_time \
             FROM {s}._sqlx_migrations WHERE version = 1",
        )
        .await;
    for told in [open(&schema.url).await, open_read_only(&schema.url).await] {
        let told = told.unwrap_err();
        assert!(matches!(told, OpenError::Newer { found: 99, .. }), "{told}");
    }
}

#[tokio::test]
async fn replicas_that_start_at_once_agree_on_one_store() {
    let schema = Schema::new("starts");
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let url = schema.url.clone();
        starts.spawn(async move { open(&url).await.map(drop) });
    }
    for told in starts.join_all().await {
        told.unwrap();
    }
}

#[tokio::test]
async fn a_lost_connection_is_replaced() {
    let schema = Schema::new("lost");
    let url = format!("{}&application_name=lost-connection-test", schema.url);
    let store = open(&url).await.unwrap();
    store.begin(&sweep("one")).await.unwrap();
    // Only this store's connections: other tests use the same server.
    let killed: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE application_name = 'lost-connection-test'",
    )
    .fetch_one(&mut connection().await)
    .await
    .unwrap();
    assert!(killed > 0, "there was a connection to lose");
    store.begin(&sweep("two")).await.unwrap();
    assert_eq!(store.unfinished().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_without_the_password() {
    let url = "postgres://keeper:hunter2@127.0.0.1:1/roles";
    let told = open(url).await.unwrap_err();
    assert!(matches!(told, OpenError::Unavailable { .. }), "{told}");
    assert!(!format!("{told} {told:?}").contains("hunter2"));
}

#[tokio::test]
async fn the_servers_clock_ends_a_lease_and_not_the_replicas() {
    let schema = Schema::new("clock");
    let store = open(&schema.url).await.unwrap();
    let hour = Duration::from_secs(3_600);
    let past = Timestamp::UNIX_EPOCH;
    let future = Timestamp::from_second(32_503_680_000).unwrap();
    store.acquire("first", hour, past).await.unwrap().unwrap();
    // A replica whose clock is a thousand years ahead takes nothing.
    assert_eq!(store.acquire("second", hour, future).await.unwrap(), None);
}
