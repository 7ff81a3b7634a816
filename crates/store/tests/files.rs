//! A file that is not what it should be, and who may read it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use jiff::Timestamp;
use rolekeeper_domain::outcome::{Mode, Summary, SweepId, SweepRecord, Trigger};
use rolekeeper_engine::port::store::{StoreError, Sweeps as _};
use rolekeeper_store::{OpenError, open, open_read_only};
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("store.db")
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.file().display())
    }

    /// Checks the texts of the errors of both ways to open it.
    async fn check(&self, writing: Expect, reading: Expect) {
        let text = |error: OpenError| {
            error
                .to_string()
                .replace(&self.file().display().to_string(), "FILE")
        };
        writing.assert_eq(
            &open(&self.url())
                .await
                .map_or_else(text, |_| "opened".to_owned()),
        );
        let read = open_read_only(&self.url()).await;
        reading.assert_eq(&read.map_or_else(text, |_| "opened".to_owned()));
    }

    /// Runs statements behind rolekeeper's back.
    async fn run(&self, sql: &'static str) {
        let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(self.file())
            .create_if_missing(true)
            .connect()
            .await
            .unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// A store with a sweep in it, closed.
    async fn stored() -> Self {
        let folder = Self::new();
        let store = open(&folder.url()).await.unwrap();
        store.begin(&sweep()).await.unwrap();
        store.close().await;
        folder
    }
}

