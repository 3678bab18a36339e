//! PostgreSQL's errors as errors of this crate.

use crate::{Error, ErrorKind, Retry};

/// Turns an error in `operation` into one of this crate. Classes by the appendix "Error Codes" of PostgreSQL's manual.
pub(crate) fn from_postgres(operation: &'static str, error: sqlx::Error) -> Error {
    let (kind, retry) = kind(&error);
    let made = Error::new(kind, operation).retry(retry);
    let made = match kind {
        ErrorKind::StorageFull => {
            made.with("fix", "make room on the database's device, then repeat")
        }
        ErrorKind::Unauthorized => {
            made.with("fix", "check the user and password in the database's URL")
        }
        ErrorKind::InvalidInput => made.with("fix", "correct the database's URL"),
        ErrorKind::Unavailable if is_no_database(&error) => {
            made.with("fix", "create the database that its URL names")
        }
        ErrorKind::Unavailable if matches!(error, sqlx::Error::Io(_)) => {
            made.with("fix", "check that PostgreSQL runs, and the host and port in its URL")
        }
        _ => made,
    };
    let made = match &error {
        // The connection's, not the data's: it says which host, and why.
        sqlx::Error::Io(io) => made.with("reason", io.to_string()),
        _ => made,
    };
    made.caused_by(error)
}

fn is_no_database(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.as_deref() == Some("3D000")
}

fn kind(error: &sqlx::Error) -> (ErrorKind, Retry) {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            by_code(&code)
        }
        // A connection that is cut while it is made, or in the middle of an answer, is a breach of the protocol too.
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => (ErrorKind::Unavailable, Retry::Backoff),
        sqlx::Error::Configuration(_) => (ErrorKind::InvalidInput, Retry::Never),
        sqlx::Error::Tls(_) => (ErrorKind::Protocol, Retry::Never),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            (ErrorKind::Corrupt, Retry::Never)
        }
        _ => (ErrorKind::Internal, Retry::Never),
    }
}

fn by_code(code: &str) -> (ErrorKind, Retry) {
    match (code.get(..2).unwrap_or_default(), code) {
        // serialization_failure, deadlock_detected, lock_not_available
        (_, "40001" | "40P01" | "55P03") => (ErrorKind::Unavailable, Retry::Backoff),
        // query_canceled: by the statement's time limit
        (_, "57014") => (ErrorKind::Timeout, Retry::Backoff),
        // disk_full
        (_, "53100") => (ErrorKind::StorageFull, Retry::Backoff),
        // Connection exceptions, insufficient resources, operator intervention
        ("08" | "53" | "57", _) => (ErrorKind::Unavailable, Retry::Backoff),
        // invalid_catalog_name: there is no such database. "Not found" is what is said of a row.
        (_, "3D000") => (ErrorKind::Unavailable, Retry::Never),
        ("28", _) => (ErrorKind::Unauthorized, Retry::Never),
        // data_corrupted, index_corrupted
        ("XX", "XX001" | "XX002") => (ErrorKind::Corrupt, Retry::Never),
        _ => (ErrorKind::Internal, Retry::Never),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_kinds() {
        for (code, kind, retryable) in [
            ("40001", ErrorKind::Unavailable, true),
            ("57P01", ErrorKind::Unavailable, true),
            ("57014", ErrorKind::Timeout, true),
            ("53100", ErrorKind::StorageFull, true),
            ("53300", ErrorKind::Unavailable, true),
            ("08006", ErrorKind::Unavailable, true),
            ("3D000", ErrorKind::Unavailable, false),
            ("28P01", ErrorKind::Unauthorized, false),
            ("XX001", ErrorKind::Corrupt, false),
            ("23505", ErrorKind::Internal, false),
            ("", ErrorKind::Internal, false),
        ] {
            assert_eq!(
                by_code(code),
                (kind, if retryable { Retry::Backoff } else { Retry::Never })
            );
        }
    }
}
