use std::{path::PathBuf, time::Duration};

/// When a write counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When it is on the disk: it survives the loss of power.
    #[default]
    Full,
    /// When the operating system has it: it survives the end of the process, and after a loss
    /// of power the newest writes may be missing. The file stays whole.
    Relaxed,
}

/// Where an embedded database lies and what it may use.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// The database file. It and its folder are made if missing; the write-ahead log lies
    /// beside it, with `-wal` and `-shm` added to the name.
    pub path: PathBuf,
    /// When a write counts as done. Default: on the disk.
    pub durability: Durability,
    /// Reader threads, at least 1. Default 4.
    pub readers: usize,
    /// Calls that may wait for the writer, and as many for the readers. Default 1,024.
    pub queue: usize,
    /// How long to wait for another process that writes. Default 5 seconds.
    pub busy_timeout: Duration,
    /// The most bytes that the database file may grow to; `None` for what the device holds.
    /// A write that does not fit fails as `StorageFull`.
    pub max_bytes: Option<u64>,
}

impl SqliteConfig {
    /// The defaults for a file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::Full,
            readers: 4,
            queue: 1024,
            busy_timeout: Duration::from_secs(5),
            max_bytes: None,
        }
    }
}
