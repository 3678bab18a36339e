//! Text that arrives in pieces.

use std::str;

use simdutf8::basic::from_utf8;

const REPLACEMENT: &str = "\u{FFFD}";
/// How much memory, in bytes, a text keeps when it is cleared.
const KEEP_CAPACITY: usize = 16 * 1024;

/// The text would grow over the room it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// Decodes UTF-8 piece by piece: invalid sequences become U+FFFD, and a character cut in
/// two by the end of a piece is put together again.
///
/// The result is that of decoding the whole at once, wherever the cuts are.
#[derive(Debug)]
pub(super) struct Text {
    buffer: String,
    /// The beginning of a character whose end is still to come.
    cut: [u8; 4],
    cut_len: usize,
}

impl Text {
    pub(super) const fn new() -> Self {
        Self { buffer: String::new(), cut: [0; 4], cut_len: 0 }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.buffer
    }

    pub(super) const fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn clear(&mut self) {
        clear(&mut self.buffer);
        self.cut_len = 0;
    }

    /// Clears the text, handing out what it held in exchange for `other`'s memory.
    pub(super) fn take_into(&mut self, other: &mut String) {
        std::mem::swap(&mut self.buffer, other);
        self.clear();
    }

    /// Adds a piece. `limit` is the longest the text may become, in bytes.
    pub(super) fn push(&mut self, bytes: &[u8], limit: usize) -> Result<(), Full> {
        if self.cut_len == 0
            && let Ok(text) = from_utf8(bytes)
        {
            return self.push_str(text, limit);
        }
        let rest = self.mend(bytes, limit)?;
        self.push_lossy(rest, limit)
    }

    /// Ends a value: a character that is still cut never came whole.
    pub(super) fn finish(&mut self, limit: usize) -> Result<(), Full> {
        if self.cut_len == 0 {
            return Ok(());
        }
        self.cut_len = 0;
        self.push_str(REPLACEMENT, limit)
    }

    /// Adds text that is known to be UTF-8.
    pub(super) fn push_str(&mut self, text: &str, limit: usize) -> Result<(), Full> {
        let needed = self.buffer.len().saturating_add(text.len());
        if needed > limit {
            return Err(Full);
        }
        if needed > self.buffer.capacity() {
            // Double, for linear time, but never beyond the limit.
            let target = self.buffer.capacity().saturating_mul(2).max(256).min(limit).max(needed);
            self.buffer.reserve_exact(target - self.buffer.len());
        }
        self.buffer.push_str(text);
        Ok(())
    }

    /// Completes the character that was cut. Returns the bytes after it.
    fn mend<'i>(&mut self, bytes: &'i [u8], limit: usize) -> Result<&'i [u8], Full> {
        let mut rest = bytes;
        while self.cut_len > 0
            && let [byte, after @ ..] = rest
        {
            let mut longer = self.cut;
            let Some(slot) = longer.get_mut(self.cut_len) else { break };
            *slot = *byte;
            let candidate = longer.get(..=self.cut_len).unwrap_or_default();
            match str::from_utf8(candidate) {
                Ok(character) => {
                    self.cut_len = 0;
                    self.push_str(character, limit)?;
                    rest = after;
                }
                Err(error) if error.error_len().is_none() => {
                    self.cut = longer;
                    self.cut_len += 1;
                    rest = after;
                }
                // The byte does not continue the character: it starts something of its own.
                Err(_) => {
                    self.cut_len = 0;
                    self.push_str(REPLACEMENT, limit)?;
                }
            }
        }
        Ok(rest)
    }

    fn push_lossy(&mut self, bytes: &[u8], limit: usize) -> Result<(), Full> {
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.push_str(chunk.valid(), limit)?;
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && is_cut(invalid) {
                if let Some(cut) = self.cut.get_mut(..invalid.len()) {
                    cut.copy_from_slice(invalid);
                    self.cut_len = invalid.len();
                }
            } else if !invalid.is_empty() {
                self.push_str(REPLACEMENT, limit)?;
            }
        }
        Ok(())
    }
}

/// Empties `text`, and gives back the memory of one that was long.
pub(super) fn clear(text: &mut String) {
    text.clear();
    text.shrink_to(KEEP_CAPACITY);
}

/// Whether `bytes` are the beginning, and not all, of a character.
fn is_cut(bytes: &[u8]) -> bool {
    !bytes.is_empty() && str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> String {
        let mut text = Text::new();
        for piece in pieces {
            text.push(piece, usize::MAX).unwrap();
        }
        text.finish(usize::MAX).unwrap();
        text.as_str().to_owned()
    }

    /// Every sequence of three of these bytes, cut at every place, decodes as the whole does.
    #[test]
    fn every_cut_decodes_as_the_whole() {
        let bytes = [0x20, 0x41, 0x80, 0xBF, 0xC0, 0xC3, 0xE0, 0xA0, 0xED, 0xF0, 0x90, 0xF4, 0xFF];
        for a in bytes {
            for b in bytes {
                for c in bytes {
                    for d in bytes {
                        let whole = [a, b, c, d];
                        let expected = String::from_utf8_lossy(&whole);
                        for cuts in 0..8_u8 {
                            assert_eq!(
                                decode(&cut(&whole, cuts)),
                                expected,
                                "{whole:x?} {cuts:03b}"
                            );
                        }
                    }
                }
            }
        }
    }

    /// Cuts four bytes after those whose bit is set.
    fn cut(whole: &[u8; 4], cuts: u8) -> Vec<&[u8]> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for end in 1..=4 {
            if end == 4 || cuts & (1 << (end - 1)) != 0 {
                pieces.push(&whole[start..end]);
                start = end;
            }
        }
        pieces
    }

    #[test]
    fn the_limit_counts_decoded_bytes() {
        let mut text = Text::new();
        assert_eq!(text.push(b"\xFF\xFF", 6), Ok(()));
        assert_eq!(text.push(b"\xFF", 8), Err(Full));
        assert_eq!(text.len(), 6);
    }

    #[test]
    fn growth_stops_at_the_limit() {
        let mut text = Text::new();
        for _ in 0..1000 {
            text.push(b"x", 1000).unwrap();
        }
        assert_eq!(text.buffer.capacity(), 1000);
        text.clear();
        text.push(&vec![b'x'; 2 * KEEP_CAPACITY], usize::MAX).unwrap();
        text.clear();
        assert!(text.buffer.capacity() <= KEEP_CAPACITY);
    }
}