fn sweep() -> SweepRecord {
    SweepRecord {
        id: SweepId::parse("sweep-1").unwrap(),
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

/// What a file holds, to see that nothing touched it.
fn content(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[tokio::test]
async fn a_missing_file_is_made_by_the_writer_alone() {
    let folder = Folder::new();
    let told = open_read_only(&folder.url()).await;
    assert_eq!(
        told.unwrap_err(),
        OpenError::Missing {
            place: folder.file().display().to_string()
        }
    );
    assert!(!folder.file().exists());
    folder.check(expect!["opened"], expect!["opened"]).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new();
    let store = open(&folder.url()).await.unwrap();
    store.begin(&sweep()).await.unwrap();
    for file in fs::read_dir(folder.0.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_as_it_is() {
    for text in ["short", "this is somebody's diary, and a long one at that"] {
        let folder = Folder::new();
        fs::write(folder.file(), text).unwrap();
        folder
            .check(
                expect!["FILE is not an SQLite database; it was left as it is; name another file in store.url"],
                expect!["FILE is not an SQLite database; it was left as it is; name another file in store.url"],
            )
            .await;
        assert_eq!(content(&folder.file()), text.as_bytes());
    }
}

#[tokio::test]
async fn a_folder_is_no_store() {
    let folder = Folder::new();
    fs::create_dir(folder.file()).unwrap();
    folder
        .check(
            expect!["FILE is not an SQLite database; it was left as it is; name another file in store.url"],
            expect!["FILE is not an SQLite database; it was left as it is; name another file in store.url"],
        )
        .await;
}

#[tokio::test]
async fn a_database_of_another_program_is_left_as_it_is() {
    let folder = Folder::new();
    folder
        .run("PRAGMA application_id = 42; CREATE TABLE diary (day TEXT)")
        .await;
    let before = content(&folder.file());
    folder
        .check(
            expect!["FILE belongs to something other than rolekeeper (an SQLite database with application id 0x2a); it was left as it is; name another place in store.url"],
            expect!["FILE belongs to something other than rolekeeper (an SQLite database with application id 0x2a); it was left as it is; name another place in store.url"],
        )
        .await;
    assert_eq!(content(&folder.file()), before);

    let unnamed = Folder::new();
    unnamed.run("CREATE TABLE diary (day TEXT)").await;
    let before = content(&unnamed.file());
    assert!(matches!(
        open(&unnamed.url()).await,
        Err(OpenError::Foreign { .. })
    ));
    assert_eq!(content(&unnamed.file()), before);
}

#[tokio::test]
async fn a_newer_schema_is_left_as_it_is() {
    let folder = Folder::stored().await;
    folder.run("PRAGMA user_version = 99").await;
    let before = content(&folder.file());
    folder
        .check(
            expect!["the store at FILE was written by a newer rolekeeper (schema 99; this version knows 3); it was left as it is; use that version, or restore the backup made before the upgrade"],
            expect!["the store at FILE was written by a newer rolekeeper (schema 99; this version knows 3); it was left as it is; use that version, or restore the backup made before the upgrade"],
        )
        .await;
    assert_eq!(content(&folder.file()), before);
}

#[tokio::test]
async fn an_older_schema_is_not_for_readers() {
    let folder = Folder::stored().await;
    folder.run("PRAGMA user_version = 0").await;
    let told = open_read_only(&folder.url()).await.unwrap_err();
    assert!(matches!(told, OpenError::Older { found: 0, .. }), "{told}");
    // The writer brings it up to date, and what was in it is still there.
    let store = open(&folder.url()).await.unwrap();
    assert_eq!(store.unfinished().await.unwrap(), [sweep()]);
}

#[tokio::test]
async fn a_schema_made_by_other_statements_is_left_as_it_is() {
    let folder = Folder::stored().await;
    folder
        .run("UPDATE _sqlx_migrations SET checksum = x'00'")
        .await;
    let told = open(&folder.url()).await.unwrap_err();
    assert!(
        matches!(told, OpenError::Altered { version: 1, .. }),
        "{told}"
    );
}

#[tokio::test]
async fn damage_is_told_and_nothing_is_overwritten() {
    let folder = Folder::stored().await;
    let whole = content(&folder.file());
    let mut damaged = whole.clone();
    // Every page but the first, which says whose file it is.
    damaged[4_096..].fill(0xa5);
    let truncated = &whole[..whole.len() / 2];
    for content_now in [damaged.as_slice(), truncated] {
        fs::write(folder.file(), content_now).unwrap();
        for told in [
            open(&folder.url()).await,
            open_read_only(&folder.url()).await,
        ] {
            let told = told.unwrap_err();
            assert!(matches!(told, OpenError::Corrupt { .. }), "{told}");
        }
        assert_eq!(content(&folder.file()), content_now);
    }
}

#[tokio::test]
async fn a_reader_sees_what_the_writer_commits_and_cannot_write() {
    let folder = Folder::stored().await;
    let writer = open(&folder.url()).await.unwrap();
    let reader = open_read_only(&folder.url()).await.unwrap();
    let second = SweepRecord {
        id: SweepId::parse("sweep-2").unwrap(),
        ..sweep()
    };
    writer.begin(&second).await.unwrap();
    assert_eq!(reader.unfinished().await.unwrap().len(), 2);
    let told = reader.begin(&sweep()).await;
    assert!(
        matches!(told, Err(StoreError::Unavailable { .. })),
        "{told:?}"
    );
}

#[tokio::test]
async fn processes_that_start_at_once_agree_on_one_store() {
    let folder = Folder::new();
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let url = folder.url();
        starts.spawn(async move { open(&url).await.map(drop) });
    }
    for told in starts.join_all().await {
        told.unwrap();
    }
}

#[tokio::test]
async fn a_url_that_names_no_store_is_explained() {
    let text = async |url: &str| open(url).await.unwrap_err().to_string();
    let mut told = String::new();
    for url in [
        "",
        "rolekeeper.db",
        "mysql://root:hunter2@h/d",
        "sqlite:",
        "sqlite::memory:",
        "sqlite:a?mode=ro",
    ] {
        told.push_str(&format!("{}\n", text(url).await));
    }
    assert!(!told.contains("hunter2"));
    expect![[r"
        store.url cannot be used: it begins with neither `sqlite:` nor `postgres://`; give `sqlite:PATH` or `postgres://USER@HOST/DATABASE`
        store.url cannot be used: it begins with neither `sqlite:` nor `postgres://`; give `sqlite:PATH` or `postgres://USER@HOST/DATABASE`
        store.url cannot be used: it begins with neither `sqlite:` nor `postgres://`; give `sqlite:PATH` or `postgres://USER@HOST/DATABASE`
        store.url cannot be used: it names no file; give `sqlite:PATH` or `postgres://USER@HOST/DATABASE`
        store.url cannot be used: a store in memory would lose the journal; name a file; give `sqlite:PATH` or `postgres://USER@HOST/DATABASE`
        store.url cannot be used: `sqlite:` takes no parameters; give `sqlite:PATH` or `postgres://USER@HOST/DATABASE`
    "]]
    .assert_eq(&told);
    let missing = "sqlite:/no/such/folder/store.db";
    expect!["the store at /no/such/folder/store.db cannot be opened: No such file or directory (os error 2)"]
        .assert_eq(&text(missing).await);
}
