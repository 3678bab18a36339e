//! Two texts as one, as models read them that compare texts.

use std::path::Path;

use notebook_core::{Error, ErrorKind, Result};
use tokenizers::{Encoding, PostProcessor as _, TruncationDirection};

use super::{
    config::OPERATION,
    tokens::{Tokens, failed, head},
};

/// Token ids of a pair with special tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) ids: Vec<u32>,
    /// From which place on they belong to the second text.
    pub(crate) second: usize,
}

/// A first text, tokenised once, that is joined with others.
#[derive(Debug)]
pub(crate) struct Pairs<'t> {
    tokens: &'t Tokens,
    first: Encoding,
    /// How many tokens the second text may have.
    room: usize,
}

impl Tokens {
    /// Prepares the tokenizer for pairs of texts that somebody else has written: what looks like a special token in
    /// them is text.
    pub(crate) fn for_pairs(mut self, file: &Path) -> Result<Self> {
        self.tokenizer.set_encode_special_tokens(true);
        let probe = self.pairs("a")?.with("b")?;
        if probe.second == 0 || probe.second >= probe.ids.len() {
            return Err(Error::new(ErrorKind::Corrupt, OPERATION)
                .with("file", file.display().to_string())
                .with("field", "post_processor")
                .with("reason", "it does not tell the second text of a pair from the first")
                .with("fix", "use the tokenizer that belongs to the model"));
        }
        Ok(self)
    }

    /// A first text for many second ones: it has half of the tokens at most, and they have what is left.
    pub(crate) fn pairs(&self, first: &str) -> Result<Pairs<'_>> {
        let special = self.tokenizer.get_post_processor().map_or(0, |add| add.added_tokens(true));
        let room = self.max_tokens.saturating_sub(special);
        let first = self.beginning(first, room / 2)?;
        let room = room.saturating_sub(first.len());
        Ok(Pairs { tokens: self, first, room })
    }

    /// The first tokens of a text, without special ones.
    fn beginning(&self, text: &str, most: usize) -> Result<Encoding> {
        let mut bytes = self.max_tokens.saturating_mul(32);
        loop {
            let head = head(text, bytes);
            let mut encoding = self.tokenizer.encode_fast(head, false).map_err(failed)?;
            if encoding.len() > most || head.len() == text.len() {
                encoding.truncate(most, 0, TruncationDirection::Right);
                // What was cut off would be joined too.
                encoding.take_overflowing();
                return Ok(encoding);
            }
            bytes = bytes.saturating_mul(4);
        }
    }
}

impl Pairs<'_> {
    /// The pair with this second text, which is cut where there is no room for it.
    pub(crate) fn with(&self, second: &str) -> Result<Pair> {
        let mut second = self.tokens.beginning(second, self.room)?;
        second.set_type_ids(vec![1; second.len()]);
        let tokenizer = &self.tokens.tokenizer;
        let pair =
            tokenizer.post_process(self.first.clone(), Some(second), true).map_err(failed)?;
        let types = pair.get_type_ids();
        let second = types.iter().position(|kind| *kind != 0).unwrap_or(types.len());
        Ok(Pair { ids: pair.get_ids().to_vec(), second })
    }
}
