//! The rows of chunks.

use std::collections::{BTreeMap, HashMap};

use super::{exists, lock};
use crate::{
    Result, SourceId, TenantId,
    document::Span,
    model::{Chunk, ChunkKey},
    sql::{
        self, Row, Tx, Value,
        codec::{json, number},
        values,
    },
    store::{rules, sql::statement::sources as statement},
};

/// How many chunks go to the database at once.
const BATCH: usize = 500;

/// Stores chunks, in place of those with their keys.
pub(super) async fn put(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: SourceId,
    chunks: &[Chunk],
) -> Result<()> {
    lock(tx, tenant, id).await?;
    // Of two with one key the last counts.
    let chunks: BTreeMap<u32, &Chunk> =
        chunks.iter().map(|chunk| (chunk.key.ordinal, chunk)).collect();
    let chunks: Vec<&Chunk> = chunks.into_values().collect();
    for batch in chunks.chunks(BATCH) {
        let encode = |chunk: &&Chunk| {
            let start = number(tx.operation, "span.start", chunk.span.start)?;
            let end = number(tx.operation, "span.end", chunk.span.end)?;
            Ok((start, end, json(tx.operation, &chunk.headings)?))
        };
        let encoded = batch.iter().map(encode).collect::<Result<Vec<_>>>()?;
        let rows = batch.iter().zip(&encoded).map(|(chunk, (start, end, headings))| {
            values![
                tenant.as_bytes(),
                chunk.key.source.as_bytes(),
                chunk.key.ordinal,
                *start,
                *end,
                chunk.page,
                *headings,
                chunk.tokens,
                chunk.text,
            ]
            .to_vec()
        });
        let rows: Vec<Vec<Value<'_>>> = rows.collect();
        tx.execute_all(statement::UPSERT_CHUNK, statement::UPSERT_CHUNKS, &rows).await?;
    }
    Ok(())
}

/// Chunks of a source with ordinals from `from`, in order.
pub(super) async fn list(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: SourceId,
    from: u32,
    limit: usize,
) -> Result<Vec<Chunk>> {
    exists(tx, tenant, id).await?;
    let values = values![tenant.as_bytes(), id.as_bytes(), from, sql::limit(limit)];
    tx.all(statement::LIST_CHUNKS, values, read).await
}

/// The visible chunks with these keys, in the order of the keys.
pub(super) async fn by_key(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    keys: &[ChunkKey],
) -> Result<Vec<Chunk>> {
    let mut visible: HashMap<SourceId, bool> = HashMap::new();
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let is_visible = match visible.get(&key.source) {
            Some(known) => *known,
            None => {
                let values = values![tenant.as_bytes(), key.source.as_bytes()];
                let stage = tx.one(statement::SELECT_STAGE, values, |row| row.name(0)).await?;
                *visible.entry(key.source).or_insert(stage.is_some_and(rules::is_visible))
            }
        };
        if is_visible {
            let values = values![tenant.as_bytes(), key.source.as_bytes(), key.ordinal];
            found.extend(tx.one(statement::SELECT_CHUNK, values, read).await?);
        }
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Chunk> {
    Ok(Chunk {
        key: ChunkKey { source: row.id(0, SourceId::from_u128)?, ordinal: row.get(1)? },
        span: Span { start: row.get(2)?, end: row.get(3)? },
        page: row.get(4)?,
        headings: row.json(5)?,
        tokens: row.get(6)?,
        text: row.get(7)?,
    })
}
