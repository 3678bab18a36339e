use std::time::Duration;

/// Sizes of ingestion.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// Files parsed at once, each in a child process of its own.
    pub parsers: usize,
    /// Chunks read, embedded and stored at a time.
    pub batch: usize,
    /// The least time between two such commits, while sources keep coming.
    pub commit_interval: Duration,
}

impl Default for IngestConfig {
    fn default() -> Self {
        // One more than cores: a parser also waits for the disk.
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { parsers: (cores + 1).min(8), batch: 64, commit_interval: Duration::from_millis(250) }
    }
}
