//! Where a text is cut into pieces, each of which is merged into tokens by itself.
//!
//! The tokenizers are published with a regular expression for this. It is written out here by hand, because a regular expression
//! engine takes four times as long, and was most of what counting took. The expressions, with `L`, `M`, `N` for letters, marks and numbers:
//!
//! - `cl100k`: `(?i:'s|'t|'re|'ve|'m|'ll|'d)`, `[^\r\nLN]?L+`, `N{1,3}`, ` ?[^\sLN]+[\r\n]*`, `\s*[\r\n]+`, `\s+(?!\S)`, `\s+`.
//! - `o200k`: `[^\r\nLN]?U*W+C?`, `[^\r\nLN]?U+W*C?`, `N{1,3}`, ` ?[^\sLN]+[\r\n/]*` and the same three for space; `U` is an upper
//!   or title case letter, `W` a lower case one, a caseless letter or a mark is both, and `C` is the first alternative of `cl100k`.
//!
//! The first alternative that matches wins, whichever is longest. Tests hold every cut against the expressions themselves.
//! No character is looked at more than a few times, whatever the text.

use std::ops::Range;

use unicode_general_category::{GeneralCategory, get_general_category};

/// Which expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    Cl100k,
    O200k,
}

/// What the expressions tell apart, as bits, so that a set of classes is one too. The end of a text has none of them.
mod class {
    /// Letters in upper or title case.
    pub(super) const UPPER: u8 = 1;
    pub(super) const LOWER: u8 = 2;
    /// Letters of scripts without case, and modifiers.
    pub(super) const CASELESS: u8 = 4;
    pub(super) const MARK: u8 = 8;
    pub(super) const NUMBER: u8 = 16;
    /// White space that does not end a line.
    pub(super) const SPACE: u8 = 32;
    /// `\r` and `\n`.
    pub(super) const BREAK: u8 = 64;
    pub(super) const OTHER: u8 = 128;

    pub(super) const LETTER: u8 = UPPER | LOWER | CASELESS;
    /// What may begin a word in `o200k`, and what may go on in it.
    pub(super) const BEGINS: u8 = UPPER | CASELESS | MARK;
    pub(super) const CONTINUES: u8 = LOWER | CASELESS | MARK;
}
use class::{BEGINS, BREAK, CASELESS, CONTINUES, LETTER, LOWER, MARK, NUMBER, OTHER, SPACE, UPPER};

/// The classes of ASCII.
static ASCII: [u8; 128] = {
    let mut classes = [OTHER; 128];
    let mut rest: &mut [u8] = &mut classes;
    let mut byte = 0_u8;
    while let Some((class, after)) = rest.split_first_mut() {
        *class = match byte {
            b'A'..=b'Z' => UPPER,
            b'a'..=b'z' => LOWER,
            b'0'..=b'9' => NUMBER,
            b'\r' | b'\n' => BREAK,
            b' ' | b'\t' | 0x0b | 0x0c => SPACE,
            _ => OTHER,
        };
        rest = after;
        byte += 1;
    }
    classes
};

fn class_of(char: char) -> u8 {
    use GeneralCategory as Category;
    match get_general_category(char) {
        Category::UppercaseLetter | Category::TitlecaseLetter => UPPER,
        Category::LowercaseLetter => LOWER,
        Category::ModifierLetter | Category::OtherLetter => CASELESS,
        Category::NonspacingMark | Category::SpacingMark | Category::EnclosingMark => MARK,
        Category::DecimalNumber | Category::LetterNumber | Category::OtherNumber => NUMBER,
        _ if char.is_whitespace() => SPACE,
        _ => OTHER,
    }
}

/// The pieces of a text, as ranges of its bytes that leave nothing out.
#[derive(Debug)]
pub(super) struct Pieces<'t> {
    text: &'t str,
    pattern: Pattern,
    at: usize,
}

impl<'t> Pieces<'t> {
    pub(super) const fn new(text: &'t str, pattern: Pattern) -> Self {
        Self { text, pattern, at: 0 }
    }

    /// The class of the character at a place, and how many bytes it has.
    #[inline]
    fn class(&self, at: usize) -> (u8, usize) {
        match self.text.as_bytes().get(at) {
            None => (0, 0),
            Some(byte) => match ASCII.get(usize::from(*byte)) {
                Some(class) => (*class, 1),
                None => self.wide_class(at),
            },
        }
    }

