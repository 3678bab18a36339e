//! Plain text and source code.

use notebook_core::document::{Document, DocumentBuilder};

use super::decode::decode;
use super::{Limits, ParseFailure};

/// Paragraphs are separated by blank lines; lists and indented lines keep their lines.
pub(super) fn parse_text(bytes: &[u8], limits: &Limits) -> Result<Document, ParseFailure> {
    let decoded = decode(bytes, None);
    let mut builder = DocumentBuilder::new(limits.text_bytes);
    decoded.flag.into_iter().for_each(|flag| builder.flag(flag));
    let mut paragraph = String::new();
    for line in lines(&decoded.text) {
        let line = line.trim();
        if line.is_empty() {
            flush(&mut builder, &mut paragraph)?;
        } else if let Some(item) = list_item(line) {
            flush(&mut builder, &mut paragraph)?;
            builder.list_item(item)?;
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line);
        }
    }
    flush(&mut builder, &mut paragraph)?;
    Ok(builder.finish())
}

fn flush(builder: &mut DocumentBuilder, paragraph: &mut String) -> Result<(), ParseFailure> {
    builder.paragraph(paragraph)?;
    paragraph.clear();
    Ok(())
}

/// Splits at any line end, form feeds included.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'])
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// A bullet. Numbers and dashes begin prose and dialogue too often to be taken for marks.
fn list_item(line: &str) -> Option<&str> {
    let rest = line.strip_prefix(['\u{2022}', '\u{25e6}', '\u{25aa}', '*'])?;
    rest.strip_prefix([' ', '\t']).map(str::trim)
}

/// Source code and configuration: one block to each run of lines between blank lines,
/// so that a chunk can be cut there; every line kept as it is.
pub(super) fn parse_code(bytes: &[u8], limits: &Limits) -> Result<Document, ParseFailure> {
    let decoded = decode(bytes, None);
    let mut builder = DocumentBuilder::new(limits.text_bytes);
    decoded.flag.into_iter().for_each(|flag| builder.flag(flag));
    let mut block = String::new();
    for line in lines(&decoded.text) {
        if line.trim().is_empty() {
            builder.code(&block)?;
            block.clear();
        } else {
            block.push_str(line);
            block.push('\n');
        }
    }
    builder.code(&block)?;
    Ok(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use notebook_core::document::BlockKind;

    #[test]
    fn joins_lines_into_paragraphs() {
        let d = parse_text(b"one\r\ntwo\r\n\r\nthree\rfour\n\n\n* a\n* b\n", &Limits::default())
            .unwrap();
        assert_eq!(d.text, "one two\n\nthree four\n\na\nb");
        assert_eq!(d.blocks[3].kind, BlockKind::ListItem);
        d.validate().unwrap();
    }

    #[test]
    fn code_keeps_lines() {
        let d = parse_code(b"def f():\n\treturn 1\n\n\nf()  \n", &Limits::default()).unwrap();
        assert_eq!(d.text, "def f():\n\treturn 1\n\nf()");
        assert_eq!(d.blocks.len(), 2);
        d.validate().unwrap();
    }

    #[test]
    fn text_limit_holds() {
        let limits = Limits { text_bytes: 10, ..Limits::default() };
        let failure = parse_text(b"far more than ten bytes", &limits).unwrap_err();
        assert_eq!(failure.code.as_str(), "too_large");
    }
}
