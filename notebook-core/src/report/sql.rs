//! Reports in the store's database.

use async_trait::async_trait;

use super::{Report, Reports};
use crate::{
    Error, ReportId, Result, TenantId, TenantScope,
    model::{Page, PageRequest},
    sql::{AFTER_ALL, Database, Row, Tx, codec::json, limit, values},
    store::{
        rules::{self, Cursor},
        sql::SqlStore,
    },
};

/// Changes nothing when the id is taken.
const INSERT: &str = "INSERT INTO guard_reports
        (tenant_id, id, labels, question_sha256, question, remark, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";

const SELECT: &str =
    "SELECT id, labels, question_sha256, question, remark, created_at FROM guard_reports
    WHERE tenant_id = $1 AND id = $2";

const LIST: &str =
    "SELECT id, labels, question_sha256, question, remark, created_at FROM guard_reports
    WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";

const REMOVE: &str = "DELETE FROM guard_reports WHERE tenant_id = $1 AND id = $2";

/// [`Reports`] in a database.
#[derive(Clone)]
pub struct SqlReports {
    database: Database,
}

impl SqlReports {
    /// The reports that lie beside a store's tables.
    #[must_use]
    pub fn new(store: &SqlStore) -> Self {
        Self { database: store.database().clone() }
    }
}

fn read(row: &Row<'_>) -> Result<Report> {
    Ok(Report {
        id: row.id(0, ReportId::from_u128)?,
        labels: row.json(1)?,
        question_sha256: row.get(2)?,
        question: row.get(3)?,
        remark: row.get(4)?,
        created_at: row.get(5)?,
    })
}

async fn add(tx: &mut Tx<'_>, tenant: TenantId, report: &Report) -> Result<Report> {
    let labels = json(tx.operation, &report.labels)?;
    let values = values![
        tenant.as_bytes(),
        report.id.as_bytes(),
        labels,
        report.question_sha256,
        report.question,
        report.remark,
        report.created_at.as_millis(),
    ];
    tx.execute(INSERT, values).await?;
    let stored = tx.one(SELECT, values![tenant.as_bytes(), report.id.as_bytes()], read).await?;
    stored.ok_or_else(|| Error::not_found(tx.operation, "report"))
}

async fn list(tx: &mut Tx<'_>, tenant: TenantId, cursor: Cursor<ReportId>) -> Result<Vec<Report>> {
    let before = cursor.after.map_or(AFTER_ALL, |id| *id.as_bytes());
    tx.all(LIST, values![tenant.as_bytes(), before, limit(cursor.limit + 1)], read).await
}

#[async_trait]
impl Reports for SqlReports {
    async fn add(&self, scope: &TenantScope, report: Report) -> Result<Report> {
        self.database
            .write(scope, "add report", (scope.tenant(), report), |tx, (tenant, report)| {
                Box::pin(add(tx, *tenant, report))
            })
            .await
    }

    async fn list(&self, scope: &TenantScope, page: PageRequest) -> Result<Page<Report>> {
        const OPERATION: &str = "list reports";
        let cursor = rules::cursor::<ReportId>(OPERATION, &page)?;
        let input = (scope.tenant(), cursor);
        let items = self.database.read(scope, OPERATION, input, |tx, (tenant, cursor)| {
            Box::pin(list(tx, *tenant, *cursor))
        });
        Ok(rules::page(items.await?, cursor.limit, |report| report.id))
    }

    async fn remove(&self, scope: &TenantScope, id: ReportId) -> Result<()> {
        self.database
            .write(scope, "remove report", (scope.tenant(), id), |tx, (tenant, id)| {
                Box::pin(async move {
                    let values = values![tenant.as_bytes(), id.as_bytes()];
                    match tx.execute(REMOVE, values).await? {
                        0 => Err(Error::not_found(tx.operation, "report")),
                        _ => Ok(()),
                    }
                })
            })
            .await
    }
}
