//! Answers as jobs: any worker makes them, and another goes on when one is lost.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, NotebookId, Result, RunId, TenantScope,
    chat::ChatMessage,
    model::{EventBody, ModelSettings, NewRun, Opened, Run, RunState, Usage},
    queue::{
        Job, JobError, JobState, NewJob, Outcome, Priority,
        runner::{self, Ended, Handler, HandlerRule, Handlers},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::{info, warn};

#[cfg(feature = "tools")]
use super::early;
use super::{Chat, Inner, Work, flow};
use crate::runs::{Closing, RunWriter, interrupted};

/// The kind of the jobs that answer questions.
pub const ANSWER: &str = "answer";
/// The version of the payload of a research, which earlier programs would answer without tools.
const RESEARCH: u16 = 2;
/// How much longer than a run its job may take: to store its end on a slow disk.
const END: std::time::Duration = std::time::Duration::from_secs(60);

#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    run: RunId,
    /// What the message, its notebook and the server asked for when the question came.
    settings: ModelSettings,
    /// What was said before, where the client gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    history: Option<Vec<ChatMessage>>,
    /// What a research may use; none where it is a plain answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tools: Option<BTreeSet<String>>,
}

pub(super) fn key(run: RunId) -> String {
    format!("run:{run}")
}

impl Chat {
    /// What makes the answers, where they are jobs.
    #[must_use]
    pub fn handlers(&self) -> Handlers {
        let config = &self.0.config;
        let rule = HandlerRule {
            slots: Some(config.concurrent_runs),
            payload_version: RESEARCH,
            timeout: config.run_deadline + END,
            ..HandlerRule::default()
        };
        Handlers::new().with(ANSWER, rule, Answering(self.clone()))
    }

    /// Slots that a runner needs for as many answers at once as there may be.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.0.config.concurrent_runs
    }

    /// The run that a job answers; none when it does something else.
    #[must_use]
    pub fn run_of(&self, job: &Job) -> Option<RunId> {
        let payload = (job.kind == ANSWER).then(|| Payload::deserialize(&job.payload).ok())?;
        payload.map(|payload| payload.run)
    }

    /// Ends the runs that nobody works on: their jobs died with their workers, or an earlier version began them. To
    /// be called at a process's start, and now and then. Returns how many there were.
    ///
    /// # Errors
    /// Those of the store and the queue.
    pub async fn look_after(&self, scope: &TenantScope) -> Result<usize> {
        let Inner { runs, work, .. } = &*self.0;
        let mut closed = 0;
        for run in runs.log().unfinished(scope).await? {
            let held = match work {
                Work::Jobs { queue, .. } => queue.holder(scope, &key(run.id)).await?.is_some(),
                Work::Tasks => false,
            };
            if held || runs.is_live(scope, run.id) {
                continue;
            }
            match self.0.close_unheld(scope, &run, interrupted()).await {
                Ok(()) => {
                    self.0.forget(scope, run.id).await;
                    closed += 1;
                }
                // It ended, or was deleted, between the looks.
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(closed)
    }
}

impl Chat {
    /// Ends the work on the answers of a notebook that is
    /// [hidden](notebook_core::queue::outbox::Outbox::hide_notebook). Whether nobody works on one any more: a worker
    /// may need a moment to hear of it.
    ///
    /// # Errors
    /// Those of the store and the queue.
    pub async fn end_hidden(&self, scope: &TenantScope, notebook: NotebookId) -> Result<bool> {
        let Inner { runs, work, .. } = &*self.0;
        let mut ended = true;
        let unfinished = runs.log().unfinished(scope).await?;
        for run in unfinished.iter().filter(|run| run.notebook == notebook) {
            ended &= match work {
                Work::Jobs { queue, .. } => match queue.holder(scope, &key(run.id)).await? {
                    Some(job) => queue.cancel(scope, job.id).await?.state.is_final(),
                    None => true,
                },
                Work::Tasks => !runs.is_live(scope, run.id),
            };
        }
        Ok(ended)
    }
}

fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound)
}

