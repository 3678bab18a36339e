use std::io;

use notebook_core::{Error, ErrorKind, Retry};
use tantivy::{
    TantivyError,
    directory::error::{LockError, OpenDirectoryError, OpenReadError, OpenWriteError},
};

/// Turns an error of the engine into one of ours, the cause kept.
pub(super) fn from_tantivy(operation: &'static str, error: TantivyError) -> Error {
    let (kind, retry) = match &error {
        TantivyError::LockFailure(LockError::LockBusy, _) => {
            let fix = "stop the other process that has this index open";
            return Error::new(ErrorKind::Conflict, operation).with("fix", fix).caused_by(error);
        }
        TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::OpenReadError(
            OpenReadError::FileDoesNotExist(_) | OpenReadError::IncompatibleIndex(_),
        )
        | TantivyError::SchemaError(_) => (ErrorKind::Corrupt, Retry::Never),
        other => match io_error(other).map(io::Error::kind) {
            Some(kind) => of_io(kind),
            // A worker that ended: its own error, such as a full disk, is only in its text.
            None if other.to_string().contains("No space left") => {
                of_io(io::ErrorKind::StorageFull)
            }
            None => (ErrorKind::Unavailable, Retry::Backoff),
        },
    };
    Error::new(kind, operation).retry(retry).caused_by(error)
}

/// The same for errors of the file system.
pub(super) fn from_io(operation: &'static str, error: io::Error) -> Error {
    let (kind, retry) = of_io(error.kind());
    Error::new(kind, operation).retry(retry).caused_by(error)
}

fn of_io(kind: io::ErrorKind) -> (ErrorKind, Retry) {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::StorageFull, Retry::Backoff)
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
            (ErrorKind::Corrupt, Retry::Never)
        }
        _ => (ErrorKind::Unavailable, Retry::Backoff),
    }
}

fn io_error(error: &TantivyError) -> Option<&io::Error> {
    match error {
        TantivyError::IoError(error)
        | TantivyError::LockFailure(LockError::IoError(error), _)
        | TantivyError::OpenDirectoryError(OpenDirectoryError::IoError {
            io_error: error, ..
        })
        | TantivyError::OpenReadError(OpenReadError::IoError { io_error: error, .. })
        | TantivyError::OpenWriteError(OpenWriteError::IoError { io_error: error, .. }) => {
            Some(error)
        }
        _ => None,
    }
}
