//! What answers used, counted by the clock.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use notebook_core::{
    Clock, Result, TenantScope,
    queue::{
        JobError, Outcome,
        cron::Schedule,
        runner::{Ended, Handler, HandlerRule, Handlers, Work},
    },
    usage::{Day, UsageStore},
};
use serde_json::{Value, json};

/// The kind of the job.
const COUNT: &str = "usage.count";
/// How long after its end a day is counted for the last time: what ended in time may be stored late.
const LATE: Duration = Duration::from_secs(3_600);

struct Count {
    usage: Arc<dyn UsageStore>,
    clock: Arc<dyn Clock>,
}

/// What does the job.
pub(crate) fn handlers(usage: Arc<dyn UsageStore>, clock: Arc<dyn Clock>) -> Handlers {
    let rule = HandlerRule { slots: Some(1), ..HandlerRule::default() };
    Handlers::new().with(COUNT, rule, Count { usage, clock })
}

/// When it is done: each quarter of an hour, and once after a time in which no server ran.
pub(crate) fn schedule() -> Result<Schedule> {
    Schedule::new(COUNT, "*/15 * * * *", COUNT, Value::Null)
}

#[async_trait]
impl Handler for Count {
    async fn run(&self, work: Work) -> Ended {
        match self.count(&work.scope, &work).await {
            Ok(Some((days, answers))) => {
                Outcome::completed(json!({ "days": days, "answers": answers }))
            }
            Ok(None) => Outcome::Released,
            Err(error) => Outcome::Failed {
                error: JobError {
                    code: error.kind().code().to_owned(),
                    message: error.to_string(),
                },
                not_before: Duration::from_secs(60),
            },
        }
        .into()
    }
}

impl Count {
    /// Counts the days that are not closed, and closes those that are over. How many days and answers; none when the
    /// work is to be given back.
    async fn count(&self, scope: &TenantScope, work: &Work) -> Result<Option<(u64, u64)>> {
        let now = self.clock.now();
        let Some(mut day) = self.usage.first_open_day(scope).await? else {
            return Ok(Some((0, 0)));
        };
        let (mut days, mut answers) = (0, 0);
        while day <= Day::of(now) {
            if work.stop.is_cancelled() {
                return Ok(None);
            }
            let over = day.next().start().after(LATE) <= now;
            answers += self.usage.count_day(scope, day, over).await?.unwrap_or(0);
            days += 1;
            day = day.next();
        }
        Ok(Some((days, answers)))
    }
}

#[cfg(test)]
mod tests {
    use notebook_core::{
        Timestamp,
        clock::ManualClock,
        model::{EventBody, RunEvent, RunOutcome, RunState},
        queue::{JobState, NewJob, Queue as _, QueuePolicy, memory::MemoryQueue, runner},
        run_log::RunLog as _,
        store::{
            ConversationStore as _, NotebookStore as _, conformance::samples, memory::MemoryStore,
        },
    };

    use super::*;

    fn hours(hours: i64) -> Timestamp {
        Timestamp::from_millis(Day::from_number(20_000).start().as_millis() + hours * 3_600_000)
    }

    /// F4: days are counted as long as they go on and an hour longer; what is deleted then stays counted.
    #[tokio::test]
    async fn f4_days_are_counted_by_the_clock_and_closed() {
        let (scope, store) = (samples::tenant(), Arc::new(MemoryStore::new()));
        let clock = Arc::new(ManualClock::at(hours(20)));
        let queue = Arc::new(MemoryQueue::new(clock.clone(), QueuePolicy::default()));
        let bell = Arc::new(tokio::sync::Notify::new());
        let handlers = handlers(store.clone(), clock.clone());
        let runner =
            runner::Runner::start(queue.clone(), handlers, bell.clone(), Default::default());
        let _runner = runner.unwrap();
        let count = async || {
            let new = NewJob::new(COUNT, Value::Null);
            queue.insert(&scope, vec![new.clone()]).await.unwrap();
            bell.notify_one();
            loop {
                let job = queue.job(&scope, new.id).await.unwrap();
                if job.state == JobState::Completed {
                    return job.result.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        assert_eq!(count().await, json!({ "days": 0, "answers": 0 }));
        let ask = async |at: Timestamp| {
            let notebook = store.create_notebook(&scope, samples::notebook()).await.unwrap();
            let new = samples::conversation(notebook.id);
            let conversation = store.create_conversation(&scope, new).await.unwrap();
            let run = samples::new_run(&conversation);
            store.open(&scope, run.clone()).await.unwrap();
            let events = vec![RunEvent { seq: 1, at, body: EventBody::Stopped }];
            let outcome = RunOutcome { state: RunState::Stopped, events, answer: None, used: None };
            store.close(&scope, run.run.id, outcome).await.unwrap();
            notebook.id
        };
        let first = ask(hours(19)).await;
        assert_eq!(count().await, json!({ "days": 1, "answers": 1 }));
        // After midnight, and within the hour, both days are counted.
        clock.advance(Duration::from_secs(4 * 3_600 + 1_800));
        ask(hours(23)).await;
        ask(hours(24)).await;
        assert_eq!(count().await, json!({ "days": 2, "answers": 3 }));
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(count().await, json!({ "days": 2, "answers": 3 }));
        // Closed now.
        store.delete_notebook(&scope, first).await.unwrap();
        assert_eq!(count().await, json!({ "days": 1, "answers": 1 }));
        let day = Day::from_number(20_000);
        let kept = store.usage(&scope, day, day).await.unwrap();
        assert_eq!(kept.iter().map(|row| row.counts.answers).sum::<u64>(), 2);
    }
}
