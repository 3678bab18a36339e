//! The row of a source.

use crate::{
    NotebookId, Result, SourceId, TenantId,
    model::{Progress, Source},
    sql::{
        Row, Tx,
        codec::{json, name, number, optional_json},
        values,
    },
    store::sql::statement::sources as statement,
};

/// Stores a new source; says whether its id was free.
pub(super) async fn insert(tx: &mut Tx<'_>, tenant: TenantId, source: &Source) -> Result<bool> {
    let changed = tx
        .execute(
            statement::INSERT,
            values![
                tenant.as_bytes(),
                source.id.as_bytes(),
                source.notebook.as_bytes(),
                source.name,
                name(tx.operation, source.kind)?,
                number(tx.operation, "bytes", source.bytes)?,
                source.sha256,
                source.blob,
                name(tx.operation, source.stage)?,
                number(tx.operation, "progress.done", source.progress.done)?,
                number(tx.operation, "progress.total", source.progress.total)?,
                source.keywords_ready,
                source.vectors_ready,
                optional_json(tx.operation, source.failure.as_ref())?,
                source.title,
                source.pages,
                number(tx.operation, "text_bytes", source.text_bytes)?,
                source.chunks,
                json(tx.operation, &source.notes)?,
                source.created_at.as_millis(),
                source.updated_at.as_millis(),
                source.revision,
                optional_json(tx.operation, source.origin.as_ref())?,
                source.stage.is_unfinished(),
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// Replaces what an update may, when the row has the revision; returns how many rows it found.
pub(super) async fn update(tx: &mut Tx<'_>, tenant: TenantId, source: &Source) -> Result<usize> {
    tx.execute(
        statement::UPDATE,
        values![
            source.name,
            name(tx.operation, source.kind)?,
            number(tx.operation, "bytes", source.bytes)?,
            source.sha256,
            source.blob,
            name(tx.operation, source.stage)?,
            number(tx.operation, "progress.done", source.progress.done)?,
            number(tx.operation, "progress.total", source.progress.total)?,
            source.keywords_ready,
            source.vectors_ready,
            optional_json(tx.operation, source.failure.as_ref())?,
            source.title,
            source.pages,
            number(tx.operation, "text_bytes", source.text_bytes)?,
            source.chunks,
            json(tx.operation, &source.notes)?,
            optional_json(tx.operation, source.origin.as_ref())?,
            source.updated_at.as_millis(),
            source.stage.is_unfinished(),
            tenant.as_bytes(),
            source.id.as_bytes(),
            source.revision,
        ],
    )
    .await
}

pub(super) fn read(row: &Row<'_>) -> Result<Source> {
    Ok(Source {
        id: row.id(0, SourceId::from_u128)?,
        notebook: row.id(1, NotebookId::from_u128)?,
        name: row.get(2)?,
        kind: row.name(3)?,
        bytes: row.get(4)?,
        sha256: row.get(5)?,
        blob: row.get(6)?,
        stage: row.name(7)?,
        progress: Progress { done: row.get(8)?, total: row.get(9)? },
        keywords_ready: row.get(10)?,
        vectors_ready: row.get(11)?,
        failure: row.optional_json(12)?,
        title: row.get(13)?,
        pages: row.get(14)?,
        text_bytes: row.get(15)?,
        chunks: row.get(16)?,
        notes: row.json(17)?,
        created_at: row.get(18)?,
        updated_at: row.get(19)?,
        revision: row.get(20)?,
        origin: row.optional_json(21)?,
    })
}
