//! The pages of a document to one text.

use std::collections::HashMap;

use notebook_core::document::{BlockKind, DocumentBuilder};

use super::paragraph::{Look, Paragraph};
use crate::parse::ParseFailure;

/// Heads and feet are looked for among this many paragraphs at either end of a page.
const EDGE: usize = 4;
/// On how many pages a line has to stand to be a running head.
const MIN_REPEATS: usize = 5;
/// A head or foot with a page number is no longer than this, in bytes.
const LONGEST_HEAD: usize = 120;
/// Headings are this much larger than the text.
const HEADING: f64 = 1.15;
const MAX_HEADING_CHARS: usize = 200;

pub(super) fn assemble(
    mut pages: Vec<Vec<Paragraph>>,
    builder: &mut DocumentBuilder,
) -> Result<(), ParseFailure> {
    drop_running_heads(&mut pages);
    let sizes = Sizes::of(&pages);
    let mut size = 0;
    for (number, page) in (1..).zip(pages) {
        builder.start_page(number)?;
        for paragraph in page {
            let text = paragraph.text.as_str();
            let size_before = std::mem::replace(&mut size, half_points(paragraph.size));
            if size == size_before && goes_on(builder, &paragraph) {
                builder.continue_words(text)?;
                continue;
            }
            match (paragraph.look, sizes.level(&paragraph)) {
                (Look::TableRow, _) => builder.row(&paragraph.cells)?,
                (Look::Bullet, _) => builder.list_item(text)?,
                (Look::Text, Some(level)) => builder.heading(level, text)?,
                (Look::Text, None) => builder.paragraph(text)?,
            }
        }
    }
    Ok(())
}

/// Whether a paragraph goes on from the one before, in the next column or on the next
/// page perhaps: that one stopped in the middle of a sentence, and this one begins there.
fn goes_on(builder: &DocumentBuilder, paragraph: &Paragraph) -> bool {
    let Some(last) = builder.last_char() else { return false };
    paragraph.look == Look::Text
        && builder.last_kind() == Some(BlockKind::Paragraph)
        && paragraph.text.starts_with(char::is_lowercase)
        && (last.is_alphabetic() || ",-\u{2014}".contains(last))
}

/// Takes out lines that stand at the same height on many pages with the same words, up to numbers,
/// or beside a number that counts the pages.
fn drop_running_heads(pages: &mut [Vec<Paragraph>]) {
    let mut words: HashMap<(String, i64), usize> = HashMap::new();
    let mut numbers: HashMap<(i64, i64), usize> = HashMap::new();
    for (index, page) in (0..).zip(pages.iter()) {
        for paragraph in edges(page) {
            *words.entry(key(paragraph)).or_default() += 1;
            for key in page_numbers(paragraph, index) {
                *numbers.entry(key).or_default() += 1;
            }
        }
    }
    let repeats = MIN_REPEATS.max(pages.len() / 50);
    for (index, page) in (0..).zip(pages.iter_mut()) {
        let last = page.len().saturating_sub(EDGE);
        let mut position = 0;
        page.retain(|paragraph| {
            let edge = position < EDGE || position >= last;
            position += 1;
            let often = |count: Option<&usize>, enough| count.is_some_and(|count| *count >= enough);
            let counts = |key| often(numbers.get(&key), MIN_REPEATS);
            let runs = often(words.get(&key(paragraph)), repeats)
                || page_numbers(paragraph, index).any(counts);
            !(edge && runs)
        });
    }
}

fn edges(page: &[Paragraph]) -> impl Iterator<Item = &Paragraph> {
    let last = page.len().saturating_sub(EDGE);
    page.iter()
        .enumerate()
        .filter(move |(index, _)| *index < EDGE || *index >= last)
        .map(|(_, paragraph)| paragraph)
}

/// How far the number that a short line begins or ends with is ahead of the page's place in the
/// file, and the line's height: the same on all pages if the number is the page's.
fn page_numbers(paragraph: &Paragraph, index: i64) -> impl Iterator<Item = (i64, i64)> {
    let is_short = paragraph.lines == 1 && paragraph.text.len() <= LONGEST_HEAD;
    let mut words = paragraph.text.split_whitespace().filter(move |_| is_short);
    let height = height(paragraph);
    let ends = [words.next(), words.next_back()].into_iter().flatten();
    ends.filter_map(move |word| Some((word.parse::<i64>().ok()? - index, height)))
}

fn height(paragraph: &Paragraph) -> i64 {
    (paragraph.top / 3.0).round() as i64
}

fn key(paragraph: &Paragraph) -> (String, i64) {
    let mut words = String::new();
    for c in paragraph.text.chars().take(120) {
        match c {
            c if c.is_numeric() => {
                if !words.ends_with('#') {
                    words.push('#');
                }
            }
            c if c.is_whitespace() => {}
            c => words.push(c),
        }
    }
    (words, height(paragraph))
}

/// The sizes of letters in a document.
struct Sizes {
    body: f64,
    /// Sizes of headings, in half points, the largest first.
    headings: Vec<i64>,
}

impl Sizes {
    fn of(pages: &[Vec<Paragraph>]) -> Self {
        let mut chars: HashMap<i64, usize> = HashMap::new();
        for paragraph in pages.iter().flatten() {
            *chars.entry(half_points(paragraph.size)).or_default() += paragraph.text.len();
        }
        let body =
            chars.iter().max_by_key(|(size, count)| (**count, **size)).map_or(0, |(size, _)| *size);
        let mut sizes = Self { body: body as f64 / 2.0, headings: Vec::new() };
        let mut headings: Vec<i64> = pages
            .iter()
            .flatten()
            .filter(|paragraph| sizes.is_heading(paragraph))
            .map(|paragraph| half_points(paragraph.size))
            .collect();
        headings.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
        headings.dedup();
        sizes.headings = headings;
        sizes
    }

    fn is_heading(&self, paragraph: &Paragraph) -> bool {
        paragraph.look == Look::Text
            && paragraph.size > self.body * HEADING
            && paragraph.lines <= 4
            && paragraph.text.chars().count() <= MAX_HEADING_CHARS
            && paragraph.text.chars().filter(|c| c.is_alphabetic()).count() >= 2
    }

    /// The level of a heading, by the rank of its size.
    fn level(&self, paragraph: &Paragraph) -> Option<u8> {
        if !self.is_heading(paragraph) {
            return None;
        }
        let size = half_points(paragraph.size);
        let rank = self.headings.iter().position(|heading| *heading <= size)?;
        Some(u8::try_from(rank + 1).unwrap_or(6).min(6))
    }
}

fn half_points(size: f64) -> i64 {
    (size * 2.0).round() as i64
}
