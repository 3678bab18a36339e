use notebook_core::{Error, Result};

/// Chunks hold at most this many bytes for each token of the limit: text that a tokenizer
/// counts as one unknown word would otherwise make a chunk of any size.
const BYTES_PER_TOKEN: usize = 8;
const LEAST_TOKENS: usize = 16;
const TARGET_TOKENS: usize = 200;

/// How long chunks are, in tokens of the embedder without its special ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkConfig {
    /// No chunk is longer, except a single visible character that is. At least 16.
    pub max_tokens: usize,
    /// A heading starts a new chunk only when the chunk before it has this many.
    pub min_tokens: usize,
    /// Whole sentences up to this length are repeated at the start of the next chunk when a
    /// section is cut. At most half of `max_tokens`.
    pub overlap_tokens: usize,
}

impl Default for ChunkConfig {
    /// At most 200 tokens, at least 40 before a heading, no overlap: the best of those
    /// measured with `notebook eval`, and room for the headings within MiniLM's 256.
    fn default() -> Self {
        Self { max_tokens: TARGET_TOKENS, min_tokens: TARGET_TOKENS / 5, overlap_tokens: 0 }
    }
}

impl ChunkConfig {
    /// The default, made smaller for an embedder that reads at most `max_tokens`, so that a
    /// fifth of its window is left to the headings and special tokens.
    ///
    /// ```
    /// use notebook_rag::chunk::ChunkConfig;
    ///
    /// assert_eq!(ChunkConfig::for_embedder(256).max_tokens, 200);
    /// assert_eq!(ChunkConfig::for_embedder(128).max_tokens, 102);
    /// ```
    #[must_use]
    pub fn for_embedder(max_tokens: usize) -> Self {
        let max_tokens = (max_tokens * 4 / 5).clamp(LEAST_TOKENS, TARGET_TOKENS);
        Self { max_tokens, min_tokens: max_tokens / 5, overlap_tokens: 0 }
    }

    pub(super) fn check(self) -> Result<Self> {
        let refuse = |field, fix: String| Err(Error::invalid("configure chunks", field, fix));
        if self.max_tokens < LEAST_TOKENS {
            return refuse("max_tokens", format!("set it to {LEAST_TOKENS} or more"));
        }
        if self.min_tokens > self.max_tokens {
            return refuse("min_tokens", "set it to max_tokens or less".to_owned());
        }
        if self.overlap_tokens > self.max_tokens / 2 {
            return refuse("overlap_tokens", "set it to half of max_tokens or less".to_owned());
        }
        Ok(self)
    }

    pub(super) const fn max_bytes(self) -> usize {
        self.max_tokens.saturating_mul(BYTES_PER_TOKEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_cannot_hold_are_refused_by_name() {
        for (config, field) in [
            (ChunkConfig { max_tokens: 15, ..ChunkConfig::default() }, "max_tokens"),
            (ChunkConfig { min_tokens: 201, ..ChunkConfig::default() }, "min_tokens"),
            (ChunkConfig { overlap_tokens: 101, ..ChunkConfig::default() }, "overlap_tokens"),
        ] {
            assert_eq!(config.check().unwrap_err().context("field"), Some(field));
        }
        assert!(ChunkConfig::for_embedder(1).check().is_ok());
    }
}
