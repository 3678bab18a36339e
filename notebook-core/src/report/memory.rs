//! Reports in memory.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Report, Reports};
use crate::{
    Error, ReportId, Result, TenantId, TenantScope,
    model::{Page, PageRequest},
    store::rules,
};

/// [`Reports`] that end with the process.
#[derive(Debug, Default)]
pub struct MemoryReports {
    tenants: Mutex<HashMap<TenantId, BTreeMap<ReportId, Report>>>,
}

#[async_trait]
impl Reports for MemoryReports {
    async fn add(&self, scope: &TenantScope, report: Report) -> Result<Report> {
        let mut tenants = self.tenants.lock();
        let reports = tenants.entry(scope.tenant()).or_default();
        Ok(reports.entry(report.id).or_insert(report).clone())
    }

    async fn list(&self, scope: &TenantScope, page: PageRequest) -> Result<Page<Report>> {
        let cursor = rules::cursor::<ReportId>("list reports", &page)?;
        let tenants = self.tenants.lock();
        let reports =
            tenants.get(&scope.tenant()).into_iter().flat_map(|reports| reports.values().rev());
        let after = reports.filter(|report| cursor.after.is_none_or(|after| report.id < after));
        let items = after.take(cursor.limit + 1).cloned().collect();
        Ok(rules::page(items, cursor.limit, |report| report.id))
    }

    async fn remove(&self, scope: &TenantScope, id: ReportId) -> Result<()> {
        let mut tenants = self.tenants.lock();
        let removed = tenants.get_mut(&scope.tenant()).and_then(|reports| reports.remove(&id));
        removed.map(drop).ok_or_else(|| Error::not_found("remove report", "report"))
    }
}
