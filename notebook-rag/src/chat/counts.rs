//! Counting with a tokenizer, within limits.

use notebook_core::chat::TokenCount;
use tokenizers::Tokenizer;

/// The longest text that is counted, in bytes. Longer ones are estimated: at some microseconds a byte for the slowest
/// tokenizers, somebody waits for it; and a regular expression of the file may give up on a text without a word after a
/// million steps.
const LONGEST: usize = 256 << 10;

/// What a tokenizer counts, and the estimate where it does not.
pub(super) fn count(tokenizer: &Tokenizer, text: &str) -> TokenCount {
    if text.len() > LONGEST {
        return TokenCount::estimate(text);
    }
    match tokenizer.encode_fast(text, false) {
        Ok(encoding) => TokenCount { tokens: encoding.len(), exact: true },
        // Without an unknown token some tokenizers refuse what they have no token for.
        Err(_) => TokenCount::estimate(text),
    }
}
