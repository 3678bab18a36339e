//! Takes citation marks out of a stream of text, however it is cut into pieces.

/// What the filter gives back, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text of the answer; never empty.
    Text(String),
    /// Passage numbers that the model cited at this place.
    Mark(Vec<u32>),
}

/// A stream filter that separates text from marks such as `[1]`, `[2, 3]`, `[4-6]`, `[^7]`, `【8】`.
///
/// It holds back only what may still become a mark, and the white space before it; the
/// result does not depend on how the input was cut. Text in backticks is code and stays as it
/// is, and so does `[1](…)`, which is a link.
///
/// ```
/// use notebook_rag::cite::{MarkFilter, Piece};
///
/// let mut filter = MarkFilter::default();
/// let mut pieces = filter.push("It is high [1");
/// pieces.extend(filter.push("]. Yes"));
/// pieces.extend(filter.finish());
/// assert_eq!(pieces, [
///     Piece::Text("It is high".into()),
///     Piece::Mark(vec![1]),
///     Piece::Text(". Yes".into()),
/// ]);
/// ```
#[derive(Debug, Default)]
pub struct MarkFilter {
    /// Input not yet decided: white space, then perhaps the beginning of a mark.
    held: String,
    in_code: bool,
    /// Backticks seen in a row, while the row may go on in the next chunk.
    fence: usize,
    /// Length of the row of backticks that opened the code.
    opened_by: usize,
}

/// The longest text that is still taken for the beginning of a mark.
const LONGEST_MARK: usize = 48;
/// The widest range such as `[2-9]` that is expanded.
const WIDEST_RANGE: u32 = 20;

impl MarkFilter {
    /// Takes the next piece of the stream and returns what is decided.
    pub fn push(&mut self, chunk: &str) -> Vec<Piece> {
        let mut out = Out::default();
        for c in chunk.chars() {
            self.take(c, &mut out);
        }
        out.done()
    }

    /// Ends the stream and returns the rest.
    pub fn finish(&mut self) -> Vec<Piece> {
        let mut out = Out::default();
        match self.mark() {
            Some(numbers) => {
                self.held.clear();
                out.mark(numbers);
            }
            None => out.text(&std::mem::take(&mut self.held)),
        }
        *self = Self::default();
        out.done()
    }

    fn take(&mut self, c: char, out: &mut Out) {
        if self.track_code(c) || self.in_code {
            out.text(&std::mem::take(&mut self.held));
            out.char(c);
            return;
        }
        if let Some(numbers) = self.mark().filter(|_| c != '(') {
            self.held.clear();
            out.mark(numbers);
        }
        self.held.push(c);
        if !may_become_mark(&self.held) {
            self.release(out);
        }
    }

    /// Lets go of what cannot be part of a mark, and keeps the tail that can.
    fn release(&mut self, out: &mut Out) {
        while !self.held.is_empty() && !may_become_mark(&self.held) {
            let Some(first) = self.held.chars().next() else { break };
            out.char(first);
            self.held.drain(..first.len_utf8());
        }
    }

    /// Follows rows of backticks; true when `c` is one.
    fn track_code(&mut self, c: char) -> bool {
        if c == '`' {
            self.fence += 1;
            return true;
        }
        if self.fence > 0 {
            if self.in_code && self.fence == self.opened_by {
                self.in_code = false;
            } else if !self.in_code {
                self.in_code = true;
                self.opened_by = self.fence;
            }
            self.fence = 0;
        }
        // An inline code span that never closes must not swallow the answer's marks.
        if c == '\n' && self.in_code && self.opened_by < 3 {
            self.in_code = false;
        }
        false
    }

    /// The numbers of a complete mark in `held`.
    fn mark(&self) -> Option<Vec<u32>> {
        let inner = self.held.trim_start();
        let inner = inner
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .or_else(|| inner.strip_prefix('【').and_then(|rest| rest.strip_suffix('】')))?;
        numbers(inner)
    }
}

/// Whether `held` is white space followed by nothing, or by a prefix of a mark (or a whole one,
/// which waits for the character after it).
fn may_become_mark(held: &str) -> bool {
    let mark = held.trim_start();
    if mark.is_empty() {
        // White space is kept until it is known what follows, within reason.
        return held.len() <= LONGEST_MARK;
    }
    if held.len() > LONGEST_MARK {
        return false;
    }
    let mut chars = mark.chars();
    let close = match chars.next() {
        Some('[') => ']',
        Some('【') => '】',
        _ => return false,
    };
    let rest = chars.as_str();
    let body = rest.strip_suffix(close).unwrap_or(rest);
    body.chars().all(|c| c.is_ascii_digit() || is_separator(c) || c == ' ' || c == '^')
        && (rest.len() != body.len() || !body.contains(close))
}

