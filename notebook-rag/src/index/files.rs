//! What the index asks of a file system, and what its refusals mean.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use notebook_core::{Error, ErrorKind, Result, Retry};

/// The error of a failed call to the file system. It names the file and its folder.
pub(crate) fn io_error(operation: &'static str, path: &Path, error: io::Error) -> Error {
    let full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    );
    let kind = if full { ErrorKind::StorageFull } else { ErrorKind::Unavailable };
    Error::new(kind, operation)
        .retry(Retry::Backoff)
        .with("file", short_name(path))
        .caused_by(error)
}

/// The error of stored bytes that are not what was written.
pub(crate) fn corrupt(path: &Path, what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, "open vector index")
        .with("file", short_name(path))
        .with("what", what)
        .with("fix", "restore the file from a backup, or delete its folder and embed again")
}

/// The last two parts of a path: the tenant's folder and the file.
pub(crate) fn short_name(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    folder.map_or_else(|| name.to_string(), |f| format!("{}/{name}", f.to_string_lossy()))
}

/// Makes creations, renames and removals in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    // Folders cannot be opened as files on Windows, where renames are durable by themselves.
    if cfg!(unix) {
        let synced = File::open(path).and_then(|folder| folder.sync_all());
        synced.map_err(|error| io_error("sync vector index", path, error))?;
    }
    Ok(())
}

/// Writes a whole file and makes its contents durable, but not yet its name.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| {
        // What was written of it takes up room on a disk that may be full.
        let _ = fs::remove_file(path);
        io_error("write vector index", path, error)
    })
}

/// Replaces a file by one with the given contents: after a crash there is the old or the new one.
pub(crate) fn replace_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension("tmp");
    write_durably(&draft, bytes)?;
    fs::rename(&draft, path).map_err(|error| io_error("write vector index", path, error))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Reads little-endian numbers and byte strings off the front of a slice.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }
}
