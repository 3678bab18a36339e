//! The rows of a region to paragraphs and table rows.

use super::layout::Region;
use super::rows::Row;

/// What a paragraph looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Text,
    Bullet,
    TableRow,
}

/// A paragraph of one page.
#[derive(Debug, Clone)]
pub(super) struct Paragraph {
    pub(super) text: String,
    /// Cells of a table row.
    pub(super) cells: Vec<String>,
    pub(super) look: Look,
    /// Size of the letters in points.
    pub(super) size: f64,
    /// Base line of the first row, in points from the top.
    pub(super) top: f64,
    pub(super) lines: usize,
}

const BULLETS: [char; 12] = [
    '\u{2022}', '\u{25cf}', '\u{25aa}', '\u{25a0}', '\u{25e6}', '\u{2023}', '\u{2043}', '\u{00b7}',
    '\u{25b6}', '\u{2756}', '\u{27a2}', '\u{2713}',
];

pub(super) fn paragraphs(rows: Region) -> Vec<Paragraph> {
    let shape = Shape::of(&rows);
    let mut out: Vec<Paragraph> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        if is_table_row(&rows, index) {
            out.push(table_row(row));
            continue;
        }
        let before = index.checked_sub(1).and_then(|before| rows.get(before));
        let after = rows.get(index + 1);
        match (out.last_mut(), before) {
            (Some(last), Some(before))
                if last.look != Look::TableRow && !shape.breaks(last, before, row, after) =>
            {
                last.lines += 1;
                append(&mut last.text, &text_of(row));
            }
            _ => out.push(begin(row)),
        }
    }
    out
}

/// Two rows or more, one after the other, with wide gaps in them.
fn is_table_row(rows: &[Row], index: usize) -> bool {
    let wide = |index: usize| {
        rows.get(index).is_some_and(|row| {
            row.segments.len() > 1
                && !row.segments.first().is_some_and(|s| {
                    is_bullet(&s.text) || s.text.chars().count() < 2 && row.segments.len() == 2
                })
        })
    };
    wide(index) && (wide(index + 1) || index.checked_sub(1).is_some_and(wide))
}

fn table_row(row: &Row) -> Paragraph {
    Paragraph {
        text: text_of(row),
        cells: row.segments.iter().map(|segment| segment.text.clone()).collect(),
        look: Look::TableRow,
        ..begin(row)
    }
}

fn begin(row: &Row) -> Paragraph {
    let text = text_of(row);
    let rest = text.trim_start_matches(BULLETS).trim_start();
    let bullet = is_bullet(&text) && !rest.is_empty();
    Paragraph {
        text: if bullet { rest.to_owned() } else { text.clone() },
        cells: Vec::new(),
        look: if bullet { Look::Bullet } else { Look::Text },
        size: row.size,
        top: row.base,
        lines: 1,
    }
}

fn is_bullet(text: &str) -> bool {
    text.starts_with(BULLETS)
}

fn text_of(row: &Row) -> String {
    let parts: Vec<&str> = row.segments.iter().map(|segment| segment.text.as_str()).collect();
    parts.join(" ")
}

/// Joins a line to the paragraph: a word divided at the line's end becomes one again;
/// Chinese and Japanese lines join without a space.
pub(super) fn append(text: &mut String, line: &str) {
    let first = line.chars().next();
    let mut ends = text.chars().rev();
    match (ends.next(), ends.next(), first) {
        (Some('-' | '\u{2010}' | '\u{ad}'), Some(letter), Some(next))
            if letter.is_alphabetic() && next.is_lowercase() =>
        {
            text.pop();
        }
        (Some(last), _, Some(next)) if is_spaceless(last) && is_spaceless(next) => {}
        _ => text.push(' '),
    }
    text.push_str(line);
}

/// Scripts written without spaces between words.
fn is_spaceless(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff01}'..='\u{ff60}' | '\u{20000}'..='\u{3ffff}')
}

/// What is usual in a region.
struct Shape {
    left: f64,
    right: f64,
    /// Usual distance of base lines.
    pitch: f64,
}

impl Shape {
    fn of(rows: &[Row]) -> Self {
        let at = |mut values: Vec<f64>, share: f64| {
            values.sort_by(f64::total_cmp);
            let index = (values.len().saturating_sub(1) as f64 * share) as usize;
            values.get(index).copied().unwrap_or(0.0)
        };
        let pitches = rows.windows(2).filter_map(|pair| match pair {
            [a, b] => Some((b.base - a.base) / a.size.max(b.size)),
            _ => None,
        });
        let pitch = at(pitches.filter(|p| (0.8..2.6).contains(p)).collect(), 0.4);
        Self {
            left: at(rows.iter().map(Row::start).collect(), 0.1),
            right: at(rows.iter().map(Row::end).collect(), 0.9),
            pitch: if pitch > 0.0 { pitch } else { 1.2 },
        }
    }

    /// Whether `row` begins a paragraph, after `before` in the paragraph `last`.
    fn breaks(&self, last: &Paragraph, before: &Row, row: &Row, after: Option<&Row>) -> bool {
        let size = before.size.max(row.size);
        let gap = (row.base - before.base) / size;
        if gap > self.pitch * 1.25 + 0.05 || gap < -0.5 {
            return true;
        }
        if row.size / before.size > 1.12 || before.size / row.size > 1.12 {
            return true;
        }
        if row.segments.first().is_some_and(|segment| is_bullet(&segment.text)) {
            return true;
        }
        self.is_indented(before, row, after, last) || self.ended_early(before, row)
    }

    /// The first line of a paragraph is indented and the next is not; a line that only
    /// hangs under a bullet or number is none.
    fn is_indented(&self, before: &Row, row: &Row, after: Option<&Row>, last: &Paragraph) -> bool {
        let step = row.start() - before.start();
        let returns = after.is_none_or(|after| row.start() - after.start() > 0.5 * row.size);
        step > 0.8 * row.size
            && row.start() - self.left < 8.0 * row.size
            && returns
            && last.look != Look::Bullet
    }

    /// The line before stopped well before the margin, at the end of a sentence or
    /// where the next line begins like a new one.
    fn ended_early(&self, before: &Row, row: &Row) -> bool {
        let width = (self.right - self.left).max(1.0);
        let short = (self.right - before.end()) / width;
        let last = before.segments.last().and_then(|s| s.text.chars().last());
        let first = row.segments.first().and_then(|s| s.text.chars().next());
        let stops =
            last.is_some_and(|c| ".!?:;\"\u{201d}\u{bb})\u{3002}\u{ff1f}\u{ff01}".contains(c));
        let starts = first.is_some_and(|c| !c.is_lowercase() && !",.;:)".contains(c));
        (short > 0.15 && stops && starts) || (short > 0.4 && starts)
    }
}

#[cfg(test)]
mod tests {
    use super::append;

    #[test]
    fn divided_words_are_joined() {
        let mut text = "a divi-".to_owned();
        append(&mut text, "ded word");
        append(&mut text, "Next");
        assert_eq!(text, "a divided word Next");
        let mut text = "Anglo-".to_owned();
        append(&mut text, "American");
        assert_eq!(text, "Anglo- American");
        let mut text = "\u{65e5}\u{672c}".to_owned();
        append(&mut text, "\u{8a9e}");
        assert_eq!(text, "\u{65e5}\u{672c}\u{8a9e}");
    }
}
