/// Sizes of ingestion.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// Files parsed at once, each in a child process of its own.
    pub parsers: usize,
    /// Chunks read, embedded and stored at a time.
    pub batch: usize,
    /// Sources whose keywords are made visible together: a commit costs more than many small texts.
    pub commit_sources: usize,
}

impl Default for IngestConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { parsers: cores.clamp(1, 8), batch: 64, commit_sources: 64 }
    }
}
