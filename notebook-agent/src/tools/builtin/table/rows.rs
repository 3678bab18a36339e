//! Tables out of canonical text (pure): their names, columns and types.

use std::collections::BTreeSet;

use notebook_core::document::{Block, BlockKind, Document};

/// The most columns of a table.
pub(super) const MOST_COLUMNS: usize = 1_000;
/// The longest name of a table or column, in characters.
const LONGEST_NAME: usize = 64;
/// The longest cell, in bytes; what is longer is cut.
pub(super) const LONGEST_CELL: usize = 32 << 10;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Type {
    Integer,
    Real,
    Text,
}

impl Type {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
        }
    }

    /// The narrowest that holds a cell; an empty one is in each.
    fn of(cell: &str) -> Self {
        match cell {
            "" => Self::Integer,
            cell if as_integer(cell).is_some() => Self::Integer,
            cell if as_real(cell).is_some() => Self::Real,
            _ => Self::Text,
        }
    }
}

/// A whole number as people write it: what begins with a zero may be a code.
pub(super) fn as_integer(cell: &str) -> Option<i64> {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let code = digits.len() > 1 && digits.starts_with('0');
    (plain && !code).then(|| cell.parse().ok()).flatten()
}

pub(super) fn as_real(cell: &str) -> Option<f64> {
    // Words that the parser takes for numbers are none.
    let number =
        cell.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    let digits = cell.trim_start_matches(['-', '+']);
    let code = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    (number && !code).then(|| cell.parse().ok()).flatten().filter(|value: &f64| value.is_finite())
}

/// A table of a source.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table<'d> {
    pub(super) name: String,
    pub(super) columns: Vec<(String, Type)>,
    /// How many columns there are more than a table may have.
    pub(super) left_out: usize,
    /// The rows below the names of the columns, as lines of the canonical text.
    rows: Vec<&'d str>,
}

impl<'d> Table<'d> {
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// The cells of each row. A row may have fewer than there are columns.
    pub(super) fn rows(&self) -> impl Iterator<Item = Vec<&'d str>> + '_ {
        self.rows.iter().map(|line| cells(line))
    }
}

/// The tables of a document: the rows below each heading, or all of them.
pub(super) fn tables(document: &Document) -> Vec<Table<'_>> {
    let mut found: Vec<(Option<&str>, Vec<&str>)> = Vec::new();
    for Block { kind, span } in &document.blocks {
        let text = span.of(&document.text).unwrap_or_default();
        match kind {
            BlockKind::Heading { .. } => found.push((Some(text), Vec::new())),
            BlockKind::TableRow => {
                if found.is_empty() {
                    found.push((None, Vec::new()));
                }
                if let Some((_, rows)) = found.last_mut() {
                    rows.push(text);
                }
            }
            _ => {}
        }
    }
    found.retain(|(_, rows)| !rows.is_empty());
    let mut taken = BTreeSet::new();
    found
        .into_iter()
        .map(|(heading, rows)| make(name(heading.unwrap_or("data"), "data", &mut taken), rows))
        .collect()
}

fn make(name: String, mut rows: Vec<&str>) -> Table<'_> {
    let first = rows.first().map(|line| cells(line)).unwrap_or_default();
    let named = is_head(&first) && rows.len() > 1;
    if named {
        rows.remove(0);
    }
    let mut types: Vec<Type> = Vec::new();
    let mut widest = first.len();
    for line in &rows {
        let cells = cells(line);
        widest = widest.max(cells.len());
        for (place, cell) in cells.into_iter().take(MOST_COLUMNS).enumerate() {
            let found = Type::of(cell);
            match types.get_mut(place) {
                Some(known) => *known = (*known).max(found),
                None => types.push(found),
            }
        }
    }
    let head = if named { first } else { Vec::new() };
    types.resize(types.len().max(head.len().min(MOST_COLUMNS)), Type::Text);
    let mut taken = BTreeSet::new();
    let columns = types.into_iter().enumerate().map(|(place, found)| {
        let other = format!("column_{}", place + 1);
        let wanted = head.get(place).copied().unwrap_or_default();
        (self::name(wanted, &other, &mut taken), found)
    });
    let left_out = widest.saturating_sub(MOST_COLUMNS);
    Table { name, columns: columns.collect(), left_out, rows }
}

