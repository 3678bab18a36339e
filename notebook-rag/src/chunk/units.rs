//! The units that chunks are packed from: headings, sentences, list items, lines, rows.

use notebook_core::document::{Block, BlockKind, Document, Span};

use super::{
    boundary::{skip_space, trim_end},
    sentence::{Cut, unit_end},
    split::{Count, Limits, Splitter},
};

/// A piece of text that is not cut any further.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    pub(super) span: Span,
    pub(super) tokens: usize,
    /// Whether it is the first of its block, where a cut is better than inside.
    pub(super) starts_block: bool,
    pub(super) role: Role,
}

/// What a unit is to the packing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Anything but a heading.
    Text,
    /// The start of a heading, with the whole of it.
    Heading { level: u8, whole: Span },
    /// The rest of a heading that was too long for one unit.
    HeadingRest,
}

/// Units in order. Holds positions only, whatever the size of the text.
pub(super) struct Units<'a> {
    text: &'a str,
    blocks: &'a [Block],
    limits: Limits,
    count: Count<'a>,
    region: Option<Region>,
    splitter: Option<Splitter>,
    /// Everything before is in a unit or white space.
    covered: usize,
}

/// A block, or text that no block holds, which counts as a paragraph.
#[derive(Debug, Clone, Copy)]
struct Region {
    kind: BlockKind,
    whole: Span,
    at: usize,
    is_first: bool,
}

impl<'a> Units<'a> {
    pub(super) fn new(document: &'a Document, limits: Limits, count: Count<'a>) -> Self {
        Self {
            text: &document.text,
            blocks: &document.blocks,
            limits,
            count,
            region: None,
            splitter: None,
            covered: 0,
        }
    }

    fn next_region(&mut self) -> Option<Region> {
        loop {
            let block = self.blocks.first();
            // A block that overlaps the one before, or cuts a character, is not believed:
            // its text is taken as text outside blocks.
            let is_sound = block
                .is_some_and(|b| b.span.start >= self.covered && b.span.of(self.text).is_some());
            let (kind, end) = match block {
                Some(_) if !is_sound => {
                    self.blocks = self.blocks.get(1..).unwrap_or_default();
                    continue;
                }
                Some(b) if self.is_blank(b.span.start) => {
                    self.blocks = self.blocks.get(1..).unwrap_or_default();
                    self.covered = b.span.start;
                    (b.kind, b.span.end)
                }
                Some(b) => (BlockKind::Paragraph, b.span.start),
                None if self.is_blank(self.text.len()) => return None,
                None => (BlockKind::Paragraph, self.text.len()),
            };
            let whole = Span::new(self.covered, end);
            self.covered = end;
            return Some(Region { kind, whole, at: whole.start, is_first: true });
        }
    }

    /// Whether only white space stands before `until`.
    fn is_blank(&self, until: usize) -> bool {
        self.text.get(self.covered..until).unwrap_or_default().trim_start().is_empty()
    }

    /// The next unit of the region, cut if it is too long.
    fn within(&mut self, region: &mut Region) -> Option<Unit> {
        if let Some(splitter) = &mut self.splitter {
            if let Some(piece) = splitter.next(self.text, self.limits, self.count) {
                return Some(region.unit(piece.span, piece.tokens));
            }
            self.splitter = None;
        }
        let end = region.whole.end;
        let start = skip_space(self.text, region.at, end);
        if start >= end {
            return None;
        }
        region.at = match region.kind {
            BlockKind::Heading { .. } | BlockKind::TableRow => end,
            BlockKind::Code => unit_end(self.text, start, end, Cut::Lines),
            _ => unit_end(self.text, start, end, Cut::Sentences),
        };
        let span = Span::new(start, trim_end(self.text, start, region.at));
        let fits = span.len() <= self.limits.bytes;
        let tokens = if fits { (self.count)(span.of(self.text).unwrap_or_default()) } else { 0 };
        if fits && tokens <= self.limits.tokens {
            return Some(region.unit(span, tokens));
        }
        let mut splitter = Splitter::new(span, region.kind == BlockKind::TableRow);
        let piece = splitter.next(self.text, self.limits, self.count)?;
        self.splitter = Some(splitter);
        Some(region.unit(piece.span, piece.tokens))
    }
}

impl Region {
    fn unit(&mut self, span: Span, tokens: usize) -> Unit {
        let starts_block = std::mem::take(&mut self.is_first);
        let role = match self.kind {
            BlockKind::Heading { level } if starts_block => {
                Role::Heading { level, whole: self.whole }
            }
            BlockKind::Heading { .. } => Role::HeadingRest,
            _ => Role::Text,
        };
        Unit { span, tokens, starts_block, role }
    }
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        loop {
            let mut region = match self.region.take() {
                Some(region) => region,
                None => self.next_region()?,
            };
            if let Some(unit) = self.within(&mut region) {
                self.region = Some(region);
                return Some(unit);
            }
        }
    }
}
