//! A transcript as PDF: A4, selectable text, the fonts built in.
//!
//! The fonts are Noto Sans, which has Latin, Greek and Cyrillic. A character that it lacks is shown as U+FFFD, and the
//! document's end says how many there were.

mod flow;
mod font;
mod page;

use notebook_core::{Error, ErrorKind, Result, model::Role};

use self::{
    flow::{Flow, Look},
    font::Shaper,
};
use super::{
    Note, Transcript, Turn,
    block::{Block, Inline, code_lines},
    moment, place,
};

/// The most bytes of text in a PDF: layout keeps all of it in memory.
const MOST_TEXT: usize = 8 << 20;

/// A PDF document.
#[derive(Debug, Clone)]
pub struct Pdf {
    /// The file.
    pub bytes: Vec<u8>,
    /// How many characters the font lacks; each is shown as U+FFFD.
    pub replaced: u64,
}

/// The transcript as PDF.
///
/// # Errors
/// `TooLarge` when it has more than 8 MB of text; `Internal` when the file could not be put together.
pub fn pdf(transcript: &Transcript) -> Result<Pdf> {
    let text: usize = transcript.turns.iter().map(size).sum();
    if text > MOST_TEXT {
        return Err(Error::new(ErrorKind::TooLarge, "export conversation")
            .with("field", "format")
            .with("limit", "8 MB of text in a PDF")
            .with("fix", "choose Markdown, which has no such limit"));
    }
    let mut flow = Flow::new(Shaper::new()?);
    flow.paragraph(Look::TITLE, &[Inline::Text(transcript.title.clone())]);
    let (begun, exported) = (moment(transcript.begun), moment(transcript.exported));
    flow.paragraph(Look::SMALL, &words(format!("Conversation of {begun}, exported {exported}.")));
    let mut questions = 0;
    for turn in &transcript.turns {
        flow.paragraph(Look::HEADING, &words(heading(turn, &mut questions)));
        let by = turn.model.as_ref().filter(|_| turn.role == Role::Assistant);
        let by = by.map(|model| format!(", {model}")).unwrap_or_default();
        flow.paragraph(Look::SMALL, &words(format!("{}{by}", moment(turn.at))));
        blocks(&mut flow, &turn.blocks, 0.0);
        if turn.partial {
            flow.paragraph(Look::SMALL, &words("This answer was ended early.".to_owned()));
        }
        for note in &turn.notes {
            flow.paragraph(Look::NOTE, &words(footnote(note)));
        }
    }
    if flow.replaced() > 0 {
        let said = format!(
            "{} characters are not in this document's font and are shown as \u{FFFD}. The Markdown export has them.",
            flow.replaced()
        );
        flow.paragraph(Look::SMALL.after(18.0), &words(said));
    }
    let replaced = flow.replaced();
    let bytes = page::draw(&transcript.title, flow)?;
    Ok(Pdf { bytes, replaced })
}

fn size(turn: &Turn) -> usize {
    let notes: usize = turn.notes.iter().map(|note| note.quote.len()).sum();
    turn.blocks.iter().map(block_size).sum::<usize>() + notes
}

fn block_size(block: &Block) -> usize {
    match block {
        Block::Heading { text, .. } | Block::Paragraph(text) => text_size(text),
        Block::List { items, .. } => items.iter().flatten().map(block_size).sum(),
        Block::Code(code) => code.len(),
        Block::Quote(inner) => inner.iter().map(block_size).sum(),
        Block::Table(rows) => rows.iter().flatten().map(|cell| text_size(cell)).sum(),
        Block::Rule => 0,
    }
}

fn text_size(text: &[Inline]) -> usize {
    let size = |inline: &Inline| match inline {
        Inline::Text(text) | Inline::Code(text) => text.len(),
        Inline::Emphasis(inner) | Inline::Strong(inner) | Inline::Struck(inner) => text_size(inner),
        Inline::Link { text, address } => text_size(text) + address.len(),
        Inline::Break | Inline::Mark(_) => 1,
    };
    text.iter().map(size).sum()
}

fn words(text: String) -> [Inline; 1] {
    [Inline::Text(text)]
}

fn heading(turn: &Turn, questions: &mut usize) -> String {
    match turn.role {
        Role::User => {
            *questions += 1;
            format!("Question {questions}")
        }
        Role::Assistant => "Answer".to_owned(),
    }
}

fn footnote(note: &Note) -> String {
    let quote = note.quote.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("[{}] {}: “{quote}”", note.number, place(note))
}

/// Blocks, `indent` points from the margin.
fn blocks(flow: &mut Flow, all: &[Block], indent: f32) {
    for block in all {
        match block {
            Block::Heading { text, .. } => flow.paragraph(Look::SUBHEADING.at(indent), text),
            Block::Paragraph(text) => flow.paragraph(Look::BODY.at(indent), text),
            Block::List { start, items } => list(flow, *start, items, indent),
            Block::Code(code) => {
                for line in code_lines(code) {
                    flow.code_line(Look::CODE.at(indent + 12.0), line);
                }
            }
            Block::Quote(inner) => blocks(flow, inner, indent + 14.0),
            Block::Table(rows) => {
                for row in rows {
                    flow.paragraph(Look::CODE.at(indent), &joined(row));
                }
            }
            Block::Rule => flow.rule(indent),
        }
    }
}

/// The cells of a row, with bars between them.
fn joined(row: &[Vec<Inline>]) -> Vec<Inline> {
    let mut line = Vec::new();
    for (index, cell) in row.iter().enumerate() {
        if index > 0 {
            line.push(Inline::Text(" | ".to_owned()));
        }
        line.extend(cell.iter().cloned());
    }
    line
}

fn list(flow: &mut Flow, start: Option<u64>, items: &[Vec<Block>], indent: f32) {
    for (index, item) in items.iter().enumerate() {
        let marker = start.map_or_else(
            || "•".to_owned(),
            |start| format!("{}.", start.saturating_add(index as u64)),
        );
        flow.marker(marker, indent);
        blocks(flow, item, indent + 18.0);
        flow.end_item();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::answer::parse;

    /// The lines of an answer.
    fn lines(answer: &str) -> Vec<String> {
        let mut flow = Flow::new(Shaper::new().unwrap());
        blocks(&mut flow, &parse(answer, &[]), 0.0);
        let text = |line: &flow::Line| line.runs.iter().map(|run| run.text.as_str()).collect();
        flow.lines.iter().map(text).collect()
    }

    #[test]
    fn f2_an_empty_item_has_its_marker() {
        assert_eq!(lines("- a\n-\n- b\n-\n\nafter"), ["• a", "• ", "• b", "• ", "after"]);
        assert_eq!(lines("1.\n2. b\n3.\n"), ["1. ", "2. b", "3. "]);
        assert_eq!(lines("- - x"), ["• ", "• x"]);
        assert_eq!(lines("- ```\n  let\n  ```"), ["• let"]);
    }

    #[test]
    fn f2_code_keeps_its_blanks() {
        let code = "a  b \n\n  c\td   \n   \nend";
        let expected = ["a  b ", "", "  c    d   ", "   ", "end", ""];
        assert_eq!(lines(&format!("```\n{code}\n\n```")), expected);
        // Too long for a line, it is whole.
        let long = "word   ".repeat(60);
        let whole = lines(&format!("```\n{long}\n```"));
        assert!(whole.len() > 2);
        assert_eq!(whole.concat().replace(' ', ""), "word".repeat(60));
        assert_eq!(lines("say `a  b` now"), ["say a  b now"]);
    }
}
