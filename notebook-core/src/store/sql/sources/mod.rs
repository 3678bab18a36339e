mod chunks;
mod embeddings;
mod record;
mod text;

use async_trait::async_trait;

use super::{SqlStore, notebooks, statement::sources as statement, webhooks};
use crate::{
    Error, ErrorKind, NotebookId, Result, SourceId, TenantId, TenantScope, WebhookId,
    document::{Document, Span},
    model::{Chunk, ChunkKey, Source},
    queue::outbox::SourceChange,
    sql::{Lock, Row, Tx, values},
    store::{IndexedSource, Layout, SourceStore, rules},
    webhook::{Event, EventType},
};

#[async_trait]
impl SourceStore for SqlStore {
    async fn create_source(&self, scope: &TenantScope, source: Source) -> Result<()> {
        let input = (scope.tenant(), source);
        self.database
            .write(scope, "create source", input, |tx, (tenant, source)| {
                Box::pin(create(tx, *tenant, source))
            })
            .await
    }

    async fn source(&self, scope: &TenantScope, id: SourceId) -> Result<Source> {
        let input = (scope.tenant(), id);
        self.database
            .read(scope, "read source", input, |tx, (tenant, id)| Box::pin(find(tx, *tenant, *id)))
            .await
    }

    async fn sources(&self, scope: &TenantScope, notebook: NotebookId) -> Result<Vec<Source>> {
        let input = (scope.tenant(), notebook);
        self.database
            .read(scope, "list sources", input, |tx, (tenant, notebook)| {
                Box::pin(list(tx, *tenant, *notebook))
            })
            .await
    }

    async fn unfinished_sources(&self, scope: &TenantScope) -> Result<Vec<Source>> {
        self.database
            .read(scope, "list unfinished sources", scope.tenant(), |tx, tenant| {
                Box::pin(unfinished(tx, *tenant))
            })
            .await
    }

    async fn indexed_sources(&self, scope: &TenantScope) -> Result<Vec<IndexedSource>> {
        self.database
            .read(scope, "list indexed sources", scope.tenant(), |tx, tenant| {
                Box::pin(indexed(tx, *tenant))
            })
            .await
    }

    async fn update_source(&self, scope: &TenantScope, source: Source) -> Result<()> {
        let input = (scope.tenant(), source);
        self.database
            .write(scope, "update source", input, |tx, (tenant, source)| {
                Box::pin(update(tx, *tenant, source))
            })
            .await
    }

    async fn delete_source(&self, scope: &TenantScope, id: SourceId) -> Result<()> {
        let input = (scope.tenant(), id);
        self.database
            .write(scope, "delete source", input, |tx, (tenant, id)| {
                Box::pin(delete(tx, *tenant, *id))
            })
            .await
    }

    async fn put_document(
        &self,
        scope: &TenantScope,
        id: SourceId,
        document: Document,
    ) -> Result<()> {
        let input = (scope.tenant(), id, document);
        self.database
            .write(scope, "store document", input, |tx, (tenant, id, document)| {
                Box::pin(text::put(tx, *tenant, *id, document))
            })
            .await
    }

    async fn document(&self, scope: &TenantScope, id: SourceId) -> Result<Document> {
        let input = (scope.tenant(), id);
        self.database
            .read(scope, "read document", input, |tx, (tenant, id)| {
                Box::pin(text::document(tx, *tenant, *id))
            })
            .await
    }

    async fn layout(&self, scope: &TenantScope, id: SourceId) -> Result<Layout> {
        let input = (scope.tenant(), id);
        self.database
            .read(scope, "read layout", input, |tx, (tenant, id)| {
                Box::pin(text::layout(tx, *tenant, *id))
            })
            .await
    }

    async fn text(&self, scope: &TenantScope, id: SourceId, span: Span) -> Result<String> {
        let input = (scope.tenant(), id, span);
        self.database
            .read(scope, "read text", input, |tx, (tenant, id, span)| {
                Box::pin(text::at(tx, *tenant, *id, *span))
            })
            .await
    }

    async fn put_chunks(
        &self,
        scope: &TenantScope,
        id: SourceId,
        chunks: Vec<Chunk>,
    ) -> Result<()> {
        rules::check_chunks("store chunks", id, &chunks)?;
        let input = (scope.tenant(), id, chunks);
        self.database
            .write(scope, "store chunks", input, |tx, (tenant, id, chunks)| {
                Box::pin(chunks::put(tx, *tenant, *id, chunks))
            })
            .await
    }

