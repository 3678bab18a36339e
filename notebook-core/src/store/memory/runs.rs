use async_trait::async_trait;

use super::{MemoryStore, StoredRun, Tenant};
use crate::{
    ConversationId, Error, ErrorKind, MessageId, Result, RunId, TenantScope, Timestamp,
    model::{Message, NewRun, Opened, Run, RunEvent, RunOutcome, RunState},
    queue::NewJob,
    run_log::{RunLog, rules},
    webhook::{Event, EventType},
};

#[async_trait]
impl RunLog for MemoryStore {
    async fn open(&self, scope: &TenantScope, new: NewRun) -> Result<Opened> {
        rules::check_new("open run", &new)?;
        self.with(scope, |tenant| open(tenant, new))
    }

    async fn run(&self, scope: &TenantScope, id: RunId) -> Result<Run> {
        self.with(scope, |tenant| Ok(tenant.run("read run", id)?.run.clone()))
    }

    async fn runs(
        &self,
        scope: &TenantScope,
        conversation: ConversationId,
        limit: usize,
    ) -> Result<Vec<Run>> {
        self.with(scope, |tenant| {
            tenant.conversation("list runs", conversation)?;
            let all = tenant.runs.values().rev().map(|stored| &stored.run);
            Ok(all.filter(|run| run.conversation == conversation).take(limit).cloned().collect())
        })
    }

    async fn start(&self, scope: &TenantScope, id: RunId) -> Result<()> {
        self.with(scope, |tenant| {
            let stored = tenant.run("start run", id)?;
            rules::check_open("start run", stored.run.state)?;
            stored.run.state = RunState::Running;
            Ok(())
        })
    }

    async fn append(&self, scope: &TenantScope, id: RunId, events: &[RunEvent]) -> Result<()> {
        self.with(scope, |tenant| {
            let stored = tenant.run("append events", id)?;
            rules::check_append("append events", stored.run.state, stored.last(), events)?;
            stored.events.extend_from_slice(events);
            Ok(())
        })
    }

    async fn close(&self, scope: &TenantScope, id: RunId, outcome: RunOutcome) -> Result<Run> {
        let (run, jobs) = self.close_run(scope, id, outcome)?;
        self.enqueue(scope, jobs);
        Ok(run)
    }

    async fn record(&self, scope: &TenantScope, new: NewRun, outcome: RunOutcome) -> Result<()> {
        rules::check_new("record run", &new)?;
        // Checked first: after the run is opened nothing can fail.
        rules::check_close("record run", &new.run, 0, &outcome)?;
        self.with(scope, |tenant| {
            if tenant.runs.contains_key(&new.run.id) {
                return Ok(());
            }
            if let Some(answer) = &outcome.answer {
                tenant.check_answer("record run", &new, answer)?;
            }
            let run = open(tenant, new)?.run().clone();
            tenant.run("record run", run.id)?.recorded = true;
            tenant.close("record run", run.id, outcome).map(drop)
        })
    }

    async fn answer(&self, scope: &TenantScope, id: RunId) -> Result<Option<Message>> {
        self.with(scope, |tenant| {
            let answer = tenant.run("read answer", id)?.run.answer;
            Ok(tenant.messages.get(&answer).cloned())
        })
    }

