use async_trait::async_trait;

use super::{
    SqlStore, conversations, notebooks,
    statement::{
        conversations as conversation_statement, notebooks as notebook_statement, runs as statement,
    },
    webhooks,
};
use crate::{
    ConversationId, Error, ErrorKind, MessageId, NotebookId, Result, RunId, TenantId, TenantScope,
    Timestamp,
    model::{Message, NewRun, Opened, Run, RunEvent, RunOutcome, RunState},
    run_log::{RunLog, rules},
    sql::{
        self, Lock, Row, Tx, Value,
        codec::{json, name, number},
        values,
    },
    webhook::{Event, EventType},
};

#[async_trait]
impl RunLog for SqlStore {
    async fn open(&self, scope: &TenantScope, new: NewRun) -> Result<Opened> {
        rules::check_new("open run", &new)?;
        let input = (scope.tenant(), new);
        self.database
            .write(scope, "open run", input, |tx, (tenant, new)| Box::pin(open(tx, *tenant, new)))
            .await
    }

    async fn run(&self, scope: &TenantScope, id: RunId) -> Result<Run> {
        let input = (scope.tenant(), id);
        self.database
            .read(scope, "read run", input, |tx, (tenant, id)| Box::pin(find(tx, *tenant, *id)))
            .await
    }

    async fn runs(
        &self,
        scope: &TenantScope,
        conversation: ConversationId,
        limit: usize,
    ) -> Result<Vec<Run>> {
        let input = (scope.tenant(), conversation, limit);
        self.database
            .read(scope, "list runs", input, |tx, (tenant, conversation, limit)| {
                Box::pin(list(tx, *tenant, *conversation, *limit))
            })
            .await
    }

    async fn start(&self, scope: &TenantScope, id: RunId) -> Result<()> {
        let input = (scope.tenant(), id);
        self.database
            .write(scope, "start run", input, |tx, (tenant, id)| Box::pin(start(tx, *tenant, *id)))
            .await
    }

    async fn append(&self, scope: &TenantScope, id: RunId, events: &[RunEvent]) -> Result<()> {
        let input = (scope.tenant(), id, events.to_vec());
        self.database
            .write(scope, "append events", input, |tx, (tenant, id, events)| {
                Box::pin(append(tx, *tenant, *id, events))
            })
            .await
    }

    async fn close(&self, scope: &TenantScope, id: RunId, outcome: RunOutcome) -> Result<Run> {
        let input = (scope.tenant(), id, outcome);
        self.database
            .write(scope, "close run", input, |tx, (tenant, id, outcome)| {
                Box::pin(close(tx, *tenant, *id, outcome))
            })
            .await
    }

    async fn record(&self, scope: &TenantScope, new: NewRun, outcome: RunOutcome) -> Result<()> {
        rules::check_new("record run", &new)?;
        let input = (scope.tenant(), new, outcome);
        self.database
            .write(scope, "record run", input, |tx, (tenant, new, outcome)| {
                Box::pin(record(tx, *tenant, new, outcome))
            })
            .await
    }

    async fn answer(&self, scope: &TenantScope, id: RunId) -> Result<Option<Message>> {
        let input = (scope.tenant(), id);
        self.database
            .read(scope, "read answer", input, |tx, (tenant, id)| {
                Box::pin(answer(tx, *tenant, *id))
            })
            .await
    }

