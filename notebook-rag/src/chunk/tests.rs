use std::sync::atomic::{AtomicUsize, Ordering};

use notebook_core::{
    SourceId,
    document::{Block, BlockKind, Document, DocumentBuilder, Page, Span},
    model::Chunk,
};
use proptest::{collection::vec, prelude::*};
use unicode_segmentation::UnicodeSegmentation;

use super::{ChunkConfig, Chunker, estimate_tokens};

fn chunk_with(config: ChunkConfig, document: &Document) -> Vec<Chunk> {
    let chunker = Chunker::new(config).unwrap();
    chunker.chunks(document, SourceId::from_u128(7), &estimate_tokens).collect()
}

fn config(max_tokens: usize, overlap_tokens: usize) -> ChunkConfig {
    ChunkConfig { max_tokens, min_tokens: max_tokens / 5, overlap_tokens }
}

fn plain(text: &str) -> Document {
    Document { text: text.to_owned(), ..Document::default() }
}

/// What holds for the chunks of every document.
fn assert_sound(document: &Document, config: ChunkConfig, chunks: &[Chunk]) {
    let text = &document.text;
    let mut boundaries: Vec<usize> = text.grapheme_indices(true).map(|(i, _)| i).collect();
    boundaries.push(text.len());
    let mut covered = 0;
    for (i, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk.key.ordinal as usize, i);
        assert_eq!(chunk.span.of(text), Some(chunk.text.as_str()));
        for at in [chunk.span.start, chunk.span.end] {
            assert!(boundaries.binary_search(&at).is_ok(), "cut inside a character at {at}");
        }
        if chunk.span.start > covered {
            let gap = &text[covered..chunk.span.start];
            assert!(gap.trim().is_empty(), "not in a chunk: {gap:?}");
        }
        assert!(chunk.span.end > covered, "nothing new in chunk {i}");
        assert!(config.overlap_tokens > 0 || chunk.span.start >= covered, "chunks overlap");
        covered = chunk.span.end;
        let is_one_character = chunk.text.graphemes(true).count() == 1;
        assert!(chunk.tokens as usize <= config.max_tokens || is_one_character);
        assert!(estimate_tokens(&chunk.text) <= chunk.tokens as usize);
        assert!(chunk.text.len() <= config.max_bytes() || is_one_character);
        assert_eq!(chunk.page, document.page_at(chunk.span.start));
    }
    assert!(text[covered..].trim().is_empty(), "the end is in no chunk");
}

/// Rows that fit a chunk are never cut.
fn assert_rows_whole(document: &Document, config: ChunkConfig, chunks: &[Chunk]) {
    for block in document.blocks.iter().filter(|b| b.kind == BlockKind::TableRow) {
        let row = block.span.of(&document.text).unwrap();
        if estimate_tokens(row) <= config.max_tokens && row.len() <= config.max_bytes() {
            assert!(chunks.iter().any(|c| c.span.covers(&block.span)), "row cut: {row:?}");
        }
    }
}

/// The path of a chunk is that of its first byte, its own headings not included.
fn assert_headings(document: &Document, chunks: &[Chunk]) {
    for chunk in chunks {
        let mut path: Vec<(u8, &str)> = Vec::new();
        for block in document.blocks.iter().filter(|b| b.span.start <= chunk.span.start) {
            if let BlockKind::Heading { level } = block.kind {
                path.retain(|(open, _)| *open < level);
                if block.span.start < chunk.span.start {
                    path.push((level, block.span.of(&document.text).unwrap()));
                }
            }
        }
        let cut = |text: &str| text.chars().take(160).collect::<String>();
        let expected: Vec<_> = path.iter().map(|(_, text)| cut(text)).collect();
        assert_eq!(chunk.headings, expected);
    }
}

const WORDS: &[&str] = &[
    "bee",
    "Dance",
    "honeycomb",
    "e.g.",
    "Dr.",
    "end.",
    "what?",
    "Yes!",
    "3.14",
    "naïve",
    "e\u{301}te\u{301}",
    "蜂蜜は甘い。",
    "花",
    "مرحبا",
    "بكم؟",
    "שלום",
    "नमस्ते।",
    "สวัสดีครับ",
    "👨‍👩‍👧",
    "🇩🇪🇫🇷",
    "a|b",
    "\"quoted.\"",
    "(paren)",
    "\u{200d}",
    "--------",
    "x_y_z",
];

