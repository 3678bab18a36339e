use std::collections::btree_map::Entry;

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    Error, NotebookId, Result, TenantScope,
    model::{Notebook, Page, PageRequest},
    store::{NotebookStore, rules},
};

#[async_trait]
impl NotebookStore for MemoryStore {
    async fn create_notebook(&self, scope: &TenantScope, notebook: Notebook) -> Result<Notebook> {
        let id = notebook.id;
        self.with_own(
            scope,
            Error::not_found("create notebook", "notebook"),
            |other| other.notebooks.contains_key(&id),
            |tenant| {
                tenant.notebooks.entry(id).or_insert(notebook);
                tenant.shown("create notebook", id).cloned()
            },
        )
    }

    async fn notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<Notebook> {
        self.with(scope, |tenant| tenant.shown("read notebook", id).cloned())
    }

    async fn notebooks(
        &self,
        scope: &TenantScope,
        archived: bool,
        page: PageRequest,
    ) -> Result<Page<Notebook>> {
        let cursor = rules::cursor::<NotebookId>("list notebooks", &page)?;
        let items = self.with(scope, |tenant| {
            tenant
                .notebooks
                .values()
                .rev()
                .filter(|notebook| !tenant.hidden.contains(&notebook.id))
                .filter(|notebook| archived || !notebook.archived)
                .filter(|notebook| cursor.after.is_none_or(|after| notebook.id < after))
                .take(cursor.limit + 1)
                .cloned()
                .collect()
        });
        Ok(rules::page(items, cursor.limit, |notebook: &Notebook| notebook.id))
    }

    async fn update_notebook(&self, scope: &TenantScope, notebook: Notebook) -> Result<()> {
        self.with(scope, |tenant| {
            let stored = tenant.shown("update notebook", notebook.id)?;
            let notebook = rules::updated_notebook(stored, notebook);
            tenant.notebooks.insert(notebook.id, notebook);
            Ok(())
        })
    }

    async fn create_hidden_notebook(&self, scope: &TenantScope, notebook: Notebook) -> Result<()> {
        let id = notebook.id;
        self.with_own(
            scope,
            Error::not_found("create hidden notebook", "notebook"),
            |other| other.notebooks.contains_key(&id),
            |tenant| {
                if let Entry::Vacant(free) = tenant.notebooks.entry(id) {
                    free.insert(notebook);
                    tenant.hidden.insert(id);
                }
                Ok(())
            },
        )
    }

    async fn show_notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<()> {
        self.with(scope, |tenant| {
            tenant.notebook("show notebook", id)?;
            tenant.hidden.remove(&id);
            Ok(())
        })
    }

    async fn hidden_notebooks(&self, scope: &TenantScope) -> Result<Vec<NotebookId>> {
        Ok(self.with(scope, |tenant| tenant.hidden.iter().copied().collect()))
    }

    async fn delete_notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<()> {
        self.with(scope, |tenant| {
            tenant.notebook("delete notebook", id)?;
            tenant.notebooks.remove(&id);
            tenant.hidden.remove(&id);
            let sources: Vec<_> =
                tenant.sources.values().filter(|s| s.notebook == id).map(|s| s.id).collect();
            for source in sources {
                tenant.sources.remove(&source);
                tenant.remove_text_of(source);
            }
            let conversations: Vec<_> =
                tenant.conversations.values().filter(|c| c.notebook == id).map(|c| c.id).collect();
            for conversation in conversations {
                tenant.remove_conversation(conversation);
            }
            Ok(())
        })
    }
}
