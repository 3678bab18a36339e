//! Word processing documents: headings, lists, tables and notes, as text alone.

mod body;
mod styles;

use std::collections::HashMap;

use notebook_core::document::{Document, DocumentBuilder};

use super::ooxml::{main_part, read_package, relations};
use super::xml::{Node, read, read_bytes};
use super::zip::Archive;
use super::{Limits, ParseFailure};
use body::Body;
use styles::Styles;

/// Longest note kept whole.
const MAX_NOTE: usize = 64 << 10;

/// The body is read as a stream: memory depends on the text, not on the markup.
pub(super) fn parse_docx(bytes: &[u8], limits: &Limits) -> Result<Document, ParseFailure> {
    let mut archive = Archive::open(bytes, limits)?;
    let mut builder = DocumentBuilder::new(limits.text_bytes);
    read_package(&mut archive, &mut builder, limits)?;
    let part = main_part(&mut archive, limits)?;
    let relations = relations(&mut archive, &part, limits)?;
    let related = |kind: &str| {
        relations
            .values()
            .find(|relation| relation.kind == kind)
            .map(|relation| relation.target.clone())
    };
    let styles = match related("styles").filter(|name| archive.contains(name)) {
        Some(name) => Styles::read(&archive.read_small(&name)?, limits)?,
        None => Styles::default(),
    };
    let mut notes = HashMap::new();
    for kind in ["footnotes", "endnotes"] {
        if let Some(name) = related(kind).filter(|name| archive.contains(name)) {
            read_notes(&archive.read_small(&name)?, kind, limits, &mut notes)?;
        }
    }
    let mut body = Body::new(&mut builder, &styles, &notes, limits);
    read(archive.stream(&part)?, limits, |node| body.node(node))?;
    body.finish()?;
    Ok(builder.finish())
}

/// Foot- and endnotes by kind and id.
type Notes = HashMap<(&'static str, String), String>;

fn read_notes(
    bytes: &[u8],
    kind: &'static str,
    limits: &Limits,
    notes: &mut Notes,
) -> Result<(), ParseFailure> {
    let mut current: Option<String> = None;
    let (mut text, mut in_text) = (String::new(), false);
    read_bytes(bytes, limits, |node| {
        match node {
            Node::Start { tag, empty } => match tag.name() {
                // Separators between text and notes have a type.
                "footnote" | "endnote" if tag.get("type").is_none() => current = tag.get("id"),
                "t" => in_text = !empty,
                "p" | "tab" | "br" => text.push(' '),
                _ => {}
            },
            Node::End("footnote" | "endnote") => {
                let text = std::mem::take(&mut text);
                if let Some(id) = current.take() {
                    notes.insert((kind, id), text.trim().to_owned());
                }
            }
            Node::End("t") => in_text = false,
            Node::Text(part) if in_text && text.len() < MAX_NOTE => text.push_str(part),
            _ => {}
        }
        Ok(())
    })
}
