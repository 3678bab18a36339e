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

/// In order, and as a set.
#[derive(Default)]
struct Waiting {
    order: VecDeque<(TenantScope, SourceId)>,
    ids: HashSet<SourceId>,
}

/// First in, first out; a source that waits already is not queued again.
#[derive(Default)]
pub(super) struct StageQueue {
    waiting: Mutex<Waiting>,
    added: Notify,
}

impl StageQueue {
    pub(super) fn push(&self, scope: &TenantScope, id: SourceId) {
        let mut waiting = self.waiting.lock();
        if waiting.ids.insert(id) {
            waiting.order.push_back((scope.clone(), id));
            self.added.notify_one();
        }
    }

    fn try_pop(&self) -> Option<(TenantScope, SourceId)> {
        let mut waiting = self.waiting.lock();
        let next = waiting.order.pop_front()?;
        waiting.ids.remove(&next.1);
        if !waiting.order.is_empty() {
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
}
