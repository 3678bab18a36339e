//! Canonical text in segments, with its layout beside it.

use rusqlite::params;

use super::{exists, missing};
use crate::{
    Error, ErrorKind, Result, SourceId, TenantId,
    document::{Document, Span},
    sqlite::{Row, Tx},
    store::{
        Layout, rules,
        sql::{
            codec::{json, number},
            layout::{pack_blocks, pack_pages, segments, unpack_blocks, unpack_pages},
            sources as statement,
        },
    },
};

/// Replaces the document of a source and removes its chunks.
pub(super) fn put(tx: &Tx<'_>, tenant: TenantId, id: SourceId, new: &Document) -> Result<()> {
    exists(tx, tenant, id)?;
    tx.execute(statement::DELETE_CHUNKS, params![tenant.as_bytes(), id.as_bytes()])?;
    tx.execute(statement::DELETE_DOCUMENT, params![tenant.as_bytes(), id.as_bytes()])?;
    let packed = |result: serde_json::Result<String>| {
        result.map_err(|error| Error::new(ErrorKind::Internal, tx.operation).caused_by(error))
    };
    tx.execute(
        statement::INSERT_DOCUMENT,
        params![
            tenant.as_bytes(),
            id.as_bytes(),
            number(tx.operation, "text", new.text.len())?,
            new.title,
            packed(pack_pages(&new.pages))?,
            packed(pack_blocks(&new.blocks))?,
            json(tx.operation, &new.flags)?,
        ],
    )?;
    for (start, segment) in segments(&new.text) {
        let start = number(tx.operation, "text", start)?;
        let params = params![tenant.as_bytes(), id.as_bytes(), start, segment];
        tx.execute(statement::INSERT_SEGMENT, params)?;
    }
    Ok(())
}

/// The document without its text.
pub(super) fn layout(tx: &Tx<'_>, tenant: TenantId, id: SourceId) -> Result<Layout> {
    let params = params![tenant.as_bytes(), id.as_bytes()];
    tx.one(statement::SELECT_LAYOUT, params, |row| read_layout(tx, row))?
        .ok_or_else(|| missing(tx))?
        .ok_or_else(|| no_document(tx))
}

/// The whole document.
pub(super) fn document(tx: &Tx<'_>, tenant: TenantId, id: SourceId) -> Result<Document> {
    let Layout { title, text_bytes, pages, blocks, flags } = layout(tx, tenant, id)?;
    let text = read(tx, tenant, id, Span { start: 0, end: text_bytes })?;
    let text = text.filter(|text| text.len() == text_bytes).ok_or_else(|| corrupt(tx, "text"))?;
    Ok(Document { text, title, pages, blocks, flags })
}

/// The text at a span.
pub(super) fn at(tx: &Tx<'_>, tenant: TenantId, id: SourceId, span: Span) -> Result<String> {
    let params = params![tenant.as_bytes(), id.as_bytes()];
    let text_bytes = tx
        .one(statement::SELECT_LENGTH, params, |row| row.optional::<usize>(0))?
        .ok_or_else(|| missing(tx))?
        .ok_or_else(|| no_document(tx))?;
    rules::check_span(tx.operation, span, text_bytes)?;
    read(tx, tenant, id, span)?.ok_or_else(|| rules::invalid_span(tx.operation, span, text_bytes))
}

/// Reads the segments that a span within the text touches; `None` when it cuts a character.
fn read(tx: &Tx<'_>, tenant: TenantId, id: SourceId, span: Span) -> Result<Option<String>> {
    let start = number(tx.operation, "span", span.start)?;
    let end = number(tx.operation, "span", span.end.max(span.start.saturating_add(1)))?;
    let params = params![tenant.as_bytes(), id.as_bytes(), start, end];
    let mut first = 0;
    let mut text = String::new();
    tx.all(statement::SELECT_SEGMENTS, params, |row| {
        let place: usize = row.unsigned(0)?;
        if text.is_empty() {
            first = place;
        } else if place != first + text.len() {
            return Err(corrupt(tx, "text"));
        }
        text.push_str(row.text(1)?);
        Ok(())
    })?;
    let range = span.start.checked_sub(first).zip(span.end.checked_sub(first));
    Ok(range.and_then(|(start, end)| keep(text, start, end)))
}

/// Cuts a text down to a range, without a copy where it is kept from its start.
fn keep(mut text: String, start: usize, end: usize) -> Option<String> {
    text.get(start..end)?;
    text.truncate(end);
    if start == 0 { Some(text) } else { text.get(start..).map(str::to_owned) }
}

fn read_layout(tx: &Tx<'_>, row: &Row<'_>) -> Result<Option<Layout>> {
    let Some(text_bytes) = row.optional(0)? else { return Ok(None) };
    Ok(Some(Layout {
        title: row.get(1)?,
        text_bytes,
        pages: unpack_pages(row.text(2)?).ok_or_else(|| corrupt(tx, "pages"))?,
        blocks: unpack_blocks(row.text(3)?).ok_or_else(|| corrupt(tx, "blocks"))?,
        flags: row.json(4)?,
    }))
}

fn no_document(tx: &Tx<'_>) -> Error {
    Error::not_found(tx.operation, "document")
}

fn corrupt(tx: &Tx<'_>, what: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, tx.operation)
        .with("what", what)
        .with("fix", "remove the source and add it again")
}
