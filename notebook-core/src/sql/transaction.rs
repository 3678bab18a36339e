//! The inside of one transaction.

use super::{Row, Value};
use crate::{Result, Timestamp};

/// Tests take conditions out of statements and look who notices.
#[cfg(all(test, feature = "sqlite"))]
use super::mutants::as_changed;

#[cfg(not(all(test, feature = "sqlite")))]
const fn as_changed(sql: &'static str) -> &'static str {
    sql
}

/// What others may not do to the rows that are read until the transaction ends. SQLite has one writer at a
/// time: all of it goes without saying there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Delete them.
    Keep,
    /// Change or delete them.
    Change,
    /// Anything, adding what hangs on them among it.
    Remove,
    /// Change or delete them; rows that another transaction has are left out.
    Skip,
}

/// What a call may do in its transaction, with errors that name its operation.
pub(crate) struct Tx<'c> {
    engine: Engine<'c>,
    /// What the call is doing, for errors.
    pub(crate) operation: &'static str,
}

enum Engine<'c> {
    #[cfg(feature = "sqlite")]
    Sqlite(&'c mut rusqlite::Connection),
    #[cfg(feature = "postgres")]
    Postgres(&'c mut sqlx::PgConnection, &'c crate::postgres::DatabaseClock),
}

impl<'c> Tx<'c> {
    #[cfg(feature = "sqlite")]
    pub(crate) const fn sqlite(
        connection: &'c mut rusqlite::Connection,
        operation: &'static str,
    ) -> Self {
        Self { engine: Engine::Sqlite(connection), operation }
    }

    #[cfg(feature = "postgres")]
    pub(crate) const fn postgres(
        connection: &'c mut sqlx::PgConnection,
        clock: &'c crate::postgres::DatabaseClock,
        operation: &'static str,
    ) -> Self {
        Self { engine: Engine::Postgres(connection, clock), operation }
    }

    /// Runs a statement and returns how many rows it changed.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<usize> {
        let sql = as_changed(sql);
        match &mut self.engine {
            #[cfg(feature = "sqlite")]
            Engine::Sqlite(connection) => {
                crate::sqlite::execute(connection, self.operation, sql, values)
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres(connection, _) => {
                crate::postgres::execute(connection, self.operation, sql, values).await
            }
        }
    }

    /// Runs a statement for each of `rows`, all of the same types, and returns how many rows that changed in
    /// all. PostgreSQL gets them at once, as arrays, in the statement `many`.
    pub(crate) async fn execute_all<'v>(
        &mut self,
        one: &'static str,
        many: &'static str,
        rows: &[Vec<Value<'v>>],
    ) -> Result<usize> {
        let (one, many) = (as_changed(one), as_changed(many));
        match &mut self.engine {
            #[cfg(feature = "sqlite")]
            Engine::Sqlite(connection) => {
                let _ = many;
                let mut changed = 0;
                for values in rows {
                    changed += crate::sqlite::execute(connection, self.operation, one, values)?;
                }
                Ok(changed)
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres(connection, _) => {
                let _ = one;
                crate::postgres::execute_arrays(connection, self.operation, many, rows).await
            }
        }
    }

    /// The first row, if there is one.
    pub(crate) async fn one<T: Send>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T> + Send,
    ) -> Result<Option<T>> {
        Ok(self.rows(sql, None, values, read).await?.into_iter().next())
    }

    /// The first row, if there is one, locked.
    pub(crate) async fn one_locked<T: Send>(
        &mut self,
        lock: Lock,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T> + Send,
    ) -> Result<Option<T>> {
        Ok(self.rows(sql, Some(lock), values, read).await?.into_iter().next())
    }

