//! The rows of chunks.

use std::collections::HashMap;

use rusqlite::params;

use crate::{
    Result, SourceId, TenantId,
    document::Span,
    model::{Chunk, ChunkKey},
    sqlite::{Row, Tx},
    store::{
        rules,
        sql::{
            self,
            codec::{json, number},
            sources as statement,
        },
    },
};

/// Stores a chunk, in place of one with its key.
pub(super) fn upsert(tx: &Tx<'_>, tenant: TenantId, chunk: &Chunk) -> Result<()> {
    let params = params![
        tenant.as_bytes(),
        chunk.key.source.as_bytes(),
        chunk.key.ordinal,
        number(tx.operation, "span.start", chunk.span.start)?,
        number(tx.operation, "span.end", chunk.span.end)?,
        chunk.page,
        json(tx.operation, &chunk.headings)?,
        chunk.tokens,
        chunk.text,
    ];
    tx.execute(statement::UPSERT_CHUNK, params).map(drop)
}

/// Chunks of a source with ordinals from `from`, in order.
pub(super) fn list(
    tx: &Tx<'_>,
    tenant: TenantId,
    id: SourceId,
    from: u32,
    limit: usize,
) -> Result<Vec<Chunk>> {
    let params = params![tenant.as_bytes(), id.as_bytes(), from, sql::limit(limit)];
    tx.all(statement::LIST_CHUNKS, params, read)
}

/// The visible chunks with these keys, in the order of the keys.
pub(super) fn by_key(tx: &Tx<'_>, tenant: TenantId, keys: &[ChunkKey]) -> Result<Vec<Chunk>> {
    let mut visible: HashMap<SourceId, bool> = HashMap::new();
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let is_visible = match visible.get(&key.source) {
            Some(known) => *known,
            None => {
                let params = params![tenant.as_bytes(), key.source.as_bytes()];
                let stage = tx.one(statement::SELECT_STAGE, params, |row| row.name(0))?;
                *visible.entry(key.source).or_insert(stage.is_some_and(rules::is_visible))
            }
        };
        if is_visible {
            let params = params![tenant.as_bytes(), key.source.as_bytes(), key.ordinal];
            found.extend(tx.one(statement::SELECT_CHUNK, params, read)?);
        }
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Chunk> {
    Ok(Chunk {
        key: ChunkKey { source: row.id(0, SourceId::from_u128)?, ordinal: row.unsigned(1)? },
        span: Span { start: row.unsigned(2)?, end: row.unsigned(3)? },
        page: row.optional(4)?,
        headings: row.json(5)?,
        tokens: row.unsigned(6)?,
        text: row.get(7)?,
    })
}
