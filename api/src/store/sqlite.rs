//! A store in a file of `SQLite`. Its log is written ahead (WAL), so a process that is killed costs nothing
//! that was committed, and readers see the store while a run writes to it.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use crate::store::value::{Row, Value};

/// How long a statement waits while another process writes.
const BUSY: Duration = Duration::from_secs(10);
/// `Demu`, by which a file says that it is one of ours.
const APPLICATION: i64 = 0x4465_6d75;

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// Opens a file, which is made if there is none, readable by its user alone.
///
/// # Errors
/// When it cannot be opened, or is something else.
pub(super) fn open(path: &Path) -> anyhow::Result<Connection> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    drop(options.open(path)?);
    prepared(Connection::open(path)?)
}

/// A store in memory, which ends with its connection.
///
/// # Errors
/// Only where there is no memory.
pub(super) fn in_memory() -> anyhow::Result<Connection> {
    prepared(Connection::open_in_memory()?)
}

fn prepared(connection: Connection) -> anyhow::Result<Connection> {
    connection.busy_timeout(BUSY)?;
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let tables = number("SELECT COUNT(*) FROM sqlite_master").context("it is no store of demur")?;
    ensure!(
        tables == 0 || number("PRAGMA application_id")? == APPLICATION,
        "it is a database, but no store of demur"
    );
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

pub(super) fn execute(connection: &Connection, statement: &str, values: &[Value<'_>]) -> anyhow::Result<u64> {
    let changed = connection.prepare_cached(statement)?.execute(params_from_iter(values))?;
    Ok(changed as u64)
}

pub(super) fn query(
    connection: &Connection,
    statement: &str,
    values: &[Value<'_>],
) -> anyhow::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(statement)?;
    let columns = statement.column_count();
    let mut found = statement.query(params_from_iter(values))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let cells = (0..columns).map(|at| cell(row.get_ref(at)?)).collect::<anyhow::Result<_>>()?;
        rows.push(Row(cells));
    }
    Ok(rows)
}

fn cell(cell: ValueRef<'_>) -> anyhow::Result<Value<'static>> {
    Ok(match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(Cow::Owned(std::str::from_utf8(text)?.to_owned())),
        ValueRef::Blob(_) => anyhow::bail!("the store holds bytes: something else has written to it"),
    })
}