    /// All rows.
    pub(crate) async fn all<T: Send>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T> + Send,
    ) -> Result<Vec<T>> {
        self.rows(sql, None, values, read).await
    }

    /// All rows, locked.
    pub(crate) async fn all_locked<T: Send>(
        &mut self,
        lock: Lock,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T> + Send,
    ) -> Result<Vec<T>> {
        self.rows(sql, Some(lock), values, read).await
    }

    /// The rows of a statement for each of `keys`; PostgreSQL gets the keys at once, as an array, in the
    /// statement `many`, and its rows come in the order of that.
    pub(crate) async fn each_locked<T: Send>(
        &mut self,
        lock: Lock,
        (one, many): (&'static str, &'static str),
        keys: &[[u8; 16]],
        read: impl FnMut(&Row<'_>) -> Result<T> + Send,
    ) -> Result<Vec<T>> {
        let rows: Vec<_> = keys.iter().map(|key| vec![Value::from(key)]).collect();
        self.rows_of(Some(lock), (one, many), &rows, read).await
    }

    /// The rows that a statement returns for each of `rows`, all of the same types. PostgreSQL gets them at once, as
    /// arrays, in the statement `many`.
    pub(crate) async fn each<T: Send>(
        &mut self,
        statements: (&'static str, &'static str),
        rows: &[Vec<Value<'_>>],
        read: impl FnMut(&Row<'_>) -> Result<T> + Send,
    ) -> Result<Vec<T>> {
        self.rows_of(None, statements, rows, read).await
    }

    async fn rows_of<T: Send>(
        &mut self,
        lock: Option<Lock>,
        (one, many): (&'static str, &'static str),
        rows: &[Vec<Value<'_>>],
        mut read: impl FnMut(&Row<'_>) -> Result<T> + Send,
    ) -> Result<Vec<T>> {
        let operation = self.operation;
        let (one, many) = (as_changed(one), as_changed(many));
        match &mut self.engine {
            #[cfg(feature = "sqlite")]
            Engine::Sqlite(connection) => {
                let _ = (lock, many);
                let mut found = Vec::with_capacity(rows.len());
                for values in rows {
                    let rows = crate::sqlite::rows(connection, operation, one, values, &mut read);
                    found.append(&mut rows?);
                }
                Ok(found)
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres(connection, _) => {
                let _ = one;
                crate::postgres::rows_of(connection, operation, many, lock, rows, &mut read).await
            }
        }
    }

    /// Whether others write at the same time, and every statement has a way to go: PostgreSQL.
    pub(crate) const fn is_remote(&self) -> bool {
        match self.engine {
            #[cfg(feature = "sqlite")]
            Engine::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Engine::Postgres(..) => true,
        }
    }

    async fn rows<T: Send>(
        &mut self,
        sql: &'static str,
        lock: Option<Lock>,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T> + Send,
    ) -> Result<Vec<T>> {
        let sql = as_changed(sql);
        match &mut self.engine {
            #[cfg(feature = "sqlite")]
            Engine::Sqlite(connection) => {
                let _ = lock;
                crate::sqlite::rows(connection, self.operation, sql, values, &mut read)
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres(connection, _) => {
                crate::postgres::rows(connection, self.operation, sql, lock, values, &mut read)
                    .await
            }
        }
    }

    /// The moment, by the clock that all who share the database see.
    pub(crate) async fn now(&mut self) -> Result<Timestamp> {
        match &mut self.engine {
            // The file is this machine's, and so are all who have it open.
            #[cfg(feature = "sqlite")]
            Engine::Sqlite(_) => Ok(crate::Clock::now(&crate::clock::SystemClock)),
            #[cfg(feature = "postgres")]
            Engine::Postgres(connection, clock) => clock.now(connection, self.operation).await,
        }
    }

    /// Waits until no other transaction of many processes holds the lock of this name.
    pub(crate) async fn take_turn(&mut self, name: i64) -> Result<()> {
        match &mut self.engine {
            // Writers take turns anyway.
            #[cfg(feature = "sqlite")]
            Engine::Sqlite(_) => {
                let _ = name;
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres(connection, _) => {
                crate::postgres::take_turn(connection, self.operation, name).await
            }
        }
    }
}
