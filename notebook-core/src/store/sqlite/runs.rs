use async_trait::async_trait;
use rusqlite::params;

use super::{SqliteStore, conversations};
use crate::{
    ConversationId, Error, ErrorKind, MessageId, NotebookId, Result, RunId, TenantId, TenantScope,
    Timestamp,
    model::{Message, NewRun, Opened, Run, RunEvent, RunOutcome, RunState},
    run_log::{RunLog, rules},
    sqlite::{Row, Tx},
    store::sql::{
        self,
        codec::{json, name, number},
        conversations as conversation_statement, notebooks as notebook_statement,
        runs as statement,
    },
};

#[async_trait]
impl RunLog for SqliteStore {
    async fn open(&self, scope: &TenantScope, new: NewRun) -> Result<Opened> {
        rules::check_new("open run", &new)?;
        let tenant = scope.tenant();
        self.client.write("open run", move |tx| open(tx, tenant, &new)).await
    }

    async fn run(&self, scope: &TenantScope, id: RunId) -> Result<Run> {
        let tenant = scope.tenant();
        self.client.read("read run", move |tx| find(tx, tenant, id)).await
    }

    async fn runs(
        &self,
        scope: &TenantScope,
        conversation: ConversationId,
        limit: usize,
    ) -> Result<Vec<Run>> {
        let tenant = scope.tenant();
        self.client
            .read("list runs", move |tx| {
                conversations::find(tx, tenant, conversation)?;
                let limit = sql::limit(limit);
                let params = params![tenant.as_bytes(), conversation.as_bytes(), limit];
                tx.all(statement::LIST, params, read)
            })
            .await
    }

    async fn start(&self, scope: &TenantScope, id: RunId) -> Result<()> {
        let tenant = scope.tenant();
        self.client
            .write("start run", move |tx| {
                let run = find(tx, tenant, id)?;
                rules::check_open(tx.operation, run.state)?;
                set_state(tx, tenant, &Run { state: RunState::Running, ..run })
            })
            .await
    }

    async fn append(&self, scope: &TenantScope, id: RunId, events: &[RunEvent]) -> Result<()> {
        let tenant = scope.tenant();
        let events = events.to_vec();
        self.client
            .write("append events", move |tx| {
                let run = find(tx, tenant, id)?;
                let last = last_event(tx, tenant, id)?;
                rules::check_append(tx.operation, run.state, last, &events)?;
                insert_events(tx, tenant, id, &events)
            })
            .await
    }

    async fn close(&self, scope: &TenantScope, id: RunId, outcome: RunOutcome) -> Result<Run> {
        let tenant = scope.tenant();
        self.client.write("close run", move |tx| close(tx, tenant, id, &outcome)).await
    }

