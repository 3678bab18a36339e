//! Where recognised words stand: from the pixels that were looked at back to those of the original.

use notebook_core::document::{Area, PictureMap, PlacedWord, Span, normalize_inline};

use super::{image::Picture, ocr::Word};

/// How far behind the last word the next one is looked for, in bytes, where it does not follow.
const AHEAD: usize = 256;

/// How what was looked at came from what a person sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Width and height of what was looked at.
    size: (u32, u32),
    /// Quarters that it was turned by before, clockwise.
    quarters: u8,
    /// Width and height of the original, as it is to be shown.
    shown: (u32, u32),
}

impl Seen {
    /// For a picture that was turned already, from one that is to be shown unturned.
    pub(super) fn of(picture: &Picture, quarters: u8) -> Self {
        let (across, down) = picture.shown;
        let shown = if quarters % 2 == 1 { (down, across) } else { (across, down) };
        Self { size: (picture.width, picture.height), quarters: quarters % 4, shown }
    }

    /// The same rectangle in the original; none for one that lies outside.
    fn original(&self, area: Area) -> Option<Area> {
        let (mut area, mut size) = (area, self.size);
        for _ in 0..self.quarters {
            let right = area.left.checked_add(area.width)?;
            area = Area {
                left: area.top,
                top: size.0.checked_sub(right)?,
                width: area.height,
                height: area.width,
            };
            size = (size.1, size.0);
        }
        let (left, width) = scaled(area.left, area.width, size.0, self.shown.0)?;
        let (top, height) = scaled(area.top, area.height, size.1, self.shown.1)?;
        Some(Area { left, top, width, height })
    }
}

/// A stretch of a side that is `from` long, where that is `to` long: whole pixels, none lost.
fn scaled(start: u32, length: u32, from: u32, to: u32) -> Option<(u32, u32)> {
    let (wide_from, wide_to) = (u64::from(from), u64::from(to));
    let end = u64::from(start) + u64::from(length);
    let first = (u64::from(start) * wide_to).checked_div(wide_from)?;
    let last = (end * wide_to).div_ceil(wide_from).min(wide_to);
    let length = last.checked_sub(first).filter(|length| *length > 0)?;
    Some((u32::try_from(first).ok()?, u32::try_from(length).ok()?))
}

