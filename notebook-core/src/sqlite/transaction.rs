use rusqlite::{Connection, Params};

use super::{Row, error::from_sqlite};
use crate::Result;

/// The inside of one transaction: what a call may do, with errors that name its operation.
#[derive(Clone, Copy)]
pub(crate) struct Tx<'c> {
    connection: &'c Connection,
    /// What the call is doing, for errors.
    pub(crate) operation: &'static str,
}

impl<'c> Tx<'c> {
    pub(crate) const fn new(connection: &'c Connection, operation: &'static str) -> Self {
        Self { connection, operation }
    }

    /// Runs a statement and returns how many rows it changed.
    pub(crate) fn execute(&self, sql: &'static str, params: impl Params) -> Result<usize> {
        let mut statement = self.connection.prepare_cached(sql).map_err(|e| self.failed(e))?;
        statement.execute(params).map_err(|e| self.failed(e))
    }

    /// Runs several statements without parameters.
    pub(crate) fn execute_script(&self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(|e| self.failed(e))
    }

    /// The first row, if there is one.
    pub(crate) fn one<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.rows(sql, params, 1, read)?.pop())
    }

    /// All rows.
    pub(crate) fn all<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.rows(sql, params, usize::MAX, read)
    }

    fn rows<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        limit: usize,
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.connection.prepare_cached(sql).map_err(|e| self.failed(e))?;
        let mut rows = statement.query(params).map_err(|e| self.failed(e))?;
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(row) = rows.next().map_err(|e| self.failed(e))?
        {
            found.push(read(&Row::new(row, self.operation))?);
        }
        Ok(found)
    }

    fn failed(&self, error: rusqlite::Error) -> crate::Error {
        from_sqlite(self.operation, error)
    }
}
