//! SQLite's errors as errors of this crate.

use rusqlite::{Error as Sqlite, ErrorCode, ffi};

use crate::{Error, ErrorKind, Retry};

/// `SQLITE_IOERR_SHMSIZE`: the shared memory of the write-ahead log could not grow.
const SHARED_MEMORY_FULL: i32 = 10 | (19 << 8);

/// Turns an error of SQLite in `operation` into one of this crate.
pub(crate) fn from_sqlite(operation: &'static str, error: Sqlite) -> Error {
    let (kind, retry) = kind(&error);
    let made = Error::new(kind, operation).retry(retry);
    let made = match kind {
        ErrorKind::StorageFull => made.with("fix", "make room on the device, then repeat"),
        ErrorKind::Corrupt => made.with("fix", "restore the data folder from a backup"),
        _ => made,
    };
    made.caused_by(error)
}

/// The failure of a transaction, to be told to each of its calls.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    code: ffi::Error,
    message: Option<String>,
}

impl Failure {
    /// Keeps what can be told more than once.
    pub(crate) fn of(error: Sqlite) -> Self {
        match error {
            Sqlite::SqliteFailure(code, message) => Self { code, message },
            other => {
                Self { code: ffi::Error::new(ffi::SQLITE_ERROR), message: Some(other.to_string()) }
            }
        }
    }

    /// The failure as the error of one call.
    pub(crate) fn in_operation(&self, operation: &'static str) -> Error {
        from_sqlite(operation, Sqlite::SqliteFailure(self.code, self.message.clone()))
    }
}

/// The error for a call on a closed database.
pub(crate) fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, operation).with("reason", "the database is closed")
}

fn kind(error: &Sqlite) -> (ErrorKind, Retry) {
    let Sqlite::SqliteFailure(failure, _) = error else {
        return match error {
            Sqlite::FromSqlConversionFailure(..)
            | Sqlite::IntegralValueOutOfRange(..)
            | Sqlite::InvalidColumnType(..)
            | Sqlite::Utf8Error(..) => (ErrorKind::Corrupt, Retry::Never),
            _ => (ErrorKind::Internal, Retry::Never),
        };
    };
    if failure.extended_code == SHARED_MEMORY_FULL {
        return (ErrorKind::StorageFull, Retry::Backoff);
    }
    match failure.code {
        ErrorCode::DiskFull => (ErrorKind::StorageFull, Retry::Backoff),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => (ErrorKind::Corrupt, Retry::Never),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OutOfMemory => {
            (ErrorKind::Unavailable, Retry::Backoff)
        }
        ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::ReadOnly => (ErrorKind::Unavailable, Retry::Never),
        ErrorCode::TooBig => (ErrorKind::TooLarge, Retry::Never),
        _ => (ErrorKind::Internal, Retry::Never),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_kinds() {
        for (code, kind, retryable) in [
            (ffi::SQLITE_FULL, ErrorKind::StorageFull, true),
            (ffi::SQLITE_IOERR_SHMSIZE, ErrorKind::StorageFull, true),
            (ffi::SQLITE_CORRUPT, ErrorKind::Corrupt, false),
            (ffi::SQLITE_NOTADB, ErrorKind::Corrupt, false),
            (ffi::SQLITE_BUSY, ErrorKind::Unavailable, true),
            (ffi::SQLITE_BUSY_SNAPSHOT, ErrorKind::Unavailable, true),
            (ffi::SQLITE_IOERR_FSYNC, ErrorKind::Unavailable, false),
            (ffi::SQLITE_READONLY, ErrorKind::Unavailable, false),
            (ffi::SQLITE_TOOBIG, ErrorKind::TooLarge, false),
            (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, ErrorKind::Internal, false),
        ] {
            let cause = Sqlite::SqliteFailure(ffi::Error::new(code), None);
            let error = from_sqlite("test", cause);
            assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{error:?}");
            assert!(std::error::Error::source(&error).is_some());
        }
    }
}
