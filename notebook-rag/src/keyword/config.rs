use std::{path::PathBuf, time::Duration};

use notebook_core::keyword::Bm25;

use crate::words::Stemming;

/// Where the index lives and what it may use.
#[derive(Debug, Clone, PartialEq)]
pub struct KeywordConfig {
    /// The folder that holds one folder for each tenant.
    pub folder: PathBuf,
    /// How words are stemmed in indexes created from now on. An existing index keeps what it
    /// was created with.
    pub stemming: Stemming,
    /// The score.
    pub bm25: Bm25,
    /// How many tenants stay open for searching; the longest unused is closed first.
    pub open_tenants: usize,
    /// Memory of one tenant's writer in bytes: 15 million at least. It is in use only while
    /// sources are indexed.
    pub writer_bytes: usize,
    /// How many writers stay open to be used again. While there are more, each is closed as soon as what was added is committed.
    pub open_writers: usize,
    /// After this time without adds or deletes a tenant's writer is closed.
    pub writer_idle: Duration,
}

impl KeywordConfig {
    /// The defaults, in `folder`.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            stemming: Stemming::English,
            bm25: Bm25::default(),
            open_tenants: 64,
            writer_bytes: 20_000_000,
            open_writers: 16,
            writer_idle: Duration::from_secs(10),
        }
    }
}
