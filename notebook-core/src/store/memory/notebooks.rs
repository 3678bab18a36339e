use std::collections::btree_map::Entry;

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    Error, NotebookId, Result, TenantScope,
    model::{Notebook, Page, PageRequest, Stage},
    store::{NotebookStore, rules},
};

impl MemoryStore {
    /// Makes a notebook and what is in it invisible.
    pub(crate) fn hide_notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<()> {
        self.with(scope, |tenant| {
            let notebook = tenant.shown("hide notebook", id)?.clone();
            tenant.notebooks.remove(&id);
            tenant.hidden.insert(id, notebook);
            let sources = tenant.sources.values_mut().filter(|source| source.notebook == id);
            for source in sources.filter(|source| source.stage != Stage::Deleting) {
                source.stage = Stage::Deleting;
                source.revision = source.revision.saturating_add(1);
            }
            let runs = tenant.runs.values_mut().map(|stored| &mut stored.run);
            for run in runs.filter(|run| run.notebook == id && !run.state.is_terminal()) {
                run.stop_requested = true;
            }
            Ok(())
        })
    }
}

#[async_trait]
impl NotebookStore for MemoryStore {
    async fn create_notebook(&self, scope: &TenantScope, notebook: Notebook) -> Result<Notebook> {
        let id = notebook.id;
        self.with(scope, |tenant| {
            if tenant.hidden.contains_key(&id) {
                return Err(Error::not_found("create notebook", "notebook"));
            }
            tenant.notebooks.entry(id).or_insert(notebook);
            tenant.shown("create notebook", id).cloned()
        })
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
                .filter(|notebook| !tenant.unfinished.contains(&notebook.id))
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

    async fn hidden_notebooks(&self, scope: &TenantScope) -> Result<Vec<NotebookId>> {
        Ok(self.with(scope, |tenant| tenant.hidden.keys().copied().collect()))
    }

    async fn empty_notebook(
        &self,
        scope: &TenantScope,
        id: NotebookId,
        most: usize,
    ) -> Result<usize> {
        Ok(self.with(scope, |tenant| {
            if tenant.is_shown(id) {
                return 0;
            }
            let all = tenant.conversations.values().filter(|c| c.notebook == id).map(|c| c.id);
            let some: Vec<_> = all.take(most).collect();
            some.iter().for_each(|id| tenant.remove_conversation(*id));
            some.len()
        }))
    }

    async fn create_unfinished_notebook(
        &self,
        scope: &TenantScope,
        notebook: Notebook,
    ) -> Result<()> {
        let id = notebook.id;
        self.with(scope, |tenant| {
            if tenant.hidden.contains_key(&id) {
                return Err(Error::not_found("create unfinished notebook", "notebook"));
            }
            if let Entry::Vacant(free) = tenant.notebooks.entry(id) {
                free.insert(notebook);
                tenant.unfinished.insert(id);
            }
            Ok(())
        })
    }

    async fn show_notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<()> {
        self.with(scope, |tenant| {
            tenant.notebook("show notebook", id)?;
            tenant.unfinished.remove(&id);
            Ok(())
        })
    }

    async fn unfinished_notebooks(&self, scope: &TenantScope) -> Result<Vec<NotebookId>> {
        Ok(self.with(scope, |tenant| tenant.unfinished.iter().copied().collect()))
    }

    async fn delete_notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<()> {
        self.with(scope, |tenant| {
            if tenant.hidden.remove(&id).or_else(|| tenant.notebooks.remove(&id)).is_none() {
                return Err(Error::not_found("delete notebook", "notebook"));
            }
            tenant.unfinished.remove(&id);
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
