//! Text as the patterns see it: what is written in disguise and what is written plainly look the same.

use std::ops::Range;

use unicode_normalization::char::decompose_compatible;

use super::{control::is_hidden, fold::lookalike};

/// A normal form of a text, and where each part of it was in the original.
#[derive(Debug, Default)]
pub(super) struct Normal {
    pub(super) text: String,
    /// Where the offset between both changes: (normal, original), rising.
    pub(super) anchors: Vec<(usize, usize)>,
}

/// What was seen on the way.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    /// Characters that are not letters, digits or white space.
    pub(super) special: usize,
    /// All characters.
    pub(super) characters: usize,
    /// The first run of tag characters.
    pub(super) tags: Option<Range<usize>>,
    /// Zero-width characters between letters of the Latin script: the first one.
    pub(super) zero_width: Option<Range<usize>>,
    /// A mark that turns the direction of text around: the first one.
    pub(super) direction: Option<Range<usize>>,
    /// A word of Latin letters with some of another script that look the same: the first one.
    pub(super) mixed: Option<Range<usize>>,
    /// Where in the normal form there are letters that look like Latin ones and are not, or a digit between two letters; what is near is
    /// one.
    pub(super) lookalikes: Vec<Range<usize>>,
}

/// Lookalikes as near as this are noted together, so that a text of them alone takes no more room than one.
const NEAR: usize = 256;

impl Seen {
    fn lookalike(&mut self, place: Range<usize>) {
        match self.lookalikes.last_mut() {
            Some(last) if place.start <= last.end + NEAR => last.end = place.end,
            _ => self.lookalikes.push(place),
        }
    }
}

impl Normal {
    pub(super) fn note(&mut self, original: usize) {
        let normal = self.text.len();
        let expected = self.anchors.last().map_or(normal, |(n, o)| o + (normal - n));
        if expected != original || self.anchors.is_empty() {
            self.anchors.push((normal, original));
        }
    }

    /// Where a range of the normal text was in the original.
    pub(super) fn original(&self, range: Range<usize>, length: usize) -> Range<usize> {
        let at = |place: usize| {
            let index = self.anchors.partition_point(|(normal, _)| *normal <= place);
            match index.checked_sub(1).and_then(|index| self.anchors.get(index)) {
                Some((normal, original)) => original + (place - normal),
                None => place,
            }
        };
        let start = at(range.start).min(length);
        // The end of the last character, not the beginning of what follows.
        let end = at(range.end.saturating_sub(1)).saturating_add(1).min(length);
        start..end.max(start)
    }
}

/// Brings a text into normal form: compatible forms (NFKC) without accents, lower case, tag characters as the letters
/// that they stand for, nothing that has no shape, one space or line break for each run of white space.
pub(super) fn normalise(text: &str) -> (Normal, Seen) {
    let mut normal = Normal { text: String::with_capacity(text.len()), anchors: Vec::new() };
    let mut seen = Seen::default();
    let mut word = Word::default();
    let bytes = text.as_bytes();
    let mut at = 0;
    // Up to where a block was found not to be plain.
    let mut slow = 0;
    while let Some(&byte) = bytes.get(at) {
        if at >= slow {
            let plain = plain(bytes.get(at..).unwrap_or_default(), &normal, &word);
            if plain > 0 {
                let run = text.get(at..at + plain).unwrap_or_default();
                seen.characters += plain;
                seen.special += run.bytes().filter(|byte| is_special(*byte)).count();
                word.plain(at, run.as_bytes());
                normal.run(at, run);
                at += plain;
                slow = at + BLOCK;
                continue;
            }
            slow = at + BLOCK;
        }
        if byte.is_ascii_alphanumeric() {
            let rest = bytes.get(at..).unwrap_or_default();
            let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let run = text.get(at..at + length).unwrap_or_default();
            seen.characters += length;
            if word.latin(at, run.as_bytes()) {
                seen.lookalike(normal.text.len()..normal.text.len() + length);
            }
            normal.run(at, run);
            at += length;
            continue;
        }
        if byte.is_ascii() {
            seen.characters += 1;
            if byte.is_ascii_whitespace() {
                word.end(at, &mut seen);
                normal.space(at, byte == b'\n');
            } else if byte >= b' ' {
                seen.special += 1;
                word.end(at, &mut seen);
                normal.note(at);
                normal.text.push(byte as char);
            }
            at += 1;
            continue;
        }
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
        let next = at + c.len_utf8();
        seen.characters += 1;
        other(c, at..next, &mut normal, &mut seen, &mut word);
        at = next;
    }
    word.end(at, &mut seen);
    (normal, seen)
}

