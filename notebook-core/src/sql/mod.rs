//! What the adapters for SQLite and PostgreSQL share: one set of statements, parameters, rows and
//! transactions. What only one of the two can do lies in that engine's own module.
//!
//! # Statements
//! Parameters are written `$1`, `$2`, … as PostgreSQL has them. SQLite takes them for names and numbers them as
//! they first appear, so in each statement they first appear in rising order.
//!
//! Ids are 16 bytes, big-endian; times are milliseconds; flags are 0 or 1; nested values are JSON as text;
//! enums are their names on the wire. So there are three types of columns: whole numbers of 64 bits, texts, bytes.
//!
//! # Transactions
//! Work is an asynchronous function over a [`Tx`], and may be run more than once. In SQLite it never
//! waits: the writer thread runs it to its end. In PostgreSQL many write at once, so what a decision
//! depends on is read with a [`Lock`].

pub(crate) mod codec;
mod database;
mod migration;
#[cfg(all(test, feature = "sqlite"))]
mod mutants;
mod reach;
mod row;
mod transaction;
mod value;
mod work;

pub(crate) use database::Database;
pub(crate) use migration::{MIGRATE, Migration, pending};
pub(crate) use reach::Reach;
pub(crate) use row::{Cell, Row};
pub(crate) use transaction::{Lock, Tx};
pub(crate) use value::{Value, values};
pub(crate) use work::{Work, WorkAt};

use crate::{Error, ErrorKind};

/// An id after every id that is made: where a list from the newest begins.
pub(crate) const AFTER_ALL: [u8; 16] = [0xff; 16];

/// A limit as the database counts.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The error for a stored value that cannot be what this program wrote.
pub(crate) fn corrupt(operation: &'static str, column: usize) -> Error {
    Error::new(ErrorKind::Corrupt, operation)
        .with("column", column.to_string())
        .with("fix", "restore the data from a backup")
}

/// Holds a module's statements to the rules above.
#[cfg(test)]
pub(crate) fn check_statements(all: &[&'static str]) {
    for sql in all {
        let mut highest = 0;
        for part in sql.split('$').skip(1) {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            let number: u32 = digits.parse().unwrap();
            assert!(number <= highest + 1, "${number} too early in: {sql}");
            highest = highest.max(number);
        }
        assert!(highest > 0, "no parameter in: {sql}");
    }
}
