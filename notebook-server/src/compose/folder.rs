//! The data folder: one process's at a time, and where its server listens.

use std::{fs::File, io::Write as _, net::SocketAddr, path::Path};

use notebook_core::{Error, ErrorKind, Result};

/// Name of the file that says where a running server listens.
const ADDRESS_FILE: &str = "server.json";

/// Writes down where the server listens, for commands that work on the same folder.
pub(super) fn announce(folder: &Path, address: SocketAddr) -> Result<()> {
    let text = serde_json::json!({ "url": format!("http://{address}"), "pid": std::process::id() });
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.to_string().as_bytes())?;
        file.persist(folder.join(ADDRESS_FILE))?;
        Ok(())
    };
    write().map_err(|error| cannot_use(folder, error))
}

/// Nobody listens there any more.
pub(super) fn take_back(folder: &Path) {
    let _ = std::fs::remove_file(folder.join(ADDRESS_FILE));
}

/// The address of the server that has this folder open, if one says so.
pub(crate) fn running_server(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join(ADDRESS_FILE)).ok()?;
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(value.get("url")?.as_str()?.to_owned())
}

/// Whether another process has this folder open.
pub(crate) fn is_locked(folder: &Path) -> bool {
    folder.is_dir() && lock(folder).is_err()
}

/// Takes the folder for this process, as long as the file lives.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|error| cannot_use(folder, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::new(
            ErrorKind::Conflict,
            "open data folder",
        )
        .with("folder", folder.display().to_string())
        .with(
            "fix",
            "another notebook process has it open; stop that one, or choose another --data-dir",
        )),
        Err(std::fs::TryLockError::Error(error)) => Err(cannot_use(folder, error)),
    }
}

/// Uploads that a process left behind when it was killed.
pub(super) fn empty_spool(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        std::fs::remove_file(entry?.path())?;
    }
    Ok(())
}

pub(super) fn cannot_use(folder: &Path, error: impl Into<std::io::Error>) -> Error {
    Error::new(ErrorKind::Unavailable, "open data folder")
        .with("folder", folder.display().to_string())
        .with("fix", "check that the folder can be written to and that the disk has room")
        .caused_by(error.into())
}
