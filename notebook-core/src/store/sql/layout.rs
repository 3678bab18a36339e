//! Pages and blocks in few bytes, and text in segments.
//!
//! A block is `[kind, gap, length]` and a page `[number, gap, length]`: the gap is from the end
//! of the one before, and kinds are numbers into a list that is written beside them. So a block
//! takes some ten bytes instead of seventy.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::document::{Area, Block, BlockKind, Page, PictureMap, PlacedWord, Span};

/// Length of a segment of text in bytes, but for the last and up to three bytes.
pub(super) const SEGMENT: usize = 64 << 10;

/// Cuts a text into segments on character boundaries; none for an empty text.
pub(super) fn segments(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let end = rest.floor_char_boundary(SEGMENT);
        let segment = rest.get(..end)?;
        let place = start;
        start += end;
        Some((place, segment))
    })
}

/// Spans of things, in order: a number for each thing, the gap before it, its length.
#[derive(Debug, Serialize, Deserialize)]
struct Packed<K> {
    kinds: Vec<K>,
    spans: Vec<(u32, i64, i64)>,
}

/// Blocks as JSON.
pub(super) fn pack_blocks(blocks: &[Block]) -> serde_json::Result<String> {
    let mut kinds: Vec<BlockKind> = Vec::new();
    let mut end = 0;
    let mut spans = Vec::with_capacity(blocks.len());
    for block in blocks {
        let known = kinds.iter().position(|kind| *kind == block.kind);
        let kind = known.unwrap_or_else(|| {
            kinds.push(block.kind);
            kinds.len() - 1
        });
        spans.push(pack(u32::try_from(kind).unwrap_or(u32::MAX), block.span, &mut end));
    }
    serde_json::to_string(&Packed { kinds, spans })
}

/// Blocks from JSON; `None` when it is not what [`pack_blocks`] wrote.
pub(super) fn unpack_blocks(json: &str) -> Option<Vec<Block>> {
    let packed: Packed<BlockKind> = parse(json)?;
    let mut end = 0;
    let block = |&(kind, gap, length): &(u32, i64, i64)| {
        let kind = *packed.kinds.get(usize::try_from(kind).ok()?)?;
        Some(Block { kind, span: unpack(gap, length, &mut end)? })
    };
    packed.spans.iter().map(block).collect()
}

/// Pages as JSON.
pub(super) fn pack_pages(pages: &[Page]) -> serde_json::Result<String> {
    let mut end = 0;
    let spans = pages.iter().map(|page| pack(page.number, page.span, &mut end)).collect();
    serde_json::to_string(&Packed::<()> { kinds: Vec::new(), spans })
}

/// Pages from JSON; `None` when it is not what [`pack_pages`] wrote.
pub(super) fn unpack_pages(json: &str) -> Option<Vec<Page>> {
    let packed: Packed<()> = parse(json)?;
    let mut end = 0;
    let page = |&(number, gap, length): &(u32, i64, i64)| {
        Some(Page { number, span: unpack(gap, length, &mut end)? })
    };
    packed.spans.iter().map(page).collect()
}

/// Places of words: the gap before a word in the text and its length, then left, top, width and height.
#[derive(Debug, Serialize, Deserialize)]
struct PackedPicture {
    size: (u32, u32),
    quarters: u8,
    words: Vec<(i64, i64, u32, u32, u32, u32)>,
}

/// A picture's map as JSON.
pub(super) fn pack_picture(map: &PictureMap) -> serde_json::Result<String> {
    let mut end = 0;
    let word = |word: &PlacedWord| {
        let (_, gap, length) = pack(0, word.span, &mut end);
        let Area { left, top, width, height } = word.area;
        (gap, length, left, top, width, height)
    };
    let words = map.words.iter().map(word).collect();
    let size = (map.width, map.height);
    serde_json::to_string(&PackedPicture { size, quarters: map.quarters, words })
}

