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
    use std::sync::Arc;

    use super::*;
    use crate::{
        approval::conformance,
        queue::{QueuePolicy, memory::MemoryQueue},
    };

    #[tokio::test]
    async fn d5_memory_keeps_every_promise() {
        let store = MemoryStore::new();
        conformance::run_all(&store, &store, &store).await;
    }

    #[tokio::test]
    async fn d5_an_answer_wakes_the_job() {
        let (store, clock) = (MemoryStore::new(), Arc::new(SystemClock));
        let queue = Arc::new(MemoryQueue::new(clock, QueuePolicy::default()));
        store.attach(queue.clone());
        let asked = conformance::Asked { store: &store, log: &store, approvals: &store };
        conformance::an_answer_wakes_its_job(&asked, &*queue).await;
    }
}