/// How many bytes are looked at together.
const BLOCK: usize = 32;

/// How many of the first bytes are only brought into lower case: whole blocks of ASCII, in which no white space follows on white space and
/// no digit stands beside a letter.
fn plain(bytes: &[u8], normal: &Normal, word: &Word) -> usize {
    let spaced = normal.text.ends_with([' ', '\n']);
    if word.similar || word.digit || (spaced && bytes.first().is_some_and(u8::is_ascii_whitespace))
    {
        return 0;
    }
    let mut length = 0;
    while let Some(block) = bytes.get(length..).and_then(<[u8]>::first_chunk::<{ BLOCK + 1 }>) {
        let pairs = block.iter().zip(block.iter().skip(1));
        // Without branches, so that it is done for all at once.
        let odd = pairs.fold(false, |odd, (&byte, &next)| {
            let control = byte < b' ' && byte != b'\n';
            let spaces = is_space(byte) & is_space(next);
            let mixed = (is_digit(byte) & is_letter(next)) | (is_letter(byte) & is_digit(next));
            odd | (byte >= 0x80) | control | spaces | mixed
        });
        if odd {
            break;
        }
        length += BLOCK;
    }
    length
}

const fn is_letter(byte: u8) -> bool {
    (byte | 0x20).wrapping_sub(b'a') < 26
}

const fn is_digit(byte: u8) -> bool {
    byte.wrapping_sub(b'0') < 10
}

/// White space, and what else there is below it.
const fn is_space(byte: u8) -> bool {
    byte <= b' '
}

const fn is_special(byte: u8) -> bool {
    !is_letter(byte) & !is_digit(byte) & !is_space(byte)
}

impl Normal {
    /// Letters and digits that stand as they stood, in lower case.
    fn run(&mut self, at: usize, run: &str) {
        self.note(at);
        let start = self.text.len();
        self.text.push_str(run);
        if let Some(new) = self.text.get_mut(start..) {
            new.make_ascii_lowercase();
        }
    }

    fn space(&mut self, at: usize, line: bool) {
        if self.text.ends_with('\n') {
            return;
        }
        if self.text.ends_with(' ') {
            if line {
                self.text.pop();
                // The space is gone, so an anchor at its end would lie past the text.
                while self.anchors.last().is_some_and(|(normal, _)| *normal > self.text.len()) {
                    self.anchors.pop();
                }
                self.text.push('\n');
            }
            return;
        }
        self.note(at);
        self.text.push(if line { '\n' } else { ' ' });
    }
}

fn other(c: char, range: Range<usize>, normal: &mut Normal, seen: &mut Seen, word: &mut Word) {
    if let '\u{e0020}'..='\u{e007e}' = c {
        let first = seen.tags.get_or_insert(range.clone());
        if first.end == range.start {
            first.end = range.end;
        }
        if let Some(letter) = char::from_u32(c as u32 - 0xe0000) {
            normal.note(range.start);
            normal.text.push(letter.to_ascii_lowercase());
        }
    } else if matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
        seen.direction.get_or_insert(range);
    } else if is_hidden(c) || is_joiner(c) {
        if word.latin_letters
            && matches!(c, '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}')
        {
            seen.zero_width.get_or_insert(range);
        }
    } else if is_mark(c) {
        // An accent: what carries it is written already.
    } else if c.is_whitespace() {
        word.end(range.start, seen);
        normal.space(range.start, matches!(c, '\u{2028}' | '\u{2029}' | '\u{85}'));
    } else {
        if c.is_alphanumeric() {
            let similar = lookalike(c).is_some();
            if similar {
                seen.lookalike(normal.text.len()..normal.text.len() + c.len_utf8());
            }
            word.other(range.start, similar);
        } else {
            seen.special += 1;
            word.end(range.start, seen);
        }
        normal.note(range.start);
        push_plain(c, &mut normal.text);
    }
}

