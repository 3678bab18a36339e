//! Rows to reading order: columns are found by the gutters between them.

use super::rows::{Row, Segment};

/// How often a page is cut into columns within columns.
const MAX_DEPTH: usize = 6;
/// Fewer lines than this on either side of a gutter are no columns.
const MIN_LINES: usize = 4;
/// Gutters tried at a place.
const MAX_CANDIDATES: usize = 16;

/// Rows that are read one after the other: a column, or the whole width.
pub(super) type Region = Vec<Row>;

/// Splits the rows of a page into regions in reading order.
pub(super) fn reading_order(rows: Vec<Row>) -> Vec<Region> {
    let mut regions = Vec::new();
    arrange(rows, MAX_DEPTH, &mut regions);
    regions
}

fn arrange(rows: Vec<Row>, depth: usize, out: &mut Vec<Region>) {
    let split = if depth > 0 { find_split(&rows) } else { None };
    let Some(split) = split else {
        if !rows.is_empty() {
            out.push(rows);
        }
        return;
    };
    let mut above = rows;
    let mut band = above.split_off(split.first.min(above.len()));
    let below = band.split_off((split.last + 1 - split.first).min(band.len()));
    let (left, right) = cut(band, split.gutter);
    for part in [above, left, right, below] {
        arrange(part, depth - 1, out);
    }
}

/// Rows `first` to `last` have columns on both sides of `gutter`.
#[derive(Debug, Clone, Copy)]
struct Split {
    first: usize,
    last: usize,
    gutter: f64,
}

fn find_split(rows: &[Row]) -> Option<Split> {
    if rows.len() < MIN_LINES {
        return None;
    }
    candidates(rows)
        .into_iter()
        .flat_map(|gutter| bands(rows, gutter))
        .filter(|split| are_columns(rows, split))
        .max_by_key(|split| split.last - split.first)
}

/// Places where many lines begin, a little to the left of them.
fn candidates(rows: &[Row]) -> Vec<f64> {
    let mut starts: Vec<f64> =
        rows.iter().flat_map(|row| row.segments.iter().map(|segment| segment.start)).collect();
    starts.sort_by(f64::total_cmp);
    let mut groups: Vec<(usize, f64)> = starts
        .chunk_by(|a, b| b - a < 1.0)
        .filter(|group| group.len() >= MIN_LINES)
        .filter_map(|group| Some((group.len(), *group.first()?)))
        .skip_while(|(_, start)| starts.first().is_some_and(|first| start - first < 1.0))
        .collect();
    groups.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    groups.truncate(MAX_CANDIDATES);
    groups.into_iter().map(|(_, start)| start - 0.5).collect()
}

/// The longest stretches of rows that nothing crosses the gutter in.
fn bands(rows: &[Row], gutter: f64) -> Vec<Split> {
    let crossed = |row: &Row| row.segments.iter().any(|s| s.start < gutter && s.end > gutter);
    let mut bands = Vec::new();
    let mut first = None;
    for (index, row) in rows.iter().enumerate() {
        match (crossed(row), first) {
            (false, None) => first = Some(index),
            (true, Some(begin)) => {
                bands.push((begin, index - 1));
                first = None;
            }
            _ => {}
        }
    }
    bands.extend(first.map(|begin| (begin, rows.len() - 1)));
    bands
        .into_iter()
        .filter(|(first, last)| last - first + 1 >= MIN_LINES)
        .map(|(first, last)| trim(rows, Split { first, last, gutter }))
        .collect()
}

/// Rows at the ends of a band that stand apart and on one side only are not of it: heads
/// and feet, titles above the columns.
fn trim(rows: &[Row], mut split: Split) -> Split {
    let one_sided = |index: usize| {
        rows.get(index).is_none_or(|row| {
            row.segments.iter().all(|s| s.start < split.gutter)
                || row.segments.iter().all(|s| s.start >= split.gutter)
        })
    };
    let gap = |index: usize| match (rows.get(index), rows.get(index + 1)) {
        (Some(a), Some(b)) => (b.base - a.base) / a.size.max(b.size),
        _ => 0.0,
    };
    while split.first < split.last && one_sided(split.first) && gap(split.first) > 1.8 {
        split.first += 1;
    }
    while split.last > split.first && one_sided(split.last) && gap(split.last - 1) > 1.8 {
        split.last -= 1;
    }
    split
}

