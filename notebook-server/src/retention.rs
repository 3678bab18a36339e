//! What is kept for a while only, as a job of every night.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use notebook_core::{
    Clock, Result, TenantScope,
    checkpoint::Checkpoints,
    queue::{
        JobError, Outcome,
        cron::Schedule,
        runner::{Ended, Handler, HandlerRule, Handlers, Work},
    },
    run_log::RunLog,
    webhook::WebhookStore,
};
use serde_json::{Value, json};

use crate::exports::Exports;

/// The kind of the job.
const RETENTION: &str = "retention";
/// How many runs are pruned in a transaction.
const TOGETHER: usize = 200;
/// How long a research may stand still that nobody ends: longer than any wait for people.
const STANDS: Duration = Duration::from_secs(40 * 86_400);
/// The most deliveries that are given a new job at once.
pub(crate) const RESUMED: usize = 1_000;

/// What is kept for a while only, and for how long.
pub(crate) struct Retention {
    pub(crate) exports: Arc<Exports>,
    pub(crate) log: Arc<dyn RunLog>,
    pub(crate) webhooks: Arc<dyn WebhookStore>,
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long the events of ended runs are kept.
    pub(crate) events: Duration,
    /// How long what was sent to webhooks is kept.
    pub(crate) deliveries: Duration,
}

/// What does the job.
pub(crate) fn handlers(retention: Retention) -> Handlers {
    let rule = HandlerRule { slots: Some(1), ..HandlerRule::default() };
    Handlers::new().with(RETENTION, rule, retention)
}

/// When it is done: at three in the night, and after a night in which no server ran.
pub(crate) fn schedule() -> Result<Schedule> {
    Schedule::new(RETENTION, "0 3 * * *", RETENTION, Value::Null)
}

