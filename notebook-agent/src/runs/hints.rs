//! Hints that other processes have stored something.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use notebook_core::{RunId, TenantId, TenantScope};
use parking_lot::Mutex;
use tokio::sync::watch;

type Key = (TenantId, RunId);

/// Those who wait for hints, by run.
#[derive(Default)]
pub(super) struct Hints(Arc<Mutex<HashMap<Key, Weak<watch::Sender<()>>>>>);

impl Hints {
    /// Waits for hints of a run.
    pub(super) fn of(&self, scope: &TenantScope, run: RunId) -> Hint {
        let key = (scope.tenant(), run);
        let mut waiting = self.0.lock();
        let sender = waiting.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let sender = Arc::new(watch::Sender::new(()));
            waiting.insert(key, Arc::downgrade(&sender));
            sender
        });
        Hint { key, receiver: sender.subscribe(), sender: Some(sender), all: Arc::clone(&self.0) }
    }

    /// Gives a hint.
    pub(super) fn give(&self, tenant: TenantId, run: RunId) {
        let sender = self.0.lock().get(&(tenant, run)).and_then(Weak::upgrade);
        if let Some(sender) = sender {
            sender.send_replace(());
        }
    }

    /// Gives one to all.
    pub(super) fn give_all(&self) {
        let all: Vec<_> = self.0.lock().values().filter_map(Weak::upgrade).collect();
        for sender in all {
            sender.send_replace(());
        }
    }
}

/// One who waits.
pub(super) struct Hint {
    key: Key,
    receiver: watch::Receiver<()>,
    sender: Option<Arc<watch::Sender<()>>>,
    all: Arc<Mutex<HashMap<Key, Weak<watch::Sender<()>>>>>,
}

impl Hint {
    /// Hints so far are known.
    pub(super) fn take(&mut self) {
        self.receiver.mark_unchanged();
    }

    /// Waits for one that is not known.
    pub(super) async fn changed(&mut self) {
        // The sender lives as long as this does.
        let _ = self.receiver.changed().await;
    }
}

impl Drop for Hint {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        self.sender = None;
        if all.get(&self.key).is_some_and(|sender| sender.strong_count() == 0) {
            all.remove(&self.key);
        }
    }
}
