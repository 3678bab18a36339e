//! The rows of vectors: 32-bit floats, little-endian.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{exists, lock};
use crate::{
    Error, ErrorKind, Result, SourceId, TenantId, TenantScope,
    sql::{self, Row, Tx, Value, values},
    store::{
        Embedding, EmbeddingStore, rules,
        sql::{SqlStore, statement::sources as statement},
    },
    vector::VectorSpace,
};

/// How many vectors go to the database at once.
const BATCH: usize = 500;

#[async_trait]
impl EmbeddingStore for SqlStore {
    async fn put_embeddings(
        &self,
        scope: &TenantScope,
        id: SourceId,
        space: &VectorSpace,
        vectors: Vec<Embedding>,
    ) -> Result<()> {
        const OPERATION: &str = "store vectors";
        rules::check_embeddings(OPERATION, space, &vectors)?;
        // Of two for one chunk the last counts.
        let vectors: BTreeMap<u32, Vec<f32>> = vectors.into_iter().collect();
        let input = (scope.tenant(), id, name(space), vectors);
        self.database()
            .write(scope, OPERATION, input, |tx, (tenant, id, space, vectors)| {
                Box::pin(put(tx, *tenant, *id, space, vectors))
            })
            .await
    }

    async fn embeddings(
        &self,
        scope: &TenantScope,
        id: SourceId,
        space: &VectorSpace,
        from: u32,
        limit: usize,
    ) -> Result<Vec<Embedding>> {
        let input = (scope.tenant(), id, name(space), from, limit);
        self.database()
            .read(scope, "list vectors", input, |tx, (tenant, id, space, from, limit)| {
                Box::pin(list(tx, *tenant, *id, space, *from, *limit))
            })
            .await
    }

    async fn count_embeddings(
        &self,
        scope: &TenantScope,
        id: SourceId,
        space: &VectorSpace,
    ) -> Result<u64> {
        let input = (scope.tenant(), id, name(space));
        self.database()
            .read(scope, "count vectors", input, |tx, (tenant, id, space)| {
                Box::pin(count(tx, *tenant, *id, space))
            })
            .await
    }
}

/// A space as a column.
fn name(space: &VectorSpace) -> String {
    format!("{} {}", space.dimensions, space.model)
}

async fn put(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: SourceId,
    space: &String,
    vectors: &BTreeMap<u32, Vec<f32>>,
) -> Result<()> {
    lock(tx, tenant, id).await?;
    let (Some(first), Some(last)) = (vectors.keys().next(), vectors.keys().next_back()) else {
        return Ok(());
    };
    if chunks(tx, tenant, id, *first, *last).await? != (last - first).saturating_add(1) {
        // There are holes: whether one of these falls into one is looked at singly.
        for ordinal in vectors.keys() {
            if chunks(tx, tenant, id, *ordinal, *ordinal).await? == 0 {
                return Err(Error::not_found(tx.operation, "chunk"));
            }
        }
    }
    let encoded: Vec<(u32, Vec<u8>)> = vectors
        .iter()
        .map(|(ordinal, vector)| (*ordinal, vector.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    for batch in encoded.chunks(BATCH) {
        let rows = batch.iter().map(|(ordinal, vector)| {
            values![tenant.as_bytes(), id.as_bytes(), *ordinal, *space, *vector].to_vec()
        });
        let rows: Vec<Vec<Value<'_>>> = rows.collect();
        tx.execute_all(statement::UPSERT_EMBEDDING, statement::UPSERT_EMBEDDINGS, &rows).await?;
    }
    Ok(())
}

/// How many chunks there are between two ordinals.
async fn chunks(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: SourceId,
    first: u32,
    last: u32,
) -> Result<u32> {
    let values = values![tenant.as_bytes(), id.as_bytes(), first, last];
    let count = tx.one(statement::COUNT_CHUNKS, values, |row| row.get(0)).await?;
    Ok(count.unwrap_or_default())
}

async fn list(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: SourceId,
    space: &String,
    from: u32,
    limit: usize,
) -> Result<Vec<Embedding>> {
    exists(tx, tenant, id).await?;
    let operation = tx.operation;
    let values = values![tenant.as_bytes(), id.as_bytes(), *space, from, sql::limit(limit)];
    let read = |row: &Row<'_>| {
        let bytes: &[u8] = row.get(1)?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(Error::new(ErrorKind::Corrupt, operation).with("what", "vector"));
        }
        Ok((row.get(0)?, numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()))
    };
    tx.all(statement::LIST_EMBEDDINGS, values, read).await
}

async fn count(tx: &mut Tx<'_>, tenant: TenantId, id: SourceId, space: &String) -> Result<u64> {
    exists(tx, tenant, id).await?;
    let values = values![tenant.as_bytes(), id.as_bytes(), *space];
    let count = tx.one(statement::COUNT_EMBEDDINGS, values, |row| row.get(0)).await?;
    Ok(count.unwrap_or_default())
}
