//! Canonical text in segments, with its layout beside it.

use super::{lock, missing};
use crate::{
    Error, ErrorKind, Result, SourceId, TenantId,
    document::{Document, Span},
    sql::{
        Row, Tx, Value,
        codec::{json, number},
        values,
    },
    store::{
        Layout, rules,
        sql::{
            layout::{
                pack_blocks, pack_pages, pack_picture, segments, unpack_blocks, unpack_pages,
                unpack_picture,
            },
            statement::sources as statement,
        },
    },
};

/// How many segments go to the database at once.
const BATCH: usize = 64;

/// Replaces the document of a source and removes its chunks.
pub(super) async fn put(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: SourceId,
    new: &Document,
) -> Result<()> {
    lock(tx, tenant, id).await?;
    tx.execute(statement::DELETE_CHUNKS, values![tenant.as_bytes(), id.as_bytes()]).await?;
    tx.execute(statement::DELETE_DOCUMENT, values![tenant.as_bytes(), id.as_bytes()]).await?;
    let operation = tx.operation;
    let packed = |result: serde_json::Result<String>| {
        result.map_err(|error| Error::new(ErrorKind::Internal, operation).caused_by(error))
    };
    let packed_picture = new.picture.as_ref().map(pack_picture).map(packed).transpose()?;
    tx.execute(
        statement::INSERT_DOCUMENT,
        values![
            tenant.as_bytes(),
            id.as_bytes(),
            number(operation, "text", new.text.len())?,
            new.title,
            packed(pack_pages(&new.pages))?,
            packed(pack_blocks(&new.blocks))?,
            json(operation, &new.flags)?,
            packed_picture,
        ],
    )
    .await?;
    let numbered = |(start, segment)| Ok((number(operation, "text", start)?, segment));
    let all = segments(&new.text).map(numbered).collect::<Result<Vec<(i64, &str)>>>()?;
    for batch in all.chunks(BATCH) {
        let rows = batch.iter().map(|(start, segment)| {
            values![tenant.as_bytes(), id.as_bytes(), *start, *segment].to_vec()
        });
        let rows: Vec<Vec<Value<'_>>> = rows.collect();
        tx.execute_all(statement::INSERT_SEGMENT, statement::INSERT_SEGMENTS, &rows).await?;
    }
    Ok(())
}

/// The document without its text.
pub(super) async fn layout(tx: &mut Tx<'_>, tenant: TenantId, id: SourceId) -> Result<Layout> {
    let operation = tx.operation;
    let values = values![tenant.as_bytes(), id.as_bytes()];
    let found = tx.one(statement::SELECT_LAYOUT, values, |row| read_layout(operation, row)).await?;
    found.ok_or_else(|| missing(tx))?.ok_or_else(|| no_document(tx))
}

/// The whole document.
pub(super) async fn document(tx: &mut Tx<'_>, tenant: TenantId, id: SourceId) -> Result<Document> {
    let Layout { title, text_bytes, pages, blocks, flags, picture } =
        layout(tx, tenant, id).await?;
    let text = read(tx, tenant, id, Span { start: 0, end: text_bytes }).await?;
    let text = text.filter(|text| text.len() == text_bytes);
    let text = text.ok_or_else(|| corrupt(tx.operation, "text"))?;
    Ok(Document { text, title, pages, blocks, flags, picture })
}

/// The text at a span.
pub(super) async fn at(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: SourceId,
    span: Span,
) -> Result<String> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    let length = tx.one(statement::SELECT_LENGTH, values, |row| row.get::<Option<usize>>(0));
    let length = length.await?.ok_or_else(|| missing(tx))?.ok_or_else(|| no_document(tx))?;
    rules::check_span(tx.operation, span, length)?;
    let text = read(tx, tenant, id, span).await?;
    text.ok_or_else(|| rules::invalid_span(tx.operation, span, length))
}

/// Reads the segments that a span within the text touches; `None` when it cuts a character.
async fn read(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: SourceId,
    span: Span,
) -> Result<Option<String>> {
    let operation = tx.operation;
    let start = number(operation, "span", span.start)?;
    let end = number(operation, "span", span.end.max(span.start.saturating_add(1)))?;
    let values = values![tenant.as_bytes(), id.as_bytes(), start, end];
    let mut first = 0;
    let mut text = String::new();
    tx.all(statement::SELECT_SEGMENTS, values, |row| {
        let place: usize = row.get(0)?;
        if text.is_empty() {
            first = place;
        } else if place != first + text.len() {
            return Err(corrupt(operation, "text"));
        }
        text.push_str(row.get(1)?);
        Ok(())
    })
    .await?;
    let range = span.start.checked_sub(first).zip(span.end.checked_sub(first));
    Ok(range.and_then(|(start, end)| keep(text, start, end)))
}

/// Cuts a text down to a range, without a copy where it is kept from its start.
fn keep(mut text: String, start: usize, end: usize) -> Option<String> {
    text.get(start..end)?;
    text.truncate(end);
    if start == 0 { Some(text) } else { text.get(start..).map(str::to_owned) }
}

fn read_layout(operation: &'static str, row: &Row<'_>) -> Result<Option<Layout>> {
    let Some(text_bytes) = row.get(0)? else { return Ok(None) };
    Ok(Some(Layout {
        title: row.get(1)?,
        text_bytes,
        pages: unpack_pages(row.get(2)?).ok_or_else(|| corrupt(operation, "pages"))?,
        blocks: unpack_blocks(row.get(3)?).ok_or_else(|| corrupt(operation, "blocks"))?,
        flags: row.json(4)?,
        picture: row
            .get::<Option<&str>>(5)?
            .map(|json| unpack_picture(json).ok_or_else(|| corrupt(operation, "picture")))
            .transpose()?,
    }))
}

fn no_document(tx: &Tx<'_>) -> Error {
    Error::not_found(tx.operation, "document")
}

fn corrupt(operation: &'static str, what: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, operation)
        .with("what", what)
        .with("fix", "remove the source and add it again")
}