impl Inner {
    /// Opens a run, with the job that answers it where answers are jobs.
    pub(super) async fn open(
        &self,
        scope: &TenantScope,
        run: NewRun,
        settings: &ModelSettings,
        history: Option<Vec<ChatMessage>>,
        tools: Option<BTreeSet<String>>,
    ) -> Result<Opened> {
        let Work::Jobs { outbox, bell, .. } = &self.work else {
            return self.runs.log().open(scope, run).await;
        };
        let payload_version = if tools.is_some() { RESEARCH } else { 1 };
        let settings = settings.clone();
        let payload = json!(Payload { run: run.run.id, settings, history, tools });
        let job = NewJob {
            payload_version,
            unique_key: Some(key(run.run.id)),
            priority: Priority::High,
            ..NewJob::new(ANSWER, payload)
        };
        let opened = outbox.open_run(scope, run, vec![job]).await?;
        bell.notify_one();
        Ok(opened)
    }

    pub(super) async fn stop(&self, scope: &TenantScope, id: RunId) -> Result<Run> {
        let run = self.runs.stop(scope, id).await?;
        let Work::Jobs { queue, .. } = &self.work else { return Ok(run) };
        if run.state.is_terminal() {
            return Ok(run);
        }
        // Nobody works on it: it is not begun, or waits for people. Where its job is cancelled before anybody does, it ends here.
        let Some(job) = queue.holder(scope, &key(id)).await? else { return Ok(run) };
        if job.state == JobState::Running
            || queue.cancel(scope, job.id).await?.state != JobState::Cancelled
        {
            return Ok(run);
        }
        match self.close_unheld(scope, &run, EventBody::Stopped).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            closed => closed?,
        }
        self.forget(scope, id).await;
        self.runs.log().run(scope, id).await
    }

    /// Ends a run that nobody works on, with what its checkpoint says that it used.
    async fn close_unheld(
        &self,
        scope: &TenantScope,
        run: &Run,
        terminal: EventBody,
    ) -> Result<()> {
        let used = self.used_so_far(scope, run.id).await.unwrap_or_else(|error| {
            // Its end is not to wait for that.
            warn!(run = %run.id, %error, "what a run has used that nobody works on is not known");
            None
        });
        self.runs.close_unheld(scope, run, terminal, used).await
    }

    #[cfg(feature = "tools")]
    async fn used_so_far(&self, scope: &TenantScope, run: RunId) -> Result<Option<Usage>> {
        let Some(research) = self.research.get() else { return Ok(None) };
        let found = research.checkpoints.read(scope, run).await?;
        found.map_or(Ok(None), |found| early::of_checkpoint(&found.body))
    }

    #[cfg(not(feature = "tools"))]
    async fn used_so_far(&self, _: &TenantScope, _: RunId) -> Result<Option<Usage>> {
        Ok(None)
    }

    /// Forgets where a research stood that has ended. What is left behind goes with its conversation, or with time.
    async fn forget(&self, scope: &TenantScope, run: RunId) {
        #[cfg(feature = "tools")]
        if let Some(research) = self.research.get()
            && let Err(error) = research.checkpoints.remove(scope, run).await
        {
            warn!(%run, %error, "the checkpoint of a run that has ended is left behind");
        }
        #[cfg(not(feature = "tools"))]
        let _ = (scope, run);
    }
}

struct Answering(Chat);

#[async_trait]
impl Handler for Answering {
    async fn run(&self, work: runner::Work) -> Ended {
        let Ok(payload) = serde_json::from_value::<Payload>(work.job.payload.clone()) else {
            return Outcome::Hopeless(JobError {
                code: "payload".into(),
                message: "The job's input is not that of an answer.".into(),
            })
            .into();
        };
        let (run, is_research) = (payload.run, payload.tools.is_some());
        let scope = work.scope.clone();
        match self.0.0.answer(payload, work).await {
            Ok(ended) => ended,
            // Deleted with its conversation, or ended by somebody else.
            Err(error) if is_gone(&error) => {
                info!(%run, %error, "an answer is not wanted any more");
                if is_research {
                    self.0.0.forget(&scope, run).await;
                }
                Outcome::Cancelled.into()
            }
            Err(error) => {
                warn!(%run, %error, "an answer could not be begun");
                let code = error.kind().code().to_owned();
                let reason = JobError { code, message: error.to_string() };
                Outcome::Failed { error: reason, not_before: std::time::Duration::ZERO }.into()
            }
        }
    }
}