    /// Apart, so that what is inlined stays small.
    #[inline(never)]
    fn wide_class(&self, at: usize) -> (u8, usize) {
        let char = self.text.get(at..).and_then(|rest| rest.chars().next());
        char.map_or((0, 0), |char| (class_of(char), char.len_utf8()))
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Where the characters of some classes end.
    #[inline]
    fn run(&self, mut at: usize, classes: u8) -> usize {
        loop {
            let (class, bytes) = self.class(at);
            if class & classes == 0 {
                return at;
            }
            at += bytes;
        }
    }

    /// Where the piece that begins here ends: after at least a character, if there is one.
    #[inline]
    fn end(&self, from: usize) -> usize {
        let (class, bytes) = self.class(from);
        let after = from + bytes;
        let word = match self.pattern {
            Pattern::Cl100k => self.plain_word(from, class, after),
            Pattern::O200k => self.cased_word(from, class, after),
        };
        if let Some(end) = word {
            return end;
        }
        if class == NUMBER {
            return self.number(after);
        }
        self.others(from, after).unwrap_or_else(|| self.space(from))
    }

    /// A contraction, or letters that something may stand before.
    #[inline]
    fn plain_word(&self, from: usize, class: u8, after: usize) -> Option<usize> {
        let end = self.contracted(from);
        if end > from {
            return Some(end);
        }
        if class & (NUMBER | BREAK) != 0 {
            return None;
        }
        let end = self.run(after, LETTER);
        (end > after || class & LETTER != 0).then_some(end)
    }

    /// Letters that something may stand before, cut where lower case is followed by upper.
    #[inline]
    fn cased_word(&self, from: usize, class: u8, after: usize) -> Option<usize> {
        if class & LETTER != 0 {
            let word = self.word(from);
            return Some(self.contracted(word.with_tail.or(word.head)?));
        }
        if class & (NUMBER | BREAK) != 0 {
            return None;
        }
        let word = self.word(after);
        // A mark may be what stands before a word, or its first character. As the latter it needs nothing after it.
        let alone = || (class == MARK).then(|| self.word(from).with_tail).flatten();
        Some(self.contracted(word.with_tail.or_else(alone).or(word.head)?))
    }

    /// `U*W+` and `U+` from here.
    #[inline]
    fn word(&self, from: usize) -> Word {
        let (mut at, mut both) = (from, None);
        loop {
            let (class, bytes) = self.class(at);
            if class & BEGINS == 0 {
                let with_tail = (class == LOWER).then(|| self.run(at + bytes, CONTINUES));
                // Without lower case, the last that counts as both is the tail.
                return Word { with_tail: with_tail.or(both), head: (at > from).then_some(at) };
            }
            at += bytes;
            if class != UPPER {
                both = Some(at);
            }
        }
    }

    /// Where a contraction ends that begins here; here, if none does.
    #[inline]
    fn contracted(&self, at: usize) -> usize {
        if self.byte(at) != Some(b'\'') {
            return at;
        }
        let lower = |at| self.byte(at).map_or(0, |byte| byte.to_ascii_lowercase());
        match (lower(at + 1), lower(at + 2)) {
            (b's' | b't' | b'm' | b'd', _) => at + 2,
            (b'r' | b'v', b'e') | (b'l', b'l') => at + 3,
            // The long s is an s whose case is ignored.
            _ if self.text.get(at + 1..at + 3) == Some("ſ") => at + 3,
            _ => at,
        }
    }

    /// Up to two more digits.
    fn number(&self, mut at: usize) -> usize {
        for _ in 0..2 {
            match self.class(at) {
                (NUMBER, bytes) => at += bytes,
                _ => break,
            }
        }
        at
    }

    /// Punctuation, symbols and marks, with the ends of lines after them.
    fn others(&self, from: usize, after: usize) -> Option<usize> {
        let start = if self.byte(from) == Some(b' ') { after } else { from };
        let end = self.run(start, OTHER | MARK);
        if end == start {
            return None;
        }
        let slashes = self.pattern == Pattern::O200k;
        let tail = self.text.as_bytes().get(end..).unwrap_or_default().iter();
        let tail = tail.take_while(|byte| match byte {
            b'\r' | b'\n' => true,
            b'/' => slashes,
            _ => false,
        });
        Some(end + tail.count())
    }

    /// White space: to its last end of a line, else to the end of the text, else all but the last, which begins what follows.
    fn space(&self, from: usize) -> usize {
        let (mut at, mut last, mut broken) = (from, from, None);
        loop {
            let (class, bytes) = self.class(at);
            if class & (SPACE | BREAK) == 0 {
                break;
            }
            last = at;
            at += bytes;
            if class == BREAK {
                broken = Some(at);
            }
        }
        let ends = at == self.text.len() || last == from;
        broken.unwrap_or(if ends { at } else { last })
    }
}

/// Where a word of `o200k` ends, by each of its two alternatives.
struct Word {
    /// `U*W+`
    with_tail: Option<usize>,
    /// `U+`; what `W*` could add is in the first already.
    head: Option<usize>,
}

impl Iterator for Pieces<'_> {
    type Item = Range<usize>;

    #[inline]
    fn next(&mut self) -> Option<Range<usize>> {
        let from = self.at;
        if from >= self.text.len() {
            return None;
        }
        self.at = self.end(from);
        Some(from..self.at)
    }
}
