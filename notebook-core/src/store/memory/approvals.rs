use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    Clock as _, Error, Result, RunId, TenantScope,
    approval::{Answer, Approval, ApprovalId, ApprovalStore, NewApproval, rules},
    clock::SystemClock,
};

#[async_trait]
impl ApprovalStore for MemoryStore {
    async fn ask(&self, scope: &TenantScope, new: NewApproval) -> Result<Approval> {
        const ASK: &str = "ask for approval";
        rules::check(ASK, &new)?;
        let now = SystemClock.now();
        self.with(scope, |tenant| {
            tenant.forget_approvals();
            if !tenant.runs.contains_key(&new.run) {
                return Err(Error::not_found(ASK, "run"));
            }
            let wakes = new.wakes.clone();
            let asked = rules::asked(new, now);
            let same = |stored: &&(Approval, Option<String>)| {
                (stored.0.run, &stored.0.call) == (asked.run, &asked.call)
            };
            if let Some((stored, _)) = tenant.approvals.values().find(same) {
                return Ok(rules::at(rules::again(ASK, stored.clone(), &asked.digest)?, now));
            }
            tenant.approvals.insert(asked.id, (asked.clone(), wakes));
            Ok(rules::at(asked, now))
        })
    }

    async fn approval(&self, scope: &TenantScope, id: ApprovalId) -> Result<Approval> {
        self.with(scope, |tenant| {
            tenant.forget_approvals();
            let found = tenant.approvals.get(&id).map(|(found, _)| found.clone());
            let found = found.ok_or_else(|| Error::not_found("find approval", "approval"))?;
            Ok(rules::at(found, SystemClock.now()))
        })
    }

    async fn approvals(&self, scope: &TenantScope, run: RunId) -> Result<Vec<Approval>> {
        let now = SystemClock.now();
        Ok(self.with(scope, |tenant| {
            tenant.forget_approvals();
            let found = tenant.approvals.values().filter(|(found, _)| found.run == run);
            found.map(|(found, _)| rules::at(found.clone(), now)).collect()
        }))
    }

    async fn decide(
        &self,
        scope: &TenantScope,
        id: ApprovalId,
        answer: Answer,
    ) -> Result<Approval> {
        const DECIDE: &str = "decide approval";
        rules::check_answer(DECIDE, &answer)?;
        let now = SystemClock.now();
        let (decided, wakes) = self.with(scope, |tenant| {
            tenant.forget_approvals();
            let found = tenant.approvals.get_mut(&id);
            let (stored, wakes) = found.ok_or_else(|| Error::not_found(DECIDE, "approval"))?;
            let (decided, is_new) = rules::decided(DECIDE, stored.clone(), answer, now)?;
            if is_new {
                stored.clone_from(&decided);
            }
            Ok::<_, Error>((decided, wakes.clone().filter(|_| is_new)))
        })?;
        let queue = self.queue.lock().clone();
        if let (Some(queue), Some(key)) = (queue, wakes) {
            queue.wake(scope.tenant(), &key);
        }
        Ok(decided)
    }
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        approval::{Say, conformance},
        clock::ManualClock,
        queue::{JobState, NewJob, Queue as _, QueuePolicy, memory::MemoryQueue},
        run_log::RunLog as _,
        store::{ConversationStore as _, NotebookStore as _, conformance::samples},
    };

    #[tokio::test]
    async fn d5_memory_keeps_every_promise() {
        let store = MemoryStore::new();
        conformance::run_all(&store, &store, &store).await;
    }

    /// D5: the job that sleeps until somebody has answered is due with the answer.
    #[tokio::test]
    async fn d5_an_answer_wakes_the_job() {
        let (store, clock) = (MemoryStore::new(), Arc::new(ManualClock::default()));
        let queue = Arc::new(MemoryQueue::new(clock, QueuePolicy::default()));
        store.attach(queue.clone());
        let scope = samples::tenant();
        let notebook = store.create_notebook(&scope, samples::notebook()).await.unwrap();
        let conversation = samples::conversation(notebook.id);
        let conversation = store.create_conversation(&scope, conversation).await.unwrap();
        let run = store.open(&scope, samples::new_run(&conversation)).await.unwrap().run().id;
        let sleeping = |key: &str| NewJob {
            unique_key: Some(key.into()),
            delay: Duration::from_secs(60),
            ..NewJob::new("answer", serde_json::json!({}))
        };
        let jobs = vec![sleeping("run:1"), sleeping("run:2")];
        let ids = queue.insert(&scope, jobs).await.unwrap();
        let new = NewApproval {
            run,
            call: "c".into(),
            tool: "t".into(),
            arguments: "{}".into(),
            reason: String::new(),
            wait: Duration::from_secs(60),
            wakes: Some("run:1".into()),
        };
        let asked = store.ask(&scope, new).await.unwrap();
        let answer =
            Answer { say: Say::Refuse, digest: asked.digest, by: None, note: String::new() };
        store.decide(&scope, asked.id, answer).await.unwrap();
        assert_eq!(queue.job(&scope, ids[0]).await.unwrap().state, JobState::Available);
        assert_eq!(queue.job(&scope, ids[1]).await.unwrap().state, JobState::Scheduled);
    }
}