impl Inner {
    async fn answer(self: &Arc<Self>, payload: Payload, work: runner::Work) -> Result<Ended> {
        let Work::Jobs { outbox, .. } = &self.work else {
            return Err(Error::new(ErrorKind::Internal, "answer"));
        };
        let scope = work.scope.clone();
        let run = self.runs.log().run(&scope, payload.run).await?;
        if run.state.is_terminal() {
            let result = json!({ "run": run.id, "state": run.state });
            return Ok(Outcome::completed(result).into());
        }
        #[cfg(feature = "tools")]
        if payload.tools.is_some()
            && let Some(wait) = self.waits(&scope, &run, work.job.snooze_count).await?
        {
            return Ok(Outcome::Snoozed(wait).into());
        }
        // A research has its own budget of time: that in which it waits for people does not count.
        let late = payload.tools.is_none()
            && self.clock.now().since(run.created_at) > self.config.run_deadline;
        if run.state == RunState::Running && late {
            // Whoever asked has long gone: what was written is kept.
            self.close_unheld(&scope, &run, interrupted()).await?;
            let result = json!({ "run": run.id, "state": RunState::Failed });
            return Ok(Outcome::completed(result).into());
        }
        let conversation = self.store.conversation(&scope, run.conversation).await?;
        let notebook = self.store.notebook(&scope, run.notebook).await?;
        let question = self.store.message(&scope, run.question).await?;
        let Payload { settings, history, tools, .. } = payload;
        let (is_research, fence) = (tools.is_some(), work.job.fence);
        #[cfg(feature = "tools")]
        let sleeps = work.job.snooze_count;
        let model = self.models.model(&scope, &settings);
        let stop = work.stop.clone();
        let closing = Closing::Job { outbox: outbox.clone(), work: Box::new(work) };
        let writer = self.runs.begin(&scope, &run, closing).await?;
        let produced = match model {
            Ok(model) => {
                let task = flow::Task {
                    notebook,
                    conversation,
                    question,
                    settings,
                    history,
                    model,
                    tools,
                    fence,
                };
                let given_back = watch(&writer, stop);
                let produced = flow::produce(self, &scope, task, writer).await;
                drop(given_back);
                produced
            }
            Err(error) => flow::refuse(writer, &error).await,
        };
        if is_research && matches!(produced, flow::Produced::Stored | flow::Produced::NotStored(_))
        {
            self.forget(&scope, payload.run).await;
        }
        Ok(match produced {
            flow::Produced::Stored => Ended::Stored,
            flow::Produced::NotStored(reason) => Outcome::Hopeless(reason).into(),
            flow::Produced::Released => Outcome::Released.into(),
            #[cfg(feature = "tools")]
            flow::Produced::Parked => {
                Outcome::Snoozed(self.pause(&scope, payload.run, sleeps).await?).into()
            }
            #[cfg(not(feature = "tools"))]
            flow::Produced::Parked => Outcome::Released.into(),
            flow::Produced::Again(error) => {
                let code = error.kind().code().to_owned();
                let reason = JobError { code, message: error.to_string() };
                Outcome::Failed { error: reason, not_before: std::time::Duration::ZERO }.into()
            }
        })
    }
}

/// Interrupts a run when its job is to be given back, until it is dropped.
fn watch(
    writer: &RunWriter,
    stop: tokio_util::sync::CancellationToken,
) -> tokio_util::task::AbortOnDropHandle<()> {
    let interrupt = writer.interrupter();
    tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        stop.cancelled().await;
        interrupt();
    }))
}
