//! A transcript as Markdown (CommonMark with tables and footnotes).
//!
//! Whatever is text stays text: every character that could begin markup is escaped, and so is what a line begins with.

use notebook_core::model::Role;

use super::{
    Note, Transcript, Turn,
    block::{Block, Inline, code_lines},
    moment, place,
};

/// An answer's own headings lie below the document's.
const HEADINGS_BELOW: u8 = 3;

/// The transcript as Markdown.
#[must_use]
pub fn markdown(transcript: &Transcript) -> String {
    let (begun, exported) = (moment(transcript.begun), moment(transcript.exported));
    let mut parts = vec![
        format!("# {}", one_line(&transcript.title)),
        format!("Conversation of {begun}, exported {exported}."),
    ];
    let mut questions = 0;
    for turn in &transcript.turns {
        parts.push(heading(turn, &mut questions));
        parts.push(blocks(&turn.blocks).join("\n"));
        if turn.partial {
            parts.push("*This answer was ended early.*".to_owned());
        }
        parts.extend(turn.notes.iter().map(footnote));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n") + "\n"
}

fn heading(turn: &Turn, questions: &mut usize) -> String {
    let at = moment(turn.at);
    match (turn.role, &turn.model) {
        (Role::User, _) => {
            *questions += 1;
            format!("## Question {questions}\n\n*{at}*")
        }
        (Role::Assistant, None) => format!("### Answer\n\n*{at}*"),
        (Role::Assistant, Some(model)) => format!("### Answer\n\n*{at}*, {}", one_line(model)),
    }
}

fn footnote(note: &Note) -> String {
    let quote: Vec<String> = note
        .quote
        .split('\n')
        .filter(|line| !line.trim().is_empty())
        .map(|line| escape_line(&escape(line.trim())))
        .collect();
    // The lines of a quote stay apart; they belong to the note by their indent.
    let quote = quote.join("\\\n    ");
    format!("[^{}]: {}: “{quote}”", note.number, one_line(&place(note)))
}

/// Text on one line, without markup.
fn one_line(text: &str) -> String {
    escape_line(&escape(&text.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// Text without a character that could be markup within a line.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    let mut before = '\0';
    for (at, c) in text.char_indices() {
        let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
        let markup = match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '#' | '^' | '$'
            | '!' | '{' | '}' => true,
            // Bare addresses become links in many readers.
            ':' => rest.starts_with("//"),
            '.' => before.eq_ignore_ascii_case(&'w') && text.get(..at).is_some_and(ends_in_www),
            _ => false,
        };
        if markup {
            escaped.push('\\');
        }
        match c {
            '\n' => escaped.push(' '),
            c if c.is_control() && c != '\t' => escaped.push('\u{FFFD}'),
            c => escaped.push(c),
        }
        before = c;
    }
    escaped
}

fn ends_in_www(text: &str) -> bool {
    text.len() >= 3 && text.get(text.len() - 3..).is_some_and(|end| end.eq_ignore_ascii_case("www"))
}

/// A line that does not begin a list, a rule or a heading, and does not underline one.
fn escape_line(line: &str) -> String {
    let line = line.trim_start();
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = line.split_at(digits);
    if digits > 0 && rest.starts_with(['.', ')']) {
        return format!("{number}\\{rest}");
    }
    if line.starts_with(['+', '-', '=', ':']) { format!("\\{line}") } else { line.to_owned() }
}

/// Blocks as lines, with an empty one between two blocks.
fn blocks(all: &[Block]) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, each) in all.iter().enumerate() {
        if index > 0 {
            lines.push(String::new());
        }
        if let (Block::List { .. }, Some(Block::List { .. })) =
            (each, index.checked_sub(1).and_then(|before| all.get(before)))
        {
            // Two lists in a row would be one.
            lines.extend(["<!-- -->".to_owned(), String::new()]);
        }
        lines.extend(block(each));
    }
    lines
}

