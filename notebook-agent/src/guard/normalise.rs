//! Text as the patterns see it: what is written in disguise and what is written plainly look the same.

use std::ops::Range;

use unicode_normalization::char::decompose_compatible;

use super::control::is_hidden;

/// A normal form of a text, and where each part of it was in the original.
#[derive(Debug, Default)]
pub(super) struct Normal {
    pub(super) text: String,
    /// Where the offset between both changes: (normal, original), rising.
    anchors: Vec<(usize, usize)>,
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
    /// Whether there are letters that look like Latin ones and are not, or a digit between two letters.
    pub(super) lookalikes: bool,
}

impl Normal {
    fn note(&mut self, original: usize) {
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
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_alphanumeric() {
            let rest = bytes.get(at..).unwrap_or_default();
            let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let run = text.get(at..at + length).unwrap_or_default();
            seen.characters += length;
            word.latin(at, run.as_bytes(), &mut seen);
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
            seen.lookalikes |= similar;
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
    /// Some Latin letters and digits, one after the other.
    fn latin(&mut self, at: usize, run: &[u8], seen: &mut Seen) {
        self.start.get_or_insert(at);
        if !run.iter().any(u8::is_ascii_digit) {
            seen.lookalikes |= self.digit;
            self.latin_letters = true;
            return;
        }
        for byte in run {
            if byte.is_ascii_digit() {
                self.digit = self.latin_letters;
            } else {
                seen.lookalikes |= self.digit;
                self.latin_letters = true;
            }
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

/// The same text with every letter that looks like a Latin one as that one, and digits as the letters they are
/// written for; none when it would be the same.
pub(super) fn folded(normal: &Normal) -> Option<Normal> {
    let mut out = Normal { text: String::with_capacity(normal.text.len()), anchors: Vec::new() };
    let mut changed = false;
    let mut before = ' ';
    let mut places = Places { left: &normal.anchors, last: (0, 0) };
    let mut rest = normal.text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let after = rest.peek().map_or(' ', |(_, c)| *c);
        let plain = lookalike(c).or_else(|| leet(before, c, after));
        changed |= plain.is_some();
        out.note(places.original(at));
        let c = plain.unwrap_or(c);
        out.text.push(c);
        before = c;
    }
    changed.then_some(out)
}

/// Where places of a normal text were in the original, asked from its beginning to its end: a search for each would cost more than all
/// the rest.
struct Places<'n> {
    left: &'n [(usize, usize)],
    last: (usize, usize),
}

impl Places<'_> {
    fn original(&mut self, place: usize) -> usize {
        while let Some((anchor, left)) =
            self.left.split_first().filter(|(anchor, _)| anchor.0 <= place)
        {
            (self.last, self.left) = (*anchor, left);
        }
        self.last.1 + (place - self.last.0)
    }
}

/// A digit within a word stands for a letter.
fn leet(before: char, c: char, after: char) -> Option<char> {
    let plain = match c {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '6' | '9' => 'g',
        '7' | '+' => 't',
        '8' => 'b',
        _ => return None,
    };
    let sign = c.is_ascii_punctuation();
    let beside = before.is_ascii_lowercase() || after.is_ascii_lowercase();
    (beside && (!sign || after.is_ascii_alphanumeric())).then_some(plain)
}

/// The Latin letter that this one of another script looks like. In lower case, as after [`normalise`].
const fn lookalike(c: char) -> Option<char> {
    Some(match c {
        'а' | 'А' | 'α' | 'Α' | 'ɑ' => 'a',
        'в' | 'В' | 'Β' | 'β' => 'b',
        'с' | 'С' | 'ϲ' => 'c',
        'ԁ' | 'Ԁ' => 'd',
        'е' | 'Е' | 'ε' | 'Ε' | 'є' => 'e',
        'ɡ' => 'g',
        'һ' | 'Һ' | 'Н' | 'н' | 'Η' => 'h',
        'і' | 'І' | 'ι' | 'Ι' | 'ӏ' | 'ı' => 'i',
        'ј' | 'Ј' => 'j',
        'к' | 'К' | 'κ' | 'Κ' => 'k',
        'ⅼ' => 'l',
        'м' | 'М' | 'Μ' => 'm',
        'п' | 'η' => 'n',
        'о' | 'О' | 'ο' | 'Ο' | 'օ' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ѕ' | 'Ѕ' => 's',
        'т' | 'Т' | 'τ' | 'Τ' => 't',
        'υ' | 'ս' => 'u',
        'ν' | 'ѵ' => 'v',
        'ѡ' | 'ԝ' | 'ω' => 'w',
        'х' | 'Х' | 'χ' | 'Χ' => 'x',
        'у' | 'У' | 'γ' | 'Υ' => 'y',
        'Ζ' | 'ζ' => 'z',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(text: &str) -> String {
        let (normal, seen) = normalise(text);
        match seen.lookalikes.then(|| folded(&normal)).flatten() {
            Some(folded) => folded.text,
            None => normal.text,
        }
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
            let (normal, _) = normalise(&text);
            for (at, c) in normal.text.char_indices() {
                let range = normal.original(at..at + c.len_utf8(), text.len());
                prop_assert!(range.start <= range.end && range.end <= text.len());
            }
            if let Some(folded) = folded(&normal) {
                for (at, c) in folded.text.char_indices() {
                    prop_assert!(folded.original(at..at + c.len_utf8(), text.len()).end <= text.len());
                }
            }
        }
    }
}