fn words(max: usize) -> impl Strategy<Value = String> {
    let separator = prop_oneof![8 => Just(" "), 2 => Just("")];
    vec((prop::sample::select(WORDS), separator), 1..max)
        .prop_map(|pairs| pairs.iter().map(|(word, space)| format!("{word}{space}")).collect())
}

#[derive(Debug, Clone)]
enum Part {
    Heading(u8, String),
    Paragraph(String),
    Item(String),
    Row(Vec<String>),
    Code(Vec<String>),
    Page,
}

fn documents() -> impl Strategy<Value = Document> {
    let part = prop_oneof![
        2 => (1_u8..7, words(6)).prop_map(|(level, text)| Part::Heading(level, text)),
        5 => words(120).prop_map(Part::Paragraph),
        2 => words(20).prop_map(Part::Item),
        3 => vec(words(12), 1..6).prop_map(Part::Row),
        1 => vec(words(10), 1..8).prop_map(Part::Code),
        1 => Just(Part::Page),
    ];
    vec(part, 0..20).prop_map(|parts| build(&parts))
}

fn build(parts: &[Part]) -> Document {
    let mut builder = DocumentBuilder::new(1 << 24);
    let mut page = 0;
    for part in parts {
        match part {
            Part::Heading(level, text) => builder.heading(*level, text).unwrap(),
            Part::Paragraph(text) => builder.paragraph(text).unwrap(),
            Part::Item(text) => builder.list_item(text).unwrap(),
            Part::Row(cells) => builder.row(cells).unwrap(),
            Part::Code(lines) => builder.code(&lines.join("\n")).unwrap(),
            Part::Page => {
                page += 1;
                builder.start_page(page).unwrap();
            }
        }
    }
    builder.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn chunks_of_parsed_documents_are_sound(
        document in documents(),
        max in prop_oneof![Just(16_usize), 17..64_usize, Just(200)],
        overlap in prop_oneof![Just(0_usize), Just(8)],
    ) {
        document.validate().unwrap();
        let config = config(max, overlap);
        let chunks = chunk_with(config, &document);
        assert_sound(&document, config, &chunks);
        assert_rows_whole(&document, config, &chunks);
        assert_headings(&document, &chunks);
    }

    /// Not even blocks that lie about the text lose any of it.
    #[test]
    fn chunks_of_any_text_are_sound(
        text in "(?s).{0,400}",
        spans in vec((0..500_usize, 0..60_usize), 0..8),
        max in 16..40_usize,
    ) {
        let blocks = spans
            .iter()
            .map(|(start, len)| Block { kind: BlockKind::Paragraph, span: Span::new(*start, start + len) })
            .filter(|block| {
                let at = |i| text.grapheme_indices(true).any(|(g, _)| g == i) || i >= text.len();
                at(block.span.start) && at(block.span.end)
            })
            .collect();
        let document = Document { blocks, ..plain(&text) };
        let config = config(max, 0);
        assert_sound(&document, config, &chunk_with(config, &document));
    }
}

/// Counts each byte a bounded number of times, and works through a line of 1 MB of any kind.
#[test]
fn long_lines_are_cut_in_linear_time() {
    for (kind, bytes) in [
        (BlockKind::Paragraph, 1 << 20),
        (BlockKind::TableRow, 1 << 16),
        (BlockKind::Code, 1 << 16),
    ] {
        long_lines(kind, bytes);
    }
}