/// A picture's map from JSON; `None` when it is not what [`pack_picture`] wrote.
pub(super) fn unpack_picture(json: &str) -> Option<PictureMap> {
    let PackedPicture { size: (width, height), quarters, words } =
        serde_json::from_str(json).ok()?;
    let mut end = 0;
    let word = |(gap, length, left, top, width, height)| {
        let area = Area { left, top, width, height };
        Some(PlacedWord { span: unpack(gap, length, &mut end)?, area })
    };
    let words = words.into_iter().map(word).collect::<Option<_>>()?;
    Some(PictureMap { width, height, quarters, words })
}

fn parse<K: DeserializeOwned>(json: &str) -> Option<Packed<K>> {
    serde_json::from_str(json).ok()
}

/// Differences wrap, so that even spans that are no spans of a text come back as they were.
fn pack(number: u32, span: Span, end: &mut usize) -> (u32, i64, i64) {
    let gap = span.start.wrapping_sub(*end).cast_signed() as i64;
    let length = span.end.wrapping_sub(span.start).cast_signed() as i64;
    *end = span.end;
    (number, gap, length)
}

fn unpack(gap: i64, length: i64, end: &mut usize) -> Option<Span> {
    let start = end.wrapping_add_signed(isize::try_from(gap).ok()?);
    *end = start.wrapping_add_signed(isize::try_from(length).ok()?);
    Some(Span { start, end: *end })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span() -> impl Strategy<Value = Span> {
        let near = (0..1000_usize, 0..1000_usize).prop_map(|(start, end)| Span { start, end });
        let any = (any::<usize>(), any::<usize>()).prop_map(|(start, end)| Span { start, end });
        prop_oneof![9 => near, 1 => any]
    }

    fn kind() -> impl Strategy<Value = BlockKind> {
        prop_oneof![
            Just(BlockKind::Paragraph),
            Just(BlockKind::TableRow),
            (1..7_u8).prop_map(|level| BlockKind::Heading { level }),
        ]
    }

    fn picture() -> impl Strategy<Value = PictureMap> {
        let area = any::<(u32, u32, u32, u32)>();
        let area = area.prop_map(|(left, top, width, height)| Area { left, top, width, height });
        let word = (span(), area).prop_map(|(span, area)| PlacedWord { span, area });
        let words = prop::collection::vec(word, 0..20);
        (any::<(u32, u32, u8)>(), words).prop_map(|((width, height, quarters), words)| PictureMap {
            width,
            height,
            quarters,
            words,
        })
    }

    proptest! {
        #[test]
        fn b4_places_in_pictures_come_back(map in picture()) {
            prop_assert_eq!(unpack_picture(&pack_picture(&map).unwrap()), Some(map));
        }

        #[test]
        fn blocks_and_pages_come_back(
            blocks in prop::collection::vec((kind(), span()), 0..20),
            pages in prop::collection::vec((any::<u32>(), span()), 0..20),
        ) {
            let blocks: Vec<_> =
                blocks.into_iter().map(|(kind, span)| Block { kind, span }).collect();
            let packed = pack_blocks(&blocks).unwrap();
            prop_assert_eq!(unpack_blocks(&packed), Some(blocks));
            let pages: Vec<_> =
                pages.into_iter().map(|(number, span)| Page { number, span }).collect();
            let packed = pack_pages(&pages).unwrap();
            prop_assert_eq!(unpack_pages(&packed), Some(pages));
        }
    }

    #[test]
    fn segments_are_the_text_cut_between_characters() {
        assert_eq!(segments("").count(), 0);
        for (unit, count) in [("a", 200_000), ("é", 70_000), ("蜜", 60_000), ("🐝", 40_000)] {
            let text = format!("x{}", unit.repeat(count));
            let mut place = 0;
            for (start, segment) in segments(&text) {
                assert_eq!(start, place);
                assert_eq!(text.get(start..start + segment.len()), Some(segment));
                assert!(segment.len() <= SEGMENT);
                place += segment.len();
                assert!(place == text.len() || segment.len() > SEGMENT - 4);
            }
            assert_eq!(place, text.len());
        }
    }

    #[test]
    fn a_block_takes_few_bytes() {
        let blocks: Vec<_> = (0..1000)
            .map(|i| Block {
                kind: BlockKind::Paragraph,
                span: Span { start: i * 302, end: i * 302 + 300 },
            })
            .collect();
        assert!(pack_blocks(&blocks).unwrap().len() < 12_000);
    }
}
