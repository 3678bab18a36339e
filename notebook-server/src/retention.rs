//! What is kept for a while only, as a job of every night.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use notebook_core::{
    Clock, Result, TenantScope,
    queue::{
        JobError, Outcome,
        cron::Schedule,
        runner::{Ended, Handler, HandlerRule, Handlers, Work},
    },
    run_log::RunLog,
};
use serde_json::{Value, json};

use crate::exports::Exports;

/// The kind of the job.
const RETENTION: &str = "retention";
/// How many runs are pruned in a transaction.
const TOGETHER: usize = 200;

struct Retention {
    exports: Arc<Exports>,
    log: Arc<dyn RunLog>,
    clock: Arc<dyn Clock>,
    /// How long the events of ended runs are kept.
    events: Duration,
}

/// What does the job.
pub(crate) fn handlers(
    exports: Arc<Exports>,
    log: Arc<dyn RunLog>,
    clock: Arc<dyn Clock>,
    events: Duration,
) -> Handlers {
    let rule = HandlerRule { slots: Some(1), ..HandlerRule::default() };
    Handlers::new().with(RETENTION, rule, Retention { exports, log, clock, events })
}

/// When it is done: at three in the night, and after a night in which no server ran.
pub(crate) fn schedule() -> Result<Schedule> {
    Schedule::new(RETENTION, "0 3 * * *", RETENTION, Value::Null)
}

#[async_trait]
impl Handler for Retention {
    async fn run(&self, work: Work) -> Ended {
        let ended = match self.all(&work).await {
            Ok(Some(result)) => Outcome::Completed { result, follow_ups: Vec::new() },
            Ok(None) => Outcome::Released,
            Err(error) => Outcome::Failed {
                error: JobError {
                    code: error.kind().code().to_owned(),
                    message: error.to_string(),
                },
                not_before: Duration::from_secs(60),
            },
        };
        ended.into()
    }
}

impl Retention {
    /// What was removed; none when the work is to be given back.
    async fn all(&self, work: &Work) -> Result<Option<Value>> {
        let removed = self.exports.expire(&work.scope, self.clock.now()).await?;
        let pruned = self.prune(&work.scope, work).await?;
        Ok(pruned.map(|pruned| {
            json!({
                "runs_pruned": pruned,
                "files_removed": removed.files,
                "imports_discarded": removed.imports,
            })
        }))
    }

    /// How many runs were pruned; none when the work is to be given back.
    async fn prune(&self, scope: &TenantScope, work: &Work) -> Result<Option<usize>> {
        let before = self.clock.now().before(self.events);
        let mut pruned = 0;
        while !work.stop.is_cancelled() {
            match self.log.prune(scope, before, TOGETHER).await? {
                0 => return Ok(Some(pruned)),
                some => pruned += some,
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use notebook_core::{
        clock::ManualClock,
        queue::{Queue as _, QueuePolicy, cron, memory::MemoryQueue, runner},
        store::{
            ConversationStore as _, NotebookStore as _, conformance::samples, memory::MemoryStore,
        },
    };

    use super::*;

    /// Y14, S45: the nightly job deletes the events of old runs, once, and says how many.
    #[tokio::test]
    async fn s45_old_events_are_deleted_by_a_nightly_job() {
        let (scope, store) = (samples::tenant(), Arc::new(MemoryStore::new()));
        let notebook = store.create_notebook(&scope, samples::notebook()).await.unwrap();
        let new = samples::conversation(notebook.id);
        let conversation = store.create_conversation(&scope, new).await.unwrap();
        let run = samples::new_run(&conversation);
        store.open(&scope, run.clone()).await.unwrap();
        let mut events = samples::deltas(1, 4);
        events.push(samples::completed(5));
        let ended = events[4].at;
        let state = notebook_core::model::RunState::Completed;
        let outcome = notebook_core::model::RunOutcome { state, events, answer: None };
        store.close(&scope, run.run.id, outcome).await.unwrap();

        let month = Duration::from_secs(30 * 86_400);
        let now = notebook_core::Timestamp::from_millis(ended.as_millis() + 31 * 86_400_000);
        let clock = Arc::new(ManualClock::at(now));
        let queue = Arc::new(MemoryQueue::new(clock.clone(), QueuePolicy::default()));
        let exports = Arc::new(crate::exports::tests::in_memory(&store, clock.clone()));
        let handlers = handlers(exports, store.clone(), clock, month);
        let runner =
            runner::Runner::start(queue.clone(), handlers, Arc::default(), Default::default());
        let _runner = runner.unwrap();
        let schedules = [schedule().unwrap()];
        for _ in 0..3 {
            cron::fire(&*queue, &scope, &schedules, None, now).await.unwrap();
        }
        while store.events(&scope, run.run.id, 0, 10).await.unwrap().len() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let rest = store.events(&scope, run.run.id, 0, 10).await.unwrap();
        assert_eq!(rest, [samples::completed(5)]);
        assert!(queue.dead(&scope, 10).await.unwrap().is_empty());
    }
}
