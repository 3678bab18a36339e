use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{MemoryStore, Tenant};
use crate::{Result, TenantScope, store::TenantStore};

#[async_trait]
impl TenantStore for MemoryStore {
    async fn erase(&self, scope: &TenantScope, _: usize) -> Result<usize> {
        // One map, whatever is in it.
        let removed = self.tenants.lock().remove(&scope.tenant());
        Ok(removed.map_or(0, |tenant| tenant.things().map(|(_, count)| count).sum()))
    }

    async fn remains(&self, scope: &TenantScope) -> Result<BTreeMap<&'static str, u64>> {
        let tenants = self.tenants.lock();
        let things = tenants.get(&scope.tenant()).into_iter().flat_map(Tenant::things);
        let left = things.filter(|(_, count)| *count > 0);
        Ok(left.map(|(kind, count)| (kind, count as u64)).collect())
    }
}

impl Tenant {
    fn things(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let events = self.runs.values().map(|stored| stored.events.len()).sum();
        [
            ("approvals", self.approvals.len()),
            ("recordings", self.recordings.values().map(Vec::len).sum()),
            ("run_events", events),
            ("runs", self.runs.len()),
            ("messages", self.messages.len()),
            ("conversations", self.conversations.len()),
            ("embeddings", self.embeddings.len()),
            ("chunks", self.chunks.len()),
            ("documents", self.documents.len()),
            ("sources", self.sources.len()),
            ("notebooks", self.notebooks.len() + self.hidden.len()),
            ("webhook_deliveries", self.deliveries.len()),
            ("webhooks", self.webhooks.len()),
            ("usage_days", self.usage.values().map(Vec::len).sum()),
            ("usage_closed", usize::from(self.usage_open_from.is_some())),
        ]
        .into_iter()
    }
}
