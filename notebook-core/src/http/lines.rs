//! Lines out of a body of newline-delimited JSON.

/// Splits bytes into lines, however they are cut into chunks. Does no I/O.
#[derive(Debug)]
pub(crate) struct Lines {
    limit: usize,
    partial: Vec<u8>,
}

/// A line is longer than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

impl Lines {
    /// Lines of at most `limit` bytes.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, partial: Vec::new() }
    }

    /// Calls `each` for every line that `chunk` completes, without its end; blank ones are skipped.
    pub(crate) fn push<E: From<LineTooLong>>(
        &mut self,
        chunk: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut pieces = chunk.split(|byte| *byte == b'\n');
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.take(piece)?;
            let line = std::mem::take(&mut self.partial);
            if !line.trim_ascii().is_empty() {
                each(line.trim_ascii())?;
            }
        }
        Ok(self.take(last)?)
    }

    /// The last line, if the body ended without a line end.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.partial).trim_ascii().to_vec()
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), LineTooLong> {
        if piece.len() > self.limit - self.partial.len() {
            self.partial = Vec::new();
            return Err(LineTooLong);
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &[u8], size: usize) -> Vec<String> {
        let (mut lines, mut seen) = (Lines::new(100), Vec::new());
        for chunk in text.chunks(size) {
            let push = |line: &[u8]| {
                seen.push(String::from_utf8_lossy(line).into_owned());
                Ok::<(), LineTooLong>(())
            };
            lines.push(chunk, push).unwrap();
        }
        seen.push(String::from_utf8(lines.finish()).unwrap());
        seen
    }

    #[test]
    fn every_chunking_gives_the_same_lines() {
        let text = "{\"a\":1}\r\n\n{\"b\":\"ü\"}\nrest".as_bytes();
        for size in 1..=text.len() {
            assert_eq!(split(text, size), ["{\"a\":1}", "{\"b\":\"ü\"}", "rest"], "{size}");
        }
    }

    #[test]
    fn an_endless_line_is_an_error_not_memory() {
        let mut lines = Lines::new(64);
        let each = |_: &[u8]| Ok::<(), LineTooLong>(());
        assert_eq!(lines.push(&[b'x'; 60], each), Ok(()));
        assert_eq!(lines.push(&[b'x'; 5], each), Err(LineTooLong));
        assert!(lines.partial.capacity() == 0);
    }
}
