use async_trait::async_trait;
use rusqlite::params;

use super::SqliteStore;
use crate::{
    Error, NotebookId, Result, TenantId, TenantScope,
    model::{Notebook, Page, PageRequest},
    sqlite::{Row, Tx},
    store::{
        NotebookStore, rules,
        sql::{self, codec::json, notebooks as statement},
    },
};

#[async_trait]
impl NotebookStore for SqliteStore {
    async fn create_notebook(&self, scope: &TenantScope, notebook: Notebook) -> Result<Notebook> {
        let tenant = scope.tenant();
        self.client
            .write("create notebook", move |tx| {
                if insert(tx, tenant, &notebook)? {
                    return Ok(notebook.clone());
                }
                find(tx, tenant, notebook.id)
            })
            .await
    }

    async fn notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<Notebook> {
        let tenant = scope.tenant();
        self.client.read("read notebook", move |tx| find(tx, tenant, id)).await
    }

    async fn notebooks(
        &self,
        scope: &TenantScope,
        archived: bool,
        page: PageRequest,
    ) -> Result<Page<Notebook>> {
        let tenant = scope.tenant();
        let cursor = rules::cursor::<NotebookId>("list notebooks", &page)?;
        let items = self.client.read("list notebooks", move |tx| {
            let before = cursor.after.map_or(sql::AFTER_ALL, |id| *id.as_bytes());
            let limit = sql::limit(cursor.limit + 1);
            tx.all(statement::LIST, params![tenant.as_bytes(), before, archived, limit], read)
        });
        Ok(rules::page(items.await?, cursor.limit, |notebook| notebook.id))
    }

    async fn update_notebook(&self, scope: &TenantScope, notebook: Notebook) -> Result<()> {
        let tenant = scope.tenant();
        self.client.write("update notebook", move |tx| update(tx, tenant, &notebook)).await
    }

    async fn delete_notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<()> {
        let tenant = scope.tenant();
        self.client
            .write("delete notebook", move |tx| {
                let params = params![tenant.as_bytes(), id.as_bytes()];
                found(tx, tx.execute(statement::DELETE, params)?)
            })
            .await
    }
}

/// The notebook, or `NotFound`.
pub(super) fn find(tx: &Tx<'_>, tenant: TenantId, id: NotebookId) -> Result<Notebook> {
    tx.one(statement::SELECT, params![tenant.as_bytes(), id.as_bytes()], read)?
        .ok_or_else(|| missing(tx))
}

fn insert(tx: &Tx<'_>, tenant: TenantId, notebook: &Notebook) -> Result<bool> {
    let changed = tx.execute(
        statement::INSERT,
        params![
            tenant.as_bytes(),
            notebook.id.as_bytes(),
            notebook.name,
            notebook.named_by_user,
            notebook.archived,
            json(tx.operation, &notebook.settings)?,
            notebook.created_at.as_millis(),
            notebook.updated_at.as_millis(),
        ],
    )?;
    Ok(changed == 1)
}

fn update(tx: &Tx<'_>, tenant: TenantId, notebook: &Notebook) -> Result<()> {
    let changed = tx.execute(
        statement::UPDATE,
        params![
            notebook.name,
            notebook.named_by_user,
            notebook.archived,
            json(tx.operation, &notebook.settings)?,
            notebook.updated_at.as_millis(),
            tenant.as_bytes(),
            notebook.id.as_bytes(),
        ],
    )?;
    found(tx, changed)
}

fn read(row: &Row<'_>) -> Result<Notebook> {
    Ok(Notebook {
        id: row.id(0, NotebookId::from_u128)?,
        name: row.get(1)?,
        named_by_user: row.get(2)?,
        archived: row.get(3)?,
        settings: row.json(4)?,
        created_at: row.time(5)?,
        updated_at: row.time(6)?,
    })
}

fn found(tx: &Tx<'_>, changed: usize) -> Result<()> {
    if changed == 0 { Err(missing(tx)) } else { Ok(()) }
}

fn missing(tx: &Tx<'_>) -> Error {
    Error::not_found(tx.operation, "notebook")
}