/// Columns of prose, and not the cells of a table: enough lines on both sides, beside
/// each other, most of them about as wide as their column.
fn are_columns(rows: &[Row], split: &Split) -> bool {
    let band = rows.get(split.first..=split.last).unwrap_or_default();
    let side = |right: bool| {
        band.iter()
            .flat_map(|row| row.segments.iter().map(move |s| (row.base, s)))
            .filter(|(_, s)| (s.start >= split.gutter) == right)
            .collect::<Vec<_>>()
    };
    let (left, right) = (side(false), side(true));
    is_prose(&left) && is_prose(&right) && overlap(&left, &right)
}

fn is_prose(side: &[(f64, &Segment)]) -> bool {
    if side.len() < MIN_LINES {
        return false;
    }
    let start = side.iter().map(|(_, s)| s.start).fold(f64::INFINITY, f64::min);
    let end = side.iter().map(|(_, s)| s.end).fold(f64::NEG_INFINITY, f64::max);
    let full = side.iter().filter(|(_, s)| s.end - s.start > 0.6 * (end - start)).count();
    let mut widths: Vec<usize> = side.iter().map(|(_, s)| columns_of(&s.text)).collect();
    widths.sort_unstable();
    let median = widths.get(widths.len() / 2).copied().unwrap_or(0);
    full * 2 >= side.len() && median >= 18
}

/// Width in terminal columns, near enough: East Asian characters count twice.
fn columns_of(text: &str) -> usize {
    text.chars()
        .map(|c| if c >= '\u{1100}' && !('\u{2000}'..='\u{2bff}').contains(&c) { 2 } else { 1 })
        .sum()
}

fn overlap(left: &[(f64, &Segment)], right: &[(f64, &Segment)]) -> bool {
    let range = |side: &[(f64, &Segment)]| {
        let top = side.iter().map(|(base, _)| *base).fold(f64::INFINITY, f64::min);
        let bottom = side.iter().map(|(base, _)| *base).fold(f64::NEG_INFINITY, f64::max);
        (top, bottom)
    };
    let ((lt, lb), (rt, rb)) = (range(left), range(right));
    let shared = lb.min(rb) - lt.max(rt);
    shared > 0.5 * (lb - lt).min(rb - rt)
}

fn cut(band: Vec<Row>, gutter: f64) -> (Vec<Row>, Vec<Row>) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for row in band {
        let Row { segments, base, size } = row;
        let (of_left, of_right): (Vec<_>, Vec<_>) =
            segments.into_iter().partition(|s| s.start < gutter);
        for (side, segments) in [(&mut left, of_left), (&mut right, of_right)] {
            if !segments.is_empty() {
                side.push(Row { segments, base, size });
            }
        }
    }
    (left, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(base: f64, parts: &[(f64, f64, &str)]) -> Row {
        let segments = parts
            .iter()
            .map(|(start, end, text)| Segment {
                text: (*text).to_owned(),
                start: *start,
                end: *end,
            })
            .collect();
        Row { segments, base, size: 10.0 }
    }

    fn words(regions: &[Region]) -> Vec<String> {
        regions
            .iter()
            .map(|rows| {
                rows.iter()
                    .flat_map(|r| r.segments.iter().map(|s| s.text.as_str()))
                    .collect::<Vec<_>>()
                    .join("/")
            })
            .collect()
    }

    #[test]
    fn two_columns_under_a_title() {
        let mut rows = vec![row(50.0, &[(100.0, 500.0, "A title that spans both")])];
        for i in 0..6 {
            let y = 100.0 + 12.0 * f64::from(i);
            rows.push(row(
                y,
                &[
                    (50.0, 280.0, "left words that fill the line"),
                    (320.0, 550.0, "right words that fill the line"),
                ],
            ));
        }
        let order = words(&reading_order(rows));
        assert_eq!(order.len(), 3);
        assert!(order[0].starts_with("A title"));
        assert!(order[1].starts_with("left") && !order[1].contains("right"));
        assert!(order[2].starts_with("right"));
    }

    #[test]
    fn columns_with_shifted_lines() {
        let mut rows = Vec::new();
        for i in 0..6 {
            let y = 100.0 + 12.0 * f64::from(i);
            rows.push(row(y, &[(50.0, 280.0, "left words that fill the line")]));
            rows.push(row(y + 6.0, &[(320.0, 550.0, "right words that fill the line")]));
        }
        assert_eq!(reading_order(rows).len(), 2);
    }

    #[test]
    fn a_table_is_read_row_by_row() {
        let rows: Vec<Row> = (0..8)
            .map(|i| {
                row(100.0 + 12.0 * f64::from(i), &[(50.0, 80.0, "12.5"), (320.0, 350.0, "13.7")])
            })
            .collect();
        assert_eq!(reading_order(rows).len(), 1);
    }
}
