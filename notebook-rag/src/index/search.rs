//! The search: signs, then bytes, then the full vectors.
//!
//! 1. Hamming distances of the signs of all rows that may be found, into a buffer.
//! 2. A histogram of (a sample of) them gives the distance within which the nearest
//!    [`FIRST`] or so rows lie; no heap is kept.
//! 3. Those rows are scored by their bytes. The distances of the best of them say how far the
//!    distance of an equally good row could be: if that is further than was looked, the rows in
//!    between are scored too. When that would be a good part of all rows, all are.
//! 4. The best [`kept`] are scored by their full vectors.
//!
//! Few rows are scored by their bytes straight away.

use std::sync::Arc;

use notebook_core::{
    Result,
    vector::{ChunkFilter, Hit, inner_product},
};

use super::{
    bitmap::{Bitmap, rows_of},
    kernels::{Kernels, NEVER, best},
    quantize::{question_codes, sign_words, signs},
    segment::{Segment, Signs},
    snapshot::Snapshot,
    top::{Found, Top},
};

/// Up to this many rows, scoring them all by their bytes is as fast as looking at signs first.
const FEW: usize = 2_048;

/// The histogram is of about this many rows.
const SAMPLE: usize = 1 << 15;

/// Standard deviations of the distance of an equally good row that are looked through.
const DEVIATIONS: f32 = 3.0;

/// How many rows step 3 begins with.
fn first(rows: usize, limit: usize) -> usize {
    (rows / 256).max(limit * 40)
}

/// How many rows are scored by their full vectors.
const fn kept(limit: usize) -> usize {
    limit * 2 + 10
}

/// Buffers that outlive a search: the distances of a million rows are 2 MB.
#[derive(Default)]
pub(crate) struct Scratch {
    distances: Vec<u16>,
    rows: Vec<u32>,
    products: Vec<i32>,
}

/// One search over one snapshot. The vector and the limit have been checked.
///
/// # Errors
/// `Corrupt` when a stored vector fails its checksum.
pub(crate) fn search(
    snapshot: &Snapshot,
    vector: &[f32],
    limit: usize,
    filter: &ChunkFilter,
    scratch: &mut Scratch,
) -> Result<Vec<Hit>> {
    let (codes, scale) = question_codes(vector);
    let mut parts = Vec::with_capacity(snapshot.parts.len());
    let mut offset = 0;
    for part in &snapshot.parts {
        let allowed = part.matching(filter);
        let rows = allowed.count();
        if rows > 0 {
            let signs = part.segment.columns().signs;
            parts.push(Scanned { segment: &part.segment, signs, allowed, rows, offset });
            offset += if signs.is_some() { part.segment.len().next_multiple_of(64) } else { 0 };
        }
    }
    let segments = parts.iter().map(|part| part.segment).collect();
    let top = Top::new(segments, kept(limit));
    let kernels = best();
    let mut search = Search { kernels, vector, codes, scale, limit, parts, top, scratch };
    search.run(offset);
    search.rescore()
}

/// A segment in a search.
struct Scanned<'a> {
    segment: &'a Segment,
    signs: Option<Signs<'a>>,
    allowed: Arc<Bitmap>,
    /// How many rows are allowed.
    rows: usize,
    /// Where its distances begin in the buffer.
    offset: usize,
}

struct Search<'a> {
    kernels: &'static Kernels,
    vector: &'a [f32],
    codes: Vec<i16>,
    scale: f32,
    limit: usize,
    parts: Vec<Scanned<'a>>,
    top: Top<'a>,
    scratch: &'a mut Scratch,
}

