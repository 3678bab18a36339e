//! Numbers that count the lines in the margin, as proofs, court papers and manuscripts have them:
//! they are not of the text, and read with it they would cut every sentence.

use std::collections::HashSet;

use super::collect::{Direction, Run};

/// Fewer numbers than this in a column are none of lines, when each line has one.
const MIN_LINES: usize = 8;
/// The same when only each fifth or tenth line has one.
const MIN_SPARSE: usize = 4;
/// How far the edges of numbers in one column may be apart, in points.
const ALIGNED: f64 = 1.5;
/// The share of the numbers that have to follow the one above.
const IN_ORDER: f64 = 0.8;
/// The share of the lines that have to begin in the middle of a sentence: those of prose do, the
/// entries of a numbered list or table do not.
const CONTINUED: f64 = 0.2;
/// So many numbers beside nothing count lines: a list or table has something in each.
const MIN_BARE: usize = 3;

/// Columns looked at, the longest first: a page of tables may count in many.
const MAX_CANDIDATES: usize = 16;
/// A page has a left and a right margin.
const MARGINS: usize = 2;

/// Takes the line numbers of a page out of its runs.
pub(super) fn drop_line_numbers(runs: &mut Vec<Run>) {
    for _ in 0..MARGINS {
        let Some(column) = find(runs) else { return };
        let mut index = 0;
        runs.retain(|_| {
            index += 1;
            !column.contains(&(index - 1))
        });
    }
}

/// The indices of the runs of a column of line numbers.
fn find(runs: &[Run]) -> Option<HashSet<usize>> {
    let marks: Vec<(usize, u32)> = runs
        .iter()
        .enumerate()
        .filter(|(_, run)| run.direction == Direction::Right)
        .filter_map(|(index, run)| Some((index, number(&run.text)?)))
        .collect();
    let by_end = columns(runs, &marks, |run| run.end);
    let by_start = columns(runs, &marks, |run| run.start);
    let mut columns: Vec<_> = by_end.into_iter().chain(by_start).collect();
    columns.sort_by_key(|column| std::cmp::Reverse(column.len()));
    columns.truncate(MAX_CANDIDATES);
    let column = columns.into_iter().find(|column| is_margin(runs, column))?;
    let (start, end) = extent(column.iter().filter_map(|(index, _)| runs.get(*index)));
    // Marked numbers stand in the column too, but not on its edge.
    let is_in_column = |run: &Run| run.start < end + ALIGNED && run.end > start - ALIGNED;
    let numbers = marks.into_iter().map(|(index, _)| index);
    Some(numbers.filter(|index| runs.get(*index).is_some_and(is_in_column)).collect())
}

/// From where to where runs reach.
fn extent<'r>(runs: impl Iterator<Item = &'r Run>) -> (f64, f64) {
    runs.fold((f64::INFINITY, f64::NEG_INFINITY), |(start, end), run| {
        (start.min(run.start), end.max(run.end))
    })
}

