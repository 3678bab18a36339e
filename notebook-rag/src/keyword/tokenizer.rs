//! Hands our words to the engine.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::words::Words;

/// The tokenizer of the index; see [`Words`].
#[derive(Debug, Clone)]
pub(super) struct WordTokenizer {
    words: Words,
    found: Found,
}

/// Words one behind the other in one buffer, which is used again for every text.
#[derive(Debug, Clone, Default)]
struct Found {
    text: String,
    ends: Vec<usize>,
}

impl WordTokenizer {
    pub(super) fn new(words: Words) -> Self {
        Self { words, found: Found::default() }
    }
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        let found = &mut self.found;
        found.text.clear();
        found.ends.clear();
        self.words.each(text, |word| {
            found.text.push_str(word);
            found.ends.push(found.text.len());
        });
        WordStream { found, next: 0, start: 0, token: Token::default() }
    }
}

/// The words of one text.
pub(super) struct WordStream<'a> {
    found: &'a Found,
    next: usize,
    start: usize,
    token: Token,
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(end) = self.found.ends.get(self.next) else { return false };
        self.token.text.clear();
        self.token.text.push_str(self.found.text.get(self.start..*end).unwrap_or_default());
        self.token.position = self.next;
        self.start = *end;
        self.next += 1;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
