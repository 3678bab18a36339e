use async_trait::async_trait;

use super::{SqlStore, statement::notebooks as statement};
use crate::{
    Error, NotebookId, Result, TenantId, TenantScope,
    model::{Notebook, Page, PageRequest, Stage},
    sql::{
        AFTER_ALL, Lock, Row, Tx,
        codec::{json, name},
        limit, values,
    },
    store::{
        NotebookStore,
        rules::{self, Cursor},
    },
};

#[async_trait]
impl NotebookStore for SqlStore {
    async fn create_notebook(&self, scope: &TenantScope, notebook: Notebook) -> Result<Notebook> {
        let input = (scope.tenant(), notebook);
        self.database
            .write(scope, "create notebook", input, |tx, (tenant, notebook)| {
                Box::pin(create(tx, *tenant, notebook))
            })
            .await
    }

    async fn notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<Notebook> {
        let input = (scope.tenant(), id);
        self.database
            .read(scope, "read notebook", input, |tx, (tenant, id)| {
                Box::pin(find_shown(tx, *tenant, *id))
            })
            .await
    }

    async fn notebooks(
        &self,
        scope: &TenantScope,
        archived: bool,
        page: PageRequest,
    ) -> Result<Page<Notebook>> {
        let cursor = rules::cursor::<NotebookId>("list notebooks", &page)?;
        let input = (scope.tenant(), archived, cursor);
        let items =
            self.database.read(scope, "list notebooks", input, |tx, (tenant, archived, cursor)| {
                Box::pin(list(tx, *tenant, *archived, *cursor))
            });
        Ok(rules::page(items.await?, cursor.limit, |notebook| notebook.id))
    }

    async fn update_notebook(&self, scope: &TenantScope, notebook: Notebook) -> Result<()> {
        let input = (scope.tenant(), notebook);
        self.database
            .write(scope, "update notebook", input, |tx, (tenant, notebook)| {
                Box::pin(update(tx, *tenant, notebook))
            })
            .await
    }

    async fn hidden_notebooks(&self, scope: &TenantScope) -> Result<Vec<NotebookId>> {
        self.database
            .read(scope, "list hidden notebooks", scope.tenant(), |tx, tenant| {
                Box::pin(ids(tx, statement::LIST_HIDDEN, *tenant))
            })
            .await
    }

    async fn create_unfinished_notebook(
        &self,
        scope: &TenantScope,
        notebook: Notebook,
    ) -> Result<()> {
        let input = (scope.tenant(), notebook);
        self.database
            .write(scope, "create unfinished notebook", input, |tx, (tenant, notebook)| {
                Box::pin(create_unfinished(tx, *tenant, notebook))
            })
            .await
    }

    async fn show_notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<()> {
        let input = (scope.tenant(), id);
        self.database
            .write(scope, "show notebook", input, |tx, (tenant, id)| {
                Box::pin(show(tx, *tenant, *id))
            })
            .await
    }

    async fn unfinished_notebooks(&self, scope: &TenantScope) -> Result<Vec<NotebookId>> {
        self.database
            .read(scope, "list unfinished notebooks", scope.tenant(), |tx, tenant| {
                Box::pin(ids(tx, statement::LIST_UNFINISHED, *tenant))
            })
            .await
    }

    async fn empty_notebook(
        &self,
        scope: &TenantScope,
        id: NotebookId,
        most: usize,
    ) -> Result<usize> {
        let input = (scope.tenant(), id, most);
        self.database
            .write(scope, "empty notebook", input, |tx, (tenant, id, most)| {
                Box::pin(empty(tx, *tenant, *id, *most))
            })
            .await
    }

    async fn delete_notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<()> {
        let input = (scope.tenant(), id);
        self.database
            .write(scope, "delete notebook", input, |tx, (tenant, id)| {
                Box::pin(delete(tx, *tenant, *id))
            })
            .await
    }
}

/// The notebook, or `NotFound`, also when it is hidden.
async fn find_shown(tx: &mut Tx<'_>, tenant: TenantId, id: NotebookId) -> Result<Notebook> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    let found = tx.one(statement::SELECT_SHOWN, values, read).await?;
    found.ok_or_else(|| missing(tx))
}

/// The notebook, shown or being put together, or `NotFound`.
pub(super) async fn find(tx: &mut Tx<'_>, tenant: TenantId, id: NotebookId) -> Result<Notebook> {
    let found = tx.one(statement::SELECT, values![tenant.as_bytes(), id.as_bytes()], read).await?;
    found.ok_or_else(|| missing(tx))
}

/// Makes sure that the notebook is there until the transaction ends.
pub(super) async fn keep(tx: &mut Tx<'_>, tenant: TenantId, id: NotebookId) -> Result<()> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    let found = tx.one_locked(Lock::Keep, statement::SELECT, values, |_| Ok(())).await?;
    found.ok_or_else(|| missing(tx))
}

