//! Where the words of a picture's text stand in the picture.

use serde::{Deserialize, Serialize};

use super::Span;

/// A rectangle in a picture, in its pixels, from its left upper corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Area {
    /// Pixels from the left edge.
    pub left: u32,
    /// Pixels from the upper edge.
    pub top: u32,
    /// Pixels across, at least one.
    pub width: u32,
    /// Pixels down, at least one.
    pub height: u32,
}

/// A word of the text, and where it stands in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedWord {
    /// Where it stands in the text.
    pub span: Span,
    /// Where it stands in the picture.
    pub area: Area,
}

/// Where the words stand that were recognised in a picture.
///
/// Pixels are those of the original as it is to be shown: turned as the file itself says (EXIF), not scaled. Words
/// beyond [`MOST_WORDS`](Self::MOST_WORDS) have no place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PictureMap {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Quarters of a turn, clockwise, after which its text stands upright: from 0 to 3.
    pub quarters: u8,
    /// In the order of the text.
    pub words: Vec<PlacedWord>,
}

impl PictureMap {
    /// The most words that are kept: a page of a newspaper has half as many.
    pub const MOST_WORDS: usize = 10_000;

    /// The words that share a byte with `span`.
    #[must_use]
    pub fn words_in(&self, span: Span) -> &[PlacedWord] {
        let first = self.words.partition_point(|word| word.span.end <= span.start);
        let last = self.words.partition_point(|word| word.span.start < span.end);
        self.words.get(first..last.max(first)).unwrap_or_default()
    }

    /// Whether the rectangle lies in the picture, and holds anything.
    #[must_use]
    pub fn holds(&self, area: &Area) -> bool {
        let within = |start: u32, length: u32, most: u32| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= most)
        };
        within(area.left, area.width, self.width) && within(area.top, area.height, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(start: usize, end: usize, left: u32) -> PlacedWord {
        let area = Area { left, top: 5, width: 10, height: 8 };
        PlacedWord { span: Span { start, end }, area }
    }

    #[test]
    fn b4_words_of_a_span_are_those_that_it_touches() {
        let map = PictureMap {
            width: 100,
            height: 20,
            quarters: 0,
            words: vec![word(0, 4, 0), word(5, 9, 20), word(10, 12, 40)],
        };
        let lefts = |start, end| -> Vec<u32> {
            map.words_in(Span { start, end }).iter().map(|word| word.area.left).collect()
        };
        assert_eq!(lefts(0, 12), [0, 20, 40]);
        assert_eq!(lefts(4, 5), [0_u32; 0]);
        assert_eq!(lefts(8, 11), [20, 40]);
        assert_eq!(lefts(3, 4), [0]);
        assert_eq!(lefts(9, 5), [0_u32; 0]);
    }

    #[test]
    fn b4_an_area_lies_in_its_picture() {
        let map = PictureMap { width: 10, height: 10, ..PictureMap::default() };
        let area = |left, top, width, height| Area { left, top, width, height };
        assert!(map.holds(&area(0, 0, 10, 10)));
        for outside in
            [area(1, 0, 10, 1), area(0, 10, 1, 1), area(0, 0, 0, 1), area(u32::MAX, 0, 2, 1)]
        {
            assert!(!map.holds(&outside), "{outside:?}");
        }
    }
}
