//! How much one file may cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// Limits on parsing one file. The defaults are the project's; a server may tighten them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Largest input in bytes.
    pub input_bytes: u64,
    /// Address space of the child process in bytes, input included.
    pub memory_bytes: u64,
    /// Processor time of the child process in seconds.
    pub cpu_seconds: u64,
    /// Time until the parent ends the child.
    pub wall: Duration,
    /// Largest text in bytes.
    pub text_bytes: usize,
    /// Most pixels of an image.
    pub pixels: u64,
    /// Longest recording.
    pub recording: Duration,
    /// Most pages, slides or sheets.
    pub pages: u32,
    /// Deepest nesting of elements.
    pub depth: usize,
    /// Most attributes on one element.
    pub attributes: usize,
    /// Most entries of an archive.
    pub archive_entries: usize,
    /// Most bytes inflated from one archive.
    pub inflated_bytes: u64,
    /// Most bytes inflated per compressed byte of an entry.
    pub inflate_ratio: u64,
    /// Bytes that an entry may inflate to whatever the ratio.
    pub inflate_floor: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            input_bytes: 100 * MIB,
            memory_bytes: 512 * MIB,
            cpu_seconds: 60,
            wall: Duration::from_secs(120),
            text_bytes: 64 << 20,
            pixels: 50_000_000,
            recording: Duration::from_secs(5 * 3_600),
            pages: 2_000,
            depth: 64,
            attributes: 1_000,
            archive_entries: 10_000,
            inflated_bytes: 1024 * MIB,
            inflate_ratio: 100,
            inflate_floor: 16 * MIB,
        }
    }
}
