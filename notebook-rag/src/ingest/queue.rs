use std::collections::{HashSet, VecDeque};

use notebook_core::{
    SourceId, TenantScope,
    model::{Source, Stage},
};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Sources waiting for each kind of worker, by id: the durable queue is the stage in the store.
#[derive(Default)]
pub(super) struct Queues {
    pub(super) parse: StageQueue,
    pub(super) index: StageQueue,
    pub(super) embed: StageQueue,
}

impl Queues {
    /// Queues a source for the worker of its stage.
    pub(super) fn push(&self, scope: &TenantScope, source: &Source) {
        match source.stage {
            Stage::Queued | Stage::Parse | Stage::Chunk => self.parse.push(scope, source.id),
            Stage::Index => self.index.push(scope, source.id),
            Stage::Embed => self.embed.push(scope, source.id),
            _ => {}
        }
    }
}

/// First in, first out; a source that waits already is not queued again.
#[derive(Default)]
pub(super) struct StageQueue {
    waiting: Mutex<(VecDeque<(TenantScope, SourceId)>, HashSet<SourceId>)>,
    added: Notify,
}

impl StageQueue {
    pub(super) fn push(&self, scope: &TenantScope, id: SourceId) {
        let mut waiting = self.waiting.lock();
        if waiting.1.insert(id) {
            waiting.0.push_back((scope.clone(), id));
            self.added.notify_one();
        }
    }

    fn try_pop(&self) -> Option<(TenantScope, SourceId)> {
        let mut waiting = self.waiting.lock();
        let next = waiting.0.pop_front()?;
        waiting.1.remove(&next.1);
        if !waiting.0.is_empty() {
            // Another worker may be asleep while more is waiting.
            self.added.notify_one();
        }
        Some(next)
    }

    pub(super) async fn pop(&self) -> (TenantScope, SourceId) {
        loop {
            if let Some(next) = self.try_pop() {
                return next;
            }
            self.added.notified().await;
        }
    }

    /// Waits for one, then takes up to `most` that wait already.
    pub(super) async fn pop_many(&self, most: usize) -> Vec<(TenantScope, SourceId)> {
        let mut taken = vec![self.pop().await];
        while taken.len() < most
            && let Some(next) = self.try_pop()
        {
            taken.push(next);
        }
        taken
    }
}