    async fn events(
        &self,
        scope: &TenantScope,
        id: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<RunEvent>> {
        let tenant = scope.tenant();
        self.client
            .read("read events", move |tx| {
                find(tx, tenant, id)?;
                let after = i64::try_from(after).unwrap_or(i64::MAX);
                let params = params![tenant.as_bytes(), id.as_bytes(), after, sql::limit(limit)];
                tx.all(statement::LIST_EVENTS, params, read_event)
            })
            .await
    }

    async fn unfinished(&self, scope: &TenantScope) -> Result<Vec<Run>> {
        let tenant = scope.tenant();
        self.client
            .read("list unfinished runs", move |tx| {
                tx.all(statement::UNFINISHED, params![tenant.as_bytes()], read)
            })
            .await
    }
}

fn open(tx: &Tx<'_>, tenant: TenantId, new: &NewRun) -> Result<Opened> {
    let run = &new.run;
    let conversation = conversations::find(tx, tenant, run.conversation)?;
    if conversation.notebook != run.notebook {
        return Err(Error::not_found(tx.operation, "notebook"));
    }
    if let Some((first, hash)) = first_with_key(tx, tenant, new)? {
        return rules::repeated(tx.operation, first, &hash, new);
    }
    if !insert(tx, tenant, new)? {
        return Err(Error::new(ErrorKind::AlreadyExists, tx.operation).with("what", "run"));
    }
    match &new.question {
        Some(question) => add_message(tx, tenant, run, question)?,
        None if has_message(tx, tenant, run, run.question)? => {}
        None => return Err(Error::not_found(tx.operation, "question")),
    }
    touch(tx, tenant, run, run.created_at)?;
    Ok(Opened::Created(run.clone()))
}

fn close(tx: &Tx<'_>, tenant: TenantId, id: RunId, outcome: &RunOutcome) -> Result<Run> {
    let run = find(tx, tenant, id)?;
    let last = last_event(tx, tenant, id)?;
    let ended = rules::check_close(tx.operation, &run, last, outcome)?;
    let run = Run { state: outcome.state, ended_at: Some(ended), ..run };
    if let Some(answer) = &outcome.answer {
        add_message(tx, tenant, &run, answer)?;
    }
    insert_events(tx, tenant, id, &outcome.events)?;
    set_state(tx, tenant, &run)?;
    touch(tx, tenant, &run, ended)?;
    Ok(run)
}

fn find(tx: &Tx<'_>, tenant: TenantId, id: RunId) -> Result<Run> {
    tx.one(statement::SELECT, params![tenant.as_bytes(), id.as_bytes()], read)?
        .ok_or_else(|| Error::not_found(tx.operation, "run"))
}

fn first_with_key(tx: &Tx<'_>, tenant: TenantId, new: &NewRun) -> Result<Option<(Run, String)>> {
    let Some(key) = &new.idempotency_key else { return Ok(None) };
    let params = params![tenant.as_bytes(), new.run.conversation.as_bytes(), key];
    tx.one(statement::SELECT_BY_KEY, params, |row| Ok((read(row)?, row.get(8)?)))
}

fn insert(tx: &Tx<'_>, tenant: TenantId, new: &NewRun) -> Result<bool> {
    let run = &new.run;
    let changed = tx.execute(
        statement::INSERT,
        params![
            tenant.as_bytes(),
            run.id.as_bytes(),
            run.notebook.as_bytes(),
            run.conversation.as_bytes(),
            run.question.as_bytes(),
            run.answer.as_bytes(),
            name(tx.operation, run.state)?,
            run.created_at.as_millis(),
            run.ended_at.map(Timestamp::as_millis),
            new.idempotency_key,
            new.request_hash,
        ],
    )?;
    Ok(changed == 1)
}

fn set_state(tx: &Tx<'_>, tenant: TenantId, run: &Run) -> Result<()> {
    let state = name(tx.operation, run.state)?;
    let ended = run.ended_at.map(Timestamp::as_millis);
    let params = params![state, ended, tenant.as_bytes(), run.id.as_bytes()];
    tx.execute(statement::UPDATE_STATE, params).map(drop)
}

fn add_message(tx: &Tx<'_>, tenant: TenantId, run: &Run, message: &Message) -> Result<()> {
    if let Some(parent) = message.parent
        && !has_message(tx, tenant, run, parent)?
    {
        return Err(Error::not_found(tx.operation, "parent message"));
    }
    if conversations::insert_message(tx, tenant, message)? {
        return Ok(());
    }
    Err(Error::new(ErrorKind::AlreadyExists, tx.operation).with("what", "message"))
}

fn has_message(tx: &Tx<'_>, tenant: TenantId, run: &Run, id: MessageId) -> Result<bool> {
    let params = params![tenant.as_bytes(), run.conversation.as_bytes(), id.as_bytes()];
    Ok(tx.one(conversation_statement::MESSAGE_EXISTS, params, |_| Ok(()))?.is_some())
}

/// Moves `updated_at` of the run's conversation and notebook forward.
fn touch(tx: &Tx<'_>, tenant: TenantId, run: &Run, at: Timestamp) -> Result<()> {
    let at = at.as_millis();
    let conversation = params![at, tenant.as_bytes(), run.conversation.as_bytes()];
    tx.execute(conversation_statement::TOUCH, conversation)?;
    let notebook = params![at, tenant.as_bytes(), run.notebook.as_bytes()];
    tx.execute(notebook_statement::TOUCH, notebook).map(drop)
}

fn last_event(tx: &Tx<'_>, tenant: TenantId, id: RunId) -> Result<u64> {
    let params = params![tenant.as_bytes(), id.as_bytes()];
    let last = tx.one(statement::LAST_EVENT, params, |row| row.optional(0))?;
    Ok(last.flatten().unwrap_or(0))
}

fn insert_events(tx: &Tx<'_>, tenant: TenantId, id: RunId, events: &[RunEvent]) -> Result<()> {
    for event in events {
        let seq = number(tx.operation, "seq", event.seq)?;
        let body = json(tx.operation, &event.body)?;
        let params = params![tenant.as_bytes(), id.as_bytes(), seq, event.at.as_millis(), body];
        tx.execute(statement::INSERT_EVENT, params)?;
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Run> {
    Ok(Run {
        id: row.id(0, RunId::from_u128)?,
        notebook: row.id(1, NotebookId::from_u128)?,
        conversation: row.id(2, ConversationId::from_u128)?,
        question: row.id(3, MessageId::from_u128)?,
        answer: row.id(4, MessageId::from_u128)?,
        state: row.name(5)?,
        created_at: row.time(6)?,
        ended_at: row.get::<Option<i64>>(7)?.map(Timestamp::from_millis),
    })
}

fn read_event(row: &Row<'_>) -> Result<RunEvent> {
    Ok(RunEvent { seq: row.unsigned(0)?, at: row.time(1)?, body: row.json(2)? })
}
