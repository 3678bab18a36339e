//! Hints that other processes have stored something.

use std::{collections::HashMap, sync::Arc};

use notebook_core::{RunId, TenantId, TenantScope};
use parking_lot::Mutex;
use tokio::sync::watch;

type Key = (TenantId, RunId);
/// A sender for each run that somebody waits for, and for no other.
type Waiting = Mutex<HashMap<Key, watch::Sender<()>>>;

/// Those who wait for hints, by run.
#[derive(Default)]
pub(super) struct Hints(Arc<Waiting>);

impl Hints {
    /// Waits for hints of a run.
    pub(super) fn of(&self, scope: &TenantScope, run: RunId) -> Hint {
        let key = (scope.tenant(), run);
        let receiver =
            self.0.lock().entry(key).or_insert_with(|| watch::Sender::new(())).subscribe();
        Hint { key, receiver: Some(receiver), all: Arc::clone(&self.0) }
    }

    /// Gives a hint.
    pub(super) fn give(&self, tenant: TenantId, run: RunId) {
        if let Some(sender) = self.0.lock().get(&(tenant, run)) {
            sender.send_replace(());
        }
    }

    /// Gives one to all.
    pub(super) fn give_all(&self) {
        for sender in self.0.lock().values() {
            sender.send_replace(());
        }
    }
}

/// One who waits.
pub(super) struct Hint {
    key: Key,
    /// There until it is dropped.
    receiver: Option<watch::Receiver<()>>,
    all: Arc<Waiting>,
}

impl Hint {
    /// Hints so far are known.
    pub(super) fn take(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            receiver.mark_unchanged();
        }
    }

    /// Waits for one that is not known.
    pub(super) async fn changed(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            // The sender stays as long as somebody waits.
            let _ = receiver.changed().await;
        }
    }
}

impl Drop for Hint {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        self.receiver = None;
        if all.get(&self.key).is_some_and(|sender| sender.receiver_count() == 0) {
            all.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[allow(clippy::disallowed_methods)]
    fn scope() -> TenantScope {
        TenantScope::authenticated(TenantId::new())
    }

    #[tokio::test]
    async fn hints_arrive_until_they_are_known() {
        let (hints, scope, run) = (Hints::default(), scope(), RunId::new());
        let (mut one, mut two) = (hints.of(&scope, run), hints.of(&scope, run));
        hints.give(scope.tenant(), RunId::new());
        hints.give(scope.tenant(), run);
        one.changed().await;
        two.take();
        hints.give_all();
        two.changed().await;
        drop(one);
        hints.give(scope.tenant(), run);
        two.changed().await;
        drop(two);
        assert!(hints.0.lock().is_empty());
    }

    /// Nothing is kept of a run that nobody waits for any more, also when a hint is given in that very moment.
    #[test]
    fn nothing_is_left_of_who_waited() {
        let (hints, scope, barrier) = (Hints::default(), scope(), Barrier::new(2));
        let runs: Vec<RunId> = (0..20_000).map(|_| RunId::new()).collect();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for run in &runs {
                    barrier.wait();
                    hints.give(scope.tenant(), *run);
                    hints.give_all();
                }
            });
            for run in &runs {
                let hint = hints.of(&scope, *run);
                barrier.wait();
                drop(hint);
            }
        });
        assert!(hints.0.lock().is_empty(), "{} are left", hints.0.lock().len());
    }
}
