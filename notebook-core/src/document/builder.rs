//! Puts a document together, block by block, in canonical form.

use super::normal::{is_tag, normalize_inline, normalize_lines};
use super::{Block, BlockKind, Document, Flag, Page, Span};

const MAX_TITLE: usize = 300;

/// A limit that a document would pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentLimit {
    /// More text than allowed.
    #[error("the text is longer than {max} bytes")]
    Text {
        /// The limit in bytes.
        max: usize,
    },
    /// Pages must rise: each number larger than the one before.
    #[error("page {number} does not follow page {after}")]
    PageOrder {
        /// The page asked for.
        number: u32,
        /// The last page.
        after: u32,
    },
}

/// Collects blocks in reading order and writes them as canonical text.
///
/// White space, line ends and normal form are its business: parsers hand over what
/// they read. Empty blocks are left out.
#[derive(Debug)]
pub struct DocumentBuilder {
    document: Document,
    max_text: usize,
    /// Pages at the end of the list that no block has followed yet.
    open_pages: usize,
}

impl DocumentBuilder {
    /// A builder for at most `max_text` bytes of text.
    #[must_use]
    pub fn new(max_text: usize) -> Self {
        Self { document: Document::default(), max_text, open_pages: 0 }
    }

    /// Bytes of text so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.document.text.len()
    }

    /// Whether there is no text yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.document.text.is_empty()
    }

    /// Whether a title is set.
    #[must_use]
    pub fn has_title(&self) -> bool {
        self.document.title.is_some()
    }

    /// The last character of the text.
    #[must_use]
    pub fn last_char(&self) -> Option<char> {
        self.document.text.chars().next_back()
    }

    /// The kind of the last block.
    #[must_use]
    pub fn last_kind(&self) -> Option<BlockKind> {
        self.document.blocks.last().map(|block| block.kind)
    }

    /// Sets the title, cut to 300 characters; an empty one is ignored.
    pub fn set_title(&mut self, title: &str) {
        let title: String = normalize_inline(title).chars().take(MAX_TITLE).collect();
        if !title.is_empty() {
            self.document.title = Some(title);
        }
    }

    /// Adds a flag unless it is there.
    pub fn flag(&mut self, flag: Flag) {
        if !self.document.flags.contains(&flag) {
            self.document.flags.push(flag);
        }
    }

    /// The blocks that follow stand on page `number`.
    ///
    /// # Errors
    /// [`DocumentLimit::PageOrder`] when `number` is not above the page before.
    pub fn start_page(&mut self, number: u32) -> Result<(), DocumentLimit> {
        let after = self.document.pages.last().map_or(0, |page| page.number);
        if number <= after {
            return Err(DocumentLimit::PageOrder { number, after });
        }
        let at = self.len();
        let span = Span::new(at, at);
        self.document.pages.push(Page { number, span });
        self.open_pages += 1;
        Ok(())
    }

    /// Adds a heading; the level is brought into 1 to 6.
    ///
    /// # Errors
    /// [`DocumentLimit::Text`] when the text grows too long.
    pub fn heading(&mut self, level: u8, text: &str) -> Result<(), DocumentLimit> {
        let level = level.clamp(1, 6);
        self.push(BlockKind::Heading { level }, normalize_inline(text), text)
    }

    /// Adds a paragraph.
    ///
    /// # Errors
    /// [`DocumentLimit::Text`] when the text grows too long.
    pub fn paragraph(&mut self, text: &str) -> Result<(), DocumentLimit> {
        self.push(BlockKind::Paragraph, normalize_inline(text), text)
    }

    /// Adds an item of a list, without its mark.
    ///
    /// # Errors
    /// [`DocumentLimit::Text`] when the text grows too long.
    pub fn list_item(&mut self, text: &str) -> Result<(), DocumentLimit> {
        self.push(BlockKind::ListItem, normalize_inline(text), text)
    }

    /// Adds a caption or note.
    ///
    /// # Errors
    /// [`DocumentLimit::Text`] when the text grows too long.
    pub fn caption(&mut self, text: &str) -> Result<(), DocumentLimit> {
        self.push(BlockKind::Caption, normalize_inline(text), text)
    }

    /// Adds preformatted lines.
    ///
    /// # Errors
    /// [`DocumentLimit::Text`] when the text grows too long.
    pub fn code(&mut self, text: &str) -> Result<(), DocumentLimit> {
        self.push(BlockKind::Code, normalize_lines(text), text)
    }

    /// Adds a row of a table: `a | b | c`, empty cells at the end left out.
    ///
    /// # Errors
    /// [`DocumentLimit::Text`] when the text grows too long.
    pub fn row<I>(&mut self, cells: I) -> Result<(), DocumentLimit>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut line = String::new();
        let mut end = 0;
        for (i, cell) in cells.into_iter().enumerate() {
            if i > 0 {
                line.push_str(" | ");
            }
            let cell = cell.as_ref();
            self.note_hidden(cell);
            line.push_str(&normalize_inline(cell));
            if !line.ends_with(' ') && !line.is_empty() {
                end = line.len();
            }
            if line.len() > self.max_text {
                return Err(DocumentLimit::Text { max: self.max_text });
            }
        }
        line.truncate(end);
        self.push(BlockKind::TableRow, line.trim_start().to_owned(), "")
    }

    /// Continues the last block, which may have begun on the page before: the pages
    /// opened since then start at the continuation. Without a block to go on from, adds
    /// a paragraph.
    ///
    /// # Errors
    /// [`DocumentLimit::Text`] when the text grows too long.
    pub fn continue_block(&mut self, text: &str, separator: &str) -> Result<(), DocumentLimit> {
        if self.document.blocks.is_empty() {
            return self.paragraph(text);
        }
        let line = normalize_inline(text);
        if line.is_empty() {
            return Ok(());
        }
        self.note_hidden(text);
        self.reserve(line.len() + separator.len())?;
        self.document.text.push_str(separator);
        self.place_pages();
        self.document.text.push_str(&line);
        let end = self.len();
        if let Some(block) = self.document.blocks.last_mut() {
            block.span.end = end;
        }
        Ok(())
    }

    /// Continues the last block with further words: a word divided by a hyphen at its
    /// end becomes whole again, else a space stands between.
    ///
    /// # Errors
    /// [`DocumentLimit::Text`] when the text grows too long.
    pub fn continue_words(&mut self, text: &str) -> Result<(), DocumentLimit> {
        let mut ends = self.document.text.chars().rev();
        let divided = matches!(ends.next(), Some('-' | '\u{2010}'))
            && ends.next().is_some_and(char::is_alphabetic)
            && text.trim_start().starts_with(char::is_lowercase);
        if !divided {
            return self.continue_block(text, " ");
        }
        self.document.text.pop();
        self.continue_block(text, "")
    }

    /// The document as built.
    #[must_use]
    pub fn finish(mut self) -> Document {
        self.place_pages();
        let len = self.len();
        let mut end = len;
        for page in self.document.pages.iter_mut().rev() {
            page.span.end = end;
            end = page.span.start;
        }
        self.document
    }

    fn push(&mut self, kind: BlockKind, text: String, raw: &str) -> Result<(), DocumentLimit> {
        if text.is_empty() {
            return Ok(());
        }
        self.note_hidden(raw);
        let separator = self.separator(kind);
        self.reserve(text.len() + separator.len())?;
        self.document.text.push_str(separator);
        self.place_pages();
        let start = self.len();
        self.document.text.push_str(&text);
        let span = Span::new(start, self.len());
        self.document.blocks.push(Block { kind, span });
        Ok(())
    }

    fn separator(&self, kind: BlockKind) -> &'static str {
        match (self.last_kind(), kind) {
            (None, _) => "",
            (Some(BlockKind::ListItem), BlockKind::ListItem)
            | (Some(BlockKind::TableRow), BlockKind::TableRow) => "\n",
            _ => "\n\n",
        }
    }

    fn reserve(&self, more: usize) -> Result<(), DocumentLimit> {
        if self.len().saturating_add(more) > self.max_text {
            return Err(DocumentLimit::Text { max: self.max_text });
        }
        Ok(())
    }

    /// Pages without text start where the next text starts.
    fn place_pages(&mut self) {
        let at = self.len();
        for page in self.document.pages.iter_mut().rev().take(self.open_pages) {
            page.span = Span::new(at, at);
        }
        self.open_pages = 0;
    }

    fn note_hidden(&mut self, raw: &str) {
        // Tag characters start with this byte in UTF-8; few texts hold it.
        if raw.as_bytes().contains(&0xf3) && raw.chars().any(is_tag) {
            self.flag(Flag::InvisibleText);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separates_blocks() {
        let mut b = DocumentBuilder::new(1000);
        b.heading(9, "Title").unwrap();
        b.list_item("one").unwrap();
        b.list_item("two").unwrap();
        b.row(["", "x", "", "y\nz", " ", ""]).unwrap();
        b.row(["1"]).unwrap();
        b.row(["", ""]).unwrap();
        b.code("\n  f()\n    g()\n").unwrap();
        b.paragraph("  ").unwrap();
        let d = b.finish();
        assert_eq!(d.text, "Title\n\none\ntwo\n\n| x |  | y z\n1\n\n  f()\n    g()");
        assert_eq!(d.blocks.len(), 6);
        assert_eq!(d.blocks[0].kind, BlockKind::Heading { level: 6 });
        d.validate().unwrap();
    }

    #[test]
    fn maps_pages() {
        let mut b = DocumentBuilder::new(1000);
        b.start_page(1).unwrap();
        b.paragraph("first and").unwrap();
        b.start_page(2).unwrap();
        b.continue_block("second", " ").unwrap();
        b.start_page(3).unwrap();
        b.start_page(4).unwrap();
        b.paragraph("fourth").unwrap();
        b.start_page(5).unwrap();
        assert!(b.start_page(5).is_err());
        let d = b.finish();
        d.validate().unwrap();
        assert_eq!(d.text, "first and second\n\nfourth");
        let on = |word: &str| d.page_at(d.text.find(word).unwrap());
        assert_eq!(on("first"), Some(1));
        assert_eq!(on("second"), Some(2));
        assert_eq!(on("fourth"), Some(4));
        assert!(d.pages[2].span.is_empty());
        assert!(d.pages[4].span.is_empty());
        assert_eq!(d.page_at(d.text.len() + 1), None);
        assert_eq!(d.block_at(0), Some(0));
        assert_eq!(d.block_at(16), None);
    }

    #[test]
    fn divided_words_become_whole() {
        let mut b = DocumentBuilder::new(100);
        b.paragraph("a divi-").unwrap();
        b.continue_words("ded word and").unwrap();
        b.continue_words("more").unwrap();
        let d = b.finish();
        assert_eq!(d.text, "a divided word and more");
        d.validate().unwrap();
    }

    #[test]
    fn text_is_bounded() {
        let mut b = DocumentBuilder::new(10);
        b.paragraph("12345678").unwrap();
        assert_eq!(b.paragraph("9"), Err(DocumentLimit::Text { max: 10 }));
        assert!(b.continue_block("90", " ").is_err());
        assert!(b.row(["12345678901", "b"]).is_err());
        assert_eq!(b.finish().text, "12345678");
    }

    #[test]
    fn hidden_tags_are_flagged() {
        let mut b = DocumentBuilder::new(100);
        b.paragraph("a\u{e0041}b").unwrap();
        let d = b.finish();
        assert_eq!(d.text, "ab");
        assert_eq!(d.flags, [Flag::InvisibleText]);
    }
}
