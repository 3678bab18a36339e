//! The row of a source.

use rusqlite::params;

use crate::{
    NotebookId, Result, SourceId, TenantId,
    model::{Progress, Source},
    sqlite::{Row, Tx},
    store::sql::{
        codec::{json, name, number, optional_json},
        sources as statement,
    },
};

/// Stores a new source; says whether its id was free.
pub(super) fn insert(tx: &Tx<'_>, tenant: TenantId, source: &Source) -> Result<bool> {
    let changed = tx.execute(
        statement::INSERT,
        params![
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
            source.stage.is_unfinished(),
        ],
    )?;
    Ok(changed == 1)
}

/// Replaces what an update may; returns how many rows it found.
pub(super) fn update(tx: &Tx<'_>, tenant: TenantId, source: &Source) -> Result<usize> {
    tx.execute(
        statement::UPDATE,
        params![
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
            source.updated_at.as_millis(),
            source.stage.is_unfinished(),
            tenant.as_bytes(),
            source.id.as_bytes(),
        ],
    )
}

pub(super) fn read(row: &Row<'_>) -> Result<Source> {
    Ok(Source {
        id: row.id(0, SourceId::from_u128)?,
        notebook: row.id(1, NotebookId::from_u128)?,
        name: row.get(2)?,
        kind: row.name(3)?,
        bytes: row.unsigned(4)?,
        sha256: row.get(5)?,
        blob: row.get(6)?,
        stage: row.name(7)?,
        progress: Progress { done: row.unsigned(8)?, total: row.unsigned(9)? },
        keywords_ready: row.get(10)?,
        vectors_ready: row.get(11)?,
        failure: row.optional_json(12)?,
        title: row.get(13)?,
        pages: row.optional(14)?,
        text_bytes: row.unsigned(15)?,
        chunks: row.unsigned(16)?,
        notes: row.json(17)?,
        created_at: row.time(18)?,
        updated_at: row.time(19)?,
    })
}
