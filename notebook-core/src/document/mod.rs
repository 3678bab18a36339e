//! What every format becomes: canonical UTF-8 text with a map to pages and blocks.
//!
//! All positions in the system are byte offsets into [`Document::text`], on
//! character boundaries. The text is made once, by a parser, and never changes
//! afterwards: a citation is a [`Span`] of it.
//!
//! ```
//! use notebook_core::document::{BlockKind, DocumentBuilder};
//!
//! let mut builder = DocumentBuilder::new(1 << 20);
//! builder.start_page(1)?;
//! builder.heading(1, "Bees")?;
//! builder.paragraph("Bees  dance\nto tell where the food is.")?;
//! let document = builder.finish();
//! assert_eq!(document.text, "Bees\n\nBees dance to tell where the food is.");
//! assert_eq!(document.blocks[1].kind, BlockKind::Paragraph);
//! assert_eq!(document.page_at(10), Some(1));
//! document.validate()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod flag;
mod kind;
mod normal;
mod picture;
mod validate;

use serde::{Deserialize, Serialize};

pub use builder::{DocumentBuilder, DocumentLimit};
pub use flag::Flag;
pub use kind::{Medium, SourceKind, UnknownSourceKind};
pub use normal::{normalize_inline, normalize_lines};
pub use picture::{Area, PictureMap, PlacedWord};
pub use validate::InvalidDocument;

/// A byte range in canonical text, half open, on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// A span from `start` to `end`, in bytes.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Length in bytes; 0 when the ends are the wrong way round.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether the span holds nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the byte at `offset` lies in the span.
    #[must_use]
    pub const fn contains(&self, offset: usize) -> bool {
        self.start <= offset && offset < self.end
    }

    /// Whether `other` lies wholly in this span.
    #[must_use]
    pub const fn covers(&self, other: &Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The text at the span, or none when it is out of range or cuts a character.
    #[must_use]
    pub fn of<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.get(self.start..self.end)
    }
}

/// A page, slide or other numbered part of the source. Those of a recording are the seconds in which a part begins,
/// counted from 1 ([`SourceKind::part`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// 1-based number, as a reader counts.
    pub number: u32,
    /// The page's text, up to the start of the next page. Empty for a page without text.
    pub span: Span,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum BlockKind {
    /// A heading; `level` 1 is the outermost, 6 the innermost.
    Heading {
        /// From 1 to 6.
        level: u8,
    },
    /// Running text, in one line of the canonical text.
    Paragraph,
    /// One item of a list, in one line.
    ListItem,
    /// One row of a table, in one line, its cells joined by ` | `.
    TableRow,
    /// Preformatted lines, leading spaces kept.
    Code,
    /// A caption or a note to a figure, table or slide.
    Caption,
}

/// A block of the text. Blocks are in order, do not overlap, and hold every byte
/// of the text that is not white space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What the block is.
    pub kind: BlockKind,
    /// Where it stands in the text.
    pub span: Span,
}

/// A source as canonical text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Document {
    /// Canonical text: NFC; no control characters but `\n` and `\t`; no spaces at the
    /// ends of lines; paragraphs separated by one blank line.
    pub text: String,
    /// The title that the source gives itself.
    pub title: Option<String>,
    /// In rising order of number and place; empty for formats without pages.
    pub pages: Vec<Page>,
    /// In order of place.
    pub blocks: Vec<Block>,
    /// Each at most once.
    pub flags: Vec<Flag>,
    /// Where the words stand in the picture that the text was recognised in; none where it was not, or where that was
    /// read before places were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<PictureMap>,
}

impl Document {
    /// The number of the page that holds the byte at `offset`; none before the first
    /// page or when the source has no pages. The end of the text counts as the last page.
    #[must_use]
    pub fn page_at(&self, offset: usize) -> Option<u32> {
        let after = self.pages.partition_point(|page| page.span.start <= offset);
        let page = self.pages.get(after.checked_sub(1)?)?;
        (offset <= page.span.end).then_some(page.number)
    }

    /// The index of the block that holds the byte at `offset`.
    #[must_use]
    pub fn block_at(&self, offset: usize) -> Option<usize> {
        let after = self.blocks.partition_point(|block| block.span.start <= offset);
        let index = after.checked_sub(1)?;
        self.blocks.get(index)?.span.contains(offset).then_some(index)
    }

    /// Checks what the rest of the system relies on: spans inside the text, on character
    /// boundaries, in order, not overlapping; every byte that is not white space in a
    /// block; one line to a table row; no control characters; words within their picture.
    ///
    /// # Errors
    /// The first rule that does not hold. Used on what comes from a parser process,
    /// which is not trusted.
    pub fn validate(&self) -> Result<(), InvalidDocument> {
        validate::validate(self)
    }
}