/// Whether the first row says what the columns are: words, and no numbers.
fn is_head(cells: &[&str]) -> bool {
    let number = |cell: &&str| as_real(cell).is_some() || as_integer(cell).is_some();
    cells.iter().any(|cell| !cell.is_empty()) && !cells.iter().any(number)
}

/// The cells of a row of canonical text. Empty ones at its beginning were made of its white space.
pub(super) fn cells(line: &str) -> Vec<&str> {
    let (empty, line) = match line.strip_prefix('|') {
        Some(rest) => (true, rest.strip_prefix(' ').unwrap_or(rest)),
        None => (false, line),
    };
    let cells = line.split(" | ").map(str::trim);
    if empty { std::iter::once("").chain(cells).collect() } else { cells.collect() }
}

/// A name that none of the others has, whatever the case.
fn name(wanted: &str, other: &str, taken: &mut BTreeSet<String>) -> String {
    let plain: String = wanted
        .chars()
        .map(|c| if c.is_control() || c == '"' { ' ' } else { c })
        .take(LONGEST_NAME)
        .collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let base = match plain.get(.."sqlite_".len()) {
        _ if plain.is_empty() => other.to_owned(),
        // No table of ours may have a name of SQLite's own.
        Some(begin) if begin.eq_ignore_ascii_case("sqlite_") => format!("{other}_{plain}"),
        _ => plain,
    };
    let mut name = base.clone();
    let mut number = 2;
    while !taken.insert(name.to_lowercase()) {
        name = format!("{base}_{number}");
        number += 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use notebook_core::document::DocumentBuilder;

    use super::*;

    #[test]
    fn cells_come_back_as_they_went_in() {
        for row in [
            vec!["a", "b", "c"],
            vec!["", "b", "c"],
            vec!["", "", "c"],
            vec!["a", "", "c"],
            vec!["a", "", "", "d"],
            vec!["one"],
        ] {
            let mut builder = DocumentBuilder::new(1 << 10);
            builder.row(&row).unwrap();
            assert_eq!(cells(&builder.finish().text), row);
        }
    }

    #[test]
    fn types_and_names_are_found() {
        let mut builder = DocumentBuilder::new(1 << 16);
        builder.heading(2, "Sheet \"1\"").unwrap();
        for row in [
            ["Name", "name", "", "Price", "Code", "When"],
            ["pear", "x", "3", "1.5", "007", "2026-01-02"],
            ["fig", "", "-4", "2", "012", "nan"],
        ] {
            builder.row(row).unwrap();
        }
        builder.heading(2, "Numbers").unwrap();
        builder.row(["1", "2"]).unwrap();
        builder.row(["3", "inf"]).unwrap();
        let document = builder.finish();
        let tables = tables(&document);
        assert_eq!(
            tables.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
            ["Sheet 1", "Numbers"]
        );
        let columns: Vec<_> =
            tables[0].columns.iter().map(|(n, t)| (n.as_str(), t.name())).collect();
        assert_eq!(
            columns,
            [
                ("Name", "TEXT"),
                ("name_2", "TEXT"),
                ("column_3", "INTEGER"),
                ("Price", "REAL"),
                ("Code", "TEXT"),
                ("When", "TEXT")
            ]
        );
        let columns: Vec<_> =
            tables[1].columns.iter().map(|(n, t)| (n.as_str(), t.name())).collect();
        assert_eq!(columns, [("column_1", "INTEGER"), ("column_2", "TEXT")]);
        assert_eq!((tables[0].len(), tables[1].len()), (2, 2));
    }
}