    async fn events(
        &self,
        scope: &TenantScope,
        id: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<RunEvent>> {
        let input = (scope.tenant(), id, after, limit);
        self.database
            .read(scope, "read events", input, |tx, (tenant, id, after, limit)| {
                Box::pin(events(tx, *tenant, *id, *after, *limit))
            })
            .await
    }

    async fn request_stop(&self, scope: &TenantScope, id: RunId) -> Result<Run> {
        let input = (scope.tenant(), id);
        self.database
            .write(scope, "stop run", input, |tx, (tenant, id)| {
                Box::pin(request_stop(tx, *tenant, *id))
            })
            .await
    }

    async fn stopping(&self, scope: &TenantScope) -> Result<Vec<RunId>> {
        self.database
            .read(scope, "list stopping runs", scope.tenant(), |tx, tenant| {
                Box::pin(stopping(tx, *tenant))
            })
            .await
    }

    async fn prune(&self, scope: &TenantScope, before: Timestamp, limit: usize) -> Result<usize> {
        let input = (scope.tenant(), before, limit);
        self.database
            .write(scope, "prune runs", input, |tx, (tenant, before, limit)| {
                Box::pin(prune(tx, *tenant, *before, *limit))
            })
            .await
    }

    async fn unfinished(&self, scope: &TenantScope) -> Result<Vec<Run>> {
        self.database
            .read(scope, "list unfinished runs", scope.tenant(), |tx, tenant| {
                Box::pin(unfinished(tx, *tenant))
            })
            .await
    }
}

pub(crate) async fn open(tx: &mut Tx<'_>, tenant: TenantId, new: &NewRun) -> Result<Opened> {
    let run = &new.run;
    // From the top down, as a deletion takes its rows: else the two could wait for each other.
    notebooks::keep(tx, tenant, run.notebook).await?;
    // Runs of a conversation are opened one after the other: a key is seen by the next that has it.
    let conversation = conversations::find_locked(tx, tenant, run.conversation).await?;
    if conversation.notebook != run.notebook {
        return Err(Error::not_found(tx.operation, "notebook"));
    }
    if let Some((first, hash)) = first_with_key(tx, tenant, new).await? {
        return rules::repeated(tx.operation, first, &hash, new);
    }
    if !insert(tx, tenant, new).await? {
        return Err(Error::new(ErrorKind::AlreadyExists, tx.operation).with("what", "run"));
    }
    match &new.question {
        Some(question) => add_message(tx, tenant, run, question).await?,
        None if has_message(tx, tenant, run, run.question).await? => {}
        None => return Err(Error::not_found(tx.operation, "question")),
    }
    touch(tx, tenant, run, run.created_at).await?;
    Ok(Opened::Created(run.clone()))
}

async fn start(tx: &mut Tx<'_>, tenant: TenantId, id: RunId) -> Result<()> {
    let run = find_locked(tx, tenant, id).await?;
    rules::check_open(tx.operation, run.state)?;
    set_state(tx, tenant, &Run { state: RunState::Running, ..run }).await
}

async fn append(tx: &mut Tx<'_>, tenant: TenantId, id: RunId, events: &[RunEvent]) -> Result<()> {
    let run = find_locked(tx, tenant, id).await?;
    let last = last_event(tx, tenant, id).await?;
    rules::check_append(tx.operation, run.state, last, events)?;
    insert_events(tx, tenant, id, events).await
}

async fn request_stop(tx: &mut Tx<'_>, tenant: TenantId, id: RunId) -> Result<Run> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    tx.execute(statement::REQUEST_STOP, values).await?;
    find(tx, tenant, id).await
}

async fn prune(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    before: Timestamp,
    limit: usize,
) -> Result<usize> {
    let mut pruned = 0;
    // Some have one event only, and are not counted: that there are none left is what nothing means.
    while pruned == 0 {
        let values = values![tenant.as_bytes(), before.as_millis(), sql::limit(limit)];
        let old = tx.all(statement::PRUNABLE, values, |row| row.id(0, RunId::from_u128)).await?;
        if old.is_empty() {
            break;
        }
        for id in &old {
            let values = values![tenant.as_bytes(), id.as_bytes()];
            pruned += usize::from(tx.execute(statement::PRUNE, values).await? > 0);
            tx.execute(statement::SET_PRUNED, values).await?;
        }
    }
    Ok(pruned)
}

async fn stopping(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<RunId>> {
    let values = values![tenant.as_bytes()];
    tx.all(statement::STOPPING, values, |row| row.id(0, RunId::from_u128)).await
}

pub(crate) async fn close(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: RunId,
    outcome: &RunOutcome,
) -> Result<Run> {
    let run = end(tx, tenant, id, outcome).await?;
    if let Some(kind) = EventType::of_state(run.state) {
        let wanting = webhooks::wanting(tx, tenant, kind).await?;
        webhooks::tell(tx, tenant, &Event::of_run(kind, &run, outcome), &wanting).await?;
    }
    Ok(run)
}

/// The same without telling webhooks.
async fn end(tx: &mut Tx<'_>, tenant: TenantId, id: RunId, outcome: &RunOutcome) -> Result<Run> {
    let notebook = find(tx, tenant, id).await?.notebook;
    notebooks::keep(tx, tenant, notebook).await?;
    let run = find_locked(tx, tenant, id).await?;
    let last = last_event(tx, tenant, id).await?;
    let ended = rules::check_close(tx.operation, &run, last, outcome)?;
    let run = Run { state: outcome.state, ended_at: Some(ended), ..run };
    if let Some(answer) = &outcome.answer {
        add_message(tx, tenant, &run, answer).await?;
    }
    insert_events(tx, tenant, id, &outcome.events).await?;
    set_state(tx, tenant, &run).await?;
    if let Some(used) = &outcome.used {
        let used = json(tx.operation, used)?;
        let values = values![used, tenant.as_bytes(), id.as_bytes()];
        tx.execute(statement::SET_USED, values).await?;
    }
    touch(tx, tenant, &run, ended).await?;
    Ok(run)
}

async fn record(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    new: &NewRun,
    outcome: &RunOutcome,
) -> Result<()> {
    let values = values![tenant.as_bytes(), new.run.id.as_bytes()];
    if tx.one(statement::SELECT, values, |_| Ok(())).await?.is_some() {
        return Ok(());
    }
    open(tx, tenant, new).await?;
    tx.execute(statement::SET_RECORDED, values).await?;
    // It ended long ago, elsewhere: nobody is told.
    end(tx, tenant, new.run.id, outcome).await.map(drop)
}

async fn find(tx: &mut Tx<'_>, tenant: TenantId, id: RunId) -> Result<Run> {
    let found = tx.one(statement::SELECT, values![tenant.as_bytes(), id.as_bytes()], read).await?;
    found.ok_or_else(|| Error::not_found(tx.operation, "run"))
}

/// The same; nobody else changes the run, nor its events, until the transaction ends.
async fn find_locked(tx: &mut Tx<'_>, tenant: TenantId, id: RunId) -> Result<Run> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    let found = tx.one_locked(Lock::Change, statement::SELECT, values, read).await?;
    found.ok_or_else(|| Error::not_found(tx.operation, "run"))
}

async fn list(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    conversation: ConversationId,
    limit: usize,
) -> Result<Vec<Run>> {
    conversations::find(tx, tenant, conversation).await?;
    let limit = sql::limit(limit);
    tx.all(statement::LIST, values![tenant.as_bytes(), conversation.as_bytes(), limit], read).await
}

async fn unfinished(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<Run>> {
    tx.all(statement::UNFINISHED, values![tenant.as_bytes()], read).await
}

async fn events(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: RunId,
    after: u64,
    limit: usize,
) -> Result<Vec<RunEvent>> {
    find(tx, tenant, id).await?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let values = values![tenant.as_bytes(), id.as_bytes(), after, sql::limit(limit)];
    tx.all(statement::LIST_EVENTS, values, read_event).await
}

async fn answer(tx: &mut Tx<'_>, tenant: TenantId, id: RunId) -> Result<Option<Message>> {
    let answer = find(tx, tenant, id).await?.answer;
    conversations::find_message(tx, tenant, answer).await
}

async fn first_with_key(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    new: &NewRun,
) -> Result<Option<(Run, String)>> {
    let Some(key) = &new.idempotency_key else { return Ok(None) };
    let values = values![tenant.as_bytes(), new.run.conversation.as_bytes(), *key];
    tx.one(statement::SELECT_BY_KEY, values, |row| Ok((read(row)?, row.get(9)?))).await
}

async fn insert(tx: &mut Tx<'_>, tenant: TenantId, new: &NewRun) -> Result<bool> {
    let run = &new.run;
    let changed = tx
        .execute(
            statement::INSERT,
            values![
                tenant.as_bytes(),
                run.id.as_bytes(),
                run.notebook.as_bytes(),
                run.conversation.as_bytes(),
                run.question.as_bytes(),
                run.answer.as_bytes(),
                name(tx.operation, run.state)?,
                run.created_at.as_millis(),
                run.ended_at.map(Timestamp::as_millis),
                run.stop_requested,
                new.idempotency_key,
                new.request_hash,
            ],
        )
        .await?;
    Ok(changed == 1)
}

async fn set_state(tx: &mut Tx<'_>, tenant: TenantId, run: &Run) -> Result<()> {
    let state = name(tx.operation, run.state)?;
    let ended = run.ended_at.map(Timestamp::as_millis);
    let values = values![state, ended, tenant.as_bytes(), run.id.as_bytes()];
    tx.execute(statement::UPDATE_STATE, values).await.map(drop)
}

async fn add_message(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    run: &Run,
    message: &Message,
) -> Result<()> {
    if let Some(parent) = message.parent
        && !has_message(tx, tenant, run, parent).await?
    {
        return Err(Error::not_found(tx.operation, "parent message"));
    }
    if conversations::insert_message(tx, tenant, message).await? {
        return Ok(());
    }
    Err(Error::new(ErrorKind::AlreadyExists, tx.operation).with("what", "message"))
}

async fn has_message(tx: &mut Tx<'_>, tenant: TenantId, run: &Run, id: MessageId) -> Result<bool> {
    let values = values![tenant.as_bytes(), run.conversation.as_bytes(), id.as_bytes()];
    let found = tx.one(conversation_statement::MESSAGE_EXISTS, values, |_| Ok(())).await?;
    Ok(found.is_some())
}

/// Moves `updated_at` of the run's conversation and notebook forward.
async fn touch(tx: &mut Tx<'_>, tenant: TenantId, run: &Run, at: Timestamp) -> Result<()> {
    let at = at.as_millis();
    let conversation = values![at, tenant.as_bytes(), run.conversation.as_bytes()];
    tx.execute(conversation_statement::TOUCH, conversation).await?;
    let notebook = values![at, tenant.as_bytes(), run.notebook.as_bytes()];
    tx.execute(notebook_statement::TOUCH, notebook).await.map(drop)
}

async fn last_event(tx: &mut Tx<'_>, tenant: TenantId, id: RunId) -> Result<u64> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    let last = tx.one(statement::LAST_EVENT, values, |row| row.get::<Option<u64>>(0)).await?;
    Ok(last.flatten().unwrap_or(0))
}

async fn insert_events(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: RunId,
    events: &[RunEvent],
) -> Result<()> {
    let encode = |event: &RunEvent| {
        let seq = number(tx.operation, "seq", event.seq)?;
        Ok((seq, event.at.as_millis(), json(tx.operation, &event.body)?))
    };
    let encoded = events.iter().map(encode).collect::<Result<Vec<_>>>()?;
    let rows: Vec<Vec<Value<'_>>> = encoded
        .iter()
        .map(|(seq, at, body)| values![tenant.as_bytes(), id.as_bytes(), *seq, *at, *body].to_vec())
        .collect();
    tx.execute_all(statement::INSERT_EVENT, statement::INSERT_EVENTS, &rows).await.map(drop)
}

fn read(row: &Row<'_>) -> Result<Run> {
    Ok(Run {
        id: row.id(0, RunId::from_u128)?,
        notebook: row.id(1, NotebookId::from_u128)?,
        conversation: row.id(2, ConversationId::from_u128)?,
        question: row.id(3, MessageId::from_u128)?,
        answer: row.id(4, MessageId::from_u128)?,
        state: row.name(5)?,
        created_at: row.get(6)?,
        ended_at: row.get(7)?,
        stop_requested: row.get(8)?,
    })
}

fn read_event(row: &Row<'_>) -> Result<RunEvent> {
    Ok(RunEvent { seq: row.get(0)?, at: row.get(1)?, body: row.json(2)? })
}
