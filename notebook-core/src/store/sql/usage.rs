use std::time::Duration;

use async_trait::async_trait;

use super::{SqlStore, statement::usage as statement};
use crate::{
    NotebookId, Result, RunId, TenantId, TenantScope, Timestamp,
    model::{StageTiming, Usage, Used},
    sql::{
        Row, Tx,
        codec::{json, number},
        limit, values,
    },
    usage::{Day, DayUsage, EndedRun, FIRST_TOKEN, UsageCounts, UsageStore, aggregate},
};

/// How many answers are read at a time.
const PAGE: usize = 100;
/// Counts of a day are taken one after the other: any number that nobody else uses.
const TURN: i64 = 0x7573_6167_655f_6461;

#[async_trait]
impl UsageStore for SqlStore {
    async fn count_day(&self, scope: &TenantScope, day: Day, close: bool) -> Result<Option<u64>> {
        let input = (scope.tenant(), day, close);
        self.database
            .write(scope, "count usage", input, |tx, (tenant, day, close)| {
                Box::pin(count(tx, *tenant, *day, *close))
            })
            .await
    }

    async fn first_open_day(&self, scope: &TenantScope) -> Result<Option<Day>> {
        self.database
            .read(scope, "find uncounted day", scope.tenant(), |tx, tenant| {
                Box::pin(first_open(tx, *tenant))
            })
            .await
    }

    async fn usage(&self, scope: &TenantScope, from: Day, to: Day) -> Result<Vec<DayUsage>> {
        let input = (scope.tenant(), from, to);
        self.database
            .read(scope, "list usage", input, |tx, (tenant, from, to)| {
                Box::pin(list(tx, *tenant, *from, *to))
            })
            .await
    }
}

async fn count(tx: &mut Tx<'_>, tenant: TenantId, day: Day, close: bool) -> Result<Option<u64>> {
    tx.take_turn(TURN).await?;
    if open_from(tx, tenant).await?.is_some_and(|open| day < open) {
        return Ok(None);
    }
    let rows = aggregate(day, ended(tx, tenant, day).await?);
    tx.execute(statement::DELETE_DAY, values![tenant.as_bytes(), day.number()]).await?;
    for row in &rows {
        insert(tx, tenant, row).await?;
    }
    if close {
        let open_from = day.next().number();
        tx.execute(statement::CLOSE, values![tenant.as_bytes(), open_from]).await?;
    }
    Ok(Some(rows.iter().map(|row| row.counts.answers).sum()))
}

/// The answers that ended on a day.
async fn ended(tx: &mut Tx<'_>, tenant: TenantId, day: Day) -> Result<Vec<EndedRun>> {
    // Before the first moment, for those are read that come after a place.
    let mut place = (day.start().as_millis() - 1, [0xff; 16]);
    let mut all = Vec::new();
    loop {
        let until = day.next().start().as_millis();
        let values = values![tenant.as_bytes(), place.0, place.1, until, limit(PAGE)];
        let page = tx.all(statement::ENDED, values, read_ended).await?;
        let full = page.len() == PAGE;
        for (at, id, run) in page {
            place = (at, *id.as_bytes());
            all.push(run);
        }
        if !full {
            return Ok(all);
        }
    }
}

fn read_ended(row: &Row<'_>) -> Result<(i64, RunId, EndedRun)> {
    let (created, ended): (Timestamp, Timestamp) = (row.get(3)?, row.get(4)?);
    let timings: Option<Vec<StageTiming>> = row.optional_json(7)?;
    let used: Option<Used> = row.optional_json(8)?;
    let (model, usage): (Option<String>, Option<Usage>) = (row.get(5)?, row.optional_json(6)?);
    let first = timings.iter().flatten().find(|timing| timing.stage == FIRST_TOKEN);
    let run = EndedRun {
        notebook: row.id(1, NotebookId::from_u128)?,
        state: row.name(2)?,
        model: model.or_else(|| used.as_ref().map(|used| used.model.clone())),
        usage: usage.or_else(|| used.map(|used| used.usage)),
        first_token: first.map(|timing| Duration::from_micros(timing.micros)),
        total: ended.since(created),
    };
    Ok((ended.as_millis(), row.id(0, RunId::from_u128)?, run))
}

async fn insert(tx: &mut Tx<'_>, tenant: TenantId, row: &DayUsage) -> Result<()> {
    let (operation, counts) = (tx.operation, &row.counts);
    let (first_token, total) =
        (json(operation, &counts.first_token)?, json(operation, &counts.total)?);
    let values = values![
        tenant.as_bytes(),
        row.day.number(),
        // A part of the key, which knows no absence; no model has an empty name.
        row.model.as_deref().unwrap_or_default(),
        row.notebook.as_bytes(),
        number(operation, "answers", counts.answers)?,
        number(operation, "completed", counts.completed)?,
        number(operation, "stopped", counts.stopped)?,
        number(operation, "failed", counts.failed)?,
        number(operation, "abandoned", counts.abandoned)?,
        number(operation, "prompt_tokens", counts.prompt_tokens)?,
        number(operation, "completion_tokens", counts.completion_tokens)?,
        number(operation, "estimated", counts.estimated)?,
        first_token,
        total,
        number(operation, "cost_micros", counts.cost_micros)?,
        number(operation, "priced", counts.priced)?,
    ];
    tx.execute(statement::INSERT, values).await.map(drop)
}

async fn open_from(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Option<Day>> {
    let values = values![tenant.as_bytes()];
    let open = tx.one(statement::OPEN_FROM, values, |row| row.get(0)).await?;
    Ok(open.map(Day::from_number))
}

async fn first_open(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Option<Day>> {
    if let Some(open) = open_from(tx, tenant).await? {
        return Ok(Some(open));
    }
    let values = values![tenant.as_bytes()];
    let first = tx.one(statement::FIRST_ENDED, values, |row| row.get(0)).await?;
    Ok(first.map(Day::of))
}

async fn list(tx: &mut Tx<'_>, tenant: TenantId, from: Day, to: Day) -> Result<Vec<DayUsage>> {
    let values = values![tenant.as_bytes(), from.number(), to.number()];
    tx.all(statement::LIST, values, read).await
}

fn read(row: &Row<'_>) -> Result<DayUsage> {
    let model: String = row.get(1)?;
    Ok(DayUsage {
        day: Day::from_number(row.get(0)?),
        model: Some(model).filter(|model| !model.is_empty()),
        notebook: row.id(2, NotebookId::from_u128)?,
        counts: UsageCounts {
            answers: row.get(3)?,
            completed: row.get(4)?,
            stopped: row.get(5)?,
            failed: row.get(6)?,
            abandoned: row.get(7)?,
            prompt_tokens: row.get(8)?,
            completion_tokens: row.get(9)?,
            estimated: row.get(10)?,
            first_token: row.json(11)?,
            total: row.json(12)?,
            cost_micros: row.get(13)?,
            priced: row.get(14)?,
        },
    })
}
