//! Runs to rows: what stands on one line of the page.

use super::bidi::logical;
use super::collect::{COLUMN, Direction, Run, SPACE};

/// A part of a row without a wide gap.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) text: String,
    pub(super) start: f64,
    pub(super) end: f64,
}

/// One line of the page, from left to right.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) segments: Vec<Segment>,
    pub(super) base: f64,
    pub(super) size: f64,
}

impl Row {
    pub(super) fn start(&self) -> f64 {
        self.segments.first().map_or(0.0, |segment| segment.start)
    }

    pub(super) fn end(&self) -> f64 {
        self.segments.last().map_or(0.0, |segment| segment.end)
    }
}

/// Rows from top to bottom, one list for each direction of writing, the main one first.
pub(super) fn rows(mut runs: Vec<Run>) -> Vec<Vec<Row>> {
    runs.sort_by(|a, b| {
        (a.direction, a.base)
            .partial_cmp(&(b.direction, b.base))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut lists: Vec<Vec<Row>> = runs
        .chunk_by(|a, b| a.direction == b.direction)
        .map(|runs| cluster(runs).iter().filter_map(|runs| row(runs)).collect())
        .collect();
    lists.sort_by_key(|rows: &Vec<Row>| std::cmp::Reverse(rows.len()));
    lists
}

/// Runs whose base lines are close: indices raised or lowered belong to their line.
fn cluster(runs: &[Run]) -> Vec<Vec<&Run>> {
    let mut rows: Vec<(f64, f64, Vec<&Run>)> = Vec::new();
    for run in runs {
        if let Some((base, size, row)) = rows.last_mut()
            && run.base - *base < 0.45 * size.max(run.size)
        {
            row.push(run);
            if run.size > *size {
                (*base, *size) = (run.base, run.size);
            }
            continue;
        }
        rows.push((run.base, run.size, vec![run]));
    }
    rows.into_iter().map(|(_, _, row)| row).collect()
}

fn row(runs: &[&Run]) -> Option<Row> {
    let mut runs = runs.to_vec();
    runs.sort_by(|a, b| a.start.total_cmp(&b.start));
    let main = runs.iter().max_by(|a, b| weight(a).total_cmp(&weight(b)))?;
    let (base, size) = (main.base, main.size);
    let mut segments: Vec<Segment> = Vec::new();
    let mut before: Option<&Run> = None;
    for run in runs {
        if before.is_some_and(|before| is_double(before, run)) {
            continue;
        }
        join(&mut segments, run, size);
        before = Some(run);
    }
    for segment in &mut segments {
        segment.text = logical(&segment.text);
    }
    Some(Row { segments, base, size })
}

fn weight(run: &Run) -> f64 {
    run.size * run.text.chars().count() as f64
}

/// Bold print made by drawing the same text twice.
fn is_double(a: &Run, b: &Run) -> bool {
    a.text == b.text
        && (a.start - b.start).abs() < 0.15 * a.size
        && (a.base - b.base).abs() < 0.15 * a.size
}

fn join(segments: &mut Vec<Segment>, run: &Run, size: f64) {
    if let Some(last) = segments.last_mut() {
        let gap = (run.start - last.end) / size.min(run.size).max(0.5 * size);
        if gap < COLUMN {
            // In vertical writing the gap is that between lines of characters.
            if gap > SPACE || (run.spaced && gap > 0.02 && run.direction != Direction::Vertical) {
                last.text.push(' ');
            }
            last.text.push_str(&run.text);
            last.end = last.end.max(run.end);
            return;
        }
    }
    let Run { text, start, end, .. } = run;
    segments.push(Segment { text: text.clone(), start: *start, end: *end });
}
