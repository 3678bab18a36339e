//! Letters that look like others, and digits that are written for letters, as the letters that are meant.

use std::ops::Range;

use super::normalise::Normal;

/// The parts around `places` with every letter that looks like a Latin one as that one, and digits as the letters they are written for,
/// with what lies within `reach` of them: a text, and the range of it that is meant (a character beside it tells where words end). Parts
/// that would be the same are left out.
pub(super) fn folded(
    normal: &Normal,
    places: &[Range<usize>],
    reach: usize,
) -> impl Iterator<Item = (Normal, Range<usize>)> {
    let mut places = places.iter().peekable();
    std::iter::from_fn(move || {
        loop {
            let first = places.next()?;
            let mut end = first.end;
            while let Some(next) = places.next_if(|next| next.start <= end + 2 * reach) {
                end = next.end;
            }
            let part = first.start.saturating_sub(reach)..(end + reach).min(normal.text.len());
            if let Some(folded) = fold(normal, part) {
                return Some(folded);
            }
        }
    })
}

fn fold(normal: &Normal, part: Range<usize>) -> Option<(Normal, Range<usize>)> {
    let text = &normal.text;
    let start = text.floor_char_boundary(part.start);
    let from = text.floor_char_boundary(start.saturating_sub(1));
    let end = text.ceil_char_boundary(part.end);
    let to = text.ceil_char_boundary(end + 1);
    let mut out = Normal { text: String::with_capacity(to - from), anchors: Vec::new() };
    let mut meant = 0..0;
    let mut changed = false;
    let mut before = ' ';
    let mut places = Places::from(&normal.anchors, from);
    let mut rest = text.get(from..to)?.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let at = from + at;
        if at == start {
            meant.start = out.text.len();
        }
        let after = rest.peek().map_or(' ', |(_, c)| *c);
        let plain = lookalike(c).or_else(|| leet(before, c, after));
        changed |= plain.is_some();
        out.note(places.original(at));
        let c = plain.unwrap_or(c);
        out.text.push(c);
        before = c;
        if at < end {
            meant.end = out.text.len();
        }
    }
    changed.then_some((out, meant))
}

/// Where places of a normal text were in the original, asked from one of them to its end: a search for each would cost more than all the
/// rest.
struct Places<'n> {
    left: &'n [(usize, usize)],
    last: (usize, usize),
}

impl<'n> Places<'n> {
    fn from(anchors: &'n [(usize, usize)], place: usize) -> Self {
        let index = anchors.partition_point(|(normal, _)| *normal <= place).saturating_sub(1);
        let left = anchors.get(index..).unwrap_or_default();
        Self { left, last: (0, 0) }
    }

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
pub(super) const fn lookalike(c: char) -> Option<char> {
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