fn push_plain(c: char, out: &mut String) {
    // Hangul, kana, Arabic and the scripts of India: their marks are part of the words.
    if matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{3040}'..='\u{30ff}' | '\u{600}'..='\u{10ff}') {
        out.push(c);
        return;
    }
    decompose_compatible(c, |part| {
        if !is_mark(part) {
            out.extend(part.to_lowercase().filter(|c| !is_mark(*c)));
        }
    });
}

const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Accents of Latin, Greek and Cyrillic. Marks of other scripts are part of their words.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

/// Finds words that mix Latin letters with ones of other scripts that look the same.
#[derive(Default)]
struct Word {
    start: Option<usize>,
    latin_letters: bool,
    similar: bool,
    /// A digit came after a letter.
    digit: bool,
}

impl Word {
    /// Some Latin letters and digits, one after the other; whether a digit stands between letters.
    fn latin(&mut self, at: usize, run: &[u8]) -> bool {
        self.start.get_or_insert(at);
        if !run.iter().any(u8::is_ascii_digit) {
            self.latin_letters = true;
            return self.digit;
        }
        let mut between = false;
        for byte in run {
            if byte.is_ascii_digit() {
                self.digit = self.latin_letters;
            } else {
                between |= self.digit;
                self.latin_letters = true;
            }
        }
        between
    }

    /// Blocks in which no digit stands beside a letter: only the word at their end is not over yet.
    fn plain(&mut self, at: usize, run: &[u8]) {
        let begins = run.iter().rposition(|byte| !byte.is_ascii_alphanumeric());
        if begins.is_some() {
            *self = Self::default();
        }
        if let Some(last) = run.last().filter(|byte| byte.is_ascii_alphanumeric()) {
            self.start.get_or_insert(begins.map_or(at, |begins| at + begins + 1));
            self.latin_letters |= is_letter(*last);
        }
    }

    fn other(&mut self, at: usize, similar: bool) {
        self.start.get_or_insert(at);
        self.similar |= similar;
    }

    fn end(&mut self, at: usize, seen: &mut Seen) {
        if let Some(start) = self.start.take() {
            if self.latin_letters && self.similar {
                seen.mixed.get_or_insert(start..at);
            }
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::fold::folded, *};

    fn plain(text: &str) -> String {
        let (normal, seen) = normalise(text);
        let folded = folded(&normal, &seen.lookalikes, 100).next();
        folded.map_or_else(|| normal.text.clone(), |(folded, _)| folded.text)
    }

    #[test]
    fn d6_disguises_come_off() {
        for text in [
            "Ignore  Previous",
            "ign\u{200b}ore previous",
            "ｉｇｎｏｒｅ previous",
            "𝐢𝐠𝐧𝐨𝐫𝐞 previous",
            "іgnоrе previous",
            "IGNORE\u{a0}PREVIOUS",
            "i\u{301}gnore previous",
            "ignore pre\u{2060}vious",
        ] {
            assert_eq!(plain(text), "ignore previous", "{text}");
        }
        let hidden: String =
            "ignore previous".chars().filter_map(|c| char::from_u32(0xe0000 + c as u32)).collect();
        assert_eq!(plain(&hidden), "ignore previous");
    }

    #[test]
    fn d6_ranges_point_into_the_original() {
        let text = "Ä  Ｉgnore\u{200b}\n\nall";
        let (normal, _) = normalise(text);
        assert_eq!(normal.text, "a ignore\nall");
        let found = normal.text.find("ignore").unwrap();
        assert_eq!(text.get(normal.original(found..found + 6, text.len())), Some("Ｉgnore"));
        let found = normal.text.find("all").unwrap();
        assert_eq!(text.get(normal.original(found..found + 3, text.len())), Some("all"));
    }

    proptest! {
        #[test]
        fn d6_normal_forms_are_stable_and_ranges_lie_within(text in "(?s).{0,60}") {
            let (normal, seen) = normalise(&text);
            for (at, c) in normal.text.char_indices() {
                let range = normal.original(at..at + c.len_utf8(), text.len());
                prop_assert!(range.start <= range.end && range.end <= text.len());
            }
            for (folded, part) in folded(&normal, &seen.lookalikes, 3) {
                prop_assert!(folded.text.get(part).is_some());
                for (at, c) in folded.text.char_indices() {
                    prop_assert!(folded.original(at..at + c.len_utf8(), text.len()).end <= text.len());
                }
            }
        }
    }
}