fn long_lines(kind: BlockKind, mb: usize) {
    let lines = [
        "a".repeat(mb),
        "a ".repeat(mb / 2),
        "語".repeat(mb / 3),
        "word. Another one ".repeat(mb / 18),
        "cell | ".repeat(mb / 7),
        "🇩🇪".repeat(mb / 8),
        ".".repeat(mb),
        "1. ".repeat(mb / 3),
        "x \u{301}".repeat(mb / 4),
        format!("a{}b", " ".repeat(mb)),
    ];
    for line in &lines {
        let span = Span::new(0, line.len());
        let document = Document { blocks: vec![Block { kind, span }], ..plain(line) };
        let counted = AtomicUsize::new(0);
        let count = |text: &str| {
            counted.fetch_add(text.len(), Ordering::Relaxed);
            estimate_tokens(text)
        };
        let config = ChunkConfig::default();
        let chunker = Chunker::new(config).unwrap();
        let chunks: Vec<_> = chunker.chunks(&document, SourceId::from_u128(1), &count).collect();
        assert_sound(&document, config, &chunks);
        assert!(
            counted.into_inner() <= 4 * line.len(),
            "counted too often: {:?}",
            line.chars().next()
        );
    }
}

/// A tokenizer that takes a long word for one unknown token must not make a chunk of any size.
#[test]
fn a_counter_that_sees_one_token_is_bounded_by_bytes() {
    let text = "x".repeat(100_000);
    let document = plain(&text);
    let chunker = Chunker::new(ChunkConfig::default()).unwrap();
    let count = |_: &str| 1;
    let chunks: Vec<_> = chunker.chunks(&document, SourceId::from_u128(1), &count).collect();
    assert!(chunks.iter().all(|chunk| chunk.text.len() <= 1600));
    assert_eq!(chunks.iter().map(|chunk| chunk.text.len()).sum::<usize>(), text.len());
}

#[test]
fn sections_start_chunks_unless_tiny() {
    let mut builder = DocumentBuilder::new(1 << 20);
    let body = "This sentence has some seven words inside. ".repeat(6);
    for (level, title) in [(1, "Top"), (2, "First"), (2, "Second")] {
        builder.heading(level, title).unwrap();
        builder.paragraph(&body).unwrap();
    }
    let document = builder.finish();
    let chunks = chunk_with(ChunkConfig::default(), &document);
    let starts: Vec<_> =
        chunks.iter().map(|c| (c.text.lines().next().unwrap(), c.headings.join("/"))).collect();
    assert_eq!(starts, [("Top", String::new()), ("First", "Top".into()), ("Second", "Top".into())]);

    let tiny = build(&[
        Part::Heading(1, "A".into()),
        Part::Paragraph("One.".into()),
        Part::Heading(1, "B".into()),
        Part::Paragraph("Two.".into()),
    ]);
    assert_eq!(chunk_with(ChunkConfig::default(), &tiny).len(), 1);
}

#[test]
fn a_heading_stays_with_its_text() {
    let filler = format!("{}.", "word ".repeat(36));
    let document = build(&[
        Part::Paragraph("Short one.".into()),
        Part::Heading(2, "Title".into()),
        Part::Paragraph(filler),
    ]);
    let chunks = chunk_with(config(40, 0), &document);
    assert_eq!(chunks[0].text, "Short one.");
    assert!(chunks[1].text.starts_with("Title\n\nword word"), "{:?}", chunks[1].text);
}

#[test]
fn overlap_repeats_whole_sentences() {
    let text =
        "One bee here. Two bees here. Six bees here. Ten bees here. All bees here. End of it now.";
    let document = plain(text);
    let chunks = chunk_with(config(16, 5), &document);
    assert!(chunks.len() > 1);
    for pair in chunks.windows(2) {
        let repeated = &text[pair[1].span.start..pair[0].span.end];
        assert!(repeated.ends_with("here.") && repeated.split(". ").count() == 1, "{repeated:?}");
    }
}

#[test]
fn pages_are_those_of_the_first_byte() {
    let mut document = plain("First page. Second page.");
    document.pages = vec![
        Page { number: 1, span: Span::new(0, 12) },
        Page { number: 2, span: Span::new(12, 24) },
    ];
    assert_eq!(chunk_with(ChunkConfig::default(), &document)[0].page, Some(1));
}

#[test]
fn empty_and_blank_documents_have_no_chunks() {
    for text in ["", " ", "\n\n\t \u{a0}\u{3000}"] {
        assert!(chunk_with(ChunkConfig::default(), &plain(text)).is_empty(), "{text:?}");
    }
}
