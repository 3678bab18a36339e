//! Presentations: one page to a slide, speaker notes as captions.

use notebook_core::document::{Document, DocumentBuilder};

use super::ooxml::{main_part, read_package, relations};
use super::xml::{Node, Tag, read, read_bytes};
use super::zip::Archive;
use super::{FailureCode, Limits, ParseFailure};

pub(super) fn parse_pptx(bytes: &[u8], limits: &Limits) -> Result<Document, ParseFailure> {
    let mut archive = Archive::open(bytes, limits)?;
    let mut builder = DocumentBuilder::new(limits.text_bytes);
    read_package(&mut archive, &mut builder, limits)?;
    let part = main_part(&mut archive, limits)?;
    let slides = slides(&mut archive, &part, limits)?;
    if slides.len() > limits.pages as usize {
        return Err(FailureCode::TooManyPages.into());
    }
    for (number, name) in (1..).zip(&slides) {
        builder.start_page(number)?;
        let mut slide = Slide::new(&mut builder, false);
        read(archive.stream(name)?, limits, |node| slide.node(node))?;
        slide.finish()?;
        if let Some(notes) = notes(&mut archive, name, limits)? {
            let mut slide = Slide::new(&mut builder, true);
            read(archive.stream(&notes)?, limits, |node| slide.node(node))?;
            slide.finish()?;
        }
    }
    Ok(builder.finish())
}

/// The parts of the slides, in the order of the show.
fn slides(
    archive: &mut Archive<'_>,
    part: &str,
    limits: &Limits,
) -> Result<Vec<String>, ParseFailure> {
    let relations = relations(archive, part, limits)?;
    let bytes = archive.read_small(part)?;
    let mut slides = Vec::new();
    read_bytes(&bytes, limits, |node| {
        if let Node::Start { tag, .. } = node
            && tag.name() == "sldId"
            && let Some(relation) = tag.get_full("r:id").and_then(|id| relations.get(&id))
        {
            slides.push(relation.target.clone());
        }
        Ok(())
    })?;
    Ok(slides)
}

fn notes(
    archive: &mut Archive<'_>,
    slide: &str,
    limits: &Limits,
) -> Result<Option<String>, ParseFailure> {
    let relations = relations(archive, slide, limits)?;
    Ok(relations
        .into_values()
        .find(|relation| relation.kind == "notesSlide")
        .map(|relation| relation.target)
        .filter(|name| archive.contains(name)))
}

/// What a shape holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Title,
    Text,
    /// Slide numbers, dates and footers.
    Furniture,
}

struct Slide<'d> {
    builder: &'d mut DocumentBuilder,
    notes: bool,
    shape: Shape,
    paragraph: String,
    bulleted: bool,
    in_text: bool,
    cells: Vec<String>,
    cell: String,
    in_cell: bool,
    fallback: usize,
}

impl<'d> Slide<'d> {
    fn new(builder: &'d mut DocumentBuilder, notes: bool) -> Self {
        Self {
            builder,
            notes,
            shape: Shape::Text,
            paragraph: String::new(),
            bulleted: false,
            in_text: false,
            cells: Vec::new(),
            cell: String::new(),
            in_cell: false,
            fallback: 0,
        }
    }

    fn node(&mut self, node: Node<'_>) -> Result<(), ParseFailure> {
        match node {
            Node::Start { tag, empty } if tag.name() == "Fallback" && !empty => self.fallback += 1,
            Node::End("Fallback") => self.fallback = self.fallback.saturating_sub(1),
            _ if self.fallback > 0 => {}
            Node::Start { tag, empty } => self.start(&tag, empty),
            Node::End(name) => self.end(name)?,
            Node::Text(text) if self.in_text => self.paragraph.push_str(text),
            Node::Text(_) => {}
        }
        Ok(())
    }

    fn start(&mut self, tag: &Tag<'_>, empty: bool) {
        match tag.name() {
            "sp" | "graphicFrame" => self.shape = Shape::Text,
            "ph" => {
                self.shape = match tag.get("type").as_deref() {
                    Some("title" | "ctrTitle") => Shape::Title,
                    Some("sldNum" | "dt" | "ftr" | "hdr" | "sldImg") => Shape::Furniture,
                    _ => Shape::Text,
                }
            }
            "t" if !empty => self.in_text = true,
            "br" | "tab" => self.paragraph.push(' '),
            "pPr" => self.bulleted = tag.get("lvl").is_some_and(|level| level != "0"),
            "buChar" | "buAutoNum" => self.bulleted = true,
            "buNone" => self.bulleted = false,
            "tc" => self.in_cell = true,
            _ => {}
        }
    }

    fn end(&mut self, name: &str) -> Result<(), ParseFailure> {
        match name {
            "t" => self.in_text = false,
            "p" => self.end_paragraph()?,
            "tc" => {
                self.in_cell = false;
                self.cells.push(std::mem::take(&mut self.cell));
            }
            "tr" => self.builder.row(std::mem::take(&mut self.cells))?,
            _ => {}
        }
        Ok(())
    }

    fn end_paragraph(&mut self) -> Result<(), ParseFailure> {
        let text = std::mem::take(&mut self.paragraph);
        let bulleted = std::mem::take(&mut self.bulleted);
        if self.in_cell {
            self.cell.push_str(&text);
            self.cell.push(' ');
            return Ok(());
        }
        match self.shape {
            Shape::Furniture => {}
            _ if self.notes => self.builder.caption(&text)?,
            Shape::Title => self.builder.heading(2, &text)?,
            Shape::Text if bulleted => self.builder.list_item(&text)?,
            Shape::Text => self.builder.paragraph(&text)?,
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), ParseFailure> {
        self.end_paragraph()?;
        self.builder.row(std::mem::take(&mut self.cells))?;
        Ok(())
    }
}
