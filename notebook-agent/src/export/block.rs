//! The model of an answer's text.

/// A part of a text that stands by itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    /// A heading; 1 is the outermost of the answer's own.
    Heading { level: u8, text: Vec<Inline> },
    /// Running text.
    Paragraph(Vec<Inline>),
    /// A list, numbered from `start` if there is one.
    List { start: Option<u64>, items: Vec<Vec<Block>> },
    /// Lines as they are.
    Code(String),
    /// What is quoted.
    Quote(Vec<Block>),
    /// Rows of cells, the first of them the head.
    Table(Vec<Vec<Vec<Inline>>>),
    /// A line across.
    Rule,
}

/// A part of running text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Inline {
    /// Characters, none of which is markup.
    Text(String),
    /// Code within a line.
    Code(String),
    /// Stressed.
    Emphasis(Vec<Inline>),
    /// Stressed more.
    Strong(Vec<Inline>),
    /// No longer valid.
    Struck(Vec<Inline>),
    /// A link to an http or https address.
    Link { text: Vec<Inline>, address: String },
    /// The line ends here.
    Break,
    /// The mark of a note.
    Mark(usize),
}

/// The last running text in these blocks, to put something behind it.
pub(super) fn last_text(blocks: &mut [Block]) -> Option<&mut Vec<Inline>> {
    match blocks.last_mut()? {
        Block::Heading { text, .. } | Block::Paragraph(text) => Some(text),
        Block::List { items, .. } => last_text(items.last_mut()?),
        Block::Quote(inner) => last_text(inner),
        Block::Table(rows) => rows.last_mut()?.last_mut(),
        Block::Code(_) | Block::Rule => None,
    }
}

/// The lines of a block of code.
pub(super) fn code_lines(code: &str) -> impl Iterator<Item = &str> {
    code.strip_suffix('\n').unwrap_or(code).split('\n')
}
