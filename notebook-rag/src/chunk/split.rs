//! Cuts a unit that is too long: table rows at cells, then everything at words, then at
//! visible characters.

use notebook_core::document::Span;

use super::boundary::{graphemes_end, skip_space, word_end};

const CELL: &str = " | ";
/// Longer words are counted and cut in runs of about this many bytes.
const WORD_BYTES: usize = 48;

/// Lengths that hold for every piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) tokens: usize,
    pub(super) bytes: usize,
}

/// Counts tokens.
pub(super) type Count<'a> = &'a (dyn Fn(&str) -> usize + Sync);

/// A counted piece of text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) span: Span,
    pub(super) tokens: usize,
}

/// Greedy pieces of one unit. Every byte is counted a constant number of times.
#[derive(Debug)]
pub(super) struct Splitter {
    at: usize,
    end: usize,
    /// Cells are tried first, but only from their start: counting the rest of a long cell
    /// again after every word would be quadratic.
    cells: bool,
    at_cell: bool,
    carry: Option<Piece>,
}

impl Splitter {
    pub(super) const fn new(span: Span, cells: bool) -> Self {
        Self { at: span.start, end: span.end, cells, at_cell: cells, carry: None }
    }

    pub(super) fn next(&mut self, text: &str, limits: Limits, count: Count<'_>) -> Option<Piece> {
        let mut piece = self.carry.take().or_else(|| self.atom(text, limits, count))?;
        while let Some(atom) = self.atom(text, limits, count) {
            let tokens = piece.tokens + atom.tokens;
            if tokens > limits.tokens || atom.span.end - piece.span.start > limits.bytes {
                self.carry = Some(atom);
                break;
            }
            piece = Piece { span: Span::new(piece.span.start, atom.span.end), tokens };
        }
        Some(piece)
    }

    /// The next cell, word or part of a word that fits the limits by itself.
    fn atom(&mut self, text: &str, limits: Limits, count: Count<'_>) -> Option<Piece> {
        self.at = skip_space(text, self.at, self.end);
        if self.at >= self.end {
            return None;
        }
        let measure = |end: usize| {
            let span = Span::new(self.at, end);
            let fits = span.len() <= limits.bytes;
            let tokens = if fits { count(span.of(text).unwrap_or_default()) } else { 0 };
            (fits && tokens <= limits.tokens).then_some(Piece { span, tokens })
        };
        let cell = self.at_cell.then(|| self.cell_end(text)).and_then(measure);
        let atom = cell
            .or_else(|| word_end(text, self.at, self.end, WORD_BYTES).and_then(measure))
            .or_else(|| {
                measure(graphemes_end(text, self.at, self.end, WORD_BYTES / 2, limits.bytes))
            })
            .unwrap_or_else(|| {
                let span =
                    Span::new(self.at, graphemes_end(text, self.at, self.end, 0, limits.bytes));
                Piece { span, tokens: count(span.of(text).unwrap_or_default()) }
            });
        self.at = atom.span.end;
        self.at_cell =
            self.cells && (cell.is_some() || text.get(atom.span.start..atom.span.end) == Some("|"));
        Some(atom)
    }

    fn cell_end(&self, text: &str) -> usize {
        let rest = text.get(self.at..self.end).unwrap_or_default();
        rest.find(CELL).map_or(self.end, |i| self.at + i + CELL.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn pieces(text: &str, tokens: usize, cells: bool) -> Vec<&str> {
        let mut splitter = Splitter::new(Span::new(0, text.len()), cells);
        let limits = Limits { tokens, bytes: 1000 };
        std::iter::from_fn(|| splitter.next(text, limits, &words))
            .map(|piece| &text[piece.span.start..piece.span.end])
            .collect()
    }

    #[test]
    fn rows_are_cut_at_cells_before_words() {
        assert_eq!(pieces("a b | c d | e", 4, true), ["a b |", "c d | e"]);
        assert_eq!(pieces("a b c d e | f", 3, true), ["a b c", "d e |", "f"]);
        assert_eq!(pieces("a b c", 2, false), ["a b", "c"]);
    }

    #[test]
    fn a_word_without_end_is_cut_by_bytes() {
        let text = "語".repeat(1000);
        let found = pieces(&text, 100, false);
        assert_eq!(found.concat(), text);
        assert!(found.iter().all(|piece| piece.len() <= 1000));
    }
}
