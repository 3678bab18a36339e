//! Comma-separated values.

use notebook_core::document::{Document, DocumentBuilder, Flag};

use super::decode::decode;
use super::{Limits, ParseFailure};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
const SAMPLE_LINES: usize = 20;

/// One table row to a record. Cells stay the text they are: nothing is computed.
pub(super) fn parse_csv(bytes: &[u8], limits: &Limits) -> Result<Document, ParseFailure> {
    let decoded = decode(bytes, None);
    let mut builder = DocumentBuilder::new(limits.text_bytes);
    decoded.flag.into_iter().for_each(|flag| builder.flag(flag));
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(sniff_delimiter(&decoded.text))
        .from_reader(decoded.text.as_bytes());
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(ParseFailure::damaged)? {
        if record.iter().any(is_formula) {
            builder.flag(Flag::FormulaCells);
        }
        builder.row(record.iter())?;
    }
    Ok(builder.finish())
}

/// A cell that a spreadsheet program would compute or run. A signed number is none.
pub(super) fn is_formula(cell: &str) -> bool {
    match cell.as_bytes().first() {
        Some(b'=' | b'@') => cell.len() > 1,
        Some(b'+' | b'-') => {
            cell.len() > 1 && cell.replace([',', ' ', '%'], "").parse::<f64>().is_err()
        }
        _ => false,
    }
}

/// The delimiter that stands in most of the first lines, and most evenly.
fn sniff_delimiter(text: &str) -> u8 {
    let score = |delimiter: u8| {
        let counts: Vec<usize> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .take(SAMPLE_LINES)
            .map(|line| count_outside_quotes(line, delimiter))
            .collect();
        let first = counts.first().copied().unwrap_or(0);
        let even = counts.iter().filter(|count| **count == first && first > 0).count();
        (even, first)
    };
    DELIMITERS.into_iter().rev().max_by_key(|delimiter| score(*delimiter)).unwrap_or(b',')
}

fn count_outside_quotes(line: &str, delimiter: u8) -> usize {
    let mut quoted = false;
    line.bytes()
        .filter(|byte| {
            quoted ^= *byte == b'"';
            !quoted && *byte == delimiter
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(csv: &str) -> String {
        let d = parse_csv(csv.as_bytes(), &Limits::default()).unwrap();
        d.validate().unwrap();
        d.text
    }

    #[test]
    fn finds_the_delimiter() {
        assert_eq!(text("a,b\n1,2\n"), "a | b\n1 | 2");
        assert_eq!(text("a;b\n1,5;2\n3,5;4\n"), "a | b\n1,5 | 2\n3,5 | 4");
        assert_eq!(text("a\tb c\n1\t2, 3\n"), "a | b c\n1 | 2, 3");
        assert_eq!(text("only\nlines\n"), "only\nlines");
    }

    #[test]
    fn quotes_and_ragged_rows() {
        assert_eq!(text("\"a, b\",c\n\"x\ny\"\n1,2,3\n"), "a, b | c\nx y\n1 | 2 | 3");
    }

    /// U33: formula cells stay text and are flagged.
    #[test]
    fn u33_formulas_are_text() {
        let bytes = b"name,sum\nx,\"=HYPERLINK(\"\"http://a.example\"\")\"\n";
        let d = parse_csv(bytes, &Limits::default()).unwrap();
        assert!(d.text.contains("x | =HYPERLINK(\"http://a.example\")"));
        assert_eq!(d.flags, [Flag::FormulaCells]);
        assert!(is_formula("+1+cmd|' /C calc'!A0") && is_formula("@SUM(A1)") && is_formula("-x"));
        assert!(
            !is_formula("-1,200.5")
                && !is_formula("+3 %")
                && !is_formula("-")
                && !is_formula("a=b")
        );
    }
}