    async fn events(
        &self,
        scope: &TenantScope,
        id: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<RunEvent>> {
        self.with(scope, |tenant| {
            let stored = tenant.run("read events", id)?;
            let events = stored.events.iter().filter(|event| event.seq > after);
            Ok(events.take(limit).cloned().collect())
        })
    }

    async fn request_stop(&self, scope: &TenantScope, id: RunId) -> Result<Run> {
        self.with(scope, |tenant| {
            let run = &mut tenant.run("stop run", id)?.run;
            run.stop_requested |= !run.state.is_terminal();
            Ok(run.clone())
        })
    }

    async fn stopping(&self, scope: &TenantScope) -> Result<Vec<RunId>> {
        Ok(self.with(scope, |tenant| {
            let all = tenant.runs.values().map(|stored| &stored.run);
            let stopping = all.filter(|run| run.stop_requested && !run.state.is_terminal());
            stopping.map(|run| run.id).collect()
        }))
    }

    async fn prune(&self, scope: &TenantScope, before: Timestamp, limit: usize) -> Result<usize> {
        Ok(self.with(scope, |tenant| {
            let old = |stored: &&mut StoredRun| {
                stored.run.ended_at.is_some_and(|at| at < before) && stored.events.len() > 1
            };
            let all = tenant.runs.values_mut().filter(old).take(limit);
            all.map(|stored| drop(stored.events.drain(..stored.events.len() - 1))).count()
        }))
    }

    async fn unfinished(&self, scope: &TenantScope) -> Result<Vec<Run>> {
        Ok(self.with(scope, |tenant| {
            let all = tenant.runs.values().map(|stored| &stored.run);
            all.filter(|run| !run.state.is_terminal()).cloned().collect()
        }))
    }
}

impl MemoryStore {
    /// As [`RunLog::close`], with the jobs that tell of it.
    pub(crate) fn close_run(
        &self,
        scope: &TenantScope,
        id: RunId,
        outcome: RunOutcome,
    ) -> Result<(Run, Vec<NewJob>)> {
        self.with(scope, |tenant| {
            let run = tenant.close("close run", id, outcome.clone())?;
            let jobs = match EventType::of_state(run.state) {
                Some(kind) => tenant.tell(kind, || Event::of_run(kind, &run, &outcome)),
                None => Vec::new(),
            };
            Ok((run, jobs))
        })
    }
}

fn open(tenant: &mut Tenant, new: NewRun) -> Result<Opened> {
    const OPERATION: &str = "open run";
    let conversation = tenant.conversation(OPERATION, new.run.conversation)?;
    if conversation.notebook != new.run.notebook {
        return Err(Error::not_found(OPERATION, "notebook"));
    }
    if let Some(first) = tenant.first_with_key(&new) {
        return rules::repeated(OPERATION, first.run.clone(), &first.request_hash, &new);
    }
    if tenant.runs.contains_key(&new.run.id) {
        return Err(Error::new(ErrorKind::AlreadyExists, OPERATION).with("what", "run"));
    }
    let NewRun { run, question, idempotency_key, request_hash } = new;
    match question {
        Some(question) => tenant.add_message(OPERATION, &run, question)?,
        None if tenant.has_message(&run, run.question) => {}
        None => return Err(Error::not_found(OPERATION, "question")),
    }
    tenant.touch(&run, run.created_at);
    let stored = StoredRun {
        run: run.clone(),
        idempotency_key,
        request_hash,
        events: Vec::new(),
        used: None,
        recorded: false,
    };
    tenant.runs.insert(run.id, stored);
    Ok(Opened::Created(run))
}

impl StoredRun {
    fn last(&self) -> u64 {
        self.events.last().map_or(0, |event| event.seq)
    }
}

impl Tenant {
    fn close(&mut self, operation: &'static str, id: RunId, outcome: RunOutcome) -> Result<Run> {
        let stored = self.run(operation, id)?;
        let ended = rules::check_close(operation, &stored.run, stored.last(), &outcome)?;
        let run = Run { state: outcome.state, ended_at: Some(ended), ..stored.run.clone() };
        if let Some(answer) = outcome.answer {
            self.add_message(operation, &run, answer)?;
        }
        self.touch(&run, ended);
        let stored = self.run(operation, id)?;
        stored.run = run.clone();
        stored.events.extend(outcome.events);
        stored.used = outcome.used;
        Ok(run)
    }

    /// Whether an answer could be stored with a run that is not stored yet.
    fn check_answer(&self, operation: &'static str, new: &NewRun, answer: &Message) -> Result<()> {
        if self.messages.contains_key(&answer.id) {
            return Err(Error::new(ErrorKind::AlreadyExists, operation).with("what", "message"));
        }
        let asked = new.question.as_ref().map(|question| question.id);
        let known = |parent| Some(parent) == asked || self.has_message(&new.run, parent);
        if answer.parent.is_none_or(known) {
            return Ok(());
        }
        Err(Error::not_found(operation, "parent message"))
    }

    fn first_with_key(&self, new: &NewRun) -> Option<&StoredRun> {
        let key = new.idempotency_key.as_deref()?;
        self.runs.values().find(|stored| {
            stored.run.conversation == new.run.conversation
                && stored.idempotency_key.as_deref() == Some(key)
        })
    }

    fn has_message(&self, run: &Run, id: MessageId) -> bool {
        self.messages.get(&id).is_some_and(|message| message.conversation == run.conversation)
    }

    fn add_message(&mut self, operation: &'static str, run: &Run, message: Message) -> Result<()> {
        if self.messages.contains_key(&message.id) {
            return Err(Error::new(ErrorKind::AlreadyExists, operation).with("what", "message"));
        }
        if message.parent.is_some_and(|parent| !self.has_message(run, parent)) {
            return Err(Error::not_found(operation, "parent message"));
        }
        self.messages.insert(message.id, message);
        Ok(())
    }

    /// Moves `updated_at` of the run's conversation and notebook forward.
    fn touch(&mut self, run: &Run, at: Timestamp) {
        if let Some(conversation) = self.conversations.get_mut(&run.conversation) {
            conversation.updated_at = conversation.updated_at.max(at);
        }
        if let Some(notebook) = self.notebooks.get_mut(&run.notebook) {
            notebook.updated_at = notebook.updated_at.max(at);
        }
    }
}
