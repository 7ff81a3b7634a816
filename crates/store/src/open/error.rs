//! Why a store cannot be opened, and what to do about it.

/// A store could not be opened. Each text says what, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The URL is not one of a store.
    #[error(
        "store.url cannot be used: {why}; give `sqlite:PATH` or `postgres://USER@HOST/DATABASE`"
    )]
    Url {
        /// What is wrong with it. Never the URL itself: it may hold a password.
        why: String,
    },
    /// There is nothing to read.
    #[error("there is no store at {place}; `rolekeeper run`, `plan` or `apply` makes one")]
    Missing {
        /// Where.
        place: String,
    },
    /// The file is something else.
    #[error(
        "{place} is not an SQLite database; it was left as it is; name another file in store.url"
    )]
    NotADatabase {
        /// Where.
        place: String,
    },
    /// The database belongs to another program.
    #[error(
        "{place} belongs to something other than rolekeeper ({found}); it was left as it is; name \
         another place in store.url"
    )]
    Foreign {
        /// Where.
        place: String,
        /// What was found there.
        found: String,
    },
    /// A newer rolekeeper has been here.
    #[error(
        "the store at {place} was written by a newer rolekeeper (schema {found}; this version knows \
         {known}); it was left as it is; use that version, or restore the backup made before the upgrade"
    )]
    Newer {
        /// Where.
        place: String,
        /// The schema there.
        found: i64,
        /// The newest schema this version knows.
        known: i64,
    },
    /// An older rolekeeper has been here, and this process may only read.
    #[error(
        "the store at {place} has the schema of an older rolekeeper ({found}; this version reads \
         {known}); start the daemon of this version once, which brings it up to date"
    )]
    Older {
        /// Where.
        place: String,
        /// The schema there.
        found: i64,
        /// The schema this version reads.
        known: i64,
    },
    /// The schema was made by other statements than this version's.
    #[error(
        "the store at {place} was set up by a build whose schema {version} differs from this \
         version's; it was left as it is; use the build that made it"
    )]
    Altered {
        /// Where.
        place: String,
        /// The schema that differs.
        version: i64,
    },
    /// The data are damaged.
    #[error(
        "the store at {place} is damaged ({message}); it was left as it is; restore the last backup, \
         or move it away and start with an empty store (docs/OPERATIONS.md, \"A lost store\")"
    )]
    Corrupt {
        /// Where.
        place: String,
        /// What the database said.
        message: String,
    },
    /// It cannot be reached, read or written.
    #[error("the store at {place} cannot be opened: {message}")]
    Unavailable {
        /// Where.
        place: String,
        /// What the database or the operating system said.
        message: String,
    },
}