/// Where the words stand in the text and in the picture; none where nothing has a place.
pub(super) fn map<'t>(
    words: impl Iterator<Item = Word<'t>>,
    text: &str,
    seen: Seen,
) -> Option<PictureMap> {
    let mut at = 0;
    let mut placed = Vec::new();
    let mut reading = Reading::default();
    let mut last: Option<(Word<'t>, Area)> = None;
    for word in words {
        let Some(span) = find(text, at, word.text) else { continue };
        at = span.end;
        let Some(area) = seen.original(word.area) else { continue };
        placed.push(PlacedWord { span, area });
        if let Some((before, place)) = &last
            && before.shares_line(&word)
            && !is_right_to_left(before.text)
        {
            reading.note(*place, area);
        }
        last = Some((word, area));
        if placed.len() == PictureMap::MOST_WORDS {
            break;
        }
    }
    let (width, height) = seen.shown;
    // The program turns pictures, too, and does not say so: the words tell.
    let quarters = reading.quarters().unwrap_or(seen.quarters);
    let map = PictureMap { width, height, quarters, words: placed };
    (!map.words.is_empty()).then_some(map)
}

/// Which way lines are read: how often the next word stands to the right, below, to the left, above.
#[derive(Debug, Default)]
struct Reading([u32; 4]);

impl Reading {
    fn note(&mut self, word: Area, next: Area) {
        let middle = |start: u32, length: u32| 2 * i64::from(start) + i64::from(length);
        let across = middle(next.left, next.width) - middle(word.left, word.width);
        let down = middle(next.top, next.height) - middle(word.top, word.height);
        let way = match (across.abs() >= down.abs(), across >= 0, down >= 0) {
            (true, true, _) => 0,
            (false, _, true) => 1,
            (true, false, _) => 2,
            (false, _, false) => 3,
        };
        if let Some(count) = self.0.get_mut(way) {
            *count += 1;
        }
    }

    /// Quarters clockwise after which most lines are read from left to right; none where no line has two words.
    fn quarters(&self) -> Option<u8> {
        let most = self.0.iter().max().filter(|most| **most > 0)?;
        let way = self.0.iter().position(|count| count == most)?;
        u8::try_from((4 - way) % 4).ok()
    }
}

/// Whether the word is of a script in which the next one stands to its left: it says nothing of how a picture lies.
fn is_right_to_left(word: &str) -> bool {
    word.contains(|letter| matches!(letter, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fefc}'))
}

/// The next word of the text from `at` on. The hyphen of a word that is divided at the end of its line is not in the
/// text.
fn find(text: &str, at: usize, word: &str) -> Option<Span> {
    let word = normalize_inline(word);
    let rest = text.get(at..)?;
    let start = at + (rest.len() - rest.trim_start().len());
    let rest = text.get(start..)?;
    let divided = word.strip_suffix(['-', '\u{2010}']);
    let begins = [Some(word.as_str()), divided].into_iter().flatten();
    let mut begins = begins.filter(|begin| !begin.is_empty());
    if let Some(begin) = begins.find(|begin| rest.starts_with(begin)) {
        return Some(Span::new(start, start + begin.len()));
    }
    if word.is_empty() {
        return None;
    }
    let near = rest.get(..rest.floor_char_boundary(AHEAD))?;
    let start = start + near.find(&word)?;
    Some(Span::new(start, start + word.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, shown: (u32, u32)) -> Picture {
        Picture { width, height, pixels: Vec::new(), shown }
    }

    fn area(left: u32, top: u32, width: u32, height: u32) -> Area {
        Area { left, top, width, height }
    }

    #[test]
    fn b4_what_was_scaled_is_scaled_back() {
        let large = Seen::of(&picture(1_920, 960, (3_840, 1_920)), 0);
        assert_eq!(large.original(area(10, 20, 30, 40)), Some(area(20, 40, 60, 80)));
        let small = Seen::of(&picture(600, 200, (300, 100)), 0);
        assert_eq!(small.original(area(11, 20, 30, 41)), Some(area(5, 10, 16, 21)));
        // What hangs over the edge is cut, what lies beyond it is nowhere.
        assert_eq!(small.original(area(590, 0, 30, 10)), Some(area(295, 0, 5, 5)));
        assert_eq!(small.original(area(700, 0, 30, 10)), None);
        assert_eq!(small.original(area(0, 0, u32::MAX, 0)), None);
    }

    /// A mark is put into a picture, which is turned and looked at: its place leads back to where it was put.
    #[test]
    fn b4_what_was_turned_is_turned_back() {
        let (width, height) = (12, 8);
        let mut pixels = vec![0; 12 * 8];
        let mark = area(7, 1, 3, 2);
        for (y, x) in (1..3).flat_map(|y| (7..10).map(move |x| (y, x))) {
            pixels[y * 12 + x] = 1;
        }
        let mut turned = Picture { width, height, pixels, shown: (24, 16) };
        for quarters in 0..8 {
            let places: Vec<u32> =
                (0..).zip(&turned.pixels).filter(|p| *p.1 == 1).map(|p| p.0).collect();
            let (left, top) =
                (places.iter().map(|p| p % turned.width).min(), places[0] / turned.width);
            let right = places.iter().map(|p| p % turned.width).max().unwrap() + 1;
            let bottom = places[places.len() - 1] / turned.width + 1;
            let left = left.unwrap();
            let found = area(left, top, right - left, bottom - top);
            let original = Seen::of(&turned, quarters).original(found);
            let doubled = area(mark.left * 2, mark.top * 2, mark.width * 2, mark.height * 2);
            assert_eq!(original, Some(doubled), "{quarters}");
            turned = turned.turned();
        }
    }

    #[test]
    fn b4_lines_tell_how_a_picture_lies() {
        let read = |areas: &[Area]| {
            let mut reading = Reading::default();
            areas.windows(2).for_each(|pair| reading.note(pair[0], pair[1]));
            reading.quarters()
        };
        assert_eq!(read(&[area(0, 0, 9, 9)]), None);
        assert_eq!(read(&[area(0, 0, 9, 9), area(20, 3, 9, 9)]), Some(0));
        assert_eq!(read(&[area(0, 0, 9, 9), area(3, 20, 9, 9)]), Some(3));
        assert_eq!(read(&[area(20, 0, 9, 9), area(0, 3, 9, 9)]), Some(2));
        assert_eq!(read(&[area(0, 20, 9, 9), area(3, 0, 9, 9)]), Some(1));
        // One that seems to be elsewhere does not count against the others.
        let most = [area(0, 0, 9, 9), area(9, 0, 9, 9), area(18, 0, 9, 9), area(0, 40, 9, 9)];
        assert_eq!(read(&most), Some(0));
        assert!(is_right_to_left("\u{5e9}\u{5dc}\u{5d5}\u{5dd}") && !is_right_to_left("caf\u{e9}"));
    }

    #[test]
    fn b4_words_are_found_in_the_text_that_was_made_of_them() {
        let text = "Bees communicate well-known caf\u{e9}s.\n\nSecond";
        let mut at = 0;
        let words = ["Bees", "com-", "municate", "well-", "known", "cafe\u{301}s.", "?", "Second"];
        let found = words.map(|word| {
            let span = find(text, at, word)?;
            at = span.end;
            span.of(text)
        });
        let parts = ["Bees", "com", "municate", "well-", "known", "caf\u{e9}s."].map(Some);
        assert_eq!(found[..6], parts);
        assert_eq!(found[6..], [None, Some("Second")]);
    }
}
