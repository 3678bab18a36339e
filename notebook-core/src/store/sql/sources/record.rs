//! The row of a source.

use crate::{
    NotebookId, Result, SourceId, TenantId,
    model::{Progress, Source},
    sql::{
        Row, Tx, Value,
        codec::{json, name, number, optional_json},
        values,
    },
    store::sql::statement::sources as statement,
};

/// What is not a plain field of a source in its row.
struct Encoded {
    kind: String,
    bytes: i64,
    stage: String,
    done: i64,
    total: i64,
    failure: Option<String>,
    text_bytes: i64,
    notes: String,
    origin: Option<String>,
}

impl Encoded {
    fn of(operation: &'static str, source: &Source) -> Result<Self> {
        Ok(Self {
            kind: name(operation, source.kind)?,
            bytes: number(operation, "bytes", source.bytes)?,
            stage: name(operation, source.stage)?,
            done: number(operation, "progress.done", source.progress.done)?,
            total: number(operation, "progress.total", source.progress.total)?,
            failure: optional_json(operation, source.failure.as_ref())?,
            text_bytes: number(operation, "text_bytes", source.text_bytes)?,
            notes: json(operation, &source.notes)?,
            origin: optional_json(operation, source.origin.as_ref())?,
        })
    }

    /// What both statements store, in their order: from the name to the notes.
    fn common<'v>(&'v self, source: &'v Source) -> Vec<Value<'v>> {
        values![
            source.name,
            self.kind,
            self.bytes,
            source.sha256,
            source.blob,
            self.stage,
            self.done,
            self.total,
            source.keywords_ready,
            source.vectors_ready,
            self.failure,
            source.title,
            source.pages,
            self.text_bytes,
            source.chunks,
            self.notes,
        ]
        .to_vec()
    }
}

/// Stores a new source; says whether its id was free.
pub(super) async fn insert(tx: &mut Tx<'_>, tenant: TenantId, source: &Source) -> Result<bool> {
    let encoded = Encoded::of(tx.operation, source)?;
    let before = values![tenant.as_bytes(), source.id.as_bytes(), source.notebook.as_bytes()];
    let after = values![
        source.created_at.as_millis(),
        source.updated_at.as_millis(),
        source.revision,
        encoded.origin,
        source.stage.is_unfinished(),
    ];
    let values = [before, &encoded.common(source), after].concat();
    Ok(tx.execute(statement::INSERT, &values).await? == 1)
}

/// Replaces what an update may, when the row has the revision; returns how many rows it found.
pub(super) async fn update(tx: &mut Tx<'_>, tenant: TenantId, source: &Source) -> Result<usize> {
    let encoded = Encoded::of(tx.operation, source)?;
    let after = values![
        encoded.origin,
        source.updated_at.as_millis(),
        source.stage.is_unfinished(),
        tenant.as_bytes(),
        source.id.as_bytes(),
        source.revision,
    ];
    let values = [&encoded.common(source), after].concat();
    tx.execute(statement::UPDATE, &values).await
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
