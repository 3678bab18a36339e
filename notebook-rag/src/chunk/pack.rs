//! Packs units into chunks, greedily, with a preference for ends of blocks.

use notebook_core::{
    SourceId,
    document::{Document, Span},
    model::{Chunk, ChunkKey},
};

use super::{
    ChunkConfig,
    headings::HeadingPath,
    split::Limits,
    units::{Role, Unit, Units},
};

/// The chunks of one document; see [`Chunker::chunks`](super::Chunker::chunks).
///
/// Holds the positions of one chunk's sentences, whatever the size of the document.
pub struct Chunks<'a> {
    config: ChunkConfig,
    document: &'a Document,
    source: SourceId,
    units: Units<'a>,
    /// Read but not packed yet.
    ahead: Option<Unit>,
    current: Vec<Unit>,
    /// The tokens of `current`.
    tokens: usize,
    /// How many at the front of `current` are in the chunk before already.
    repeated: usize,
    /// The headings above the first of `current`.
    path: HeadingPath,
    ordinal: u32,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(
        config: ChunkConfig,
        document: &'a Document,
        source: SourceId,
        count: &'a (dyn Fn(&str) -> usize + Sync),
    ) -> Self {
        let limits = Limits { tokens: config.max_tokens, bytes: config.max_bytes() };
        Self {
            config,
            document,
            source,
            units: Units::new(document, limits, count),
            ahead: None,
            current: Vec::new(),
            tokens: 0,
            repeated: 0,
            path: HeadingPath::default(),
            ordinal: 0,
        }
    }

    /// Where to end the chunk before `unit`, as a number of units; none to go on.
    fn cut_before(&self, unit: &Unit) -> Option<Cut> {
        let first = self.current.first()?;
        if matches!(unit.role, Role::Heading { .. }) {
            let has_text = self.current.iter().any(|u| u.role == Role::Text);
            if has_text && self.tokens >= self.config.min_tokens {
                return Some(Cut { at: self.current.len(), repeats: false });
            }
        }
        let fits = self.tokens + unit.tokens <= self.config.max_tokens
            && unit.span.end - first.span.start <= self.config.max_bytes();
        (!fits).then(|| Cut { at: self.best_cut(unit), repeats: true })
    }

    /// The best end for a chunk that cannot take `unit`.
    fn best_cut(&self, unit: &Unit) -> usize {
        let all = self.current.len();
        // A heading goes with what follows it.
        let heading =
            self.current.iter().rposition(|u| u.role == Role::Text).map_or(all, |i| i + 1);
        if heading < all {
            return heading;
        }
        if unit.starts_block {
            return all;
        }
        let half = self.config.max_tokens / 2;
        let at_block = (1..all).rev().find(|&i| {
            self.current.get(i).is_some_and(|u| u.starts_block && u.role == Role::Text)
                && tokens(self.current.get(..i).unwrap_or_default()) >= half
        });
        at_block.unwrap_or(all)
    }

    /// Ends the chunk and keeps what belongs to the next.
    fn emit(&mut self, cut: &Cut) -> Option<Chunk> {
        let taken = self.current.get(..cut.at)?;
        // Only sentences that the chunk before has already: nothing new to emit.
        let chunk = if cut.at > self.repeated { Some(self.chunk(taken)?) } else { None };
        let keep = if cut.repeats && chunk.is_some() { self.overlap(taken) } else { 0 };
        let headings: Vec<_> = taken.get(..cut.at - keep)?.iter().map(|u| u.role).collect();
        for role in headings {
            if let Role::Heading { level, whole } = role {
                self.path.open(level, &self.document.text, whole);
            }
        }
        self.current.drain(..cut.at - keep);
        self.tokens = tokens(&self.current);
        self.repeated = if chunk.is_some() { keep } else { self.repeated - cut.at };
        self.ordinal = self.ordinal.saturating_add(u32::from(chunk.is_some()));
        chunk
    }

    fn chunk(&self, units: &[Unit]) -> Option<Chunk> {
        let level = match units.first()?.role {
            Role::Heading { level, .. } => Some(level),
            _ => None,
        };
        let span = Span::new(units.first()?.span.start, units.last()?.span.end);
        Some(Chunk {
            key: ChunkKey { source: self.source, ordinal: self.ordinal },
            span,
            page: self.document.page_at(span.start),
            headings: self.path.above(level),
            tokens: u32::try_from(tokens(units)).unwrap_or(u32::MAX),
            text: span.of(&self.document.text)?.to_owned(),
        })
    }

    /// How many sentences at the end are repeated in the next chunk; never all of them.
    fn overlap(&self, units: &[Unit]) -> usize {
        let mut left = self.config.overlap_tokens;
        let last = units.iter().skip(1).rev();
        last.take_while(|unit| {
            let fits = unit.role == Role::Text && unit.tokens <= left;
            left = left.saturating_sub(unit.tokens);
            fits
        })
        .count()
    }
}

struct Cut {
    at: usize,
    repeats: bool,
}

fn tokens(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.tokens).sum()
}

impl Iterator for Chunks<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        loop {
            let Some(unit) = self.ahead.take().or_else(|| self.units.next()) else {
                let rest = Cut { at: self.current.len(), repeats: false };
                return self.emit(&rest);
            };
            let Some(cut) = self.cut_before(&unit) else {
                self.tokens += unit.tokens;
                self.current.push(unit);
                continue;
            };
            self.ahead = Some(unit);
            if let Some(chunk) = self.emit(&cut) {
                return Some(chunk);
            }
        }
    }
}
