//! Canonical text of a source, with the map to its pages and blocks.

use serde::{Deserialize, Serialize};

/// A byte range in canonical text, on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What a source was recognised as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceKind {
    /// PDF.
    Pdf,
    /// Word.
    Docx,
    /// PowerPoint.
    Pptx,
    /// Excel.
    Xlsx,
    /// Comma- or otherwise separated values.
    Csv,
    /// EPUB.
    Epub,
    /// HTML.
    Html,
    /// Markdown.
    Markdown,
    /// Plain text.
    Text,
    /// Source code.
    Code,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// From 1.
    pub number: u32,
    /// Its text.
    pub span: Span,
}

/// One paragraph, heading, row or other unit of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its text.
    pub span: Span,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum BlockKind {
    /// A heading.
    Heading {
        /// From 1.
        level: u8,
    },
    /// A paragraph.
    Paragraph,
    /// An item of a list.
    ListItem,
    /// A row of a table, one line.
    TableRow,
    /// Preformatted text.
    Code,
    /// The caption of a figure or table.
    Caption,
}

/// Something that parsing noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "flag")]
#[non_exhaustive]
pub enum Flag {
    /// Holds an embedded file, which was ignored.
    EmbeddedFile,
}

/// Canonical text with its pages and blocks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Document {
    /// The text that the rest of the system knows.
    pub text: String,
    /// Title found in the file.
    pub title: Option<String>,
    /// Pages in order; empty for formats without pages.
    pub pages: Vec<Page>,
    /// Blocks in order, not overlapping.
    pub blocks: Vec<Block>,
    /// What parsing noticed.
    pub flags: Vec<Flag>,
}