fn block(block: &Block) -> Vec<String> {
    match block {
        Block::Heading { level, text } => {
            let level = usize::from(level.saturating_add(HEADINGS_BELOW).min(6));
            vec![format!("{} {}", "#".repeat(level), paragraph(text).join(" "))]
        }
        Block::Paragraph(text) => {
            let mut lines = paragraph(text);
            let last = lines.len().saturating_sub(1);
            lines.iter_mut().take(last).for_each(|line| line.push('\\'));
            lines
        }
        Block::List { start, items } => list(*start, items),
        Block::Code(code) => {
            let fence = "`".repeat(longest_run(code).max(2) + 1);
            let mut lines = vec![fence.clone()];
            lines.extend(code_lines(code).map(str::to_owned));
            lines.push(fence);
            lines
        }
        Block::Quote(inner) => blocks(inner).iter().map(|line| behind("> ", line)).collect(),
        Block::Table(rows) => table(rows),
        Block::Rule => vec!["---".to_owned()],
    }
}

fn list(start: Option<u64>, items: &[Vec<Block>]) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let mut marker = start.map_or_else(
            || "- ".to_owned(),
            |start| format!("{}. ", start.saturating_add(index as u64).min(999_999_999)),
        );
        let indent = " ".repeat(marker.len());
        let inner = blocks(item);
        if inner.is_empty() {
            lines.push(behind(&marker, ""));
        }
        for line in inner {
            lines.push(behind(&marker, &line));
            marker.clone_from(&indent);
        }
    }
    lines
}

/// A line behind a marker. Blanks that end it are those of code.
fn behind(marker: &str, line: &str) -> String {
    if line.is_empty() { marker.trim_end().to_owned() } else { format!("{marker}{line}") }
}

/// Running text: its lines, none of which begins with markup that it was not.
fn paragraph(text: &[Inline]) -> Vec<String> {
    let text = inlines(text);
    let lines = text.split('\n').map(|line| escape_line(line).trim_end().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

fn inlines(all: &[Inline]) -> String {
    let mut out = String::new();
    for inline in all {
        match inline {
            Inline::Text(text) => {
                // Behind a mark these would make a note or a link of it.
                if out.ends_with(']') && text.starts_with([':', '(']) {
                    out.push('\\');
                }
                out.push_str(&escape(text));
            }
            Inline::Code(code) => out.push_str(&code_span(code)),
            Inline::Emphasis(inner) => stress(&mut out, "*", inner),
            Inline::Strong(inner) => stress(&mut out, "**", inner),
            Inline::Struck(inner) => stress(&mut out, "~~", inner),
            Inline::Link { text, address } => {
                out.push_str(&format!("[{}](<{address}>)", inlines(text)));
            }
            Inline::Break => out.push('\n'),
            Inline::Mark(number) => out.push_str(&format!("[^{number}]")),
        }
    }
    out
}

fn stress(out: &mut String, mark: &str, inner: &[Inline]) {
    let inner = inlines(inner);
    let words = inner.trim();
    if words.is_empty() {
        return out.push_str(&inner);
    }
    let (before, after) = (inner.len() - inner.trim_start().len(), inner.trim_end().len());
    out.push_str(inner.get(..before).unwrap_or_default());
    out.push_str(&format!("{mark}{words}{mark}"));
    out.push_str(inner.get(after..).unwrap_or_default());
}

/// Code in more backticks than it holds.
fn code_span(code: &str) -> String {
    let code = code.replace('\n', " ");
    let ticks = "`".repeat(longest_run(&code) + 1);
    let pad = if code.starts_with('`') || code.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{code}{pad}{ticks}")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn table(rows: &[Vec<Vec<Inline>>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let row = |cells: &[Vec<Inline>]| {
        let cells: Vec<String> =
            (0..columns).map(|index| cell(cells.get(index).map_or(&[], Vec::as_slice))).collect();
        format!("| {} |", cells.join(" | "))
    };
    let mut lines: Vec<String> = rows.iter().map(|cells| row(cells)).collect();
    lines.insert(1.min(lines.len()), format!("|{}", " --- |".repeat(columns)));
    lines
}

/// A cell on one line, without a bar that would end it.
fn cell(text: &[Inline]) -> String {
    let mut out = String::new();
    for c in paragraph(text).join(" ").chars() {
        if c == '|' && !out.ends_with('\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