#[async_trait]
impl Handler for Retention {
    async fn run(&self, work: Work) -> Ended {
        let ended = match self.prune(&work.scope, &work).await {
            Ok(Some(result)) => Outcome::completed(result),
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
    /// How much was pruned; none when the work is to be given back.
    async fn prune(&self, scope: &TenantScope, work: &Work) -> Result<Option<Value>> {
        let now = self.clock.now();
        let (events, deliveries) = (now.before(self.events), now.before(self.deliveries));
        // First what may still be sent.
        let resumed = self.webhooks.resume(scope, RESUMED).await?;
        let runs = all(work, || self.log.prune(scope, events, TOGETHER)).await?;
        let sent = || self.webhooks.prune_deliveries(scope, deliveries, TOGETHER);
        let sent = all(work, sent).await?;
        let left = || self.checkpoints.prune(scope, now.before(STANDS), TOGETHER);
        let left = all(work, left).await?;
        let Some(((runs, sent), left)) = runs.zip(sent).zip(left) else { return Ok(None) };
        // Last, for a blob store that does not answer must not keep the rows.
        let removed = self.exports.expire(scope, now).await?;
        Ok(Some(json!({
            "runs_pruned": runs,
            "deliveries_pruned": sent,
            "deliveries_resumed": resumed,
            "checkpoints_pruned": left,
            "files_removed": removed.files,
            "imports_discarded": removed.imports,
        })))
    }
}

/// Does a part of the work again and again until there is none left; none when it is to be given back.
async fn all<F: Future<Output = Result<usize>>>(
    work: &Work,
    part: impl Fn() -> F,
) -> Result<Option<usize>> {
    let mut done = 0;
    while !work.stop.is_cancelled() {
        match part().await? {
            0 => return Ok(Some(done)),
            some => done += some,
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use notebook_core::{
        checkpoint::memory::MemoryCheckpoints,
        clock::ManualClock,
        queue::{self, Queue as _, QueuePolicy, cron, memory::MemoryQueue, runner},
        store::{
            ConversationStore as _, NotebookStore as _, conformance::samples, memory::MemoryStore,
        },
    };

    use super::*;

    /// F3: what was sent to webhooks goes after its time, and what nobody sends is given a job.
    #[tokio::test]
    async fn f3_old_deliveries_are_deleted_by_the_nightly_job() {
        use notebook_core::{
            queue::{ClaimRequest, Finish, KindRule, WorkerId, Worklist as _, outbox::Outbox as _},
            webhook::{self, Event, EventType, SigningSecret, Webhook, rules},
        };

        let (scope, store) = (samples::tenant(), Arc::new(MemoryStore::new()));
        let (sent_at, month) = (samples::at(0), Duration::from_secs(30 * 86_400));
        let now = sent_at.after(month + Duration::from_secs(60));
        let clock = Arc::new(ManualClock::at(now));
        let queue = Arc::new(MemoryQueue::new(clock.clone(), QueuePolicy::default()));
        let outbox = queue::outbox::MemoryOutbox::new(store.clone(), queue.clone());
        let hook = Webhook {
            id: notebook_core::WebhookId::new(),
            url: "https://example.org/".into(),
            description: String::new(),
            events: EventType::ALL.into_iter().collect(),
            enabled: true,
            disabled: None,
            failing_since: None,
            created_at: sent_at,
            updated_at: sent_at,
        };
        let secret = SigningSecret::generate().unwrap();
        store.create_webhook(&scope, hook.clone(), secret).await.unwrap();
        let old = store.send(&scope, hook.id, Event::ping(hook.id, sent_at)).await.unwrap();
        let kinds = [(webhook::KIND.to_owned(), KindRule::default())].into();
        let request = ClaimRequest { worker: WorkerId::new(), kinds, per_tenant: None, max: 1 };
        let job = queue.claim(&request).await.unwrap().remove(0).job;
        let made = rules::unsent(old, sent_at);
        let outcome = Outcome::completed(Value::Null);
        let end = Finish { id: job.id, fence: job.fence, outcome };
        assert!(outbox.finish_delivery(&scope, end, made).await.unwrap());
        let pending = store.send(&scope, hook.id, Event::ping(hook.id, sent_at)).await.unwrap();
        queue.cancel(&scope, pending.job).await.unwrap();

        // Nothing was exported; what is removed of that has a store of its own here.
        let none = Arc::new(MemoryStore::new());
        let exports = Arc::new(crate::exports::tests::in_memory(&none, clock.clone()));
        let handlers = handlers(Retention {
            exports,
            log: store.clone(),
            webhooks: store.clone(),
            checkpoints: Arc::new(MemoryCheckpoints::new(clock.clone())),
            clock,
            events: month,
            deliveries: month,
        });
        let runner =
            runner::Runner::start(queue.clone(), handlers, Arc::default(), Default::default());
        let _runner = runner.unwrap();
        cron::fire(&*queue, &scope, &[schedule().unwrap()], None, now).await.unwrap();
        let page = || notebook_core::model::PageRequest::first(10);
        let left = loop {
            let left = store.deliveries(&scope, hook.id, page()).await.unwrap().items;
            if left.len() == 1 {
                break left;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(left[0].id, pending.id);
        assert_ne!(left[0].job, pending.job);
        assert!(!queue.job(&scope, left[0].job).await.unwrap().state.is_final());
    }

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
        let outcome = notebook_core::model::RunOutcome { state, events, answer: None, used: None };
        store.close(&scope, run.run.id, outcome).await.unwrap();

        let month = Duration::from_secs(30 * 86_400);
        let now = notebook_core::Timestamp::from_millis(ended.as_millis() + 31 * 86_400_000);
        let clock = Arc::new(ManualClock::at(now));
        let queue = Arc::new(MemoryQueue::new(clock.clone(), QueuePolicy::default()));
        let retention = Retention {
            exports: Arc::new(crate::exports::tests::in_memory(&store, clock.clone())),
            log: store.clone(),
            webhooks: store.clone(),
            checkpoints: Arc::new(MemoryCheckpoints::new(clock.clone())),
            clock,
            events: month,
            deliveries: month,
        };
        let handlers = handlers(retention);
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
