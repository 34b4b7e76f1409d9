//! A connection to either database. Statements are written once: both take `$1`, `ON CONFLICT DO NOTHING` and
//! row values.

use anyhow::Context;

use crate::store::place::StorePlace;
use crate::store::value::{Row, Value};
use crate::store::{postgres, sqlite};

/// The connection.
pub(super) enum Database {
    /// A file, or memory.
    Sqlite(rusqlite::Connection),
    /// A server.
    Postgres(Box<::postgres::Client>),
}

impl Database {
    /// Opens a store's database.
    ///
    /// # Errors
    /// When it cannot be opened, or is something else.
    pub(super) fn open(place: &StorePlace) -> anyhow::Result<Self> {
        match place {
            StorePlace::File(path) => sqlite::open(path).map(Self::Sqlite),
            StorePlace::Postgres(config) => {
                postgres::open(config).map(|client| Self::Postgres(Box::new(client)))
            }
        }
        .with_context(|| format!("cannot open the store {place}"))
    }

    /// A database in memory.
    ///
    /// # Errors
    /// Only where there is no memory.
    pub(super) fn in_memory() -> anyhow::Result<Self> {
        sqlite::in_memory().map(Self::Sqlite)
    }

    /// Runs a statement; returns how many rows it changed. The values go to `$1`, `$2`, .. in the order in
    /// which these first stand in it.
    ///
    /// # Errors
    /// When the database cannot do it.
    pub(super) fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> anyhow::Result<u64> {
        match self {
            Self::Sqlite(connection) => sqlite::execute(connection, statement, values),
            Self::Postgres(client) => postgres::execute(client, statement, values),
        }
        .context("the store failed")
    }

    /// The rows of a query.
    ///
    /// # Errors
    /// When the database cannot do it.
    pub(super) fn query(&mut self, statement: &str, values: &[Value<'_>]) -> anyhow::Result<Vec<Row>> {
        match self {
            Self::Sqlite(connection) => sqlite::query(connection, statement, values),
            Self::Postgres(client) => postgres::query(client, statement, values),
        }
        .context("the store failed")
    }

    /// The only number of a query's only row.
    ///
    /// # Errors
    /// When the database cannot do it.
    pub(super) fn number(&mut self, statement: &str, values: &[Value<'_>]) -> anyhow::Result<Option<i64>> {
        self.query(statement, values)?.first().map_or(Ok(None), |row| row.optional_integer(0))
    }

    /// Runs several statements without values.
    ///
    /// # Errors
    /// When the database cannot do it.
    pub(super) fn batch(&mut self, statements: &str) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(connection) => connection.execute_batch(statements).map_err(anyhow::Error::from),
            Self::Postgres(client) => client.batch_execute(statements).map_err(anyhow::Error::from),
        }
        .context("the store failed")
    }

    /// Does some work as a whole or not at all.
    ///
    /// # Errors
    /// When the work fails.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.batch(match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres(_) => "BEGIN",
        })?;
        match work(self) {
            Ok(done) => {
                self.batch("COMMIT")?;
                Ok(done)
            }
            Err(error) => {
                // The error of the work says more than one of the way back.
                let _ = self.batch("ROLLBACK");
                Err(error)
            }
        }
    }
}
