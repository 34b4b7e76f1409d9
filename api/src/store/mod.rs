//! The store of collected answers: a file of `SQLite`, or a database of `PostgreSQL`.
//!
//! What was asked is known by the digest of the prompt, the digest of the settings and the number of the
//! sample; the tables name prompts and settings by short numbers. Every request is kept with what became of
//! it, every answer as it came, labels with whoever gave them. A call is done as a whole or not at all, so a
//! process that is killed leaves a store that is whole.
//!
//! This module knows no flags, no HTTP server and no terminal, and nothing of models.
//!
//! - `place`: where a store is; `database` (`sqlite`, `postgres`, `postgres_tls`, `value`): one connection to either;
//! - `migrations`: its tables, by numbered steps;
//! - `rows`: what it holds; `write` and `read`: the statements; `feedback`: those of what targets
//!   really did; `review`: those of what persons say; `kept`: answers and verdicts as it takes them.

mod database;
mod feedback;
mod kept;
mod migrations;
mod place;
mod postgres;
mod postgres_tls;
mod read;
mod review;
mod rows;
mod sqlite;
mod time;
mod value;
mod write;

use anyhow::bail;

use self::database::Database;
pub(crate) use self::feedback::{Basis, Feedback, Reported};
pub(crate) use self::kept::{answer_of, label_of, signs_of, stored};
pub(crate) use self::place::StorePlace;
pub(crate) use self::review::{Doubtful, Review, Reviewed};
pub(crate) use self::rows::{Answer, Key, Label, Open, Prompt, Request, Spent, Stored};
pub(crate) use self::time::now;
pub(crate) use self::write::{Entry, Imported};

/// An open store.
pub(crate) struct Store {
    database: Database,
}

impl Store {
    /// Opens a store and makes the tables that it lacks.
    ///
    /// # Errors
    /// When it cannot be opened, is something else, or is of a newer demur.
    pub(crate) fn open(place: &StorePlace) -> anyhow::Result<Self> {
        Self::of(Database::open(place)?)
    }

    /// An empty store that ends with this value.
    ///
    /// # Errors
    /// Only where there is no memory.
    pub(crate) fn in_memory() -> anyhow::Result<Self> {
        Self::of(Database::in_memory()?)
    }

    fn of(mut database: Database) -> anyhow::Result<Self> {
        migrations::migrate(&mut database)?;
        Ok(Self { database })
    }

    /// Claims some settings for this connection, so that no two runs ask the same at once. A file is claimed
    /// by whoever opens it to write.
    ///
    /// # Errors
    /// When another run holds them.
    pub(crate) fn claim(&mut self, settings: i64) -> anyhow::Result<()> {
        // The server may not have noticed yet that a killed run is gone.
        const TRIES: usize = 20;
        if matches!(self.database, Database::Sqlite(_)) {
            return Ok(());
        }
        let lock = "SELECT CAST(CASE WHEN pg_try_advisory_lock($1) THEN 1 ELSE 0 END AS BIGINT)";
        for _ in 0..TRIES {
            if self.database.number(lock, &[settings.into()])? == Some(1) {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(250));
        }
        bail!("another run asks the same target under the same settings; wait for it to end")
    }
}

#[cfg(test)]
#[path = "tests.rs"]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
