//! The body of a document, node by node.

use notebook_core::document::{DocumentBuilder, Flag};

use super::Notes;
use super::styles::{StyleRole, Styles};
use crate::parse::xml::{Node, Tag};
use crate::parse::{FailureCode, Limits, ParseFailure};

/// The paragraph being read.
#[derive(Default)]
struct Paragraph {
    text: String,
    role: Option<StyleRole>,
    listed: bool,
}

/// The row being read; rows of tables inside its cells become part of the cell.
#[derive(Default)]
struct Row {
    cells: Vec<String>,
    cell: String,
    row_depth: usize,
}

pub(super) struct Body<'d> {
    builder: &'d mut DocumentBuilder,
    styles: &'d Styles,
    notes: &'d Notes,
    limits: &'d Limits,
    /// Open paragraphs: text boxes stand inside paragraphs.
    paragraphs: Vec<Paragraph>,
    row: Row,
    tables: usize,
    cited: Vec<String>,
    in_text: bool,
    hidden: bool,
    /// The element that is being left out, and how often it is open.
    skip: Option<(String, usize)>,
}

impl<'d> Body<'d> {
    pub(super) fn new(
        builder: &'d mut DocumentBuilder,
        styles: &'d Styles,
        notes: &'d Notes,
        limits: &'d Limits,
    ) -> Self {
        Self {
            builder,
            styles,
            notes,
            limits,
            paragraphs: Vec::new(),
            row: Row::default(),
            tables: 0,
            cited: Vec::new(),
            in_text: false,
            hidden: false,
            skip: None,
        }
    }

    pub(super) fn node(&mut self, node: Node<'_>) -> Result<(), ParseFailure> {
        match node {
            Node::Start { tag, empty } if self.skip.is_some() => {
                if let Some((name, open)) = &mut self.skip
                    && *name == tag.name()
                    && !empty
                {
                    *open += 1;
                }
                Ok(())
            }
            Node::End(name) if self.skip.is_some() => {
                self.end_skipped(name);
                Ok(())
            }
            Node::Start { tag, empty } => self.start(&tag, empty),
            Node::End(name) => self.end(name),
            Node::Text(text) if self.in_text && self.skip.is_none() => self.push(text),
            Node::Text(_) => Ok(()),
        }
    }

    pub(super) fn finish(mut self) -> Result<(), ParseFailure> {
        while !self.paragraphs.is_empty() {
            self.end_paragraph()?;
        }
        self.end_row()?;
        self.write_notes()
    }

    fn end_skipped(&mut self, name: &str) {
        if let Some((skipped, open)) = &mut self.skip
            && skipped == name
        {
            *open -= 1;
            if *open == 0 {
                self.skip = None;
            }
        }
    }

    fn start(&mut self, tag: &Tag<'_>, empty: bool) -> Result<(), ParseFailure> {
        match tag.name() {
            // Deleted text; what older programs show in place of a drawing.
            name @ ("del" | "moveFrom" | "Fallback" | "pPrChange" | "rPrChange") if !empty => {
                self.skip = Some((name.to_owned(), 1));
            }
            "altChunk" => self.builder.flag(Flag::EmbeddedFile),
            "p" if !empty => self.paragraphs.push(Paragraph::default()),
            "r" => self.hidden = false,
            "t" if !empty => self.in_text = true,
            "tab" if !self.paragraphs.is_empty() => self.push("\t")?,
            "br" | "cr" => self.push("\n")?,
            "noBreakHyphen" => self.push("-")?,
            "vanish" if tag.is_on() => self.hidden = true,
            "tbl" if !empty => self.tables += 1,
            "tr" if !empty => self.row.row_depth += 1,
            "footnoteReference" => self.cite("footnotes", tag),
            "endnoteReference" => self.cite("endnotes", tag),
            _ => self.property(tag),
        }
        Ok(())
    }

    /// Properties of the paragraph.
    fn property(&mut self, tag: &Tag<'_>) {
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        match tag.name() {
            "pStyle" => {
                let style = tag.get("val").unwrap_or_default();
                paragraph.role = paragraph.role.or(self.styles.role(&style));
            }
            "outlineLvl" => {
                let level = tag.get("val").and_then(|level| level.parse::<u8>().ok());
                if let Some(level) = level.filter(|level| *level < 9) {
                    paragraph.role = Some(StyleRole::Heading(level + 1));
                }
            }
            // Number 0 takes the paragraph out of a list.
            "numId" => paragraph.listed = tag.get("val").is_some_and(|id| id != "0"),
            _ => {}
        }
    }

    fn cite(&mut self, kind: &'static str, tag: &Tag<'_>) {
        let note = tag.get("id").and_then(|id| self.notes.get(&(kind, id)));
        self.cited.extend(note.cloned());
    }

    fn push(&mut self, text: &str) -> Result<(), ParseFailure> {
        if self.hidden && !text.trim().is_empty() {
            self.builder.flag(Flag::InvisibleText);
        }
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.text.push_str(text);
            if paragraph.text.len() > self.limits.text_bytes {
                return Err(FailureCode::TooLarge.into());
            }
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), ParseFailure> {
        match name {
            "t" => self.in_text = false,
            "p" => self.end_paragraph()?,
            "tc" if self.row.row_depth == 1 => {
                let cell = std::mem::take(&mut self.row.cell);
                self.row.cells.push(cell);
            }
            "tr" => {
                self.row.row_depth = self.row.row_depth.saturating_sub(1);
                if self.row.row_depth == 0 {
                    self.end_row()?;
                }
            }
            "tbl" => {
                self.tables = self.tables.saturating_sub(1);
                if self.tables == 0 {
                    self.write_notes()?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), ParseFailure> {
        let row = std::mem::take(&mut self.row);
        self.builder.row(row.cells)?;
        Ok(())
    }

    fn end_paragraph(&mut self) -> Result<(), ParseFailure> {
        let Some(paragraph) = self.paragraphs.pop() else { return Ok(()) };
        if self.row.row_depth > 0 {
            return self.add_to_cell(&paragraph.text);
        }
        let text = &paragraph.text;
        match paragraph.role {
            Some(StyleRole::Heading(level)) => self.builder.heading(level, text)?,
            Some(StyleRole::Title) => {
                if !self.builder.has_title() {
                    self.builder.set_title(text);
                }
                self.builder.heading(1, text)?;
            }
            Some(StyleRole::Caption) => self.builder.caption(text)?,
            Some(StyleRole::List) => self.builder.list_item(text)?,
            None if paragraph.listed => self.builder.list_item(text)?,
            None => self.builder.paragraph(text)?,
        }
        if self.paragraphs.is_empty() {
            self.write_notes()?;
        }
        Ok(())
    }

    fn add_to_cell(&mut self, text: &str) -> Result<(), ParseFailure> {
        let cell = &mut self.row.cell;
        if !cell.is_empty() {
            cell.push(' ');
        }
        cell.push_str(text);
        if cell.len() > self.limits.text_bytes {
            return Err(FailureCode::TooLarge.into());
        }
        Ok(())
    }

    /// Notes follow the paragraph or table that refers to them.
    fn write_notes(&mut self) -> Result<(), ParseFailure> {
        for note in std::mem::take(&mut self.cited) {
            self.builder.caption(&note)?;
        }
        Ok(())
    }
}