impl Search<'_> {
    /// Fills `top` by the bytes of rows.
    fn run(&mut self, buffer: usize) {
        let signed = self.parts.iter().filter(|part| part.signs.is_some());
        let rows: usize = signed.map(|part| part.rows).sum();
        let wanted = first(rows, self.limit);
        // A question of zeros has no signs to go by.
        if rows <= FEW || wanted * 4 > rows || self.scale == 0.0 {
            return self.score_all(|_| true);
        }
        self.score_all(|part| part.signs.is_none());
        self.measure(buffer);
        let (histogram, step) = self.histogram();
        let within = |distance: u16| -> usize {
            histogram.iter().take(usize::from(distance) + 1).sum::<usize>() * step
        };
        let most = (self.vector.len() as u16).saturating_sub(1);
        let mut reached = (0..most).find(|&d| within(d) >= wanted).unwrap_or(most);
        self.score_between(None, reached);
        loop {
            let needed = self.needed().min(most);
            if needed <= reached {
                return;
            }
            if within(needed) * 4 > rows {
                let everything = self.vector.len() as u16;
                return self.score_between(Some(reached), everything);
            }
            self.score_between(Some(reached), needed);
            reached = needed;
        }
    }

    /// Scores all allowed rows of some parts.
    fn score_all(&mut self, which: impl Fn(&Scanned<'_>) -> bool) {
        for at in 0..self.parts.len() {
            let Some(part) = self.parts.get(at).filter(|part| which(part)) else { continue };
            let allowed = Arc::clone(&part.allowed);
            for (words, base) in allowed.words().chunks(16).zip((0_u32..).step_by(1024)) {
                self.scratch.rows.clear();
                for (&word, base) in words.iter().zip((base..).step_by(64)) {
                    self.scratch.rows.extend(rows_of(word).map(|row| base + row as u32));
                }
                self.score_rows(at);
            }
        }
    }

    /// Scores the rows in the buffer by their bytes.
    fn score_rows(&mut self, at: usize) {
        let Some(part) = self.parts.get(at) else { return };
        let columns = part.segment.columns();
        let Scratch { rows, products, .. } = &mut *self.scratch;
        products.clear();
        (self.kernels.products)(columns.codes, &self.codes, rows, products);
        for (&row, &product) in rows.iter().zip(products.iter()) {
            let scale = columns.scales.get(row as usize).copied().unwrap_or_default();
            let score = product as f32 * scale * self.scale;
            self.top.push(Found { score, part: at as u32, row });
        }
    }

    /// Fills the buffer of distances.
    fn measure(&mut self, buffer: usize) {
        self.scratch.distances.resize(buffer, NEVER);
        for part in &self.parts {
            let Some(Signs { bits, centre }) = part.signs else { continue };
            let question: Vec<u64> = signs(self.vector, centre).collect();
            let rows = part.allowed.words().len() * 64;
            let range = part.offset..part.offset + rows;
            let Some(out) = self.scratch.distances.get_mut(range) else { continue };
            let block = sign_words(self.vector.len()) * 64;
            // A word of rows at a time, so that the mask is applied while the distances are near.
            let words = part.allowed.words().chunks(64);
            let places = out.chunks_mut(64 * 64).zip(bits.chunks(block * 64));
            for (words, (out, bits)) in words.zip(places) {
                if words.iter().any(|word| *word != 0) {
                    (self.kernels.distances)(bits, &question, out);
                }
                mask(words, out);
            }
        }
    }

    /// How many of every `step`-th 64 rows have each distance, and the step.
    fn histogram(&self) -> (Vec<usize>, usize) {
        let (chunks, _) = self.scratch.distances.as_chunks::<64>();
        let step = (chunks.len() * 64 / SAMPLE).max(1);
        let mut counts = vec![0; self.vector.len() + 1];
        for distance in chunks.iter().step_by(step).flatten() {
            if let Some(count) = counts.get_mut(usize::from(*distance)) {
                *count += 1;
            }
        }
        (counts, step)
    }

    /// Scores the rows whose distance is above `low` and at most `high`.
    fn score_between(&mut self, low: Option<u16>, high: u16) {
        for at in 0..self.parts.len() {
            let Some(part) = self.parts.get(at).filter(|part| part.signs.is_some()) else {
                continue;
            };
            let range = part.offset..part.offset + part.segment.len();
            let Scratch { distances, rows, .. } = &mut *self.scratch;
            rows.clear();
            let distances = distances.get(range).unwrap_or_default();
            (self.kernels.between)(distances, low, high, 0, rows);
            self.score_rows(at);
        }
    }

    /// How far a row as good as the last of the wanted hits is likely to be.
    fn needed(&mut self) -> u16 {
        let distances = &self.scratch.distances;
        let parts = &self.parts;
        let distance = |found: &Found| {
            let part = parts.get(found.part as usize).filter(|part| part.signs.is_some())?;
            distances.get(part.offset + found.row as usize).map(|d| f32::from(*d))
        };
        // Those around the last wanted one are as good as it; the first ones are nearer.
        let around = self.top.best(kept(self.limit));
        let around: Vec<f32> =
            around.iter().skip(self.limit / 2).take(self.limit).filter_map(distance).collect();
        if around.is_empty() {
            return 0;
        }
        let mean = around.iter().sum::<f32>() / around.len() as f32;
        let share = mean / self.vector.len() as f32;
        let deviation = (mean * (1.0 - share)).sqrt();
        (mean + DEVIATIONS * deviation).ceil() as u16
    }

    /// The hits, by the full vectors of the best found.
    fn rescore(mut self) -> Result<Vec<Hit>> {
        let mut hits = Vec::with_capacity(kept(self.limit));
        for found in self.top.best(kept(self.limit)) {
            let Some(part) = self.parts.get(found.part as usize) else { continue };
            let row = found.row as usize;
            let Some(key) = part.segment.key(row) else { continue };
            hits.push(Hit { key, score: inner_product(self.vector, part.segment.vector(row)?) });
        }
        hits.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.key.cmp(&b.key)));
        hits.truncate(self.limit);
        Ok(hits)
    }
}

/// Marks the rows that are not in `allowed` as never to be found.
fn mask(allowed: &[u64], distances: &mut [u16]) {
    for (&word, distances) in allowed.iter().zip(distances.chunks_mut(64)) {
        if word == u64::MAX {
            continue;
        }
        for row in rows_of(!word) {
            if let Some(distance) = distances.get_mut(row) {
                *distance = NEVER;
            }
        }
    }
}
