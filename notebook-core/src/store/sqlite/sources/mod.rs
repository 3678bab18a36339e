mod chunks;
mod record;
mod text;

use async_trait::async_trait;
use rusqlite::params;

use super::{SqliteStore, notebooks};
use crate::{
    Error, ErrorKind, NotebookId, Result, SourceId, TenantId, TenantScope,
    document::{Document, Span},
    model::{Chunk, ChunkKey, Source},
    sqlite::Tx,
    store::{Layout, SourceStore, rules, sql::sources as statement},
};

#[async_trait]
impl SourceStore for SqliteStore {
    async fn create_source(&self, scope: &TenantScope, source: Source) -> Result<()> {
        let tenant = scope.tenant();
        self.client
            .write("create source", move |tx| {
                notebooks::find(tx, tenant, source.notebook)?;
                if record::insert(tx, tenant, &source)? {
                    return Ok(());
                }
                Err(Error::new(ErrorKind::AlreadyExists, tx.operation))
            })
            .await
    }

    async fn source(&self, scope: &TenantScope, id: SourceId) -> Result<Source> {
        let tenant = scope.tenant();
        self.client
            .read("read source", move |tx| {
                let params = params![tenant.as_bytes(), id.as_bytes()];
                tx.one(statement::SELECT, params, record::read)?.ok_or_else(|| missing(tx))
            })
            .await
    }

    async fn sources(&self, scope: &TenantScope, notebook: NotebookId) -> Result<Vec<Source>> {
        let tenant = scope.tenant();
        self.client
            .read("list sources", move |tx| {
                notebooks::find(tx, tenant, notebook)?;
                let params = params![tenant.as_bytes(), notebook.as_bytes()];
                tx.all(statement::LIST, params, record::read)
            })
            .await
    }

    async fn unfinished_sources(&self, scope: &TenantScope) -> Result<Vec<Source>> {
        let tenant = scope.tenant();
        self.client
            .read("list unfinished sources", move |tx| {
                tx.all(statement::UNFINISHED, params![tenant.as_bytes()], record::read)
            })
            .await
    }

    async fn update_source(&self, scope: &TenantScope, source: Source) -> Result<()> {
        let tenant = scope.tenant();
        self.client
            .write("update source", move |tx| found(tx, record::update(tx, tenant, &source)?))
            .await
    }

    async fn delete_source(&self, scope: &TenantScope, id: SourceId) -> Result<()> {
        let tenant = scope.tenant();
        self.client
            .write("delete source", move |tx| {
                let params = params![tenant.as_bytes(), id.as_bytes()];
                found(tx, tx.execute(statement::DELETE, params)?)
            })
            .await
    }

    async fn put_document(
        &self,
        scope: &TenantScope,
        id: SourceId,
        document: Document,
    ) -> Result<()> {
        let tenant = scope.tenant();
        self.client.write("store document", move |tx| text::put(tx, tenant, id, &document)).await
    }

    async fn document(&self, scope: &TenantScope, id: SourceId) -> Result<Document> {
        let tenant = scope.tenant();
        self.client.read("read document", move |tx| text::document(tx, tenant, id)).await
    }

    async fn layout(&self, scope: &TenantScope, id: SourceId) -> Result<Layout> {
        let tenant = scope.tenant();
        self.client.read("read layout", move |tx| text::layout(tx, tenant, id)).await
    }

    async fn text(&self, scope: &TenantScope, id: SourceId, span: Span) -> Result<String> {
        let tenant = scope.tenant();
        self.client.read("read text", move |tx| text::at(tx, tenant, id, span)).await
    }

    async fn put_chunks(
        &self,
        scope: &TenantScope,
        id: SourceId,
        chunks: Vec<Chunk>,
    ) -> Result<()> {
        rules::check_chunks("store chunks", id, &chunks)?;
        let tenant = scope.tenant();
        self.client
            .write("store chunks", move |tx| {
                exists(tx, tenant, id)?;
                chunks.iter().try_for_each(|chunk| chunks::upsert(tx, tenant, chunk))
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
        let tenant = scope.tenant();
        self.client
            .read("list chunks", move |tx| {
                exists(tx, tenant, id)?;
                chunks::list(tx, tenant, id, from, limit)
            })
            .await
    }

    async fn chunks_by_key(&self, scope: &TenantScope, keys: &[ChunkKey]) -> Result<Vec<Chunk>> {
        let tenant = scope.tenant();
        let keys = keys.to_vec();
        self.client.read("read chunks", move |tx| chunks::by_key(tx, tenant, &keys)).await
    }
}

/// `NotFound` when the source does not exist.
fn exists(tx: &Tx<'_>, tenant: TenantId, id: SourceId) -> Result<()> {
    let params = params![tenant.as_bytes(), id.as_bytes()];
    tx.one(statement::EXISTS, params, |_| Ok(()))?.ok_or_else(|| missing(tx))
}

fn found(tx: &Tx<'_>, changed: usize) -> Result<()> {
    if changed == 0 { Err(missing(tx)) } else { Ok(()) }
}

fn missing(tx: &Tx<'_>) -> Error {
    Error::not_found(tx.operation, "source")
}