/// A number of a line: digits, and perhaps a letter or two that are marks of the printer.
fn number(text: &str) -> Option<u32> {
    let digits = text.trim_matches(|c: char| c.is_ascii_alphabetic());
    let is_short = digits.len() <= 4 && text.len() - digits.len() <= 2;
    (is_short && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Numbers above each other, from top to bottom, that count.
fn columns(
    runs: &[Run],
    marks: &[(usize, u32)],
    edge: impl Fn(&Run) -> f64,
) -> Vec<Vec<(usize, u32)>> {
    let edge_of = |(index, _): &(usize, u32)| runs.get(*index).map_or(0.0, &edge);
    let base_of = |(index, _): &(usize, u32)| runs.get(*index).map_or(0.0, |run| run.base);
    let mut marks = marks.to_vec();
    marks.sort_by(|a, b| edge_of(a).total_cmp(&edge_of(b)));
    let groups = marks.chunk_by(|a, b| edge_of(b) - edge_of(a) < ALIGNED);
    groups
        .map(|group| {
            let mut group = group.to_vec();
            group.sort_by(|a, b| base_of(a).total_cmp(&base_of(b)));
            group
        })
        .filter(|group| counts(group))
        .collect()
}

/// Whether the numbers go up by one, or all by five or ten.
fn counts(column: &[(usize, u32)]) -> bool {
    let follow = |step: u32| {
        let pairs = column.windows(2);
        let right =
            pairs.filter(|pair| matches!(pair, [a, b] if a.1.checked_add(step) == Some(b.1)));
        right.count() as f64 >= IN_ORDER * (column.len() - 1) as f64
    };
    (column.len() >= MIN_LINES && follow(1))
        || (column.len() >= MIN_SPARSE && (follow(5) || follow(10)))
}

/// Whether the column stands beside text and not in it, and counts its lines: it goes on beside
/// blank ones, or beside lines that begin in the middle of a sentence.
fn is_margin(runs: &[Run], column: &[(usize, u32)]) -> bool {
    let own: HashSet<usize> = column.iter().map(|(index, _)| *index).collect();
    let numbers: Vec<&Run> = column.iter().filter_map(|(index, _)| runs.get(*index)).collect();
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return false };
    let (start, end) = extent(numbers.iter().copied());
    let beside: Vec<&Run> = runs
        .iter()
        .enumerate()
        .filter(|(index, run)| {
            let within = first.base - run.size < run.base && run.base < last.base + run.size;
            within && !own.contains(index) && run.direction == Direction::Right
        })
        .map(|(_, run)| run)
        .collect();
    let outside =
        beside.iter().all(|run| run.start >= end) || beside.iter().all(|run| run.end <= start);
    let mut bases: Vec<(f64, &Run)> = beside.iter().map(|run| (run.base, *run)).collect();
    bases.sort_by(|a, b| a.0.total_cmp(&b.0));
    let lines = bases.chunk_by(|a, b| b.0 - a.0 < 0.45 * a.1.size);
    let begins: Vec<&str> = lines
        .filter_map(|line| {
            line.iter().map(|(_, run)| *run).min_by(|a, b| a.start.total_cmp(&b.start))
        })
        .map(|run| run.text.as_str())
        .collect();
    let continued = begins.iter().filter(|text| text.starts_with(char::is_lowercase)).count();
    let is_bare = |number: &&&Run| {
        let near = 0.45 * number.size;
        let from = bases.partition_point(|(base, _)| *base <= number.base - near);
        bases.get(from).is_none_or(|(base, _)| *base >= number.base + near)
    };
    let bare = numbers.iter().filter(is_bare).count();
    outside
        && (bare >= MIN_BARE
            || continued >= 3 && continued as f64 >= CONTINUED * begins.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, start: f64, end: f64, line: usize) -> Run {
        Run {
            text: text.to_owned(),
            start,
            end,
            base: 50.0 + 14.5 * line as f64,
            size: 10.5,
            direction: Direction::Right,
            spaced: false,
        }
    }

    /// Ten lines with the given words and numbers.
    fn page(words: &str, number: impl Fn(usize) -> Option<(String, f64, f64)>) -> Vec<Run> {
        let mut runs: Vec<Run> = (0..10).map(|line| run(words, 54.0, 348.0, line)).collect();
        runs.extend((0..10).filter_map(|line| {
            let (text, start, end) = number(line)?;
            Some(run(&text, start, end, line))
        }));
        runs
    }

    fn left(mut runs: Vec<Run>) -> usize {
        drop_line_numbers(&mut runs);
        runs.len()
    }

    const PROSE: &str = "and so the lines of a paragraph go on from one to the next";

    #[test]
    fn numbers_in_either_margin_go() {
        let right = |line: usize| Some(((line + 1).to_string(), 415.0, 425.0));
        let marked = |line: usize| {
            let (text, end) =
                if line == 9 { ("32S".to_owned(), 37.0) } else { ((line + 23).to_string(), 31.0) };
            Some((text, 20.0, end))
        };
        let fifth = |line: usize| {
            line.is_multiple_of(2).then(|| ((line / 2 * 5 + 5).to_string(), 30.0, 40.0))
        };
        assert_eq!(left(page(PROSE, right)), 10);
        assert_eq!(left(page(PROSE, marked)), 10);
        assert_eq!(left(page(PROSE, fifth)), 10);
    }

    #[test]
    fn numbers_of_blank_lines_tell() {
        let mut runs = page("Title", |line| Some(((line + 1).to_string(), 415.0, 425.0)));
        runs.drain(..3);
        assert_eq!(left(runs), 7);
    }

    #[test]
    fn numbers_that_mean_something_stay() {
        let numbered = |line: usize| Some(((line + 1).to_string(), 30.0, 40.0));
        assert_eq!(left(page("Entry of a list or a table", numbered)), 20);
        let measured = |line: usize| Some(((line * line).to_string(), 415.0, 425.0));
        assert_eq!(left(page(PROSE, measured)), 20);
        let within = |line: usize| Some(((line + 1).to_string(), 100.0, 110.0));
        assert_eq!(left(page(PROSE, within)), 20);
        let few = |line: usize| (line < 3).then(|| ((line + 1).to_string(), 415.0, 425.0));
        assert_eq!(left(page(PROSE, few)), 13);
    }
}
