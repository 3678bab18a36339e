//! The embedded vector index: on disk, in process, flat.
//!
//! # How it searches
//! Every vector is kept in three forms: the **signs** of its numbers (48 bytes for 384), one
//! **byte** a number (384), and the **numbers** themselves (1,536, mapped from the file and read
//! for a few dozen rows only). A search compares the signs of all rows, scores the nearest by
//! their bytes, and the best of those by their numbers. A tenant of up to about two thousand
//! vectors is scored by bytes straight away, and so are questions for which the signs say too
//! little. Filters are exact: rows that do not pass are masked before anything is compared.
//!
//! There is nothing to build or train: a vector is found by the next search after its upsert.
//!
//! # What it writes
//! One folder for each tenant, named by its id, with a manifest, a write-ahead log, and segment
//! files. All have a magic number, a version and checksums. A folder can be copied away while the
//! index is not open, and put back without touching other tenants.
//!
//! ```
//! use notebook_core::vector::{VectorIndex, VectorSpace};
//! use notebook_rag::index::{EmbeddedIndex, EmbeddedIndexConfig};
//!
//! # let folder = tempfile::tempdir()?;
//! let space = VectorSpace { model: "all-MiniLM-L6-v2".into(), dimensions: 384 };
//! let index = EmbeddedIndex::open(EmbeddedIndexConfig::new(folder.path(), space))?;
//! assert_eq!(index.space().dimensions, 384);
//!
//! let again = EmbeddedIndexConfig::new(folder.path(), index.space().clone());
//! assert!(EmbeddedIndex::open(again).is_err(), "a folder is used by one index at a time");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bitmap;
mod cast;
mod embedded;
mod files;
mod kernels;
mod log;
mod maintain;
mod manifest;
mod merge;
mod plan;
mod quantize;
mod search;
mod segment;
mod segment_file;
mod snapshot;
mod tenant;
mod tenants;
mod top;

pub use embedded::{EmbeddedIndex, EmbeddedIndexConfig};