    async fn chunks(
        &self,
        scope: &TenantScope,
        id: SourceId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<Chunk>> {
        let input = (scope.tenant(), id, from, limit);
        self.database
            .read(scope, "list chunks", input, |tx, (tenant, id, from, limit)| {
                Box::pin(chunks::list(tx, *tenant, *id, *from, *limit))
            })
            .await
    }

    async fn chunks_by_key(&self, scope: &TenantScope, keys: &[ChunkKey]) -> Result<Vec<Chunk>> {
        let input = (scope.tenant(), keys.to_vec());
        self.database
            .read(scope, "read chunks", input, |tx, (tenant, keys)| {
                Box::pin(chunks::by_key(tx, *tenant, keys))
            })
            .await
    }
}

pub(crate) async fn create(tx: &mut Tx<'_>, tenant: TenantId, source: &Source) -> Result<()> {
    notebooks::keep(tx, tenant, source.notebook).await?;
    if record::insert(tx, tenant, source).await? {
        return Ok(());
    }
    Err(Error::new(ErrorKind::AlreadyExists, tx.operation))
}

async fn find(tx: &mut Tx<'_>, tenant: TenantId, id: SourceId) -> Result<Source> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    let found = tx.one(statement::SELECT, values, record::read).await?;
    found.ok_or_else(|| missing(tx))
}

async fn list(tx: &mut Tx<'_>, tenant: TenantId, notebook: NotebookId) -> Result<Vec<Source>> {
    notebooks::find(tx, tenant, notebook).await?;
    let values = values![tenant.as_bytes(), notebook.as_bytes()];
    tx.all(statement::LIST, values, record::read).await
}

async fn unfinished(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<Source>> {
    tx.all(statement::UNFINISHED, values![tenant.as_bytes()], record::read).await
}

async fn indexed(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<IndexedSource>> {
    let read = |row: &Row<'_>| {
        Ok(rules::is_visible(row.name(4)?).then_some(IndexedSource {
            id: row.id(0, SourceId::from_u128)?,
            notebook: row.id(1, NotebookId::from_u128)?,
            chunks: row.get(2)?,
            vectors: row.get(3)?,
        }))
    };
    let all = tx.all(statement::INDEXED, values![tenant.as_bytes()], read).await?;
    Ok(all.into_iter().flatten().collect())
}

pub(crate) async fn update(tx: &mut Tx<'_>, tenant: TenantId, source: &Source) -> Result<()> {
    // Before, because afterwards nobody knows where it came from.
    let told = told(tx, tenant, source).await?;
    if record::update(tx, tenant, source).await? == 1 {
        return match told {
            None => Ok(()),
            Some((kind, webhooks)) => {
                let stored =
                    Source { revision: source.revision.saturating_add(1), ..source.clone() };
                webhooks::tell(tx, tenant, &Event::of_source(kind, &stored), &webhooks).await
            }
        };
    }
    exists(tx, tenant, source.id).await?;
    Err(rules::changed_meanwhile(tx.operation))
}

/// The event that a change is, and who wants to know of it.
async fn told(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    source: &Source,
) -> Result<Option<(EventType, Vec<WebhookId>)>> {
    let Some(kind) = EventType::of_stage(source.stage) else { return Ok(None) };
    let wanting = webhooks::wanting(tx, tenant, kind).await?;
    let news = !wanting.is_empty() && find(tx, tenant, source.id).await?.stage != source.stage;
    Ok(news.then_some((kind, wanting)))
}

/// Stores what a stage made.
pub(crate) async fn apply(tx: &mut Tx<'_>, tenant: TenantId, made: &SourceChange) -> Result<()> {
    let SourceChange { source, text } = made;
    update(tx, tenant, source).await?;
    if let Some((document, chunks)) = text {
        text::put(tx, tenant, source.id, document).await?;
        chunks::put(tx, tenant, source.id, chunks).await?;
    }
    Ok(())
}

/// Removes a source with its text.
pub(crate) async fn delete(tx: &mut Tx<'_>, tenant: TenantId, id: SourceId) -> Result<()> {
    let changed = tx.execute(statement::DELETE, values![tenant.as_bytes(), id.as_bytes()]).await?;
    found(tx, changed)
}

/// `NotFound` when the source does not exist.
async fn exists(tx: &mut Tx<'_>, tenant: TenantId, id: SourceId) -> Result<()> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    let found = tx.one(statement::EXISTS, values, |_| Ok(())).await?;
    found.ok_or_else(|| missing(tx))
}

/// The same; nobody else changes the source until the transaction ends.
async fn lock(tx: &mut Tx<'_>, tenant: TenantId, id: SourceId) -> Result<()> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    let found = tx.one_locked(Lock::Change, statement::EXISTS, values, |_| Ok(())).await?;
    found.ok_or_else(|| missing(tx))
}

fn found(tx: &Tx<'_>, changed: usize) -> Result<()> {
    if changed == 0 { Err(missing(tx)) } else { Ok(()) }
}

fn missing(tx: &Tx<'_>) -> Error {
    Error::not_found(tx.operation, "source")
}