const fn is_separator(c: char) -> bool {
    matches!(c, ',' | ';' | '-' | '–')
}

/// Numbers in `1`, `1, 2`, `^3`, `4-6`; `None` for anything else.
fn numbers(text: &str) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    for part in text.split([',', ';']) {
        let part = part.trim().trim_start_matches('^');
        match part.split_once(['-', '–']) {
            None => found.push(number(part)?),
            Some((from, to)) => {
                let (from, to) = (number(from.trim())?, number(to.trim())?);
                if from > to || to - from > WIDEST_RANGE {
                    return None;
                }
                found.extend(from..=to);
            }
        }
    }
    Some(found)
}

fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Collects pieces, joining adjacent text.
#[derive(Default)]
struct Out {
    pieces: Vec<Piece>,
    text: String,
}

impl Out {
    fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn char(&mut self, c: char) {
        self.text.push(c);
    }

    fn mark(&mut self, numbers: Vec<u32>) {
        self.flush();
        self.pieces.push(Piece::Mark(numbers));
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.text)));
        }
    }

    fn done(mut self) -> Vec<Piece> {
        self.flush();
        self.pieces
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(chunks: &[&str]) -> (String, Vec<(usize, Vec<u32>)>) {
        let mut filter = MarkFilter::default();
        let mut pieces: Vec<_> = chunks.iter().flat_map(|chunk| filter.push(chunk)).collect();
        pieces.extend(filter.finish());
        let (mut text, mut marks) = (String::new(), Vec::new());
        for piece in pieces {
            match piece {
                Piece::Text(more) => text.push_str(&more),
                Piece::Mark(numbers) => marks.push((text.len(), numbers)),
            }
        }
        (text, marks)
    }

    #[test]
    fn marks_leave_the_text_and_keep_their_place() {
        type Case<'a> = (&'a str, &'a str, &'a [(usize, &'a [u32])]);
        let cases: &[Case<'_>] = &[
            ("High [1].", "High.", &[(4, &[1])]),
            ("High. [1] Low. [2]", "High. Low.", &[(5, &[1]), (10, &[2])]),
            ("A[1][2] b", "A b", &[(1, &[1]), (1, &[2])]),
            ("A [1, 3; 5] b", "A b", &[(1, &[1, 3, 5])]),
            ("A [2-4] b [5–6]", "A b", &[(1, &[2, 3, 4]), (3, &[5, 6])]),
            ("A [^7] b 【8】", "A b", &[(1, &[7]), (3, &[8])]),
            ("[1] At the start", " At the start", &[(0, &[1])]),
        ];
        for (input, text, marks) in cases {
            let marks: Vec<_> = marks.iter().map(|(at, n)| (*at, n.to_vec())).collect();
            assert_eq!(filter(&[input]), ((*text).to_owned(), marks), "{input:?}");
        }
    }

    #[test]
    fn what_is_no_mark_stays() {
        for input in [
            "see [the paper] and [x]",
            "a [1](https://example.org) link",
            "code `a[1]` and\n```\nb = c[2]\n```\nend",
            "[",
            "[1",
            "[]",
            "[1, ]",
            "[12345]",
            "[9-1]",
            "[1-900]",
            "  spaces   \n\n kept  ",
            "[[1, x]]",
            "``",
        ] {
            assert_eq!(filter(&[input]), (input.to_owned(), vec![]), "{input:?}");
        }
    }

    #[test]
    fn an_unclosed_code_span_ends_with_its_line() {
        let (text, marks) = filter(&["a ` b\nc [1]"]);
        assert_eq!((text.as_str(), marks.len()), ("a ` b\nc", 1));
    }

    proptest! {
        #[test]
        fn the_cuts_do_not_matter(
            parts in proptest::collection::vec("(\\[|\\]|1|2,|-| |\n|`|```|a|é|【|】|\\(|\\[3\\]|[a-z]{1,4})", 0..40),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let whole = parts.concat();
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(whole.len() + 1))
                .filter(|at| whole.is_char_boundary(*at)).collect();
            at.extend([0, whole.len()]);
            at.sort_unstable();
            let chunks: Vec<_> = at.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
            prop_assert_eq!(filter(&chunks), filter(&[&whole]));
        }

        #[test]
        fn nothing_but_marks_and_the_space_before_them_is_lost(text in "[a-z \n\\[\\]0-9.,`(]{0,80}") {
            let (out, marks) = filter(&[&text]);
            if marks.is_empty() {
                prop_assert_eq!(out, text);
            } else {
                let letters = |s: &str| s.chars().filter(char::is_ascii_alphabetic).collect::<String>();
                prop_assert_eq!(letters(&out), letters(&text));
            }
        }
    }
}
