//! Texts to token ids, with the model's own tokenizer.

use std::path::Path;

use notebook_core::{Error, ErrorKind, Result};
use tokenizers::Tokenizer;

use super::config::OPERATION;

/// A tokenizer without padding, and the limit of tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(super) tokenizer: Tokenizer,
    pub(super) max_tokens: usize,
}

impl Tokens {
    /// Takes the tokenizer out of the bytes of `tokenizer.json`.
    pub(crate) fn parse(
        file: &Path,
        bytes: &[u8],
        vocab_size: usize,
        max_tokens: usize,
    ) -> Result<Self> {
        let wrong = |reason: String| {
            Error::new(ErrorKind::Corrupt, OPERATION)
                .with("file", file.display().to_string())
                .with("reason", reason)
        };
        let mut tokenizer =
            Tokenizer::from_bytes(bytes).map_err(|error| wrong(error.to_string()))?;
        let known = tokenizer.get_vocab_size(true);
        if known > vocab_size {
            return Err(wrong(format!(
                "it has {known} tokens, config.json says vocab_size {vocab_size}"
            )));
        }
        // The file may ask for padding to a fixed length, which would only cost time here.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| wrong(error.to_string()))?;
        let tokens = Self { tokenizer, max_tokens };
        if tokens.ids("")?.is_empty() {
            return Err(wrong("an empty text has no tokens: the post_processor adds none".into()));
        }
        Ok(tokens)
    }

    /// The ids of `text` with special tokens, at most `max_tokens`: what is over is cut before the
    /// last special token.
    pub(crate) fn ids(&self, text: &str) -> Result<Vec<u32>> {
        let mut bytes = self.max_tokens.saturating_mul(32);
        loop {
            let head = head(text, bytes);
            let encoding = self.tokenizer.encode_fast(head, true).map_err(failed)?;
            let ids = encoding.get_ids();
            if ids.len() > self.max_tokens {
                return Ok(self.cut(ids));
            }
            if head.len() == text.len() {
                return Ok(ids.to_vec());
            }
            bytes = bytes.saturating_mul(4);
        }
    }

    fn cut(&self, ids: &[u32]) -> Vec<u32> {
        let mut cut: Vec<u32> = ids.iter().take(self.max_tokens).copied().collect();
        if let (Some(to), Some(from)) = (cut.last_mut(), ids.last()) {
            *to = *from;
        }
        cut
    }

    /// How many tokens `text` is, without special ones and without a limit.
    pub(crate) fn count(&self, text: &str) -> usize {
        // Only a tokenizer without an unknown token can fail; a byte a token is never too few.
        self.tokenizer.encode_fast(text, false).map_or(text.len(), |encoding| encoding.len())
    }
}

pub(super) fn failed(error: tokenizers::Error) -> Error {
    Error::new(ErrorKind::InvalidInput, "tokenize text")
        .with("field", "text")
        .with("reason", error.to_string())
}

/// The first `bytes` of `text`, or a little less, ending after white space where there is some: a
/// very long text is not tokenised whole only to be cut.
pub(super) fn head(text: &str, bytes: usize) -> &str {
    if bytes >= text.len() {
        return text;
    }
    let head = text.get(..text.floor_char_boundary(bytes)).unwrap_or(text);
    match head.rfind(char::is_whitespace) {
        Some(at) if at > 0 => head.get(..at).unwrap_or(head),
        _ => head,
    }
}