async fn create(tx: &mut Tx<'_>, tenant: TenantId, notebook: &Notebook) -> Result<Notebook> {
    let created = insert(tx, statement::INSERT, tenant, notebook).await?;
    if created { Ok(notebook.clone()) } else { find_shown(tx, tenant, notebook.id).await }
}

async fn create_unfinished(tx: &mut Tx<'_>, tenant: TenantId, notebook: &Notebook) -> Result<()> {
    let created = insert(tx, statement::INSERT_UNFINISHED, tenant, notebook).await?;
    if created { Ok(()) } else { find(tx, tenant, notebook.id).await.map(drop) }
}

/// Whether the id was free.
async fn insert(
    tx: &mut Tx<'_>,
    statement: &'static str,
    tenant: TenantId,
    notebook: &Notebook,
) -> Result<bool> {
    let settings = json(tx.operation, &notebook.settings)?;
    let values = values![
        tenant.as_bytes(),
        notebook.id.as_bytes(),
        notebook.name,
        notebook.named_by_user,
        notebook.archived,
        settings,
        notebook.created_at.as_millis(),
        notebook.updated_at.as_millis(),
    ];
    Ok(tx.execute(statement, values).await? == 1)
}

async fn show(tx: &mut Tx<'_>, tenant: TenantId, id: NotebookId) -> Result<()> {
    let changed = tx.execute(statement::SHOW, values![tenant.as_bytes(), id.as_bytes()]).await?;
    found(tx, changed)
}

async fn list(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    archived: bool,
    cursor: Cursor<NotebookId>,
) -> Result<Vec<Notebook>> {
    let before = cursor.after.map_or(AFTER_ALL, |id| *id.as_bytes());
    let limit = limit(cursor.limit + 1);
    tx.all(statement::LIST, values![tenant.as_bytes(), before, archived, limit], read).await
}

async fn update(tx: &mut Tx<'_>, tenant: TenantId, notebook: &Notebook) -> Result<()> {
    let changed = tx
        .execute(
            statement::UPDATE,
            values![
                notebook.name,
                notebook.named_by_user,
                notebook.archived,
                json(tx.operation, &notebook.settings)?,
                notebook.updated_at.as_millis(),
                tenant.as_bytes(),
                notebook.id.as_bytes(),
            ],
        )
        .await?;
    found(tx, changed)
}

/// Makes a notebook and what is in it invisible.
pub(crate) async fn hide(tx: &mut Tx<'_>, tenant: TenantId, id: NotebookId) -> Result<()> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    // Whoever is adding something to it is waited for: that is hidden with the rest.
    let found = tx.one_locked(Lock::Remove, statement::SELECT_SHOWN, values, |_| Ok(())).await?;
    found.ok_or_else(|| missing(tx))?;
    tx.execute(statement::HIDE, values).await?;
    let stage = name(tx.operation, Stage::Deleting)?;
    let sources = values![stage, tenant.as_bytes(), id.as_bytes()];
    tx.execute(statement::HIDE_SOURCES, sources).await?;
    tx.execute(statement::STOP_RUNS, values).await.map(drop)
}

async fn ids(
    tx: &mut Tx<'_>,
    statement: &'static str,
    tenant: TenantId,
) -> Result<Vec<NotebookId>> {
    let values = values![tenant.as_bytes()];
    tx.all(statement, values, |row| row.id(0, NotebookId::from_u128)).await
}

async fn empty(tx: &mut Tx<'_>, tenant: TenantId, id: NotebookId, most: usize) -> Result<usize> {
    let key = values![tenant.as_bytes(), id.as_bytes()];
    tx.execute(statement::EMPTY_CHECKPOINTS, key).await?;
    let values = values![tenant.as_bytes(), id.as_bytes(), limit(most)];
    tx.execute(statement::EMPTY, values).await
}

async fn delete(tx: &mut Tx<'_>, tenant: TenantId, id: NotebookId) -> Result<()> {
    let changed = tx.execute(statement::DELETE, values![tenant.as_bytes(), id.as_bytes()]).await?;
    found(tx, changed)
}

fn read(row: &Row<'_>) -> Result<Notebook> {
    Ok(Notebook {
        id: row.id(0, NotebookId::from_u128)?,
        name: row.get(1)?,
        named_by_user: row.get(2)?,
        archived: row.get(3)?,
        settings: row.json(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

fn found(tx: &Tx<'_>, changed: usize) -> Result<()> {
    if changed == 0 { Err(missing(tx)) } else { Ok(()) }
}

fn missing(tx: &Tx<'_>) -> Error {
    Error::not_found(tx.operation, "notebook")
}
